"""`playbook-bot doctor`: looks at everything the bot needs, side by side, and says what to fix."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.service import Service
from bot.slack.checkup import SlackCheckup, SlackFound
from bot.slack.installations_checkup import InstallationsCheckup
from engine.dispatch.celery import unreachable
from engine.scripts.isolation import INSTEAD
from infra import aws_checkup, ssm_checkup
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.check import Check, Found, Moment, side_by_side
from infra.clock import Clock, utc_now
from infra.db import Database, DatabaseUnavailable
from infra.log import mask_of
from infra.settings import Settings
from migrations import runner
from playbooks import ssm_approvers
from playbooks.answerers import SLACK_GROUP, SLACK_USER, World, entries, problems
from playbooks.catalog import Catalog
from playbooks.playbook import Playbook
from playbooks.refusals import InvalidLibrary

__all__ = ["Check", "checks"]

PATIENCE_SECONDS: Final = 20.0
DATABASE_PATIENCE_SECONDS: Final = 5.0
SKEW: Final = timedelta(seconds=60)
"""Slack and AWS refuse what is five minutes off; a minute is worth setting the clock for."""
EXECUTE_SCRIPT: Final = "aws:executeScript"
MOST_SHOWN: Final = 5
NO_CATALOG: Final = Catalog(())
UPGRADE: Final = "playbook-bot db upgrade"


def checks(settings: Settings, *, clock: Clock = utc_now, seconds: float = PATIENCE_SECONDS) -> list[Check]:
    """Every finding, in the order in which one would set the bot up. Never raises, never shows a secret."""
    service = Service(settings, clock)
    playbooks, catalog = _playbooks(service)
    looks: dict[str, Callable[[], Found | SlackFound]] = {
        "database": partial(_database, settings.database_url),
        "scripts": partial(_scripts, service, catalog),
        "Slack": _slack(service, catalog),
        **aws_checkup.looks(service.aws, settings, clock),
        **_engine_looks(service, catalog),
    }
    found, broken = side_by_side(looks, seconds=seconds)
    people = found.get("Slack")
    told = [
        *_of(found, "database"),
        _audit_key(settings),
        playbooks,
        *_approvers(service, catalog, people if isinstance(people, SlackFound) else SlackFound()),
        *_ssm_approvers(settings, catalog),
        *_of(found, "scripts"),
        *_of(found, "Slack"),
        *(check for name in looks if name not in ("database", "scripts", "Slack") for check in _of(found, name)),
        aws_checkup.regions(settings, service.aws.region),
        _clock([moment for name in looks if name in found for moment in found[name].moments]),
        *broken,
    ]
    mask = mask_of(settings.secrets)
    return [replace(check, detail=mask(check.detail), fix=mask(check.fix)) for check in told]


def _of(found: Mapping[str, Found | SlackFound], name: str) -> tuple[Check, ...]:
    return found[name].checks if name in found else ()


def _database(url: str) -> Found:
    """Reachable, and at the schema of this program; a SQLite file is not made by looking."""
    database = Database(url, patience=DATABASE_PATIENCE_SECONDS)
    where = database.url.render_as_string(hide_password=True)
    try:
        if _is_missing(database):
            detail = f"{where} does not exist yet"
            return Found((Check("database", ok=False, detail=detail, fix=f"run {UPGRADE}"),))
        revision = runner.current(database)
        reached = Check("database", ok=True, detail=where)
        runner.check(database)
    except DatabaseUnavailable as error:
        detail = f"{where} cannot be reached: {str(error).strip().splitlines()[0]}"
        return Found((Check("database", ok=False, detail=detail, fix="correct database_url, or start the database"),))
    except runner.SchemaOutdated as error:
        return Found((reached, Check("schema", ok=False, detail=str(error), fix=f"run {UPGRADE}")))
    finally:
        database.close()
    return Found((reached, Check("schema", ok=True, detail=f"at {revision}")))


def _is_missing(database: Database) -> bool:
    return database.is_sqlite and not database.is_memory and not Path(database.url.database or "").exists()


def _slack(service: Service, catalog: Catalog) -> Callable[[], SlackFound]:
    """The look at the only workspace, or at all of several, whose tokens are in the database."""
    settings, clock = service.settings, service.clock
    channels, listed = _channels(settings, catalog), _listed(settings, catalog)
    if not settings.slack_workspaces:
        return SlackCheckup(settings, clock, channels, listed).look
    return partial(
        _installations, settings.database_url, InstallationsCheckup(settings, clock, channels, listed, service.audit)
    )


def _installations(url: str, checkup: InstallationsCheckup) -> SlackFound:
    """What is wrong with the database itself is told by the look at it."""
    database = Database(url, patience=DATABASE_PATIENCE_SECONDS)
    try:
        if _is_missing(database):
            return checkup.unread()
        runner.check(database)
        return checkup.look(database)
    except (DatabaseUnavailable, runner.SchemaOutdated):
        return checkup.unread()
    finally:
        database.close()


def _audit_key(settings: Settings) -> Check:
    if settings.audit_key.get_secret_value():
        return Check(
            "audit key", ok=True, detail="the chain is keyed; keep the key where the database's keepers are not"
        )
    detail = "is not set: whoever can write the database could rewrite the whole chain unnoticed"
    return Check(
        "audit key", ok=False, detail=detail, fix="set audit_key to 32 random characters: openssl rand -hex 16"
    )


def _playbooks(service: Service) -> tuple[Check, Catalog]:
    try:
        catalog = service.catalog
    except InvalidLibrary as error:
        shown = "; ".join(str(problem) for problem in error.problems[:MOST_SHOWN])
        left = len(error.problems) - MOST_SHOWN
        detail = f"{shown}; and {left} more" if left > 0 else shown
        return Check(
            "playbooks", ok=False, detail=detail, fix="correct these files; the bot does not start before"
        ), NO_CATALOG
    if not catalog.all:
        fix = "say use_library: true, or name a folder in playbooks"
        return Check("playbooks", ok=False, detail="there are none", fix=fix), NO_CATALOG
    detail = f"{len(catalog.all)}: {', '.join(playbook.name for playbook in catalog.all)}"
    warned = "".join(f"; {problem}" for problem in catalog.warnings[:MOST_SHOWN])
    return Check("playbooks", ok=True, detail=detail + warned), catalog


def _approvers(service: Service, catalog: Catalog, slack: SlackFound) -> list[Check]:
    """Whether somebody can answer each question and start each playbook that nothing else starts."""
    if not catalog.all:
        return []
    world = World(service.directory, slack.members, slack.gone)
    affected: dict[str, list[str]] = {}
    for playbook in catalog.all:
        for sentence in problems(playbook, world):
            affected.setdefault(sentence, []).append(playbook.name)
    found = [f"{', '.join(names)}: {sentence}" for sentence, names in affected.items()]
    fix = "name people in groups and people of the settings, or in approvers of the playbook"
    if not found:
        return [Check("approvers", ok=True, detail="every question has somebody who may answer it")]
    detail = "; ".join(found[:MOST_SHOWN]) + (
        f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    )
    return [Check("approvers", ok=False, detail=detail, fix=fix)]


def _scripts(service: Service, catalog: Catalog) -> Found:
    """How scripts are kept apart; only wrong where some playbook has one that would not be run."""
    try:
        isolation = service.scripts.isolation
    finally:
        service.scripts.close()
    users = [playbook.name for playbook in catalog.all if _has_scripts(playbook)]
    detail = f"{isolation.kind}: {isolation.detail}"
    if isolation.is_safe:
        return Found((Check("scripts", ok=True, detail=detail),))
    if service.settings.allow_unjailed_scripts:
        return Found((Check("scripts", ok=True, detail=f"not jailed, as allow_unjailed_scripts permits ({detail})"),))
    if users:
        detail = f"cannot be jailed here, so these playbooks would fail: {', '.join(users)} ({detail})"
        return Found((Check("scripts", ok=False, detail=detail, fix=INSTEAD),))
    return Found((Check("scripts", ok=True, detail=f"cannot be jailed here, and no playbook has one ({detail})"),))


def _engine_looks(service: Service, catalog: Catalog) -> dict[str, Callable[[], Found]]:
    """What there is to look at besides where others than this process run runbooks."""
    settings, looks = service.settings, dict[str, Callable[[], Found]]()
    there = ssm_approvers.on_aws(catalog.all, settings.engine)
    if there or settings.engine == "ssm" or settings.ssm_adopt:
        documents, topics = ssm_approvers.documents(there), ssm_approvers.topics(there)
        roles = ssm_approvers.roles(there)
        looks |= ssm_checkup.looks(service.aws, settings, roles, documents=documents, topics=topics)
    if settings.protected_tags and any(playbook.start == "auto" for playbook in catalog.all):
        looks["protected tags"] = partial(_protected, service)
    if settings.dispatch == "celery":
        looks["broker"] = partial(_broker, settings.broker_url.get_secret_value())
    return looks


def _ssm_approvers(settings: Settings, catalog: Catalog) -> list[Check]:
    """Whether AWS would take the bot's answer for each approval that runbooks there wait for."""
    there = ssm_approvers.on_aws(catalog.all, settings.engine)
    if not any(playbook.needs_approval for playbook in there):
        return []
    found = [each for playbook in there for each in ssm_approvers.problems(playbook, settings.ssm_principals)]
    if not found:
        return [Check("approvers on AWS", ok=True, detail="every approval there can be answered by the bot")]
    detail = "; ".join(found[:MOST_SHOWN]) if settings.ssm_principals else f"ssm_principals is empty; {found[0]}"
    fix = "name the ARN of the bot's role in ssm_principals and in Approvers of these runbooks"
    return [Check("approvers on AWS", ok=False, detail=detail, fix=fix)]


