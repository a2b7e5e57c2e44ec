"""Every order of answers by SSM's API and by the other doors, taken back and paused, against a model of a question."""

import itertools
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from infra.db import Database
from playbooks.expiry import Expiry
from playbooks.operations import Order, Refused
from playbooks.people import Identity
from tests.bot.api.worlds import LEE, MAX, ApiWorld, ask, nap, runbook
from tests.fakes.clock import ManualClock
from tests.playbooks.worlds import folder

NAMES = ("lee", "max", "sam")
KEYS = {"lee": "AKIDLEE", "max": "AKIDMAX"}
PEOPLE = [{"id": "lee", "iam": [LEE]}, {"id": "max", "iam": [MAX]}, {"id": "sam", "slack": "U07"}]
Verdict = Literal["Approve", "Reject"]
Groups = list[tuple[set[str], int]]
verdicts = st.sampled_from(["Approve", "Approve", "Reject"])


@dataclass
class Model:
    """Who must agree, who did, and whether the step has heard."""

    groups: Groups
    rejection: str
    barred: str
    """Who started it, and may not approve it."""
    hears_at_once: bool
    """Whether the step hears by the API in the moment in which the question is closed."""
    answers: dict[str, str] = field(default_factory=dict)
    state: str = "open"
    is_paused: bool = False
    is_told: bool = False

    def enough(self, verdict: str) -> bool:
        """Whether the answers of one kind fill every seat, nobody two of them."""
        seats = [members for members, minimum in self.groups for _ in range(minimum)]
        people = [name for name, said in self.answers.items() if said == verdict]
        orders = itertools.permutations(people, len(seats))
        return any(all(name in seat for name, seat in zip(order, seats, strict=True)) for order in orders)

    def is_held_back(self, verdict: str) -> bool:
        """Whether a pause keeps anybody from saying so."""
        return self.is_paused and verdict == "Approve"

    def may(self, name: str, verdict: str) -> bool:
        """Whether somebody's answer counts."""
        is_listed = any(name in members for members, _ in self.groups)
        is_own = name == self.barred and verdict == "Approve"
        is_free = self.state == "open" and name not in self.answers
        return is_free and is_listed and not is_own and not self.is_held_back(verdict)

    def answer(self, name: str, verdict: str) -> None:
        """Count it."""
        self.answers[name] = verdict
        if verdict == "Reject" and (self.rejection == "first" or self.enough("Reject")):
            self.state = "Rejected"
        elif self.enough("Approve"):
            self.state = "Approved"

    def settle(self) -> None:
        """The step hears of a closed question, of an approved one only while nothing is paused."""
        self.is_told = self.is_told or self.state == "Rejected" or (self.state == "Approved" and not self.is_paused)


