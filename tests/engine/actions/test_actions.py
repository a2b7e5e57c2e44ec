"""All actions: none is missing, none misnamed, and what they declare is true of AWS."""

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import STANDARD_TIMEOUT, ActionContext, Failed, Stage, Waiting
from engine.actions import ACTIONS, BY_NAME
from engine.document import RunbookRefused
from engine.validation import KNOWN_ACTIONS, examine
from infra.aws_models import operation_names, service_model, service_names
from tests.engine.actions.rig import answering, context_of

PERMISSIONS_OF_OTHER_NAMES = {"lambda:InvokeFunction": "lambda:Invoke"}
"""IAM actions that are not called like the operation they allow."""
CORPUS = Path(os.environ.get("PLAYBOOK_BOT_CORPUS", Path(__file__).parents[4] / "shared" / "corpus"))

DOCUMENTED = {
    "aws:approve": "Approvers NotificationArn Message MinRequiredApprovals",
    "aws:assertAwsResourceProperty": "Service Api PropertySelector DesiredValues",
    "aws:branch": "Choices Default",
    "aws:changeInstanceState": "InstanceIds CheckStateOnly DesiredState Force AdditionalInfo",
    "aws:copyImage": "SourceRegion SourceImageId ImageName ImageDescription Encrypted KmsKeyId ClientToken",
    "aws:createImage": "InstanceId ImageName ImageDescription NoReboot BlockDeviceMappings",
    "aws:createStack": (
        "StackName Capabilities ClientRequestToken DisableRollback NotificationARNs OnFailure Parameters ResourceTypes "
        "RoleARN StackPolicyBody StackPolicyURL Tags TemplateBody TemplateURL TimeoutInMinutes"
    ),
    "aws:createTags": "ResourceIds Tags ResourceType",
    "aws:deleteImage": "ImageId",
    "aws:deleteStack": "StackName ClientRequestToken RetainResources.member.1 RoleARN",
    "aws:executeAutomation": (
        "DocumentName DocumentVersion RuntimeParameters MaxConcurrency MaxErrors Tags TargetLocations TargetMaps "
        "TargetParameterName Targets"
    ),
    "aws:executeAwsApi": "Service Api",
    "aws:executeStateMachine": "stateMachineArn name input",
    "aws:invokeLambdaFunction": "FunctionName Qualifier InvocationType LogType ClientContext InputPayload Payload",
    "aws:invokeWebhook": "IntegrationName Body",
    "aws:loop": "Iterators IteratorDataType LoopCondition MaxIterations",
    "aws:pause": "",
    "aws:runCommand": (
        "DocumentName InstanceIds Targets Parameters CloudWatchOutputConfig Comment DocumentHash DocumentHashType "
        "NotificationConfig OutputS3BucketName OutputS3KeyPrefix ServiceRoleArn TimeoutSeconds"
    ),
    "aws:runInstances": (
        "ImageId InstanceType MinInstanceCount MaxInstanceCount AdditionalInfo BlockDeviceMappings ClientToken "
        "DisableApiTermination EbsOptimized IamInstanceProfileArn IamInstanceProfileName "
        "InstanceInitiatedShutdownBehavior KernelId KeyName Monitoring NetworkInterfaces Placement PrivateIpAddress "
        "RamdiskId SecurityGroups SecurityGroupIds SubnetId TagSpecifications UserData MetadataOptions"
    ),
    "aws:sleep": "Duration Timestamp",
    "aws:updateVariable": "Name Value",
    "aws:waitForAwsResourceProperty": "Service Api PropertySelector DesiredValues",
}
"""The inputs that the User Guide lists ("Systems Manager Automation actions reference")."""


