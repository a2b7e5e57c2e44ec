"""What each action publishes by itself, beside the outputs that a step declares. Pure.

Source: SSM User Guide, "Automation actions reference", the output section of each action; `OutputPayload`, `NextStep`
and `InstanceStates` as AWS's own runbooks use them.
"""

from collections.abc import Mapping
from typing import Final

from engine.document import Step

IMPLICIT: Final[Mapping[str, frozenset[str]]] = {
    action: frozenset(names.split())
    for action, names in {
        "aws:approve": "ApprovalStatus ApproverDecisions",
        "aws:assertAwsResourceProperty": "",
        "aws:branch": "NextStep",
        "aws:changeInstanceState": "InstanceStates",
        "aws:copyImage": "ImageId ImageState",
        "aws:createImage": "ImageId ImageState",
        "aws:createStack": "StackId StackStatus StackStatusReason",
        "aws:createTags": "",
        "aws:deleteImage": "",
        "aws:deleteStack": "",
        "aws:executeAutomation": "Output ExecutionId Status",
        "aws:executeAwsApi": "OutputPayload",
        "aws:executeScript": "Payload OutputPayload",
        "aws:executeStateMachine": "executionArn input name output startDate stateMachineArn status stopDate",
        "aws:invokeLambdaFunction": "StatusCode FunctionError LogResult Payload OutputPayload",
        "aws:invokeWebhook": "Response ResponseCode",
        "aws:loop": "CurrentIteration CurrentIteratorValue",
        "aws:pause": "",
        "aws:runCommand": "CommandId Status ResponseCode Output OutputPayload",
        "aws:runInstances": "InstanceIds InstanceStates",
        "aws:sleep": "",
        "aws:updateVariable": "",
        "aws:waitForAwsResourceProperty": "",
    }.items()
}
WITHOUT_OUTPUTS: Final = frozenset(
    {
        "aws:assertAwsResourceProperty", "aws:branch", "aws:createTags", "aws:deleteImage", "aws:deleteStack",
        "aws:loop", "aws:pause", "aws:sleep", "aws:updateVariable", "aws:waitForAwsResourceProperty",
    }
)  # fmt: skip
"""Actions whose declared outputs stay empty: there is nothing to select from."""


def outputs_of(step: Step) -> frozenset[str] | None:
    """Names of everything that a step may publish; None for an action that nobody knows."""
    implicit = IMPLICIT.get(step.action)
    return implicit | {output.name for output in step.outputs} if implicit is not None else None
