"""The documents say what is so: links lead somewhere, commands and settings exist, examples are loaded and played."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml
from click.testing import CliRunner

from bot.cli import cli
from bot.metrics import Metrics
from bot.slack.commandline import VERBS
from bot.slack.manifest import OPTIONAL_SCOPES, SCOPES
from engine.actions import BY_NAME
from engine.rehearsal_file import RehearsalFile
from infra.settings import PREFIX, load
from infra.settings_model import PersonEntry, Settings
from infra.settings_reference import SECTIONS, markdown
from playbooks.catalog import LIBRARY
from playbooks.catalog import load as load_catalog
from playbooks.playbook_file import PlaybookFile, TriggerFile
from playbooks.refusals import InvalidLibrary

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), LIBRARY / "README.md"])
VARIABLES: Final = frozenset(f"{PREFIX}{name.upper()}" for name in Settings.model_fields) | {f"{PREFIX}CONFIG"}


def text_of(path: Path) -> str:
    """A document's text."""
    return path.read_text(encoding="utf-8")


def names(path: Path) -> str:
    """A document by its place in the project."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=names)
def test_every_link_leads_somewhere(path: Path) -> None:
    """Relative links name files that are there, and headings that they have."""
    text = text_of(path)
    for target in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'<img src="([^"]+)"', text)]:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        file = (path.parent / name).resolve() if name else path

        assert file.exists(), f"{names(path)}: {target}"
        if heading:
            assert heading in set(anchors(text_of(file))), f"{names(path)}: {target}"


def anchors(text: str) -> Iterator[str]:
    """The anchors that GitHub gives to headings."""
    for heading in re.findall(r"(?m)^#+ (.+)$", text):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=names)
def test_every_command_exists(path: Path) -> None:
    """Each `playbook-bot …` is a command of this program, with the options that are shown."""
    for line in commands(text_of(path)):
        command: click.Command = cli
        for word in shlex.split(line, comments=True)[1:]:
            known = getattr(command, "commands", {})
            if word in known:
                command = known[word]
                continue
            if word.startswith("-") and word != "-":
                options = {each for option in command.params for each in (*option.opts, *option.secondary_opts)}
                assert word.partition("=")[0] in options | {"-h", "--help"}, f"{names(path)}: {line}"
                continue
            assert not known or word in ("|", "…", ">"), f"{names(path)}: {line}: there is no command {word}"
            break


def commands(text: str) -> Iterator[str]:
    """Every line or span of code that begins with the program's name."""
    for block in re.findall(r"(?s)```(?:sh|bash|console)?\n(.*?)```", text):
        yield from re.findall(r"(?m)^\$? ?(playbook-bot .*)$", block)
    spans = re.sub(r"(?s)```.*?```", "", text)
    yield from (span for span in re.findall(r"`(playbook-bot [^`]+)`", spans) if "|" not in span)


@pytest.mark.parametrize("path", DOCUMENTS, ids=names)
def test_every_setting_exists(path: Path) -> None:
    """Each variable and each key of a playbook-bot.yaml that is shown is one of the model's."""
    text = text_of(path)
    for variable in re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", text):
        assert variable in VARIABLES or variable == f"{PREFIX}NAME", f"{names(path)}: {variable}"
    for block in re.findall(r"(?s)```yaml\n# playbook-bot\.yaml\n(.*?)```", text):
        keys = yaml.safe_load(block).keys()
        assert keys <= Settings.model_fields.keys(), f"{names(path)}: {keys - Settings.model_fields.keys()}"
    for name in re.findall(r"settings? `([a-z_]+)`", text):
        assert name in Settings.model_fields, f"{names(path)}: {name}"


def test_every_verb_of_the_slash_command_exists() -> None:
    """`/playbook` is only shown with what it understands."""
    for path in DOCUMENTS:
        for verb in re.findall(r"`/playbook ([a-z]+)", text_of(path)):
            assert verb in VERBS, f"{names(path)}: /playbook {verb}"


def test_the_settings_page_is_the_model() -> None:
    """Made anew it is the same: python -m infra.settings_reference > docs/settings.md."""
    assert text_of(ROOT / "docs" / "settings.md") == markdown()
    assert SECTIONS.keys() <= Settings.model_fields.keys()


@pytest.mark.parametrize("model", [Settings, PersonEntry])
def test_every_setting_says_what_it_is(model: Any) -> None:
    """No setting without a sentence."""
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_the_settings_shown_can_be_used(tmp_path: Path) -> None:
    """Each whole file that the documents show is taken as it stands."""
    for path in DOCUMENTS:
        for number, block in enumerate(re.findall(r"(?s)```yaml\n(# playbook-bot\.yaml\n.*?)```", text_of(path))):
            file = tmp_path / f"{number}.yaml"
            file.write_text(block)
            load({}, file)


