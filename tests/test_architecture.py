"""The house as tests: what may import what, who talks to which outside world, and what pure means."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("infra", "audit", "engine", "approvals", "playbooks", "bot", "migrations")
DOORS: Final = ("bot.slack", "bot.intake", "bot.api")

FLOORS: Final[Mapping[str, int]] = {
    "infra": 1,
    "audit": 2,
    "approvals": 3,
    "engine": 3,
    "playbooks": 4,
    "bot": 6,
    **dict.fromkeys(DOORS, 5),
    "bot.web": 5,
    "bot.metrics": 5,
    "migrations": 6,
}
"""The longest prefix of a module's name counts."""

BELOW_THE_VERBS: Final = ("playbooks.catalog", "playbooks.reactions", "playbooks.store", "playbooks.documents.store")
"""The waist's own inside."""

IMPORTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "slack_bolt": ("bot.slack",),
    "slack_sdk": ("bot.slack",),
    "slackblocks": ("bot.slack.blocks",),
    "boto3": ("infra", "engine.scripts.inside", "bot.demo"),
    "botocore": ("infra", "engine.scripts.inside", "bot.api.signature", "bot.demo"),
    "moto": ("bot.demo", "bot.imitation"),
    "pytest": ("bot.pytest_plugin",),
    "websocket": ("bot.demo",),
    "werkzeug": ("bot.demo", "bot.api"),
    "sqlalchemy": ("infra", "migrations", "*store", "playbooks.queries"),
    "alembic": ("migrations",),
    "psycopg": ("infra",),
    "yaml": (
        "engine.yaml_source",
        "engine.exporting",
        "infra.settings_file",
        "playbooks.documents.content",
        "bot.demo",
        "bot.terminal",
    ),
    "jsonpath": ("engine.selectors",),
    "regex": ("engine.patterns",),
    "celery": ("engine.dispatch.celery",),
    "kombu": ("engine.dispatch.celery",),
    "apscheduler": ("bot.intake.schedule",),
    "PIL": ("engine.graph_png",),
    "bandit": ("engine.scripts.bandit",),
    "cryptography": ("bot.intake.certificates", "bot.slack.vault", "bot.demo"),
    "flask": ("bot.web", "bot.api"),
    "waitress": ("bot.http_server",),
    "prometheus_client": ("bot.metrics", "bot.web"),
    "click": ("bot.cli", "bot.terminal", "bot.demo"),
    "rich": ("bot.terminal",),
    "pydantic": ("engine", "infra", "playbooks", "bot"),
    "structlog": PACKAGES,
}
"""Outside library -> the modules below which it may be imported; `*store` means modules named so."""

NO_SQL: Final = frozenset({"Connection", "IntegrityError"})
"""What others than stores may import from SQLAlchemy: the hand they pass on, and the news that a key is taken."""

IMPURE: Final = frozenset(
    {
        "asyncio", "builtins.open", "concurrent", "ctypes", "fcntl", "ftplib", "getpass", "glob", "http", "mmap",
        "multiprocessing", "os", "platform", "pty", "queue", "random", "sched", "secrets", "select", "selectors",
        "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "tempfile",
        "threading", "time", "urllib.request", "webbrowser",
        "alembic", "apscheduler", "boto3", "celery", "click", "flask", "kombu", "moto", "psycopg", "rich",
        "slack_bolt", "slack_sdk", "sqlalchemy", "structlog", "waitress", "websocket",
    }
)  # fmt: skip
"""What a pure module does not import, nor anything of ours that it imports."""
CONSTANT: Final[Mapping[str, str]] = {
    "engine.actions": "a table: names, inputs and permissions are read from it, and nothing in it is run",
    "infra.aws_models": "reads botocore's data files, which change with its version only, and keeps them",
    "infra.aws_resources": "reads boto3's data files, which change with its version only",
    "engine.scripts.inside.seat": "its Plan is data that crosses the jail's wall; its folder is mounted alone",
}
"""Modules with an impure import that may be used by pure ones all the same, and why."""
IMPURE_CALLS: Final = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input"})

