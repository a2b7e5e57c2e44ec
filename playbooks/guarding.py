"""The verbs about what holds starts back: *notify me*, *take over*, *pause everything*, and why it is so."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from audit.events import SYSTEM, Event
from audit.trail import Entry
from engine.conductor import InvalidStatus
from engine.shape import suggestion
from infra.canonical import Json
from infra.db import Transaction
from playbooks.access import DOCUMENT, Access, Verb, Wish
from playbooks.access_words import Why
from playbooks.asking import top_of
from playbooks.freezes import Pause, frozen, why_frozen
from playbooks.guard_store import HeldWish, Watcher
from playbooks.guards import Guards, about
from playbooks.locks import Holder, busy, keys_of
from playbooks.mapping import parameters_from
from playbooks.people import Identity, actor_of
from playbooks.playbook import Playbook
from playbooks.refusals import NotAllowed, ParametersRefused, Refused, UnknownPlaybook
from playbooks.shelf import Shelf

log = structlog.get_logger()

GONE: Final = "This offer is no longer open. Please start the playbook again."
LONGEST_REASON: Final = 500
Begin = Callable[[Transaction, Mapping[str, Json], Identity], str]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What became of *take over*: the new execution, or that it begins as soon as the holder is over."""

    holder: Holder
    execution_id: str = ""
    """Empty: it is queued, for a step of the holder is still being stopped."""


