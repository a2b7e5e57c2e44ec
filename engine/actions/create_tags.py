"""aws:createTags: tag EC2 resources, or one resource of Systems Manager. Tagging twice is tagging once."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome, Stage, StringList, Succeeded
from engine.actions.failures import call_failed
from infra.aws_errors import AwsRefused, AwsUnreachable


class Tag(BaseModel):
    """A key and its value."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    Key: str
    Value: str = ""


class CreateTagsInputs(ActionInputs):
    """Inputs of aws:createTags."""

    resource_ids: Annotated[StringList, Field(min_length=1)]
    tags: Annotated[list[Tag], Field(min_length=1)]
    resource_type: Literal["EC2", "ManagedInstance", "MaintenanceWindow", "Parameter"] = "EC2"


class CreateTags(Action[CreateTagsInputs]):
    """One call."""

    name: ClassVar[str] = "aws:createTags"
    permissions: ClassVar[tuple[str, ...]] = ("ec2:CreateTags", "ssm:AddTagsToResource")
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = CreateTagsInputs

    def run(self, inputs: CreateTagsInputs, context: ActionContext) -> Outcome:
        """Tag."""
        tags = [{"Key": tag.Key, "Value": tag.Value} for tag in inputs.tags]
        try:
            if inputs.resource_type == "EC2":
                context.aws.call("ec2", "CreateTags", {"Resources": inputs.resource_ids, "Tags": tags})
                return Succeeded()
            if len(inputs.resource_ids) != 1:
                text = (
                    f"ResourceType {inputs.resource_type} takes exactly one ResourceIds, not {len(inputs.resource_ids)}"
                )
                return Failed(text, Stage.INPUT_VALIDATION, is_final=True)
            params = {"ResourceType": inputs.resource_type, "ResourceId": inputs.resource_ids[0], "Tags": tags}
            context.aws.call("ssm", "AddTagsToResource", params)
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        return Succeeded()