def _protected(service: Service) -> Found:
    """Whether the tags of resources can be read, without which no alarm starts anything by itself."""
    settings, name = service.settings, "protected tags"
    try:
        aws = service.aws.session(settings.assume_role, session_name="playbook-bot-doctor")
        service.protection.check(aws, service.aws.region)
    except (AwsRefused, AwsUnreachable) as error:
        fix = "allow the bot tag:GetResources and autoscaling:DescribeTags, or say protected_tags: [] to look at none"
        detail = f"tags of resources cannot be read, so no alarm starts anything by itself: {error}"
        return Found((Check(name, ok=False, detail=detail, fix=fix),))
    return Found((Check(name, ok=True, detail=f"{', '.join(settings.protected_tags)}: readable for every resource"),))


def _broker(url: str) -> Found:
    """Whether RabbitMQ answers."""
    where = urlsplit(url)
    place = f"{where.hostname}:{where.port or 5672}{where.path}"
    why = unreachable(url, seconds=DATABASE_PATIENCE_SECONDS)
    if why:
        fix = "correct broker_url, or start RabbitMQ; until then workers do nothing, and bots only take notice"
        return Found((Check("broker", ok=False, detail=f"{place} cannot be reached: {why}", fix=fix),))
    return Found((Check("broker", ok=True, detail=f"{place} answers"),))


