"""The verbs about questions: decide, take back, hand over, break the glass, and what is due by itself."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Literal, NoReturn, Protocol

from sqlalchemy import Connection

from approvals import policy
from approvals.quorum import is_reached
from approvals.request import ApprovalChange, ApprovalRequest, Decision, RequestStatus, Verdict
from approvals.store import ApprovalStore
from audit.events import Actor, Event
from audit.store import AuditStore
from engine.execution import Execution
from engine.secrets import masking_of
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks import glass
from playbooks.answering import Answering, Standing
from playbooks.asking import Asking, is_waiting_for, top_of
from playbooks.people import Identity, Unidentified, actor_of
from playbooks.refusals import Mistyped, NoLongerOpen, NotAllowed, Refused, SituationChanged
from playbooks.situation import Known, Situation, from_kept
from playbooks.starters import Starters

UNKNOWN: Final = "This request is not known here. Nothing was decided."
CHANGED: Final = "The plan changed since you were asked, so nothing was decided: {}. It is asked anew."
AGAIN: Final = timedelta(seconds=30)
"""How long an answer waits when those who gave it cannot be looked at now."""
RIGHTS: Final = frozenset({"Approve", "Reject", "BreakGlass", "Review"})
"""What somebody has a right to or not; a refusal to hand over or to take back may be about another person or answer."""

FormVerb = Literal["Reject", "Delegate", "BreakGlass", "Review"]
"""What a form is opened for."""
Attest = Callable[[str], Identity | None]
"""Who an account is now, asked anew; None = nobody can be asked about accounts of its kind. Raises Unidentified."""
Tell = Callable[[Transaction, ApprovalRequest], None]
"""Give a closed question's answers to the step that waits."""
Then = Callable[[Transaction, ApprovalRequest], None]
"""What follows from an answer in the transaction that counts it."""


class Looks(Protocol):
    """Looks whether an execution is still needed, before a transaction."""

    def known(self, connection: Connection, state: Execution, top: Execution) -> Known:
        """What our own rows say of it."""

    def quickly(self, known: Known) -> Situation:
        """As it is now, with the gaps of what was not to be had in time."""

    def thoroughly(self, execution_id: str) -> Situation | None:
        """With what would be lost; may take seconds."""


@dataclass(frozen=True, slots=True)
class Found:
    """A question as it is, read at one moment, before anybody is asked anything and the transaction begins."""

    request: ApprovalRequest
    state: Execution | None
    top: Execution | None
    """The execution that a playbook or a person started."""
    known: Known | None = None
    """What is looked at before an approval counts; None where nobody looks."""


class _Otherwise(Exception):
    """The situation is not the one that the person was shown."""

    def __init__(self, situation: Situation, news: tuple[str, ...]) -> None:
        super().__init__()
        self.situation, self.news = situation, news


def _tell_nobody(_tx: Transaction, _request: ApprovalRequest) -> None:
    """Used where no engine listens."""


def leave_it(_tx: Transaction, _request: ApprovalRequest) -> None:
    """Used where whatever follows from an answer follows from its event."""


