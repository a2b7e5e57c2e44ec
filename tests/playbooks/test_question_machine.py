"""Every order of asking, answering, handing over, absences, taking back, time and changed plans, against a model."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from approvals.request import ApproverGroup
from infra.db import Database
from playbooks.absences import Absences
from playbooks.approval_policy import ApprovalPolicy, StepPolicies
from playbooks.expiry import Expiry
from playbooks.operations import Refused
from playbooks.people import Directory, Person
from tests.fakes.clock import ManualClock
from tests.fakes.postgres import PostgresServer
from tests.playbooks.waist import GATE, Waist, gate

NAMES = ("ann", "bob", "cat", "dan", "eve")
DIRECTORY = Directory(tuple(Person(name, slack=f"U0{name.upper()}", name=name) for name in NAMES))
PEOPLE = {name: DIRECTORY.slack("T01", f"U0{name.upper()}") for name in NAMES}
DELEGATES = ("cat", "dan", "eve")
LIMIT = timedelta(minutes=30)
LONG = GATE.replace("3600", "604800")


@dataclass
class Model:
    """What a question is: who must agree, who did, and whether the step has heard."""

    groups: tuple[tuple[set[str], int], ...]
    rejection: str
    silence: str
    starter: str = "ann"
    answers: dict[str, str] = field(default_factory=dict)
    seats: dict[str, set[int]] = field(default_factory=dict)
    handed: dict[str, tuple[str, set[int]]] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)
    age: timedelta = timedelta()
    state: str = "open"
    is_told: bool = False
    revision: int = 1

    def enough(self, verdict: str) -> bool:
        """Whether the answers of one kind fill every seat, nobody two of them."""
        seats = [number for number, (_, minimum) in enumerate(self.groups) for _ in range(minimum)]
        people = [name for name, said in self.answers.items() if said == verdict]
        return any(
            all(seat in self.seats[name] for name, seat in zip(order, seats, strict=True))
            for order in itertools.permutations(people, len(seats))
        )

    def own(self, name: str) -> set[int]:
        """The groups they are in."""
        return {number for number, (members, _) in enumerate(self.groups) if name in members}

    def place(self, name: str) -> tuple[set[int], str]:
        """The groups for which they may answer, and in whose place."""
        for giver, (heir, seats) in reversed(self.handed.items()):
            if name in (giver, heir):
                return (seats if name == heir else set()), ""
        if self.own(name) or name not in DELEGATES or name in self.away:
            return self.own(name), ""
        absent = (each for each, instead in self.away.items() if instead == name and self.may_be_replaced(each))
        found = next(absent, "")
        return self.own(found), found

    def may_be_replaced(self, name: str) -> bool:
        """Whether somebody's answer is still to be given, and not their own run's."""
        return bool(self.own(name)) and name not in (self.starter, *self.answers, *self.handed)

    def may(self, name: str, verdict: str) -> bool:
        """Whether somebody's answer counts."""
        is_own = name == self.starter and verdict == "Approve"
        is_here = name not in self.away and name not in self.answers
        is_in_time = self.age < LIMIT or (verdict == "Reject" and self.silence == "approve")
        return self.state == "open" and bool(self.place(name)[0]) and not is_own and is_here and is_in_time

    def answer(self, name: str, verdict: str) -> None:
        """Count it."""
        self.seats[name], absent = self.place(name)
        if absent:
            self.handed.pop(absent, None)
            self.handed[absent] = (name, self.seats[name])
        self.answers[name] = verdict
        if verdict == "Reject" and (self.rejection == "first" or self.enough("Reject")):
            self.state = "Rejected"
        elif self.enough("Approve"):
            self.state = "Approved"

    def may_delegate(self, name: str, heir: str) -> bool:
        """Whether somebody can hand theirs over."""
        is_barred = self.starter in (name, heir)
        is_free = heir in DELEGATES and heir not in (name, *self.answers, *self.away) and name not in self.answers
        seats, absent = self.place(name)
        return self.state == "open" and self.age < LIMIT and bool(seats) and not absent and is_free and not is_barred

    def may_revoke(self, name: str) -> bool:
        """Whether somebody can take back theirs."""
        is_in_time = self.age < LIMIT or self.state in ("Approved", "Rejected")
        return name in self.answers and not self.is_told and is_in_time

    def revoke(self, name: str) -> None:
        """Take it back."""
        del self.answers[name]
        self.state = "open"

    def end(self) -> None:
        """The time is up."""
        if self.state == "open" and self.age >= LIMIT:
            is_silent = self.silence == "approve" and "Reject" not in self.answers.values()
            self.state = "Approved" if is_silent else "TimedOut"


