"""Scripts as SSM runs them: handlers, payloads, attachments, failures, logs, cancelling, restarts."""

import io
import json
import re
import subprocess
import sys
import threading
import time
import zipfile
from typing import Any

import psutil
import pytest

from engine.scripts.runner import ScriptRunner
from engine.scripts.script import Script, ScriptPolicy
from tests.engine.scripts.conftest import Jail
from tests.fakes.aws import QuietAws


def zipped(**files: str) -> bytes:
    """A zip of these modules; `__` is a folder's slash."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in files.items():
            packed.writestr(f"{name.replace('__', '/')}.py", text)
    return content.getvalue()


def test_calls_the_handler_with_events_and_context(jail: Jail) -> None:
    """The handler gets the InputPayload and the system variables, and returns the Payload."""
    source = "def handler(events, context):\n  return {'sum': sum(events['n']), 'in': context['global:REGION']}"

    end = jail.run(source, {"n": [1, 2, 3]}, context={"global:REGION": "eu-west-1"})

    assert (end.how, json.loads(end.payload)) == ("done", {"sum": 6, "in": "eu-west-1"})


def test_returns_null_for_nothing(best_jail: Jail) -> None:
    """A handler without a return value has the Payload null."""
    assert best_jail.body("pass").payload == "null"


def test_fails_with_the_traceback_of_the_script(best_jail: Jail) -> None:
    """A failure shows file, line and source as AWS does, and nothing of the runner."""
    end = best_jail.run("def inner():\n  raise ValueError('no such fleet')\ndef handler(e, c):\n  inner()")

    assert end.failure == "ValueError: no such fleet"
    lines = end.trace.splitlines()
    assert re.fullmatch(r'  File "(/var)?/tmp/[0-9a-f]{16}/customer_script.py", line 4, in handler', lines[1])
    assert lines[-1] == "ValueError: no such fleet"
    assert "raise ValueError('no such fleet')" in end.trace
    assert "inside" not in end.trace


def test_says_where_the_syntax_is_wrong(best_jail: Jail) -> None:
    """A script that is no Python fails with the line."""
    end = best_jail.run("def handler(e, c):\n  return (")

    assert end.failure.startswith("SyntaxError")
    assert "line 2" in end.trace


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("exit('ERROR: no finding')", "SystemExit: ERROR: no finding"),
        ("import sys; sys.exit(1)", "SystemExit: 1"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n        def __str__(self): raise ValueError\n    raise E", "E: (no message)"),
    ],
)
def test_fails_when_the_script_leaves(best_jail: Jail, line: str, said: str) -> None:
    """exit() and everything else that is raised is a failure."""
    assert best_jail.body(line).failure == said


def test_names_a_missing_handler(best_jail: Jail) -> None:
    """A handler that is not in the script is named."""
    end = best_jail.run("def other(e, c): pass")

    assert end.failure == 'the script has no function "handler" (Handler: handler)'


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("__import__('datetime').datetime(2026, 1, 1)", "Payload is a datetime, which JSON cannot say"),
        ("{'a': [1, {2}]}", "Payload.a[1] is a set, which JSON cannot say"),
        ("{('a', 1): 2}", "Payload has a key that is a tuple; JSON's keys are text"),
        ("{'a': float('nan')}", "Payload.a is nan, which JSON cannot say"),
        ("(lambda x: x.append(x) or x)([])", "the result is nested too deeply or contains itself"),
        ("'x' * 200_000", "the script returned 200,002 bytes; AWS allows 102,400 (100 KB of JSON)"),
    ],
)
def test_says_what_of_the_result_json_cannot_say(best_jail: Jail, value: str, said: str) -> None:
    """A result that has no JSON form, or is too large, is a failure that names the place."""
    assert best_jail.body(f"return {value}").failure.startswith(said)


def test_cuts_long_lists(best_jail: Jail) -> None:
    """Lists end after 100 items, and the log says so."""
    end = best_jail.body("return {'ids': list(range(150))}")

    assert json.loads(end.payload) == {"ids": list(range(100))}
    assert end.printed == "(a list of 150 items was cut to 100, as AWS does)\n"


def test_keeps_what_is_printed(best_jail: Jail) -> None:
    """Standard output and error are kept, whatever the outcome."""
    end = best_jail.body("import sys", "print('één')", "print('two', file=sys.stderr)", "raise ValueError")

    assert end.printed == "één\ntwo\n"


def test_imports_from_an_attachment(best_jail: Jail) -> None:
    """A zip's function is the handler; its modules import each other."""
    content = zipped(main="from helpers.common import name\ndef go(e, c): return name", helpers__common="name = 'zip'")

    end = best_jail.run("", handler="main.go", attachment_name="tools.zip", attachment=content)

    assert end.payload == '"zip"', end


