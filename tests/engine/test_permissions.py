import json
from typing import Any

import pytest

from engine.actions import BY_NAME
from engine.document import Document, RunbookRefused, Step
from engine.parameters import ParametersInvalid
from engine.permissions import permissions_of, some_parameters
from engine.role_policy import trust_policy
from engine.step_calls import calls_of
from engine.validation import parse
from infra.aws_models import operation_model
from infra.iam_actions import iam_actions
from infra.iam_resources import Where
from tests.engine.corpus import needs_corpus, runbooks
from tests.infra.test_iam_resources import reference

HERE = Where("aws", "eu-west-1", "111122223333")


def document(*steps: dict[str, Any], **parameters: dict[str, Any]) -> Document:
    """A runbook of these steps."""
    named = [{"name": f"s{number}", **step} for number, step in enumerate(steps)]
    tree = {"schemaVersion": "0.3", "parameters": parameters, "mainSteps": named}
    return parse(json.dumps(tree), name="book")


def state_is_open(step: dict[str, Any]) -> Document:
    """A runbook of one step, with a parameter State that may be anything."""
    return document(step, State={"type": "String"})


def api(service: str, operation: str, **params: Any) -> dict[str, Any]:
    """An aws:executeAwsApi step."""
    return {"action": "aws:executeAwsApi", "inputs": {"Service": service, "Api": operation, **params}}


