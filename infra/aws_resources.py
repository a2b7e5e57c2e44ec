"""boto3's resources (`s3.Bucket("b").objects.all()`) and waiters: which operations they call. No network."""

import functools
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import BotoCoreError

from infra.aws_models import loader, service_model, service_name

INJECTED: Final[Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]]] = {
    ("s3", "Bucket"): {
        "upload_file": ("PutObject", "AbortMultipartUpload"),
        "upload_fileobj": ("PutObject", "AbortMultipartUpload"),
        "download_file": ("GetObject",),
        "download_fileobj": ("GetObject",),
        "copy": ("CopyObject", "AbortMultipartUpload"),
        "load": ("ListBuckets",),
    },
    ("s3", "Object"): {
        "upload_file": ("PutObject", "AbortMultipartUpload"),
        "upload_fileobj": ("PutObject", "AbortMultipartUpload"),
        "download_file": ("GetObject",),
        "download_fileobj": ("GetObject",),
        "copy": ("CopyObject", "AbortMultipartUpload"),
    },
    ("s3", "ObjectSummary"): {"load": ("HeadObject",)},
    ("dynamodb", "Table"): {"batch_writer": ("BatchWriteItem",)},
    ("ec2", ""): {"create_tags": ("CreateTags",)},
    ("ec2", "Instance"): {"create_tags": ("CreateTags",), "delete_tags": ("DeleteTags",)},
}
"""What boto3 adds by hand (boto3/s3/inject.py, boto3/ec2, boto3/dynamodb)."""
CLIENT_INJECTED: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {"s3": INJECTED["s3", "Bucket"]}


@dataclass(frozen=True, slots=True)
class Member:
    """What an attribute of a resource is: the operations it stands for, and the type of resource that comes of it."""

    operations: tuple[str, ...] = ()
    type: str = ""
    is_collection: bool = False
    is_read: bool = False
    """Whether already looking at it makes the call (an attribute that has to be loaded)."""


def is_resource(service: str) -> bool:
    """Whether boto3 has resources for a service."""
    return (_data() / service).is_dir()


@functools.lru_cache(maxsize=1)
def _data() -> Path:
    spec = importlib.util.find_spec("boto3")
    return Path(spec.origin).parent / "data" if spec is not None and spec.origin else Path()


@functools.lru_cache(maxsize=32)
def _model(service: str) -> Mapping[str, Any]:
    versions = sorted((_data() / service).glob("*/resources-1.json"))
    found: dict[str, Any] = json.loads(versions[-1].read_text(encoding="utf-8")) if versions else {}
    return found


@functools.lru_cache(maxsize=512)
def members(service: str, type_: str) -> Mapping[str, Member]:
    """The attributes of a type of resource, as Python spells them; the type "" is the service itself."""
    model = _model(service)
    part = model.get("service", {}) if not type_ else model.get("resources", {}).get(type_, {})
    found = dict(_attributes(service, part))
    found |= dict(_parts(part))
    injected = INJECTED.get((service, type_), {})
    return {**found, **{name: Member(operations) for name, operations in injected.items()}}


def _parts(part: Mapping[str, Any]) -> Iterator[tuple[str, Member]]:
    for name, action in part.get("actions", {}).items():
        type_ = action.get("resource", {}).get("type", "")
        yield xform_name(name), Member((action["request"]["operation"],), type_)
    for name, each in part.get("has", {}).items():
        is_made = any(identifier.get("source") == "input" for identifier in each["resource"].get("identifiers", ()))
        yield name if is_made else xform_name(name), Member((), each["resource"]["type"])
    for name, each in part.get("hasMany", {}).items():
        operation = (each["request"]["operation"],) if "request" in each else ()
        yield xform_name(name), Member(operation, each["resource"]["type"], is_collection=True)
    if "load" in part:
        load = Member((part["load"]["request"]["operation"],))
        yield "load", load
        yield "reload", load


def _attributes(service: str, part: Mapping[str, Any]) -> Iterator[tuple[str, Member]]:
    if "shape" not in part or "load" not in part:
        return
    loading = Member((part["load"]["request"]["operation"],), is_read=True)
    known = {xform_name(each.get("memberName") or each["name"]) for each in part.get("identifiers", ())}
    for name in service_model(service).shape_for(part["shape"]).members:
        if xform_name(name) not in known:
            yield xform_name(name), loading


def batch_actions(service: str, type_: str) -> Mapping[str, str]:
    """What can be done to all members of a collection at once, and the operation of it."""
    actions = _model(service).get("resources", {}).get(type_, {}).get("batchActions", {})
    return {xform_name(name): action["request"]["operation"] for name, action in actions.items()}


def waiting_operation(service: str, waiter: str) -> str:
    """The operation that a waiter (`instance_running`) calls again and again; "" when there is no such waiter."""
    return _waiters(service_name(service)).get(waiter.replace("_", "").lower(), "")


@functools.lru_cache(maxsize=128)
def _waiters(service: str) -> Mapping[str, str]:
    try:
        found = loader().load_service_model(service, "waiters-2")["waiters"]
    except BotoCoreError:
        return {}
    return {name.lower(): str(waiter["operation"]) for name, waiter in found.items()}


def resource_waiter(service: str, type_: str, name: str) -> str:
    """The operation of a resource's `wait_until_…`; "" when there is none."""
    waiters = _model(service).get("resources", {}).get(type_, {}).get("waiters", {})
    found = next((each["waiterName"] for key, each in waiters.items() if f"wait_until_{xform_name(key)}" == name), "")
    return waiting_operation(service, found) if found else ""