def test_every_action_of_the_guide_is_there() -> None:
    """Twenty-three; aws:executeScript lives where scripts are run."""
    assert set(KNOWN_ACTIONS) - {"aws:executeScript"} <= set(BY_NAME) <= set(KNOWN_ACTIONS)
    assert set(DOCUMENTED) | {"aws:executeScript"} == set(KNOWN_ACTIONS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
class TestEveryAction:
    """What holds for each of them."""

    def test_it_lives_where_its_name_says(self, action: Any) -> None:
        """aws:runCommand is RunCommand in run_command.py."""
        name = action.name.removeprefix("aws:")
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)

        module = importlib.import_module(f"engine.actions.{snake}")
        assert type(action) is getattr(module, name[0].upper() + name[1:])

    def test_its_permissions_exist(self, action: Any) -> None:
        """Every IAM action it needs is an operation that botocore knows."""
        prefixes: dict[str, set[str]] = {}
        for service in service_names():
            if service in ("ec2", "ssm", "cloudformation", "stepfunctions", "lambda", "kms", "sns"):
                prefix = service_model(service).metadata["endpointPrefix"]
                prefixes.setdefault(prefix, set()).update(operation_names(service))

        for permission in action.permissions:
            prefix, _, operation = PERMISSIONS_OF_OTHER_NAMES.get(permission, permission).partition(":")
            assert operation in prefixes[prefix]

    def test_it_takes_the_guides_inputs(self, action: Any) -> None:
        """Each documented input has a field, or passes through to the operation."""
        fields = {field.alias or name for name, field in action.Inputs.model_fields.items()}
        takes_more = action.Inputs.model_config.get("extra") == "allow"
        for field in action.Inputs.model_fields.values():
            fields |= set(getattr(field.validation_alias, "choices", []))

        missing = set(DOCUMENTED.get(action.name, "").split()) - fields
        assert takes_more or not missing

    def test_its_time_is_limited_where_it_polls(self, action: Any) -> None:
        """Only what waits for people, children or nothing has no limit of its own."""
        endless = {"aws:branch", "aws:pause", "aws:sleep", "aws:updateVariable", "aws:loop", "aws:executeAutomation"}

        assert (action.default_timeout is None) == (action.name in endless)
        if action.default_timeout is not None and action.name != "aws:approve":
            assert action.default_timeout <= STANDARD_TIMEOUT

    def test_nonsense_is_refused_or_failed_and_never_raised(self, action: Any) -> None:
        """Unknown inputs, empty inputs, inputs of wrong types: a validation error or a failed step."""
        wrong = {name: [{"a": [None]}] for name in DOCUMENTED.get(action.name, "x").split()}
        for nonsense in ({}, {"Xyzzy": 1}, wrong):
            try:
                inputs = action.Inputs.model_validate(nonsense)
            except ValidationError:
                continue
            context: ActionContext = context_of(answering())
            assert isinstance(action.run(inputs, context), (Failed, Waiting))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of runbooks is not here (PLAYBOOK_BOT_CORPUS)")
def test_every_runbook_uses_inputs_that_are_known() -> None:
    """No step of AWS's own runbooks has an input that its action would refuse by name."""
    unknown = set()
    for file in sorted((CORPUS / "aws-owned").glob("*.json")):
        try:
            document = examine(file.read_text(encoding="utf-8"), name=file.stem).document
        except RunbookRefused:
            continue
        for step in document.all_steps() if document else ():
            unknown |= {f"{file.stem}: {step.action}: {name}" for name in _unknown(step.action, step.inputs)}

    assert unknown == set()


def _unknown(name: str, inputs: Any) -> set[str]:
    action = BY_NAME.get(name)
    if action is None or name == "aws:loop":
        return set()
    try:
        action.Inputs.model_validate(dict(inputs))
    except ValidationError as error:
        return {str(finding["loc"][0]) for finding in error.errors() if finding["type"] == "extra_forbidden"}
    return set()


def test_stages_are_ssms() -> None:
    """FailureStage and FailureType are strings that SSM documents."""
    assert {str(stage) for stage in Stage} == {"InputValidation", "PreVerification", "Invocation", "PostVerification"}