def _has_scripts(playbook: Playbook) -> bool:
    return any(step.action == EXECUTE_SCRIPT for step in playbook.runbook.all_steps())


def _channels(settings: Settings, catalog: Catalog) -> list[str]:
    named = [settings.channel, *(playbook.channel for playbook in catalog.all)]
    return list(dict.fromkeys(channel for channel in named if channel))


def _listed(settings: Settings, catalog: Catalog) -> set[str]:
    """Every Slack user and user group that some list names."""
    lists = [settings.admins, *settings.groups.values()]
    lists += [(person.slack, *person.further_slack) for person in settings.people]
    lists += [entries(playbook) for playbook in catalog.all]
    return {each for names in lists for each in names if SLACK_USER.fullmatch(each) or SLACK_GROUP.fullmatch(each)}


def _clock(moments: list[Moment]) -> Check:
    if not moments:
        fix = "see to the findings about Slack and AWS first"
        return Check("clock", ok=False, detail="neither Slack nor AWS told the time", fix=fix)
    worst = max(moments, key=lambda moment: abs(moment.seconds_ahead))
    ahead = worst.seconds_ahead
    if abs(ahead) > SKEW.total_seconds():
        way = "ahead of" if ahead > 0 else "behind"
        detail = f"{abs(ahead):.0f} s {way} {worst.source}'s; at five minutes their requests and ours are refused"
        return Check("clock", ok=False, detail=detail, fix="set this machine's clock (NTP)")
    return Check("clock", ok=True, detail=f"agrees with {' and '.join(moment.source for moment in moments)}")
