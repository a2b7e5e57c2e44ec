"""botocore's models of AWS's services: names in any spelling, shapes of inputs and outputs. No network."""

import functools
import threading
from typing import Any, Final

import botocore
import botocore.loaders
import botocore.model

from infra.aws_errors import AwsRefused
from infra.nearest import nearest


@functools.lru_cache(maxsize=1)
def loader() -> Any:
    """One loader for the whole process: it caches parsed models."""
    return botocore.loaders.create_loader()


_LOCK = threading.Lock()


@functools.lru_cache(maxsize=1)
def _service_names() -> dict[str, str]:
    return {_key(name): name for name in loader().list_available_services("service-2")}


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


ALIASES: Final = {
    "cloudwatchlogs": "logs",
    "cloudwatchevents": "events",
    "eventbridge": "events",
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "sfn": "stepfunctions",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
}


def service_name(spelling: str) -> str:
    """boto3's name of a service, however a runbook spells it. Raises AwsRefused with a suggestion."""
    names = _service_names()
    key = _key(spelling)
    found = names.get(key) or names.get(_key(ALIASES.get(key, "")))
    if found is None:
        near = nearest(key, names)
        hint = f' Did you mean "{names[near]}"?' if near else ""
        raise AwsRefused("UnknownService", f'There is no AWS service "{spelling}".{hint}')
    return found


@functools.lru_cache(maxsize=256)
def service_model(service: str) -> botocore.model.ServiceModel:
    """The model of a service."""
    name = service_name(service)
    with _LOCK:
        return botocore.model.ServiceModel(loader().load_service_model(name, "service-2"), service_name=name)


@functools.lru_cache(maxsize=256)
def _operation_names(service: str) -> dict[str, str]:
    return {_key(name): name for name in service_model(service).operation_names}


def operation_name(service: str, spelling: str) -> str:
    """The operation's PascalCase name, however a runbook spells it. Raises AwsRefused with a suggestion."""
    names = _operation_names(service_name(service))
    found = names.get(_key(spelling))
    if found is None:
        near = nearest(_key(spelling), names)
        hint = f' Did you mean "{names[near]}"?' if near else ""
        raise AwsRefused("UnknownOperation", f'{service_name(service)} has no operation "{spelling}".{hint}')
    return found


def known_operation(service: str, spelling: str) -> str:
    """The operation's PascalCase name; "" where service or operation does not exist: for many questions at once."""
    name = _service_names().get(_key(service), "")
    return _operation_names(name).get(_key(spelling), "") if name else ""


def service_names() -> tuple[str, ...]:
    """Every service that botocore knows."""
    return tuple(_service_names().values())


def operation_names(service: str) -> tuple[str, ...]:
    """Every operation of a service, in PascalCase. Raises AwsRefused."""
    return tuple(_operation_names(service_name(service)).values())


def method_name(operation: str) -> str:
    """How a boto3 client spells an operation: describe_instances."""
    return str(botocore.xform_name(operation))


def operation_model(service: str, operation: str) -> Any:
    """Botocore's OperationModel. Raises AwsRefused."""
    return service_model(service_name(service)).operation_model(operation_name(service, operation))


@functools.lru_cache(maxsize=1)
def known_regions() -> tuple[str, ...]:
    """Every Region of every partition that botocore knows."""
    return tuple(region for each in loader().load_data("endpoints")["partitions"] for region in each["regions"])


PARTITIONS: Final = {
    "cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f", "eusc-": "aws-eusc",
}  # fmt: skip


def partition_of(region: str) -> str:
    """The partition of a Region: aws, aws-cn, aws-us-gov or another."""
    return next((name for prefix, name in PARTITIONS.items() if region.startswith(prefix)), "aws")