@dataclass(frozen=True)
class Guarding:
    """The verbs. Built by Operations, which has the one way to begin."""

    guards: Guards
    catalog: Shelf
    is_admin: Callable[[Identity], bool]
    begin: Begin

    # -- everything

    def pause(self, by: Identity, reason: str) -> Pause:
        """Pause everything; who did it first stays the one who did. Raises NotAllowed (audited), Refused."""
        self.admins_only(by, "pause everything")
        parts = self.guards.parts
        pause = Pause(actor_of(by), parts.clock(), " ".join(reason.split())[:LONGEST_REASON])
        with parts.db.transaction() as tx:
            if not parts.store.set_pause(tx, pause):
                found = parts.store.pause(tx)
                raise Refused(found.sentence if found else "Everything is paused already.")
            parts.audit.append(tx, [Event("bot.paused", "", pause.actor, {"reason": pause.reason})], pause.since)
        return pause

    def resume(self, by: Identity) -> None:
        """Let everything go on. Raises NotAllowed (audited), Refused."""
        self.admins_only(by, "resume everything")
        parts = self.guards.parts
        with parts.db.transaction() as tx:
            if not parts.store.end_pause(tx):
                raise Refused("Nothing is paused.")
            parts.audit.append(tx, [Event("bot.resumed", "", actor_of(by))], parts.clock())

    def paused(self) -> Pause | None:
        """Whether everything is paused."""
        return self.guards.paused()

    def admins_only(self, by: Identity, what: str) -> None:
        """Raises NotAllowed (audited) for everybody else."""
        if self.is_admin(by):
            return
        parts, sentence = self.guards.parts, f"Only the admins of the settings may {what}."
        with parts.db.transaction() as tx:
            event = Event("access.refused", "", actor_of(by), {"what": what, "reason": sentence})
            parts.audit.append(tx, [event], parts.clock())
        raise NotAllowed(sentence)

    # -- one resource

    def notify_me(self, execution_id: str, by: Identity, *, mention: str = "") -> str:
        """Have somebody told when an execution is over; returns the sentence that says so. Raises Refused."""
        parts, now = self.guards.parts, self.guards.parts.clock()
        with parts.db.transaction() as tx:
            state = parts.executions.get(tx, execution_id)
            if state is None or not self.guards.is_open(tx, execution_id):
                raise Refused("It is over already, so the resource is free.")
            if not parts.store.watch(tx, execution_id, Watcher(by.id, by.name, mention), now):
                return "You will be told already when it is over."
            parts.audit.append(tx, [Event("lock.watched", execution_id, actor_of(by))], now)
        return "You will be told in its thread when it is over."

    def held(self) -> list[Holder]:
        """Which execution works on which resource now."""
        parts = self.guards.parts
        with parts.db.reading() as connection:
            found = parts.store.all(connection)
            return [each for each in found if self.guards.is_open(connection, each.execution_id)]

    def take_over(self, wish_id: str, by: Identity) -> TakenOver:
        """Stop whoever has the resource, and start what was held back. Raises Refused, NotAllowed (audited).

        It begins at once where the holder ends at once, else when the step that is running has been stopped: two
        executions never work on the resource at one time.
        """
        parts = self.guards.parts
        with self.guards.audited(), parts.db.transaction() as tx:
            held = parts.store.wish(tx, wish_id)
            if held is None or held.state != "held":
                raise Refused(GONE)
            self._permit_both(tx, held, by)
            holder = self._holder(tx, held)
            self._stop(tx, held, by)
            if self.guards.is_open(tx, held.holder):
                parts.store.set_wish(tx, held.id, "queued", by=by, now=parts.clock())
                return TakenOver(holder)
            parts.store.set_wish(tx, held.id, "done", by=by, now=parts.clock())
            return TakenOver(holder, self.begin(tx, held.wish, by))

    def _holder(self, tx: Transaction, held: HeldWish) -> Holder:
        """Whom a start was held back for; one that is over has its resources no more, and its title all the same."""
        found = self.guards.parts.store.of_execution(tx, held.holder)
        if found:
            return found[0]
        state = self.guards.parts.executions.get(tx, held.holder)
        if state is None:
            return Holder("", held.holder, "The run", SYSTEM, held.at)
        title = str(state.context.get("title") or state.document_name)
        return Holder("", state.id, title, state.started_by, state.created_at or held.at)

    def edit(self, document: str, by: Identity) -> None:
        """Let somebody make, change or forget a named runbook. Raises NotAllowed (audited)."""
        self.guards.permit(Wish("edit", f"{DOCUMENT}{document}"), by)

    def _permit_both(self, tx: Transaction, held: HeldWish, by: Identity) -> None:
        """Whoever takes over may run the one and stop the other. Raises Denied."""
        name = str(held.wish.get("playbook"))
        self.guards.permit_in(tx, Wish("run", name), by)
        state = self.guards.parts.executions.get(tx, held.holder)
        if state is not None and self.guards.is_open(tx, held.holder):
            top = top_of(self.guards.parts.executions, tx, state)
            self.guards.permit_in(tx, about(top, by, "stop"), by, subject=state.id)

    def _stop(self, tx: Transaction, held: HeldWish, by: Identity) -> None:
        parts = self.guards.parts
        if not self.guards.is_open(tx, held.holder):
            return
        resources: list[Json] = [each.resource for each in parts.store.of_execution(tx, held.holder)]
        data: dict[str, Json] = {"playbook": held.wish.get("playbook"), "resources": resources}
        parts.audit.append(tx, [Event("lock.taken_over", held.holder, actor_of(by), data)], parts.clock())
        try:
            parts.engine.stop(tx, held.holder, actor_of(by))
        except InvalidStatus:
            log.info("holder was over before it was taken over", execution=held.holder)

    # -- what follows from an end

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """Free what an execution has when it is over, tell who waits, and start what is queued. Harmless when repeated.

        A lock does not depend on this: one whose execution is over counts for nothing.
        """
        parts, ended = self.guards.parts, entry.event.subject
        if entry.event.name == "bot.resumed":
            parts.go_on(tx)
        if entry.event.name != "execution.ended":
            return
        resources: list[Json] = [each.resource for each in parts.store.of_execution(tx, ended)]
        watchers = parts.store.unwatch(tx, ended)
        parts.store.release(tx, ended)
        if watchers:
            told: list[Json] = [each.mention or each.name for each in watchers]
            data: dict[str, Json] = {"resources": resources, "status": entry.event.data.get("status"), "tell": told}
            parts.audit.append(tx, [Event("lock.released", ended, data=data)], parts.clock())
        for held in parts.store.queued(tx, ended):
            self._begin_queued(tx, held)

    def _begin_queued(self, tx: Transaction, held: HeldWish) -> None:
        parts = self.guards.parts
        parts.store.set_wish(tx, held.id, "done", by=held.by, now=parts.clock())
        try:
            self.begin(tx, held.wish, held.by)
        except Refused as error:
            event = getattr(error, "event", None) or _not_begun(held, str(error))
            parts.audit.append(tx, [event], parts.clock())
            log.warning("what was to take over could not start", wish=held.id, reason=str(error))

    # -- why

    def why(
        self,
        by: Identity,
        name: str,
        given: Mapping[str, Json],
        *,
        channel: str | None = None,
        region: str = "",
        account: str = "",
        verb: Verb = "run",
    ) -> Why:
        """What speaks for and against a start of a playbook with these values now; nothing is done or audited.

        Raises UnknownPlaybook, ParametersRefused.
        """
        playbook = self.catalog.get(name)
        if playbook is None:
            raise UnknownPlaybook(name, self.catalog.suggestion(name))
        refused = _not_taken(playbook, given)
        if refused:
            raise ParametersRefused(refused)
        values = with_defaults(playbook, given)
        wish = Wish(verb, name, values, channel, region or None, account or None, secrets=frozenset(playbook.secret))
        decision, tried = self.guards.judged(wish, by)
        return Why(wish, decision, tried, tuple(self._obstacles(playbook, values, region, account)))

    def fitting(self, name: str, parameter: str, values: Iterable[str], by: Identity, *, region: str) -> set[str]:
        """Those values of one parameter with which somebody could be let start the playbook, whatever else is given."""
        if not any(parameter in rule.parameters for rule in self.access.rules):
            return {*values}
        wishes = {each: Wish("run", name, {parameter: each}, region=region or None, is_partial=True) for each in values}
        return {each for each, wish in wishes.items() if self.guards.may(wish, by)}

    def _obstacles(self, playbook: Playbook, values: Mapping[str, Json], region: str, account: str) -> list[str]:
        parts, found = self.guards.parts, []
        now = parts.clock()
        pause = self.guards.paused()
        freeze = frozen(parts.rules.freezes, playbook, now)
        found += [pause.sentence] if pause else []
        found += [why_frozen(*freeze)] if freeze else []
        keys = keys_of(playbook, playbook.runbook, values, region, account)
        with parts.db.reading() as connection:
            found += [
                busy(each, now)
                for each in parts.store.holders(connection, keys)
                if self.guards.is_open(connection, each.execution_id)
            ]
        return found

    @property
    def access(self) -> Access:
        """The rules that count."""
        return self.guards.parts.rules.access


