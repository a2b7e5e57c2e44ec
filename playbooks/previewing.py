"""What a start would do and what would be lost, found out with questions only, for those who may start it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.action import Action
from engine.document import Document, RunbookRefused
from engine.parameters import ParametersInvalid
from engine.preview import Surroundings, preview
from engine.preview_aws import LookingAws, Session, WouldChange
from engine.protocol import StartOrder
from engine.publishing import NoRunbook, fetch
from engine.validation import parse
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.clock import Clock
from playbooks.facts import PreviewFacts
from playbooks.masking import problems
from playbooks.operations import Order
from playbooks.people import Identity
from playbooks.refusals import ParametersRefused

Plan = Callable[[Order, Identity], StartOrder]
Reads = Callable[[StartOrder, Identity], Session]


@dataclass
class Previews:
    """Makes previews. `plan` is operations.planned; `reads` gives AWS as the bot reads for a person."""

    plan: Plan
    reads: Reads
    actions: Mapping[str, Action[Any]]
    clock: Clock = field(repr=False)

    def of(self, order: Order, by: Identity) -> PreviewFacts:
        """What starting it would do now. It asks AWS and may take seconds.

        Raises UnknownPlaybook, NotAllowed, ParametersRefused, Refused, AwsRefused, AwsUnreachable.
        """
        wish = self.plan(order, by)
        looking = LookingAws(self.reads(wish, by))
        around = Surroundings(looking, self.actions, self.clock(), lambda name, version: _child(looking, name, version))
        try:
            found = preview(wish.document, wish.parameters, around)
        except ParametersInvalid as error:
            raise ParametersRefused(problems(error.problems, wish)) from None
        return PreviewFacts(found, looking.region, len(looking.looked))


def _child(aws: LookingAws, name: str, version: str) -> Document | None:
    try:
        found = fetch(aws, name, version=version)
        return parse(found.content, name=found.name, version=found.version)
    except (AwsRefused, AwsUnreachable, WouldChange, NoRunbook, RunbookRefused):
        return None