MODULES_OF_ANYTHING: Final = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"})
COMMITTERS: Final = frozenset({"infra.db", "infra.group_commit"})


class Import(NamedTuple):
    """One name that a module takes from another; `is_type` when the name is not there at run time."""

    module: str
    name: str
    line: int
    is_type: bool = False


@cache
def _files() -> Mapping[str, Path]:
    """Every module of the program by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_files()[module].read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> tuple[Import, ...]:
    found = []
    is_package = _files()[module].name == "__init__.py"
    for_types = {id(inner) for block in _type_blocks(module) for inner in ast.walk(block)}
    for node in ast.walk(_tree(module)):
        is_type = id(node) in for_types
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", node.lineno, is_type) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".")[: None if is_package and node.level == 1 else -node.level + is_package]
                origin = ".".join([*parents, *([origin] if origin else [])])
            found += [Import(origin, alias.name, node.lineno, is_type) for alias in node.names]
    return tuple(found)


def _type_blocks(module: str) -> list[ast.If]:
    tests = [node for node in ast.walk(_tree(module)) if isinstance(node, ast.If)]
    return [node for node in tests if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"]


@cache
def _ours(module: str, *, at_run_time: bool = False) -> frozenset[str]:
    """Modules of the program that this one imports."""
    names = set()
    for each in _imports(module):
        if at_run_time and each.is_type:
            continue
        whole = f"{each.module}.{each.name}"
        target = whole if whole in _files() else each.module
        if target in _files() and target != module:
            names.add(target)
    return frozenset(names)


def _is_below(module: str, *prefixes: str) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


def _floor(module: str) -> int:
    parts = module.split(".")
    return next(
        FLOORS[prefix] for end in range(len(parts), 0, -1) if (prefix := ".".join(parts[:end])) in FLOORS
    )  # fmt: skip


def _is_pure(module: str) -> bool:
    """Whether a module says of itself that it is pure."""
    return "Pure." in (ast.get_docstring(_tree(module)) or "")


def _place(module: str, line: int) -> str:
    return f"{_files()[module].relative_to(ROOT)}:{line}"


def test_imports_point_down() -> None:
    """No module imports one of a higher floor."""
    wrong = [
        f"{module} (floor {_floor(module)}) imports {other} (floor {_floor(other)})"
        for module in _files()
        for other in _ours(module)
        if _floor(other) > _floor(module)
    ]

    assert wrong == []


def test_the_cores_do_not_know_each_other() -> None:
    """Neither engine nor approvals imports the other, however far around."""
    wrong = [
        f"{module} reaches {other}"
        for module in _files()
        for one, two in (("engine", "approvals"), ("approvals", "engine"))
        if _is_below(module, one)
        for other in _reach(module)
        if _is_below(other, two)
    ]

    assert wrong == []


@cache
def _reach(module: str) -> frozenset[str]:
    """Everything of ours that importing this module brings along."""
    return _closure(module, frozenset())


def _closure(module: str, not_beyond: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    todo = [module]
    while todo:
        for other in _ours(todo.pop(), at_run_time=True) - found - not_beyond:
            found.add(other)
            todo.append(other)
    return frozenset(found)


def test_doors_use_verbs_and_facts_only() -> None:
    """A door imports nothing of the cores that does something, and none of the waist's inside: words are free."""
    wrong = [
        f"{module} imports {other}"
        for module in _files()
        if _is_below(module, *DOORS)
        for other in _ours(module)
        if (_is_below(other, "engine", "approvals") and _outside_worlds(other)) or _is_below(other, *BELOW_THE_VERBS)
    ]

    assert wrong == []


def test_doors_do_not_know_each_other() -> None:
    """What two doors share lies below them."""
    wrong = [
        f"{module} imports {other}"
        for module in _files()
        for door in DOORS
        if _is_below(module, door)
        for other in _ours(module)
        if _is_below(other, *(each for each in DOORS if each != door))
    ]

    assert wrong == []