def statements(*steps: dict[str, Any], **parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of the policy."""
    found: list[dict[str, Any]] = permissions_of(document(*steps, **parameters), where=HERE).policy["Statement"]
    return found


def test_calls_become_iam_actions_on_their_resources() -> None:
    """One statement for each set of resources; what is allowed on everything comes last."""
    found = statements(
        api("EC2", "stop_instances", InstanceIds=["{{ InstanceId }}"]),
        api("ec2", "DescribeInstances"),
        api("s3", "ListObjectsV2", Bucket="b"),
        api("lambda", "Invoke", FunctionName="f"),
        api("elbv2", "DescribeTargetHealth", TargetGroupArn="x"),
        InstanceId={"type": "String"},
    )

    assert found == [
        {"Effect": "Allow", "Action": ["ec2:StopInstances"],
         "Resource": "arn:aws:ec2:eu-west-1:111122223333:instance/*"},
        {"Effect": "Allow", "Action": ["lambda:InvokeFunction"],
         "Resource": ["arn:aws:lambda:eu-west-1:111122223333:function:f",
                      "arn:aws:lambda:eu-west-1:111122223333:function:f:*"]},
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::b"},
        {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "elasticloadbalancing:DescribeTargetHealth"],
         "Resource": "*"},
    ]  # fmt: skip


def test_parameters_narrow_to_one_way_of_starting() -> None:
    """What the start gives, and what the document allows; a default is only a proposal."""
    book = document(
        api("rds", "RebootDBInstance", DBInstanceIdentifier="{{ Id }}"),
        api("ecs", "UpdateCluster", cluster="{{ Cluster }}"),
        api("sns", "Publish", TopicArn="{{ Topic }}"),
        Id={"type": "String"},
        Cluster={"type": "String", "allowedValues": ["blue", "green"]},
        Topic={"type": "String", "default": "arn:aws:sns:eu-west-1:111122223333:t"},
    )
    found = permissions_of(book, parameters=some_parameters(book, {"Id": ["db1"]}), where=HERE).policy["Statement"]

    assert [statement["Resource"] for statement in found] == [
        ["arn:aws:ecs:eu-west-1:111122223333:cluster/blue", "arn:aws:ecs:eu-west-1:111122223333:cluster/green"],
        "arn:aws:rds:eu-west-1:111122223333:db:db1",
        "arn:aws:sns:eu-west-1:111122223333:*",
    ]


def test_parameters_that_do_not_fit_are_refused() -> None:
    """Unknown names with a suggestion, wrong values with their rule."""
    book = document(api("ec2", "DescribeInstances"), InstanceId={"type": "AWS::EC2::Instance::Id"})

    with pytest.raises(ParametersInvalid, match=r'"Instanceid" is not declared by book\. Did you mean "InstanceId"\?'):
        some_parameters(book, {"Instanceid": "i-1"})
    with pytest.raises(ParametersInvalid, match="InstanceId"):
        some_parameters(book, {"InstanceId": "nonsense"})


def test_a_role_that_is_handed_on_must_be_passed() -> None:
    """iam:PassRole on that role, only to that service; not for reading, assuming, or IAM's own work."""
    found = statements(
        api("lambda", "CreateFunction", FunctionName="f", Role="arn:aws:iam::111122223333:role/l"),
        api("ec2", "RunInstances", IamInstanceProfile={"Name": "p"}, TagSpecifications=[{"Tags": []}]),
        api("iam", "DeleteRole", RoleName="r"),
        api("sts", "AssumeRole", RoleArn="arn:aws:iam::111122223333:role/other", RoleSessionName="x"),
    )
    passed = [statement for statement in found if statement["Action"] == ["iam:PassRole"]]

    assert [(each["Resource"], each["Condition"]["StringEquals"]["iam:PassedToService"]) for each in passed] == [
        ("arn:aws:iam::111122223333:role/*", "ec2.amazonaws.com"),
        ("arn:aws:iam::111122223333:role/l", "lambda.amazonaws.com"),
    ]
    assert "ec2:CreateTags" in found[-1]["Action"]


def test_every_action_of_the_engine_is_covered() -> None:
    """What an action class says it needs and what its calls need are the same."""
    inputs: dict[str, dict[str, Any]] = {
        "aws:changeInstanceState": {"InstanceIds": ["i-1"], "DesiredState": "{{ State }}"},
        "aws:copyImage": {"SourceImageId": "ami-1", "SourceRegion": "us-east-1", "ImageName": "n"},
        "aws:createImage": {"InstanceId": "i-1", "ImageName": "n"},
        "aws:createStack": {"StackName": "s", "TemplateBody": "{}"},
        "aws:deleteImage": {"ImageId": "ami-1"},
        "aws:deleteStack": {"StackName": "s"},
        "aws:executeStateMachine": {"stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:m"},
        "aws:invokeLambdaFunction": {"FunctionName": "f"},
        "aws:invokeWebhook": {"IntegrationName": "w"},
        "aws:runCommand": {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"]},
    }
    for name, each in inputs.items():
        needed = {need.action for need in permissions_of(state_is_open({"action": name, "inputs": each})).needs}
        assert needed == set(BY_NAME[name].permissions), name


def test_a_state_that_is_known_needs_one_call() -> None:
    """Stopping needs no right to terminate."""
    step = Step("s", "aws:changeInstanceState")

    assert [call.name for call in calls_of(step, {"InstanceIds": ["i"], "DesiredState": "stopped"})] == [
        "ec2:StopInstances",
        "ec2:DescribeInstanceStatus",
    ]
    assert [call.name for call in calls_of(step, {"DesiredState": "stopped", "CheckStateOnly": "true"})] == [
        "ec2:DescribeInstanceStatus"
    ]


def test_scripts_are_read() -> None:
    """Their boto3 calls count; what cannot be read is said with its line."""
    script = "import boto3\ndef h(e, c):\n    boto3.client('ec2').stop_instances(InstanceIds=[])\n    c[0].x()\n"
    more = "import boto3\ndef h(e, c):\n    boto3.client(e['s']).do()\n"
    found = permissions_of(
        document(
            {"action": "aws:executeScript", "inputs": {"Runtime": "python3.11", "Handler": "h", "Script": script}},
            {"action": "aws:executeScript", "inputs": {"Runtime": "python3.11", "Handler": "h", "Script": more}},
            {"action": "aws:executeScript", "inputs": {"Runtime": "PowerShell 7.4", "Script": "1"}},
        )
    )

    assert found.because == {"ec2:StopInstances": ["s0"]}
    assert [(note.step, note.sentence[:13]) for note in found.notes] == [
        ("s1", "script line 3"),
        ("s2", "it runs a Pow"),
    ]


def test_children_and_unknown_calls_are_named() -> None:
    """The child runbook, and a service that only the run will tell."""
    found = permissions_of(
        document(
            {"action": "aws:executeAutomation", "inputs": {"DocumentName": "AWS-StopEC2Instance",
             "RuntimeParameters": {"AutomationAssumeRole": "arn:aws:iam::111122223333:role/child"}}},
            api("{{ Service }}", "Do"),
            Service={"type": "String"},
        ),
        where=HERE,
    )  # fmt: skip
    notes = {note.step: note.sentence for note in found.notes}

    assert notes["s0"].startswith("it starts the runbook AWS-StopEC2Instance")
    assert notes["s1"].startswith("which call it makes only the run will tell")
    assert {"iam:PassRole", "ssm:StartAutomationExecution"} <= set(found.because)


def test_an_action_that_nobody_knows_is_named() -> None:
    """A policy without it would look complete."""
    found = permissions_of(document({"action": "aws:shareSQLMedia", "inputs": {}}))

    assert [note.sentence for note in found.notes] == ["what aws:shareSQLMedia needs is not known"]


def test_a_copy_reads_its_source() -> None:
    """s3:CopyObject needs the source object and the target object, each for itself."""
    found = statements(api("s3", "CopyObject", Bucket="to", Key="k", CopySource="from/a"))

    assert [(each["Action"], each["Resource"]) for each in found] == [
        (["s3:GetObject"], "arn:aws:s3:::from/a"),
        (["s3:PutObject"], "arn:aws:s3:::to/k"),
    ]


def test_a_default_from_parameter_store_must_be_readable() -> None:
    """At the start, by whoever starts it."""
    found = permissions_of(
        document(api("ec2", "DescribeImages"), Ami={"type": "String", "default": "{{ ssm:/golden/ami }}"}), where=HERE
    )

    assert found.because["ssm:GetParameter"] == [""]
    assert "arn:aws:ssm:eu-west-1:111122223333:parameter/golden/ami" in str(found.policy)


def test_the_trust_policy_guards_against_the_confused_deputy() -> None:
    """Only this account's automations, and the bot's own role where it is named."""
    found = trust_policy(HERE, trusted=("arn:aws:iam::111122223333:role/bot",))

    assert found["Statement"][0]["Principal"] == {"Service": "ssm.amazonaws.com"}
    assert found["Statement"][0]["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:ssm:*:111122223333:automation-execution/*"},
        "StringEquals": {"aws:SourceAccount": "111122223333"},
    }
    assert found["Statement"][1]["Principal"] == {"AWS": ["arn:aws:iam::111122223333:role/bot"]}


@needs_corpus
def test_every_action_of_the_corpus_is_one_of_iams() -> None:
    """No policy that IAM would refuse: each action is in the Service Authorization Reference."""
    services, unknown, seen = reference(), set(), 0
    for name, text in runbooks("aws-owned", "community"):
        try:
            found = permissions_of(parse(text, name=name), where=HERE)
        except RunbookRefused:
            continue
        json.dumps(found.policy)
        for action in found.because:
            prefix, _, verb = action.partition(":")
            seen += 1
            if prefix == "apigateway" and verb in ("GET", "PATCH", "POST", "PUT", "DELETE"):
                continue
            if verb.lower() not in services.get(prefix, {"Actions": {}})["Actions"]:
                unknown.add(action)

    assert seen > 1000
    assert unknown == set()


def test_tagging_actions_exist() -> None:
    """The operation model knows what tags are set with."""
    assert operation_model("rds", "AddTagsToResource").name == "AddTagsToResource"
    assert iam_actions("cloudwatch", "TagResource") == ("cloudwatch:TagResource",)
