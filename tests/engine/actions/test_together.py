"""Actions within a runbook: what one puts out, the next takes in, from start to end against a whole AWS."""

from collections.abc import Mapping
from datetime import timedelta

from audit.events import Actor
from engine.actions import BY_NAME
from engine.document import Document
from engine.execution import Execution, Status
from engine.foreground import Foreground
from engine.performing import AwsFor, Performer
from engine.protocol import StartOrder
from engine.validation import parse
from infra.aws import AwsSession
from infra.canonical import Json
from tests.fakes.clock import ManualClock

LEE = Actor("person", "person:lee", "Lee")
CLONE = """
schemaVersion: '0.3'
parameters:
  InstanceId: {type: 'AWS::EC2::Instance::Id'}
  SubnetId: {type: String, default: ''}
variables:
  State: {type: String, default: unknown}
mainSteps:
- name: backup
  action: aws:createImage
  inputs: {InstanceId: '{{ InstanceId }}', ImageName: 'backup-{{ automation:EXECUTION_ID }}', NoReboot: true}
- name: launch
  action: aws:runInstances
  onFailure: step:drop
  inputs: {ImageId: '{{ backup.ImageId }}', InstanceType: t3.micro, SubnetId: '{{ SubnetId }}'}
- name: tag
  action: aws:createTags
  inputs:
    ResourceIds: ['{{ launch.InstanceIds }}']
    Tags: [{Key: Origin, Value: '{{ InstanceId }}'}]
- name: command
  action: aws:runCommand
  inputs: {DocumentName: AWS-RunShellScript, InstanceIds: '{{ launch.InstanceIds }}', Parameters: {commands: uptime}}
- name: stop
  action: aws:changeInstanceState
  inputs: {InstanceIds: '{{ launch.InstanceIds }}', DesiredState: stopped}
- name: look
  action: aws:executeAwsApi
  inputs: {Service: EC2, Api: describeInstances, InstanceIds: '{{ launch.InstanceIds }}'}
  outputs: [{Name: State, Selector: '$.Reservations..Instances..State.Name', Type: String}]
- name: note
  action: aws:updateVariable
  inputs: {Name: 'variable:State', Value: '{{ look.State }}'}
- name: check
  action: aws:assertAwsResourceProperty
  inputs:
    Service: ec2
    Api: DescribeTags
    Filters: [{Name: resource-id, Values: ['{{ launch.InstanceIds }}']}]
    PropertySelector: '$.Tags[0].Value'
    DesiredValues: ['{{ InstanceId }}']
- name: drop
  action: aws:deleteImage
  inputs: {ImageId: '{{ backup.ImageId }}'}
outputs: [launch.InstanceIds, look.State, command.Status]
"""
FAR = """
schemaVersion: '0.3'
mainSteps:
- name: everywhere
  action: aws:executeAutomation
  inputs: {DocumentName: Look, TargetLocations: [{Accounts: ['111122223333'], Regions: [us-east-1]}]}
"""


LOOK = """
schemaVersion: '0.3'
mainSteps:
- name: look
  action: aws:executeAwsApi
  inputs: {Service: ec2, Api: DescribeInstances}
"""


class _Shelf:
    """A library of one document."""

    def find(self, name: str, version: str) -> Document:
        """Always the same."""
        return parse(LOOK, name=name, version=version or "1")


def run(moto: AwsSession, text: str, parameters: Mapping[str, Json], aws_for: AwsFor | None = None) -> Execution:
    """Run a runbook to its end; a clock by hand, nobody waits."""
    clock = ManualClock()
    engine = Foreground(
        actions=BY_NAME,
        performer=Performer(BY_NAME, aws_for or (lambda _: moto), clock),
        clock=clock,
        pause=lambda seconds: clock.advance(timedelta(seconds=seconds)),
        documents=_Shelf(),
    )
    order = StartOrder(parse(text, name="test"), parameters, LEE, "eu-west-1", "123456789012", "aws")
    state = engine.run(order, lambda _: None)
    engine.close()
    return state


def test_a_runbook_of_many_actions_runs_to_its_end(moto: AwsSession, instance: str) -> None:
    """Image, instance, tags, command, state, look, variable, assertion, deletion."""
    state = run(moto, CLONE, {"InstanceId": instance})

    assert (state.status, state.failure_message) == (Status.SUCCESS, "")
    assert state.outputs["look.State"] == "stopped"
    assert state.outputs["command.Status"] == "Success"
    assert state.variables == {"State": "stopped"}
    assert [step.name for step in state.steps] == [
        "backup", "launch", "tag", "command", "stop", "look", "note", "check", "drop",
    ]  # fmt: skip


def test_a_failure_reads_as_aws_writes_it(moto: AwsSession, instance: str) -> None:
    """What was being done, AWS's own sentence, and where to read on; the clean-up has run."""
    state = run(moto, CLONE, {"InstanceId": instance, "SubnetId": "subnet-0123456789abcdef0"})

    assert state.status is Status.FAILED
    assert state.failure_message.startswith(
        "Step fails when it is launching the instance(s). An error occurred (InvalidSubnetID.NotFound)"
    )
    assert state.failure_message.endswith("for more diagnosis details.")
    assert state.steps[-1].name == "drop"
    assert state.steps[-1].status is Status.SUCCESS


def test_a_child_elsewhere_runs_there_as_another_role(moto: AwsSession) -> None:
    """TargetLocations name other accounts and Regions: the child is an execution there, under the execution role."""
    seen: list[tuple[str, str, str]] = []

    def aws_for(state: Execution) -> AwsSession:
        seen.append((state.account, state.region, state.assume_role))
        return moto

    state = run(moto, FAR, {}, aws_for)

    assert (state.status, state.failure_message) == (Status.SUCCESS, "")
    role = "arn:aws:iam::111122223333:role/AWS-SystemsManager-AutomationExecutionRole"
    assert ("111122223333", "us-east-1", role) in seen