def test_runs_a_file_that_is_attached(best_jail: Jail) -> None:
    """A .py attachment is imported by its name."""
    source = b"def go(e, c): return __name__"

    end = best_jail.run("", handler="main.go", attachment_name="main.py", attachment=source)

    assert end.payload == '"main"'


@pytest.mark.parametrize("content", [zipped(s3_utils="x = 1"), zipped(attachments__s3_utils="x = 1")])
def test_a_script_imports_from_its_attachment_by_its_name(best_jail: Jail, content: bytes) -> None:
    """`attachments.zip` is importable as `attachments`, whether or not the zip has that folder."""
    source = "from attachments.s3_utils import x\ndef handler(e, c): return x"

    end = best_jail.run(source, attachment_name="attachments.zip", attachment=content)

    assert end.payload == "1", end


def test_a_handler_of_the_attachment_goes_before_the_script(best_jail: Jail) -> None:
    """With both, FILE.FUNCTION means the attachment's file; a bare name means the script."""
    given: dict[str, Any] = {"attachment_name": "a.zip", "attachment": zipped(main="def go(e, c): return 'attached'")}
    source = "def go(e, c): return 'script'"

    ends = [best_jail.run(source, handler=handler, **given).payload for handler in ("main.go", "go", "other.go")]

    assert ends == ['"attached"', '"script"', '"script"']


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", b"no zip", 'attachment "a.zip" is not a zip file'),
        ("a.py", b"", 'the script has no function "go" (Handler: a.go)'),
        ("b.py", b"", "ModuleNotFoundError: No module named 'a'"),
    ],
)
def test_says_what_is_wrong_with_an_attachment(best_jail: Jail, name: str, content: bytes, said: str) -> None:
    """A broken attachment is named."""
    assert best_jail.run("", handler="a.go", attachment_name=name, attachment=content).failure == said


def test_an_attachment_stays_in_its_folder(best_jail: Jail) -> None:
    """Names in a zip that lead out of the folder, and a zip that unpacks to a mountain, do no harm."""
    escaping = io.BytesIO()
    with zipfile.ZipFile(escaping, "w") as packed:
        packed.writestr("../../../../tmp/evil.py", "x = 1")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("big", b"0" * 300_000_000)
    source = "import os\ndef handler(e, c): return os.path.exists('/tmp/evil.py')"

    escaped = best_jail.run(source, attachment_name="a.zip", attachment=escaping.getvalue())
    unpacked = best_jail.run(source, attachment_name="a.zip", attachment=bomb.getvalue())

    assert escaped.payload == "false"
    assert unpacked.failure == 'attachment "a.zip" holds more than 268,435,456 bytes'


def test_has_the_region_and_nothing_else_of_the_environment(best_jail: Jail) -> None:
    """AWS_REGION and AWS_DEFAULT_REGION are those of the execution."""
    end = best_jail.body("import os", "return [os.environ['AWS_REGION'], os.environ['AWS_DEFAULT_REGION']]")

    assert json.loads(end.payload) == ["eu-west-1", "eu-west-1"]


def test_runs_side_by_side(jail: Jail) -> None:
    """Scripts run at the same time, each with its own answer: none ends before all of them have begun."""
    ends: dict[int, str] = {}
    all_here = threading.Barrier(8, timeout=60)

    def meet(_params: object) -> dict[str, Any]:
        all_here.wait()
        return {}

    def one(number: int) -> None:
        aws = QuietAws(answers={"sts:GetCallerIdentity": meet})
        code = ("import boto3", "boto3.client('sts').get_caller_identity()", "return events")
        ends[number] = jail.body(*code, events=number, aws=aws).payload

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ends == {number: str(number) for number in range(8)}