@dataclass
class Deciding:
    """The verbs. Each is one transaction; whoever has to be asked something is asked before it."""

    db: Database
    audit: AuditStore
    approvals: ApprovalStore
    asking: Asking
    answering: Answering
    clock: Clock
    refresh: Callable[[Collection[str]], None] = lambda _: None
    """Asks who is on call, for the names of a question, before they are needed."""
    attest: Attest | None = None
    starters: Starters | None = None
    """Who started it, looked at once more before it goes on; None = nobody looks."""
    tell: Tell = field(default=_tell_nobody)
    lookout: Looks | None = None
    targets: Callable[[Transaction, Execution], tuple[str, ...]] = lambda _tx, _state: ()
    """Names of the resources that an execution works on."""

    # -- answers

    def find(self, request_id: str, by: Identity, verdict: str) -> Found:
        """Read a question, with those on call and those away known. Raises NoLongerOpen (audited)."""
        with self.db.reading() as connection:
            found = self.read(connection, request_id, verdict)
        if found is None:
            self.unknown(request_id, by, verdict)
        self.refresh(names_of(found.request))
        return found

    def unknown(self, request_id: str, by: Identity, verdict: str) -> NoReturn:
        """Somebody answers what was never asked here. Raises NoLongerOpen (audited)."""
        with self.db.transaction() as tx:
            self._note(tx, "", by, {"request_id": request_id[:64], "verdict": verdict, "reason": UNKNOWN})
        raise NoLongerOpen(UNKNOWN)

    def read(self, connection: Connection, request_id: str, verdict: str) -> Found | None:
        """Read a question, with what has to be looked at before that verdict counts; None = there is none."""
        request = self.approvals.get(connection, request_id)
        if request is None:
            return None
        executions = self.asking.executions
        state = executions.get(connection, request.execution_id)
        top = top_of(executions, connection, state) if state is not None else None
        is_looked_at = verdict == "Approve" and request.is_open and "situation" in request.facts
        if self.lookout is None or not is_looked_at or state is None or top is None:
            return Found(request, state, top)
        return Found(request, state, top, self.lookout.known(connection, state, top))

    def decide(
        self,
        found: Found,
        by: Identity,
        verdict: Verdict,
        comment: str = "",
        *,
        key: str = "",
        seen: str = "",
        then: Then = leave_it,
    ) -> None:
        """Take one person's answer. Raises NotAllowed (audited), NoLongerOpen.

        `key` tells a click from its repetition: one that was counted never counts again, even if it was taken back.
        `seen` is the mark of the situation that the person was shown; "" = none since the question was asked. Raises
        SituationChanged where it is another now.
        """
        self.refresh(names_of(found.request))
        situation = self._situation(found, by)
        lapsed = self._lapsed_as_known(found.request)

        def answer(_tx: Transaction, request: ApprovalRequest, state: Execution | None) -> ApprovalChange:
            standing = self.answering.standing(request, by, lapsed)
            changed = self.asking.change_since(request, state)
            if changed and standing.is_listed and request.is_open:
                return policy.void(request, changed)
            if request.is_open and standing.is_listed and state is not None and not is_waiting_for(request, state):
                raise policy.Closed("The step waits for no answer any more. Nothing was decided.")
            said = _masked(state, comment)
            change = self.answering.answer(request, by, verdict, now=self.clock(), comment=said, lapsed=lapsed)
            asked = from_kept(request.facts.get("first_situation")) if not seen else None
            known = asked or from_kept(request.facts.get("situation"))
            if situation is None or known is None:
                return change
            now = situation.beside(known)
            if now.mark != (seen or known.mark):
                raise _Otherwise(now, now.news(known, self.clock()))
            return _looked(change, now) if now.gaps else change

        self._change(found, by, verdict, answer, key, then)

    def has_said(self, request: ApprovalRequest, by: Identity, verdict: Verdict) -> bool:
        """Whether this person has given that very answer, by whichever account."""
        return any(each.verdict == verdict and self._is(by, each.actor) for each in request.decisions)

    def _situation(self, found: Found, by: Identity) -> Situation | None:
        """What is so now, looked at before the transaction; nobody looks for somebody whose answer cannot count."""
        if self.lookout is None or found.known is None or not self.answering.standing(found.request, by).is_listed:
            return None
        return self.lookout.quickly(found.known)

    def revoke(self, request_id: str, by: Identity, *, key: str = "") -> None:
        """Take back one's own answer, until the step has begun. Raises NotAllowed (audited), NoLongerOpen."""

        def take_back(_tx: Transaction, request: ApprovalRequest, state: Execution | None) -> ApprovalChange:
            mine = next((each.actor for each in request.decisions if self._is(by, each.actor)), actor_of(by))
            change = policy.revoke(request, mine, now=self.clock())
            if not is_waiting_for(request, state):
                raise policy.Closed("It is too late to take it back: the step has gone on.")
            return change

        self._change(self.find(request_id, by, "Revoke"), by, "Revoke", take_back, key)

    def delegate(self, request_id: str, by: Identity, to: Identity) -> None:
        """Hand one's answer to somebody whom the policy allows. Raises NotAllowed (audited), NoLongerOpen."""
        found = self.find(request_id, by, "Delegate")
        lapsed = self._lapsed_as_known(found.request)

        def hand_over(_tx: Transaction, request: ApprovalRequest, _state: Execution | None) -> ApprovalChange:
            standing = self._may_hand_over(request, by, lapsed)
            heir = self.answering.standing(request, to)
            absence = self.answering.leave.away(to.id)
            if absence is not None:
                raise policy.NotAnApprover(f"{to.name or to.id} is {absence.words}; hand it over to somebody else.")
            if heir.bar:
                raise policy.OwnRequest(f"{to.name or to.id} may not approve this either.")
            if self._is(by, actor_of(to)) or not self.answering.is_listed(to, request.delegates):
                allowed = ", ".join(request.delegates) or "nobody"
                raise policy.NotAnApprover(f"The playbook lets you hand this over to {allowed} only.")
            return policy.delegate(
                request, actor_of(by), actor_of(to), groups=standing.groups, now=self.clock(), account=by.account
            )

        self._change(found, by, "Delegate", hand_over)

    def _may_hand_over(self, request: ApprovalRequest, by: Identity, lapsed: Collection[str]) -> Standing:
        """What they have to hand over. Raises policy.DecisionRefused."""
        standing = self.answering.standing(request, by, lapsed)
        policy.check_open(request, is_listed=standing.is_listed, now=self.clock())
        if standing.bar:
            raise policy.OwnRequest(f"{standing.bar} So there is nothing that you could hand over.")
        if standing.instead_of is not None:
            absent = standing.instead_of.name or standing.instead_of.id
            raise policy.NotAnApprover(f"You stand in for {absent}, who alone can hand it over to somebody else.")
        return standing

    def _lapsed(self, request: ApprovalRequest) -> frozenset[str]:
        """Who has handed their answer over and may not give it any more. Raises Unidentified if nobody says so now."""
        found: set[str] = set()
        for number, each in enumerate(request.delegations):
            before = replace(request, delegations=request.delegations[:number])
            try:
                by = self._now(policy.account_of(request, each.by))
            except Unidentified as error:
                if error.is_passing:
                    raise
                found.add(each.by.id)
                continue
            standing = self.answering.standing(before, by, found) if by is not None else None
            if standing is not None and not (standing.is_listed and {*each.groups} <= {*standing.groups}):
                found.add(each.by.id)
        return frozenset(found)

    def _lapsed_as_known(self, request: ApprovalRequest) -> frozenset[str]:
        """The same for an answer, which is looked at once more before the step goes on."""
        try:
            return self._lapsed(request)
        except Unidentified:
            return frozenset()

    def _now(self, account: str) -> Identity | None:
        """Who an account is now; None where nobody can tell. Raises Unidentified."""
        by = self.attest(account) if self.attest is not None else None
        return by or self.answering.directory.of_person(account)

    def break_glass(self, request_id: str, by: Identity, reason: str, target: str) -> None:
        """Decide alone in an emergency. Raises NotAllowed (audited), NoLongerOpen, Mistyped."""

        def break_it(tx: Transaction, request: ApprovalRequest, state: Execution | None) -> ApprovalChange:
            waiting = self._may_break(request, by, state)
            changed = self.asking.change_since(request, waiting)
            if changed:
                return policy.void(request, changed)
            names = self.targets(tx, waiting) or (request.playbook or request.title,)
            problems = glass.problems(reason, target, names)
            if problems:
                raise Mistyped(problems)
            said = _masked(waiting, reason.strip())
            now, typed = self.clock(), target.strip()
            return policy.break_glass(request, actor_of(by), said, typed, now=now, account=by.account)

        self._change(self.find(request_id, by, "BreakGlass"), by, "BreakGlass", break_it)

    def _may_break(self, request: ApprovalRequest, by: Identity, state: Execution | None) -> Execution:
        """The execution that waits. Raises policy.DecisionRefused where they may not, or it would not be enough."""
        may = bool(request.breakers) and self.answering.is_listed(by, request.breakers)
        policy.check_open(request, is_listed=may, now=self.clock())
        if state is None or not is_waiting_for(request, state):
            raise policy.Closed("The step waits for no answer any more. Nothing was decided.")
        if not glass.is_enough(request, actor_of(by).id, glass.required_by(request, state)):
            raise policy.NotAnApprover("The runbook itself wants several approvers, so nobody can decide alone.")
        return state

    def review(self, request_id: str, by: Identity, note: str) -> None:
        """Close the review of a break-glass, as one of its approvers. Raises NotAllowed (audited), NoLongerOpen."""

        def close(_tx: Transaction, request: ApprovalRequest, state: Execution | None) -> ApprovalChange:
            return policy.review(request, self._may_review(request, by), _masked(state, note))

        self._change(self.find(request_id, by, "Review"), by, "Review", close)

    def _may_review(self, request: ApprovalRequest, by: Identity) -> Actor:
        """As whom they may review it. Raises policy.DecisionRefused."""
        if not self.answering.standing(request, by).is_listed:
            raise policy.NotAnApprover("You are not among the people who may review this.")
        breaker = policy.breaker(request)
        actor = breaker if self._is(by, breaker) else actor_of(by)
        policy.check_review(request, actor)
        return actor

    # -- before a form

    def check(self, request_id: str, by: Identity, verb: FormVerb) -> None:
        """Refuse whoever could not do it, before a form asks them for more. Raises NotAllowed (audited), NoLongerOpen.

        Nothing is decided by that: what comes back with the form is looked at once more.
        """
        found = self.find(request_id, by, verb)
        request = found.request
        try:
            if verb == "BreakGlass":
                self._may_break(request, by, found.state)
            elif verb == "Delegate":
                self._may_hand_over(request, by, self._lapsed_as_known(request))
            elif verb == "Review":
                self._may_review(request, by)
            else:
                lapsed = self._lapsed_as_known(request)
                with suppress(policy.ReasonMissing):  # the form asks for it
                    self.answering.answer(request, by, verb, now=self.clock(), lapsed=lapsed)
        except policy.DecisionRefused as refusal:
            with self.db.transaction() as tx:
                self._note_refused(tx, request, by, verb, refusal)
            raise _told(refusal) from refusal

    def _is(self, by: Identity, actor: Actor) -> bool:
        canonical = self.answering.directory.canonical
        return canonical(by.id) == canonical(actor.id)

    def _change(
        self,
        found: Found,
        by: Identity,
        what: str,
        change: Callable[[Transaction, ApprovalRequest, Execution | None], ApprovalChange],
        key: str = "",
        then: Then = leave_it,
    ) -> None:
        """One change of a question by a person; a refusal is audited in the same transaction."""
        refusal: policy.DecisionRefused | Refused | None = None
        news: SituationChanged | None = None
        with self.db.transaction() as tx:
            request, state = self._locked(tx, found.request)
            try:
                changed = _spending(request, key, lambda: change(tx, request, state))
            except _Otherwise as otherwise:
                kept = policy.look(request, otherwise.situation.kept(), is_news=True)
                self.approvals.save(tx, kept, self.clock())
                news = SituationChanged(otherwise.news, otherwise.situation.mark)
            except (policy.DecisionRefused, Refused) as error:
                refusal = error
                self._note_refused(tx, request, by, what, error)
            else:
                self.approvals.save(tx, changed, self.clock())
                if changed.state.status is RequestStatus.CANCELLED and request.status is not RequestStatus.CANCELLED:
                    because = str(changed.events[0].data.get("because"))
                    refusal = policy.Closed(CHANGED.format(because))
                else:
                    then(tx, changed.state)
        if news is not None:
            raise news
        if isinstance(refusal, Refused):
            raise refusal
        if refusal is not None:
            raise _told(refusal) from refusal

    def _note_refused(
        self, tx: Transaction, request: ApprovalRequest, by: Identity, what: str, error: Exception
    ) -> None:
        data: dict[str, Json] = {"request_id": request.id, "verdict": what, "reason": str(error)}
        data["has_right"] = not (what in RIGHTS and isinstance(error, policy.NotAnApprover | policy.OwnRequest))
        self._note(tx, request.execution_id, by, {**data, "status": str(request.status)})

    def _note(self, tx: Transaction, subject: str, by: Identity, data: dict[str, Json]) -> None:
        self.audit.append(tx, [Event("approval.refused", subject, actor_of(by), data)], self.clock())

    def _locked(self, tx: Transaction, found: ApprovalRequest) -> tuple[ApprovalRequest, Execution | None]:
        """The question and its execution, both locked, the execution first as the engine does. Raises NoLongerOpen."""
        claimed = self.asking.executions.lock(tx, found.execution_id)
        request = self.approvals.lock(tx, found.id)
        if request is None:
            raise NoLongerOpen(UNKNOWN)
        return request, claimed.execution if claimed else None

    # -- time

    def tend(self, request_id: str) -> None:
        """Do what is due about a question by itself; harmless when nothing is."""
        with self.db.reading() as connection:
            found = self.approvals.get(connection, request_id)
        if found is None:
            return
        if found.hold_until is not None:
            self._go_on(found)
            return
        if found.look_at is not None and found.is_open:
            self._look(found)
        with self.db.transaction(gives_way=True) as tx:
            request = self.approvals.lock(tx, request_id)
            rule = policy.tend if request is not None and request.is_open else policy.nag
            change = rule(request, self.clock()) if request is not None else None
            if change is not None and change.state != request:
                self.approvals.save(tx, change, self.clock())

    def _look(self, found: ApprovalRequest) -> None:
        """See whether it is still needed, for the card."""
        situation = self.lookout.thoroughly(found.execution_id) if self.lookout is not None else None
        with self.db.transaction(gives_way=True) as tx:
            request = self.approvals.lock(tx, found.id)
            if request is not None and request.is_open and request.look_at is not None:
                kept = (situation or Situation()).kept()
                self.approvals.save(tx, policy.look(request, kept, is_news=False), self.clock())

    def _go_on(self, found: ApprovalRequest) -> None:
        """Look once more at those who agreed, and tell the step if they still may."""
        unsure, lost = self._starter_bar(found), {}
        self.refresh(names_of(found))
        for decision in found.decisions[-1:] if policy.is_broken(found) else found.decisions:
            try:
                why = self._objection(found, decision)
            except Unidentified as error:
                unsure, why = (str(error), "") if error.is_passing else (unsure, str(error))
            if why:
                lost[decision.actor.id] = why
        with self.db.transaction(gives_way=True) as tx:
            request, state = self._locked(tx, found)
            if request.hold_until is None or request.decisions != found.decisions:
                return
            if lost and not _still_enough(request, lost):
                self.approvals.save(tx, policy.reopen(request, lost), self.clock())
            elif unsure and is_waiting_for(request, state):
                self.approvals.save(tx, policy.hold(request, self.clock() + AGAIN, unsure), self.clock())
            else:
                self.tell(tx, request)

    def _starter_bar(self, found: ApprovalRequest) -> str:
        """Why who started it may not have it go on now; whoever breaks the glass answers for that themselves."""
        if self.starters is None or policy.is_broken(found):
            return ""
        with self.db.reading() as connection:
            starter = self.starters.of(connection, found.execution_id)
        try:
            return self.starters.bar(starter)
        except Unidentified as error:
            return str(error)

    def _objection(self, request: ApprovalRequest, decision: Decision) -> str:
        """Why somebody who agreed may not count any more; "" where they do. Raises Unidentified."""
        by = self.attest(decision.account or decision.actor.id) if self.attest is not None else None
        if by is None:
            return ""
        if policy.is_broken(request):
            return "" if self.answering.is_listed(by, request.breakers) else "they may not break the glass any more"
        standing = self.answering.standing(request, by, self._lapsed(request))
        if standing.bar:
            return standing.bar
        if not standing.is_listed:
            return "they are not among those who may decide this any more"
        titles = policy.group_titles(request.groups)
        left = [titles[number] for number in decision.groups if number not in standing.groups]
        return f"they are not in {' and '.join(left)} any more" if left else ""


