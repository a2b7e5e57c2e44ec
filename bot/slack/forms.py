"""Run forms: opened at once, filled in behind the acknowledgement where AWS must be asked what can be chosen."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import form, inputs, replies
from bot.slack.blocks import preview as preview_blocks
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor
from infra.aws_errors import AwsRefused, AwsUnreachable
from playbooks.facts import PlaybookFacts
from playbooks.operations import Order, ParametersRefused, Refused
from playbooks.people import Identity
from playbooks.resources import PLURALS, READERS, Listing, Resource, search
from playbooks.typed import typed_values

OPTIONS_PATIENCE: Final = 1.8
"""Seconds that a menu's question waits for AWS; Slack waits for three."""
MOST_OPTIONS: Final = 100


class Forms:
    """Opens run forms, and answers what they ask while they are open."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.options(inputs.PICK)(self.options)
        app.action(form.PREVIEW)(self.preview)
        app.action(form.REGION)(self.region_chosen)

    # -- opening

    def open(
        self,
        facts: PlaybookFacts,
        given: Mapping[str, str],
        problems: Mapping[str, str],
        body: Mapping[str, Any],
        client: WebClient,
        **carried: str,
    ) -> str | None:
        """The form for what is missing; what is wrong is said in it. Returns what to say where it does not open."""
        errors = {name: text for name, text in problems.items() if not text.startswith("Missing required")}
        carried = self._placed({"channel": self._door.address(body), **carried})
        if self._kinds(facts):
            view_id = self._door.open_view(client, body, form.loading(facts))
            is_open = bool(view_id)
            if is_open:
                self._door.workbench.later(lambda: self.fill(client, view_id, facts, given, errors, carried))
        else:
            is_open = self._door.opened(client, body, self.view(facts, given, errors, carried))
        if is_open:
            return None
        return " ".join([*(t.escape(each) for each in problems.values()), replies.NO_FORM])

    def fill(
        self,
        client: WebClient,
        view_id: str,
        facts: PlaybookFacts,
        given: Mapping[str, str],
        errors: Mapping[str, str],
        carried: Mapping[str, str],
    ) -> None:
        """Replace what was opened by the whole form."""
        self._door.update_view(client, view_id, self.view(facts, given, errors, carried))

    def from_alarm(self, order: Order, by: Identity, facts: PlaybookFacts) -> dict[str, str]:
        """What the alarm fills in by itself; nothing where it lacks something for that."""
        try:
            wish = self._door.operations.planned(order, by)
        except Refused:
            return {}
        asked_for = {each.name for each in facts.parameters}
        return {name: inputs.as_text(value) for name, value in wish.parameters.items() if name in asked_for}

    def at_once(self, facts: PlaybookFacts, given: Mapping[str, str], carried: Mapping[str, str]) -> dict[str, Any]:
        """The form with what is known already: to take the place of another one, which cannot wait for AWS."""
        return self.view(facts, given, {}, self._placed(carried), may_ask=False)

    def view(
        self,
        facts: PlaybookFacts,
        given: Mapping[str, str],
        errors: Mapping[str, str],
        carried: Mapping[str, str],
        *,
        may_ask: bool = True,
    ) -> dict[str, Any]:
        """The form, with what AWS says can be chosen: it may take seconds where `facts` names resources."""
        door, region = self._door, carried.get("region", "")
        pickers: dict[str, Mapping[str, str]] = {}
        notes = []
        for kind in self._kinds(facts):
            assert door.resources is not None  # else there are no kinds
            listing = door.resources.look(kind, region) if may_ask else door.resources.known(kind, region)[0]
            if listing is None:
                notes.append(replies.not_listed(PLURALS[kind]))
                continue
            if listing.problem:
                notes.append(listing.problem)
            if listing.resources:
                pickers[kind] = listing.named()
        regions = () if carried.get("suggestion") else door.regions
        can_look = door.previews is not None and door.resources is not None
        offer = form.Offer(pickers, tuple(notes), regions, has_preview=can_look)
        return form.run_form(facts, given, errors, carried=carried, offer=offer)

    def _placed(self, carried: Mapping[str, str]) -> dict[str, str]:
        """Say where it runs: the alarm's Region, the one that was typed, or the bot's own."""
        if carried.get("suggestion"):
            return {**carried, "region": self._door.queries.suggestion(carried["suggestion"]).alarm.region}
        default = self._door.regions[0] if self._door.regions else ""
        return {**carried, "region": carried.get("region") or default}

    def _kinds(self, facts: PlaybookFacts) -> list[str]:
        """The kinds of resources that the form lets people pick."""
        if self._door.resources is None:
            return []
        wanted = (inputs.resource_type(parameter) for parameter in facts.parameters if not parameter.allowed_values)
        return [kind for kind in dict.fromkeys(wanted) if kind in READERS]

    # -- while it is open

    def region_chosen(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """Another Region was chosen: what can be picked is picked anew, what was typed stays."""
        view, action = body.get("view") or {}, (body.get("actions") or [{}])[0]
        region = str((action.get("selected_option") or {}).get("value") or "")
        carried = {**form.metadata(view), "region": region}

        def change() -> None:
            by, facts = self._door.identity(body), self._door.queries.playbook(carried.pop("playbook", ""))
            self._door.must_be_runnable(facts, by)
            picked = {each.name for each in facts.parameters if inputs.resource_type(each)}
            given = {name: text for name, text in form.submitted(view).items() if name not in picked}
            self._door.workbench.later(lambda: self.fill(client, str(view.get("id")), facts, given, {}, carried))

        if region in self._door.regions:
            self._door.attempt(change)
        ack()

    def options(self, ack: Ack, body: dict[str, Any]) -> None:
        """A menu asks what it offers for what was typed so far."""
        found: list[dict[str, Any]] = []

        def answer() -> None:
            view, text = body.get("view") or {}, str(body.get("value") or "")
            carried = form.metadata(view)
            facts, by = self._door.queries.playbook(carried.get("playbook", "")), self._door.identity(body)
            self._door.must_be_runnable(facts, by)
            name = inputs.parameter_of(str(body.get("block_id") or ""))
            kind = next((inputs.resource_type(each) for each in facts.parameters if each.name == name), "")
            if kind in READERS:
                listing = self._offered(facts.name, name, kind, carried.get("region", ""), by)
                found.extend(_groups(listing, text))

        self._door.attempt(answer)
        ack(option_groups=found) if found else ack(options=[])

    def _offered(self, playbook: str, parameter: str, kind: str, region: str, by: Identity) -> Listing | None:
        """What there is, without what the access rules would refuse."""
        listing = self._listing(kind, region)
        if listing is None:
            return None
        ids = [each.id for each in listing.resources]
        fitting = self._door.operations.guarding.fitting(playbook, parameter, ids, by, region=region)
        return replace(listing, resources=tuple(each for each in listing.resources if each.id in fitting))

    def _listing(self, kind: str, region: str) -> Listing | None:
        """What is known; asked for behind the answer when it gets old, waited for a moment when there is nothing."""
        resources = self._door.resources
        if resources is None:
            return None
        listing, is_due = resources.known(kind, region)
        if not is_due:
            return listing
        there = threading.Event()

        def look() -> None:
            resources.look(kind, region)
            there.set()

        self._door.workbench.later(look)
        if listing is None and there.wait(OPTIONS_PATIENCE):
            listing, _ = resources.known(kind, region)
        return listing

    # -- the preview

    def preview(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Preview* in a form: what these values would do, on a page above it."""
        view = body.get("view") or {}
        carried, given = form.metadata(view), form.submitted(view)

        def show() -> str | None:
            by = self._door.identity(body)
            facts = self._door.queries.playbook(carried.get("playbook", ""))
            self._door.must_be_runnable(facts, by)
            order = order_of(facts, given, carried)
            return self.show(order, by, facts, body, client, is_above=True)

        text = self._door.attempt(show)
        if text:
            self._door.opened(client, body, form.notice("No preview", text), is_above=True)
        ack()

    def show(
        self,
        order: Order,
        by: Identity,
        facts: PlaybookFacts,
        body: Mapping[str, Any],
        client: WebClient,
        *,
        is_above: bool = False,
    ) -> str | None:
        """Open a preview and fill it in behind the acknowledgement; returns what to say where it does not open."""
        title = facts.title
        view_id = self._door.open_view(client, body, preview_blocks.looking(title), is_above=is_above)
        if not view_id:
            return replies.NO_PREVIEW
        self._door.workbench.later(lambda: self._door.update_view(client, view_id, self._previewed(title, order, by)))
        return None

    def _previewed(self, title: str, order: Order, by: Identity) -> dict[str, Any]:
        previews = self._door.previews
        if previews is None:
            return preview_blocks.problem(title, replies.NO_PREVIEWS)
        made: list[dict[str, Any]] = []

        def look() -> str | None:
            try:
                made.append(preview_blocks.view(title, previews.of(order, by)))
            except ParametersRefused as refused:
                return "\n".join(f":warning: {t.line(each, 500)}" for each in refused.problems.values())
            except (AwsRefused, AwsUnreachable) as error:
                return replies.no_situation(error)
            return None

        text = self._door.attempt(look)
        return preview_blocks.problem(title, text) if text else made[0]