def test_every_scope_has_its_reason() -> None:
    """The installation guide names exactly the scopes of the manifest, and the optional ones."""
    text = text_of(ROOT / "docs" / "install.md")
    table = set(re.findall(r"`([a-z_]+(?::[a-z]+)?)`", " ".join(re.findall(r"(?m)^\| (`[^|]+) \|", text))))

    assert table == set(SCOPES)
    assert all(f"`{scope}`" in text for scope in OPTIONAL_SCOPES)


# -- docs/playbooks.md


def guide() -> str:
    """The page about playbooks."""
    return text_of(ROOT / "docs" / "playbooks.md")


def example(name: str) -> str:
    """One file of the example in the guide."""
    found = re.search(rf"(?s)<!-- {re.escape(name)} -->\n```yaml\n(.*?)```", guide())
    assert found is not None
    return found[1]


def test_the_example_is_a_playbook_and_goes_as_rehearsed(tmp_path: Path) -> None:
    """What the guide shows can be copied: it loads, and its own rehearsals pass."""
    home = tmp_path / "clear-queue"
    home.mkdir()
    for name in ("playbook.yaml", "runbook.yaml", "rehearsal.yaml"):
        (home / name).write_text(example(name))
    (playbook,) = load_catalog([tmp_path], available_actions=frozenset(BY_NAME)).all

    assert playbook.name == "clear-queue"
    played = CliRunner().invoke(cli, ["runbook", "test", str(home)])
    assert played.exit_code == 0, played.output
    linted = CliRunner().invoke(cli, ["runbook", "lint", str(home / "runbook.yaml"), "--no-tools"])
    assert linted.exit_code == 0, linted.output


@pytest.mark.parametrize("number", range(4))
def test_a_mistake_is_answered_as_the_guide_says(number: int, tmp_path: Path) -> None:
    """The messages in the guide are the program's own."""
    shown = re.findall(r"(?s)<!-- mistake -->\n```yaml\n(.*?)```\n\n```text\n(.*?)```", guide())
    mistake, answer = shown[number]
    home = tmp_path / "reboot"
    home.mkdir()
    (home / "playbook.yaml").write_text(mistake)
    (home / "runbook.yaml").write_text(text_of(LIBRARY / "reboot-instance" / "runbook.yaml"))
    with pytest.raises(InvalidLibrary) as refused:
        load_catalog([tmp_path], available_actions=frozenset(BY_NAME))

    assert str(refused.value).replace(f"{tmp_path}/", "") == answer.rstrip("\n")
    assert len(shown) == 4


def keys(model: Any) -> set[str]:
    """The names by which people write a model's fields."""
    return {field.alias or name for name, field in model.model_fields.items()}


def table_keys(heading: str) -> set[str]:
    """The keys in the first column of the first table below a heading."""
    section = guide().partition(f"\n{heading}\n")[2]
    table = re.search(r"(?m)(^\|.*\n)+", section)
    assert table is not None
    rows = table[0].splitlines()[2:]
    return {key for row in rows for key in re.findall(r"`([a-z_]+)`", row.split("|")[1])}


def test_every_key_is_explained() -> None:
    """No key of playbook.yaml or rehearsal.yaml is missing in the guide, and none is there that does not exist."""
    assert table_keys("## playbook.yaml, every key") == keys(PlaybookFile)
    assert table_keys("### trigger") == keys(TriggerFile)
    models: Mapping[str, Any] = RehearsalFile.__annotations__
    assert models.keys() - {"rehearsals"} < table_keys("## rehearsal.yaml, every key")


# -- docs/operations.md


def test_every_metric_is_explained() -> None:
    """The table holds exactly what /metrics can show."""
    own = {metric.name for metric in Metrics().registry.collect()}
    code = "\n".join(text_of(path) for path in (ROOT / "bot").rglob("*.py"))
    watched = {f"playbook_bot_{name}" for name in re.findall(r'metrics\.watch\(\s*"(\w+)"', code)}
    told = re.findall(r"(?m)^\| `(playbook_bot_\w+)` \|", text_of(ROOT / "docs" / "operations.md"))

    assert {name.removesuffix("_total") for name in told} == own | watched


# -- docs/runbooks.md


def test_the_imitated_rehearsal_of_the_guide_goes_as_it_says(tmp_path: Path) -> None:
    """Copied as it stands, it passes."""
    text = text_of(ROOT / "docs" / "runbooks.md")
    home = tmp_path / "stop"
    home.mkdir()
    for name in ("runbook.yaml", "rehearsal.yaml"):
        found = re.search(rf"(?s)<!-- {re.escape(name)} -->\n```yaml\n(.*?)```", text)
        assert found is not None
        (home / name).write_text(found[1])
    played = CliRunner().invoke(cli, ["runbook", "test", str(home)])

    assert played.exit_code == 0, played.output


def test_every_tool_for_runbooks_is_in_the_guide() -> None:
    """The table has each command of `playbook-bot runbook`."""
    told = set(re.findall(r"(?m)^\| `playbook-bot runbook (\w+)", text_of(ROOT / "docs" / "runbooks.md")))

    assert told == set(getattr(cli.commands["runbook"], "commands", {}))