def _told(refusal: policy.DecisionRefused) -> Refused:
    """A refusal, as whoever is refused hears of it."""
    if isinstance(refusal, policy.Closed):
        return NoLongerOpen(str(refusal))
    return NotAllowed(f"{refusal} It was noted.")


def _looked(change: ApprovalChange, situation: Situation) -> ApprovalChange:
    """The change, and that the look before it had gaps."""
    looked = policy.look(change.state, situation.kept(), is_news=False)
    return ApprovalChange(looked.state, (*looked.events, *change.events))


def _spending(request: ApprovalRequest, key: str, change: Callable[[], ApprovalChange]) -> ApprovalChange:
    """The change, if its click has not brought about one before. Raises policy.Closed."""
    known = request.facts.get("spent")
    spent = [*known] if isinstance(known, list) else []
    if key and key in spent:
        raise policy.Closed("This click was counted before; nothing was done again.")
    made = change()
    if not key:
        return made
    return replace(made, state=replace(made.state, facts={**made.state.facts, "spent": [*spent, key]}))


def _masked(state: Execution | None, text: str) -> str:
    """What somebody wrote, without the secrets of the execution: it is told in the thread and kept in the trail."""
    return masking_of(state).text(text) if state is not None else text


def _still_enough(request: ApprovalRequest, lost: Collection[str]) -> bool:
    kept = policy.without(request, lost)
    return not policy.is_broken(request) and is_reached(kept, "Approve")


def names_of(request: ApprovalRequest) -> tuple[str, ...]:
    """Every entry of the question's lists."""
    found = [name for names in request.approver_lists for name in names]
    found += [name for group in request.groups for name in group.names]
    found += [name for name, _ in request.barred]
    return tuple(dict.fromkeys([*found, *request.delegates, *request.breakers]))