def with_defaults(playbook: Playbook, given: Mapping[str, Json]) -> Mapping[str, Json]:
    """The values of a start as far as they are known: the playbook's, the runbook's, and what is given."""
    declared = playbook.runbook.parameters
    plain = {name: each.default for name, each in declared.items() if not each.is_required}
    preset = parameters_from(playbook, None, given=frozenset(given))
    return {**plain, **preset, **given}  # type: ignore[dict-item]  # a default that is missing is required


def _not_taken(playbook: Playbook, given: Mapping[str, Json]) -> dict[str, str]:
    """What a start would refuse of these values whatever they are: names it has not, or that the playbook fills in."""
    known = [each for each in playbook.runbook.parameters if each not in playbook.fixed]
    there = f"It takes {', '.join(known)}." if known else "It takes none."
    found: dict[str, str] = {}
    for name in given:
        if name in playbook.fixed:
            found[name] = f"`{name}` is set by the playbook and cannot be given."
        elif name not in known:
            found[name] = f'{playbook.name} has no parameter "{name}".{suggestion(name, known)} {there}'
    return found


def _not_begun(held: HeldWish, reason: str) -> Event:
    data: dict[str, Json] = {"why": "refused", "what": f"run {held.wish.get('playbook')}", "reason": reason}
    return Event("start.refused", held.holder, actor_of(held.by), data)