class Answers(RuleBasedStateMachine):
    """The bot beside the model."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self._after, self.folder = ExitStack(), Path(tempfile.mkdtemp())
        self._after.callback(shutil.rmtree, self.folder)
        shutil.copy(self.template, self.folder / "bot.db")
        self.database = Database(f"sqlite:///{self.folder / 'bot.db'}")
        self._after.callback(self.database.close)
        self.clock, self.said = ManualClock(), itertools.count(1)

    def teardown(self) -> None:
        """The database goes with its example."""
        self._after.close()

    @initialize(
        groups=st.lists(
            st.tuples(st.sets(st.sampled_from(NAMES), min_size=1), st.integers(1, 2)), min_size=1, max_size=2
        ),
        rejection=st.sampled_from(["first", "quorum"]),
        minimum=st.integers(0, 3),
    )
    def asked(self, groups: Groups, rejection: str, minimum: int) -> None:
        """A playbook asks its groups, or a document so many of its people."""
        if minimum:
            self.a_document_asks(minimum)
        else:
            self.a_playbook_asks(groups, rejection)
        self.go_on()

    def a_playbook_asks(self, groups: Groups, rejection: str) -> None:
        """Sam starts a playbook whose groups must agree."""
        listed = "".join(
            f"    - {{name: g{number}, of: [{', '.join(sorted(who))}], minimum: {least}}}\n"
            for number, (who, least) in enumerate(groups)
        )
        text = f"title: T\nmay_run: [sam]\napproval:\n  rejection: {rejection}\n  groups:\n{listed}"
        home = folder(self.folder / "playbooks", "careful", text, runbook(ask(*NAMES), nap()))
        self.world = self.made(playbooks=(home.parent,))
        self.execution_id = self.world.service.operations.start(Order("careful"), self.person("sam"))
        self.world.work()
        self.model = Model(groups, rejection, "sam", hears_at_once=False)

    def a_document_asks(self, minimum: int) -> None:
        """Lee starts a document, of whose people so many must agree; he is one of them, as with AWS."""
        self.world = self.made()
        text = runbook(ask(LEE, MAX, "sam", MinRequiredApprovals=minimum), nap())
        self.world.client().create_document(Name="Doc", Content=text, DocumentType="Automation", DocumentFormat="JSON")
        self.execution_id = self.world.start("Doc")
        self.model = Model([(set(NAMES), minimum)], "first", "", hears_at_once=True)

    def made(self, **fields: Any) -> ApiWorld:
        """The world of an example."""
        return ApiWorld(self.database, self.clock, people=PEOPLE, admins=("sam",), **fields)

    def person(self, name: str) -> Identity:
        """Somebody at a door that is not the API's."""
        found = self.world.service.directory.of_person(name)
        assert found is not None
        return found

    @property
    def request_id(self) -> str:
        """The question."""
        return str(self.world.service.queries.execution(self.execution_id).approvals[-1].id)

    @rule(name=st.sampled_from([*KEYS]), verdict=verdicts)
    def answer_by_the_api(self, name: str, verdict: Verdict) -> None:
        """Answered by a signal; the same answer twice, as clients send it, is no error and counts once."""
        model, comment = self.model, [str(next(self.said))]
        counts = model.may(name, verdict)
        is_repeated = model.state == "open" and model.answers.get(name) == verdict and not model.is_held_back(verdict)

        def signal() -> None:
            self.world.client(KEYS[name]).send_automation_signal(
                AutomationExecutionId=self.execution_id, SignalType=verdict, Payload={"Comment": comment}
            )

        assert self.happens(signal) == (counts or is_repeated)
        if counts:
            model.answer(name, verdict)
            if model.hears_at_once:
                model.settle()

    @rule(name=st.sampled_from(NAMES), verdict=verdicts)
    def answer_elsewhere(self, name: str, verdict: Verdict) -> None:
        """Answered in Slack or at the terminal."""
        decide, counts = self.world.service.operations.decide, self.model.may(name, verdict)
        assert self.happens(lambda: decide(self.request_id, self.person(name), verdict)) == counts
        if counts:
            self.model.answer(name, verdict)

    @rule(name=st.sampled_from(NAMES))
    def revoke(self, name: str) -> None:
        """Taken back, by whichever door it was given."""
        expected = name in self.model.answers and not self.model.is_told
        revoke = self.world.service.operations.revoke
        assert self.happens(lambda: revoke(self.request_id, self.person(name))) == expected
        if expected:
            del self.model.answers[name]
            self.model.state = "open"

    @rule()
    def pause_or_resume(self) -> None:
        """Everything is paused, or goes on again."""
        guarding, sam = self.world.service.operations.guarding, self.person("sam")
        if self.model.is_paused:
            guarding.resume(sam)
        else:
            guarding.pause(sam, "")
        self.model.is_paused = not self.model.is_paused

    @rule()
    def go_on(self) -> None:
        """The relay and the clock have their turn."""
        self.clock.advance(timedelta(seconds=31))
        service = self.world.service
        for _ in range(2):
            self.world.react()
            Expiry(service.db, service.approvals, service.operations.expire, self.clock).pump()
            self.world.work()
        self.model.settle()

    @staticmethod
    def happens(what: Any) -> bool:
        """Whether it was done; refusals are sentences."""
        try:
            what()
        except (Refused, ClientError):
            return False
        return True

    @invariant()
    def they_agree(self) -> None:
        """The question is as the model says, and the step hears of exactly the answers that closed it."""
        if not hasattr(self, "model"):
            return
        model, step = self.model, self.world.state(self.execution_id).steps[0]
        (approval,) = self.world.service.queries.execution(self.execution_id).approvals
        assert approval.status == {"open": "Waiting"}.get(model.state, model.state)
        assert {each.actor.id.removeprefix("person:"): each.verdict for each in approval.decisions} == model.answers
        if not model.is_told:
            assert (step.status, step.outputs.get("ApproverDecisions")) == ("Waiting", [])
        else:
            assert step.status == ("Success" if model.state == "Approved" else "Failed")


def test_answers_by_every_door_are_as_the_model_says(sqlite_template: Path) -> None:
    """Groups, quorums, a document's own minimum: whoever answers by whichever door, takes it back, or pauses it all."""
    machine = type("OnTemplate", (Answers,), {"template": sqlite_template})
    few = settings(
        max_examples=60,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    run_state_machine_as_test(machine, settings=few)