def order_of(
    facts: PlaybookFacts, given: Mapping[str, str], carried: Mapping[str, str], *, request_key: str = ""
) -> Order:
    """What a form asks for."""
    return Order(
        facts.name,
        typed_values(facts.parameters, given),
        channel=carried.get("channel", ""),
        request_key=request_key,
        suggestion_id=carried.get("suggestion", ""),
        region=carried.get("region", ""),
        mode="Interactive" if carried.get("mode") == "Interactive" else "Auto",
    )


def _groups(listing: Listing | None, text: str) -> list[dict[str, Any]]:
    """The options for what was typed; what was typed itself where the list may lack it."""
    typed = text.strip()
    found = search(listing.resources, text) if listing else []
    fit = [each for each in found if len(each.id) <= inputs.LONGEST_OPTION]
    groups = []
    if fit:
        shown = fit[:MOST_OPTIONS]
        label = replies.found(len(shown), len(fit))
        groups.append({"label": t.plain(label, 75), "options": [_option(each) for each in shown]})
    is_whole = listing is not None and not listing.problem
    if typed and len(typed) <= inputs.LONGEST_OPTION and not (fit and is_whole):
        option = inputs.option(typed, typed, replies.AS_IT_STANDS)
        groups.append({"label": t.plain(replies.as_typed(is_whole=is_whole), 75), "options": [option]})
    return groups


def _option(resource: Resource) -> dict[str, Any]:
    tags = ", ".join(f"{key}={value}" for key, value in resource.tags.items() if key != "Name")
    return inputs.option(resource.id, resource.label, tags)