class Questions(RuleBasedStateMachine):
    """The bot beside the model."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp())
        self._context = self.opened(self._folder)
        self.db = self._context.__enter__()

    @staticmethod
    @contextmanager
    def opened(folder: Path) -> Iterator[Database]:
        """A database of one example."""
        raise NotImplementedError
        yield

    def teardown(self) -> None:
        """The database goes with its example."""
        self._context.__exit__(None, None, None)
        shutil.rmtree(self._folder)

    @initialize(
        groups=st.lists(
            st.tuples(st.sets(st.sampled_from(NAMES), min_size=1), st.integers(1, 2)), min_size=1, max_size=2
        ),
        rejection=st.sampled_from(["first", "quorum"]),
        silence=st.sampled_from(["reject", "reject", "approve"]),
    )
    def ask(
        self,
        groups: list[tuple[set[str], int]],
        rejection: Literal["first", "quorum"],
        silence: Literal["reject", "approve"],
    ) -> None:
        """Somebody starts it, and it asks."""
        self.clock = ManualClock()
        policy = ApprovalPolicy(
            tuple(ApproverGroup(tuple(sorted(who)), least, f"g{at}") for at, (who, least) in enumerate(groups)),
            expires_in=LIMIT,
            at_expiry=silence,
            rejection=rejection,
            delegates=DELEGATES,
        )  # fmt: skip
        self.playbook = gate(runbook=LONG, approvers=NAMES, may_run=("ann",), approval=StepPolicies(policy))
        self.waist = self.booted()
        self.execution_id = self.waist.run(by=PEOPLE["ann"])
        self.model = Model(tuple(groups), rejection, silence)

    def booted(self) -> Waist:
        """A process on the rows."""
        made = Waist(self.db, self.clock, self.playbook, directory=DIRECTORY)
        made.reactions.asking.__dict__["new_id"] = lambda: f"q{len(made.trail())}"
        self.absences = Absences(self.db, made.audit, DIRECTORY, self.clock)
        self.absences.refresh()
        made.operations._deciding.answering.leave = self.absences
        return made

    @property
    def request_id(self) -> str:
        """The latest question."""
        return str(self.waist.facts(self.execution_id).approvals[-1].id)

    @rule(name=st.sampled_from(NAMES), verdict=st.sampled_from(["Approve", "Approve", "Reject"]))
    def decide(self, name: str, verdict: Literal["Approve", "Reject"]) -> None:
        """Anybody answers, whenever they like."""
        expected = self.model.may(name, verdict)
        assert self.happens(lambda: self.waist.operations.decide(self.request_id, PEOPLE[name], verdict)) == expected
        if expected:
            self.model.answer(name, verdict)

    @rule(name=st.sampled_from(NAMES))
    def revoke(self, name: str) -> None:
        """Anybody takes back what they said, or did not say."""
        expected = self.model.may_revoke(name)
        assert self.happens(lambda: self.waist.operations.revoke(self.request_id, PEOPLE[name])) == expected
        if expected:
            self.model.revoke(name)

    @rule(name=st.sampled_from(NAMES), heir=st.sampled_from(NAMES))
    def delegate(self, name: str, heir: str) -> None:
        """Anybody hands theirs to anybody."""
        expected, seats = self.model.may_delegate(name, heir), self.model.place(name)[0]
        verb = self.waist.operations.delegate
        assert self.happens(lambda: verb(self.request_id, PEOPLE[name], PEOPLE[heir])) == expected
        if expected:
            self.model.handed.pop(name, None)
            self.model.handed[name] = (heir, seats)

    @rule(name=st.sampled_from(NAMES), instead=st.sampled_from(["", *NAMES]))
    def leave(self, name: str, instead: str) -> None:
        """Anybody goes away, whoever stands in."""
        until = self.clock() + timedelta(days=300)
        expected = name != instead
        assert (
            self.happens(lambda: self.absences.leave(PEOPLE[name], until, by=PEOPLE[name], instead=instead)) == expected
        )
        if expected:
            self.model.away[name] = instead

    @rule(name=st.sampled_from(NAMES))
    def come_back(self, name: str) -> None:
        """And comes back."""
        expected = name in self.model.away
        assert self.happens(lambda: self.absences.come_back(PEOPLE[name], by=PEOPLE[name])) == expected
        self.model.away.pop(name, None)

    @rule(minutes=st.sampled_from([1, 10, 30]))
    def time_passes(self, minutes: int) -> None:
        """And what is due is done."""
        self.clock.advance(timedelta(minutes=minutes))
        if not self.model.is_told:
            self.model.age += timedelta(minutes=minutes)
        Expiry(self.db, self.waist.approvals, self.waist.operations.expire, self.clock).pump()
        self.model.end()

    @rule()
    def relay(self) -> None:
        """The engine hears of it, if there is anything to hear."""
        self.waist.settle()
        self.model.is_told = self.model.is_told or self.model.state != "open"

    @rule()
    def everything_comes_again(self) -> None:
        """A relay that lost its place delivers all of it."""
        self.waist.again()
        self.waist.settle()
        self.model.is_told = self.model.is_told or self.model.state != "open"

    @rule()
    def restart(self) -> None:
        """The process dies."""
        self.waist = self.booted()

    @precondition(lambda self: not self.model.is_told)
    @rule()
    def the_plan_changes(self) -> None:
        """The playbook's text changes what is asked: nobody's answer survives."""
        approval = self.playbook.approval
        assert approval is not None
        policy = replace(approval.usual, never=(*approval.usual.never, f"nobody-{self.model.revision}"))
        self.playbook = gate(runbook=LONG, approvers=NAMES, may_run=("ann",), approval=StepPolicies(policy))
        self.waist = self.booted()
        was_open = self.model.state == "open"
        if was_open:
            self.happens(lambda: self.waist.operations.decide(self.request_id, PEOPLE["bob"], "Approve"))
        self.waist.again("step.waiting")
        self.waist.settle()
        self.model = Model(
            self.model.groups, self.model.rejection, self.model.silence, age=self.model.age, away=self.model.away,
            revision=self.model.revision + 1,
        )  # fmt: skip
        if self.model.age >= LIMIT:
            Expiry(self.db, self.waist.approvals, self.waist.operations.expire, self.clock).pump()
            self.model.end()

    @staticmethod
    def happens(what: Any) -> bool:
        """Whether it was done; refusals are sentences."""
        try:
            what()
        except Refused:
            return False
        return True

    @invariant()
    def they_agree(self) -> None:
        """The latest question is as the model says, and the step moved only if it should."""
        if not hasattr(self, "model"):
            return
        facts = self.waist.facts(self.execution_id)
        approval = facts.approvals[-1]
        assert approval.revision == self.model.revision
        assert approval.status == {"open": "Waiting"}.get(self.model.state, self.model.state)
        assert {each.actor.name: each.verdict for each in approval.decisions} == self.model.answers
        step = facts.steps[0].status
        if not self.model.is_told:
            assert step == "Waiting"
        else:
            assert step == ("Success" if self.model.state == "Approved" else "Failed")
        assert len(self.waist.trail("execution.ended")) <= 1


def machine(opened: Any) -> type[Questions]:
    """The machine on one kind of database."""
    return type("OnDatabase", (Questions,), {"opened": staticmethod(opened)})


STEPS = settings(
    max_examples=100,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def test_questions_are_as_the_model_says_on_sqlite(sqlite_template: Path) -> None:
    """Whatever people, time, restarts and changed plans do, in whatever order."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Database]:
        shutil.copy(sqlite_template, folder / "bot.db")
        db = Database(f"sqlite:///{folder / 'bot.db'}")
        yield db
        db.close()

    run_state_machine_as_test(machine(opened), settings=STEPS)


def test_questions_are_as_the_model_says_on_postgresql(postgres_server: PostgresServer, postgres_template: str) -> None:
    """The same on PostgreSQL."""

    @contextmanager
    def opened(_folder: Path) -> Iterator[Database]:
        with postgres_server.database(postgres_template) as url:
            db = Database(url)
            yield db
            db.close()

    run_state_machine_as_test(machine(opened), settings=settings(STEPS, max_examples=8))
