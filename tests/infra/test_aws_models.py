"""botocore's models: names in any spelling, shapes without a network."""

import pytest
from botocore import xform_name

from infra.aws_errors import AwsRefused
from infra.aws_models import operation_model, operation_name, operation_names, service_name, service_names


def test_every_service_is_found_by_its_own_name_in_any_case() -> None:
    """Four hundred services, none hidden by another's alias."""
    assert [service_name(name.upper()) for name in service_names()] == list(service_names())


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("Codedeploy", "codedeploy"), ("SecurityHub", "securityhub"), ("CloudWatch Logs", "logs"),
     ("states", "stepfunctions"), ("AutoScaling", "autoscaling"), ("elasticloadbalancingv2", "elbv2"),
     ("EventBridge", "events"), ("application_autoscaling", "application-autoscaling")],
)  # fmt: skip
def test_services_are_understood_as_people_call_them(spelling: str, name: str) -> None:
    """Names of boto3, of IAM and of the console."""
    assert service_name(spelling) == name


@pytest.mark.parametrize("service", ["ec2", "rds", "ssm", "s3", "iam", "cloudformation"])
def test_every_operation_is_found_in_its_three_spellings(service: str) -> None:
    """PascalCase, camelCase and snake_case mean the same."""
    for name in operation_names(service):
        assert {operation_name(service, text) for text in (name, xform_name(name), name[0].lower() + name[1:])} == {
            name
        }


def test_shapes_are_botocores() -> None:
    """Lint and actions read inputs and outputs from the same models as the calls themselves."""
    model = operation_model("EC2", "stop_instances")

    assert model.name == "StopInstances"
    assert "InstanceIds" in model.input_shape.required_members
    assert "StoppingInstances" in model.output_shape.members


def test_a_name_that_is_far_from_all_gets_no_suggestion() -> None:
    """A wrong guess helps nobody."""
    with pytest.raises(AwsRefused, match=r'^There is no AWS service "qqqqqqqqqq"\.$'):
        service_name("qqqqqqqqqq")