def started(jail: Jail, token: str, into: list[str]) -> threading.Thread:
    """A script that sleeps, in a thread; returns when it runs."""
    aws = QuietAws(answers={"sts:GetCallerIdentity": {}})

    def run() -> None:
        code = ("import boto3, time", "boto3.client('sts').get_caller_identity()", "time.sleep(60)")
        end = jail.body(*code, token=token, aws=aws)
        into.append(end.how + end.failure)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 10
    while not aws.asked and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return thread


def warm_process_of(pid: int) -> psutil.Process:
    """The warm process itself; bubblewrap stands between it and the bot."""
    first = psutil.Process(pid)
    line = [first, *first.children(recursive=True)]
    return next(process for process in line if process.cmdline()[0].endswith("python"))


def test_can_be_cancelled(jail: Jail) -> None:
    """Cancelling by token ends that script at once; a token of nobody does nothing."""
    ends: list[str] = []
    thread = started(jail, "this", ends)

    jail.runner.cancel("another")
    jail.runner.cancel("this")
    thread.join(10)

    assert ends == ["cancelled"]


def test_starts_again_when_the_warm_process_dies(jail: Jail) -> None:
    """A dead warm process ends its scripts with a reason, and the next script has a new one."""
    ends: list[str] = []
    thread = started(jail, "this", ends)

    warm_process_of(jail.runner._warm.pid).kill()
    thread.join(10)

    assert ends == ["failedThe script ended with the process that runs scripts, which has been started again."]
    assert jail.body("return 1").payload == "1"


def test_refuses_where_nothing_can_be_jailed() -> None:
    """Without a jail a script runs only on the operator's word."""
    script = Script("def handler(e, c): return 1", "handler", {}, {}, "eu-west-1", "one")
    refusing = ScriptRunner(strongest="none")
    allowing = ScriptRunner(ScriptPolicy(allow_unjailed=True), strongest="none")

    refused, done = refusing.run(script, QuietAws()), allowing.run(script, QuietAws())

    assert refusing.isolation.kind == "none"
    assert not refusing.isolation.is_safe
    assert refused.failure.startswith("Scripts cannot be jailed on this machine: install bubblewrap, or ")
    assert "allow_unjailed_scripts" in refused.failure
    assert done.payload == "1"
    refusing.close()
    allowing.close()


def test_says_why_scripts_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm process that does not come up fails the step with what it said."""
    monkeypatch.setattr("engine.scripts.room.START", "raise SystemExit('no boto3 today')")
    runner = ScriptRunner(strongest="landlock")

    end = runner.run(Script("", "handler", {}, {}, "eu-west-1", "one"), QuietAws())

    assert end.failure == "Scripts cannot run on this machine: no boto3 today"
    assert runner.isolation.kind == "none"


def test_goes_on_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bubblewrap that does not work here is passed over for the next best jail."""
    monkeypatch.setattr("engine.scripts.room.bubblewrap", lambda: "/bin/false")
    runner = ScriptRunner()

    found = runner.isolation

    assert found.kind != "bubblewrap"
    runner.close()


def test_ends_with_the_bot(jail: Jail) -> None:
    """When the bot is killed, the warm process and every script end, too."""
    code = f"""
import sys, threading
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import Script
from tests.fakes.aws import QuietAws
class Aws(QuietAws):
    def call(self, *args, **kwargs):
        print(runner._warm.pid, flush=True)
        return {{}}
runner = ScriptRunner(strongest={jail.kind!r})
source = "import boto3, time\\ndef handler(e, c):\\n  boto3.client('sts').get_caller_identity()\\n  time.sleep(60)"
runner.run(Script(source, "handler", {{}}, {{}}, "eu-west-1", "one"), Aws())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as bot:
        assert bot.stdout is not None
        pid = next(int(line) for line in bot.stdout if line.strip().isdigit())
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        bot.kill()

        gone, alive = psutil.wait_procs(family, timeout=10)

    assert len(gone) >= 2
    assert alive == []
