"""Prepares the imitated AWS of a rehearsal, and puts what was made there into the rehearsal's own values."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeAlias

from engine.canned_aws import Behind
from engine.document import Missing
from engine.expressions import Scope, resolve
from engine.rehearsal_file import Expectation, Fixture, Rehearsal, spelled
from engine.selectors import select
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

Imitate: TypeAlias = Callable[[], AbstractContextManager[Behind]]
"""Opens an empty imitated account."""


class NotPrepared(Exception):
    """A call that prepares the imitated AWS failed, or its answer lacks what is to be kept."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def prepared(rehearsal: Rehearsal, behind: Behind) -> Rehearsal:
    """The rehearsal with `{{ name }}` of everything kept put in. Raises NotPrepared."""
    kept: dict[str, Json] = {}
    for index, fixture in enumerate(rehearsal.moto or ()):
        kept |= _kept(index, fixture, kept, behind)
    expected = _filled(rehearsal.expect.model_dump(exclude_unset=True), kept)
    return replace(
        rehearsal,
        parameters=_filled(dict(rehearsal.parameters), kept),
        aws=_filled({key: list(answers) for key, answers in rehearsal.aws.items()}, kept),
        expect=Expectation.model_validate(expected),
    )


def _kept(index: int, fixture: Fixture, kept: Mapping[str, Json], behind: Behind) -> dict[str, Json]:
    service, _, operation = spelled(fixture.call).partition(":")
    try:
        answer = behind(service, operation, _filled(fixture.params, kept))
    except (AwsRefused, AwsUnreachable) as error:
        raise NotPrepared(index, f"{fixture.call}: {error}") from error
    found: dict[str, Json] = {}
    for name, selector in fixture.keep.items():
        value = select(selector, answer)
        if isinstance(value, Missing):
            raise NotPrepared(index, f"{fixture.call}: there is no {selector} in the answer, to keep as {name}")
        found[name] = value
    return found


def _filled(value: Any, kept: Mapping[str, Json]) -> Any:
    """References to what was kept are replaced; any other stay as they are."""
    return resolve(value, Scope(parameters=kept))