def test_nothing_imports_in_a_circle() -> None:
    """Importing never leads back to where it began."""
    circles = [module for module in _files() if module in _reach(module)]

    assert circles == []


def test_every_outside_library_has_its_place() -> None:
    """A library is imported where the table says, and every library is in the table."""
    wrong = []
    for module in _files():
        for each in _imports(module):
            library = each.module.partition(".")[0]
            if library in sys.stdlib_module_names or library in PACKAGES:
                continue
            places = IMPORTERS.get(library, ())
            is_store = "*store" in places and module.rpartition(".")[2].endswith("store")
            is_no_sql = library == "sqlalchemy" and each.name in NO_SQL
            if not (is_store or is_no_sql or _is_below(module, *places)):
                wrong.append(f"{_place(module, each.line)} imports {library}")

    assert wrong == []


def test_the_environment_is_read_in_one_place() -> None:
    """Only the settings read environment variables; the jail's inside and the demo prepare those of their children."""
    allowed = ("infra.settings", "engine.scripts.inside", "bot.demo.environment")
    wrong = [
        _place(module, node.lineno)
        for module in _files()
        if not _is_below(module, *allowed)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    ]

    assert wrong == []


def test_pure_modules_touch_no_outside_world() -> None:
    """A module that calls itself pure, and all that it imports, has no clock, no randomness and no I/O in reach."""
    wrong = [f"{module}: {found}" for module in filter(_is_pure, _files()) for found in _outside_worlds(module)]

    assert wrong == []


@cache
def _outside_worlds(module: str) -> tuple[str, ...]:
    """Where this module, or one that it brings along, has something impure in its hands."""
    insides = (module, *_closure(module, frozenset(CONSTANT)))
    return tuple(f"{_place(inside, line)} {what}" for inside in insides for what, line in _impurities(inside))


@cache
def _impurities(module: str) -> tuple[tuple[str, int], ...]:
    found = [
        (f"imports {each.module}", each.line)
        for each in _imports(module)
        if _is_below(each.module, *IMPURE) or f"{each.module}.{each.name}" in IMPURE
    ]
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in IMPURE_CALLS:
                found.append((f"calls {called}", node.lineno))
    return tuple(found)


def test_modules_are_named_for_what_they_hold() -> None:
    """No module is named for anything at all, and nothing is named after what other things need it for."""
    wrong = [module for module in _files() if MODULES_OF_ANYTHING & set(module.split("."))]

    assert wrong == []


@pytest.mark.parametrize("module", sorted(_files()))
def test_every_module_says_what_it_is(module: str) -> None:
    """Every module opens with a sentence."""
    said = (ast.get_docstring(_tree(module)) or "").split("\n\n")[0]

    assert re.fullmatch(r"[^\s].{8,}[.!)`]", said, re.DOTALL), f"{module} should open with one sentence, not {said!r}"


def test_only_the_database_commits() -> None:
    """Nothing but `Database.transaction`, and what it is made of, begins or ends a transaction."""
    wrong = [
        f"{_place(module, line)}: {what}"
        for module in _files()
        if module not in COMMITTERS and not _is_below(module, "migrations")
        for what, line in _commits(module)
    ]

    assert wrong == []


def _commits(module: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(_tree(module)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if re.search(r"\.(commit|rollback|begin_nested)$|(engine|connection)\.begin$", called):
            yield called, node.lineno
        for value in node.args:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                word = value.value.strip().upper().split(" ")[0].rstrip(";")
                if word in ("COMMIT", "ROLLBACK", "SAVEPOINT") and value.value.isupper():
                    yield value.value, node.lineno


def test_transactions_make_no_calls() -> None:
    """Inside `with db.transaction()` nobody calls AWS or Slack: names of clients do not occur there."""
    wrong = [
        _place(module, inner.lineno)
        for module in _files()
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.With) and any(_is_transaction(item.context_expr) for item in node.items)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and re.fullmatch(r"_?(client|web_client|aws|session)", inner.attr)
    ]

    assert wrong == []


def _is_transaction(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction"
