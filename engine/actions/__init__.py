"""Every action there is, listed: one file each, named as AWS names it."""

from collections.abc import Mapping
from typing import Any

from engine.action import Action
from engine.actions.approve import Approve
from engine.actions.assert_aws_resource_property import AssertAwsResourceProperty
from engine.actions.branch import Branch
from engine.actions.change_instance_state import ChangeInstanceState
from engine.actions.copy_image import CopyImage
from engine.actions.create_image import CreateImage
from engine.actions.create_stack import CreateStack
from engine.actions.create_tags import CreateTags
from engine.actions.delete_image import DeleteImage
from engine.actions.delete_stack import DeleteStack
from engine.actions.execute_automation import ExecuteAutomation
from engine.actions.execute_aws_api import ExecuteAwsApi
from engine.actions.execute_script import ExecuteScript
from engine.actions.execute_state_machine import ExecuteStateMachine
from engine.actions.invoke_lambda_function import InvokeLambdaFunction
from engine.actions.invoke_webhook import InvokeWebhook
from engine.actions.loop import Loop
from engine.actions.pause import Pause
from engine.actions.run_command import RunCommand
from engine.actions.run_instances import RunInstances
from engine.actions.sleep import Sleep
from engine.actions.update_variable import UpdateVariable
from engine.actions.wait_for_aws_resource_property import WaitForAwsResourceProperty

ACTIONS: tuple[Action[Any], ...] = (
    Approve(),
    AssertAwsResourceProperty(),
    Branch(),
    ChangeInstanceState(),
    CopyImage(),
    CreateImage(),
    CreateStack(),
    CreateTags(),
    DeleteImage(),
    DeleteStack(),
    ExecuteAutomation(),
    ExecuteAwsApi(),
    ExecuteScript(),
    ExecuteStateMachine(),
    InvokeLambdaFunction(),
    InvokeWebhook(),
    Loop(),
    Pause(),
    RunCommand(),
    RunInstances(),
    Sleep(),
    UpdateVariable(),
    WaitForAwsResourceProperty(),
)

BY_NAME: Mapping[str, Action[Any]] = {action.name: action for action in ACTIONS}
