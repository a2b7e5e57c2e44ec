"""The scan of scripts: each danger is found at its line, what is harmless is left alone."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scripts.scan import scan
from tests.engine.corpus import needs_corpus, runbooks

DANGERS = [
    ("SCR101", 'KEY = "AKIAIOSFODNN7EXAMPLE"'),
    ("SCR101", 'db_password = "correct-horse"'),
    ("SCR101", 'connect(host="x", password="correct-horse")'),
    ("SCR101", 'x = {"client_secret": "correct-horse"}'),
    ("SCR101", 'self.api_key = "0123456789abcdef"'),
    ("SCR101", 'boto3.client("ec2", aws_secret_access_key="wJalrXUtnFEMI/K7MDENG")'),
    ("SCR101", 'x = "-----BEGIN RSA PRIVATE KEY-----"'),
    ("SCR101", 'x = "xoxb-1234567890-abcdef"'),
    ("SCR101", 'x = "https://lee:correct-horse@example.com/"'),
    ("SCR101", 'password: str = "correct-horse"'),
    ("SCR101", 'config["api_key"] = "0123456789abcdef"'),
    ("SCR101", 'def connect(user, password="correct-horse"): pass'),
    ("SCR101", 'def connect(*, secret_key="correct-horse"): pass'),
    ("SCR101", 'x = password == "correct-horse"'),
    ("SCR101", 'x = "https://hooks.slack.com/services/T0001/B0001/abcdefghijklmnopqrst"'),
    ("SCR101", 'x = "glpat-abcdefghijklmnopqrst"'),
    ("SCR102", "eval(events['expression'])"),
    ("SCR102", "exec('x = 1')"),
    ("SCR103", "import os\nos.system('ls')"),
    ("SCR103", "import os as o\no.popen('ls')"),
    ("SCR103", "from os import system\nsystem('ls')"),
    ("SCR103", "import subprocess\nsubprocess.run('ls', shell=True)"),
    ("SCR103", "import os\nos.execvp('ls', [])"),
    ("SCR103", "import asyncio\nasyncio.create_subprocess_shell('ls')"),
    ("SCR104", "x = 'http://2852039166/latest'"),
    ("SCR104", "x = 'http://instance-data/latest'"),
    ("SCR104", "x = 'http://169.254.170.23/v1/credentials'"),
    ("SCR104", "x = 'http://169.254.169.254/latest/meta-data/'"),
    ("SCR105", "requests.get(url, verify=False)"),
    ("SCR105", "boto3.client('s3', verify=False)"),
    ("SCR105", "boto3.client('s3', use_ssl=False)"),
    ("SCR105", "import ssl\nssl._create_default_https_context = ssl._create_unverified_context"),
    ("SCR105", "context.verify_mode = ssl.CERT_NONE"),
    ("SCR105", "context.check_hostname = False"),
    ("SCR105", "import urllib3\nurllib3.disable_warnings()"),
    ("SCR106", "bucket.objects.all().delete()"),
    ("SCR106", "ec2.instances.filter().terminate()"),
    ("SCR106", "boto3.resource('s3').Bucket('b').object_versions.all().delete()"),
    ("SCR106", "import shutil\nshutil.rmtree('/')"),
    ("SCR107", "x = {'Effect': 'Allow', 'Action': '*', 'Resource': arn}"),
    ("SCR107", "x = {'Effect': 'Allow', 'Principal': {'AWS': '*'}, 'Action': ['s3:GetObject']}"),
    (
        "SCR108",
        "ec2.authorize_security_group_ingress(GroupId=g, IpPermissions=[{'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])",
    ),
    ("SCR108", "group.authorize_ingress(CidrIp='::/0')"),
    ("SCR109", "import pickle\npickle.loads(data)"),
    ("SCR109", "import yaml\nyaml.load(text)"),
    ("SCR109", "import yaml\nyaml.unsafe_load(text)"),
    ("SCR201", "import socket"),
    ("SCR201", "from urllib.request import urlopen"),
    ("SCR202", "import subprocess"),
]
HARMLESS = [
    "if password == '': pass",
    "def connect(password=None): pass",
    "def connect(user='correct-horse', password=''): pass",
    "os.path.exists(x)",
    "password = events['password']",
    "password = ''",
    "password = '{{ Password }}'",
    "secret_key = '/prod/db/password'",
    "secret_key = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:x'",
    "PASSWORD = 'DB_PASSWORD'",
    "password_policy = 'strict enough'",
    "import urllib.parse, json, datetime",
    "from os import path",
    "bucket.objects.filter(Prefix='tmp/').delete()",
    "ec2.instances.filter(Filters=[f]).terminate()",
    "ec2.instances.filter(**conditions).stop()",
    "x = {'Effect': 'Deny', 'Action': '*'}",
    "x = {'Effect': 'Allow', 'Action': 's3:Get*'}",
    "ec2.revoke_security_group_ingress(CidrIp='0.0.0.0/0')",
    "yaml.load(text, Loader=yaml.SafeLoader)",
    "yaml.safe_load(text)",
    "requests.get(url, verify=True)",
    "model.eval()",
    "table.delete()",
]


@pytest.mark.parametrize(("code", "source"), DANGERS)
def test_finds(code: str, source: str) -> None:
    """Every danger has its code, and stands in the last line of its example."""
    found = scan(source)

    assert code in [finding.code for finding in found], found
    assert found[-1].line == source.count("\n") + 1


@pytest.mark.parametrize("source", HARMLESS)
def test_leaves_alone(source: str) -> None:
    """What is common and harmless is not reported."""
    assert scan(source) == ()


def test_says_where() -> None:
    """Line and column count from 1, and point at the danger."""
    found = scan("import os\n\ndef go(e, c):\n    x = os.system(e['x'])\n")

    assert [(f.code, f.line, f.column) for f in found] == [("SCR103", 4, 9)]


def test_can_be_told_to_be_silent() -> None:
    """A line that ends in `# nosec` is not reported."""
    assert scan("eval(x)  # nosec\neval(y)")[0].line == 2
    assert len(scan("eval(x)  # nosec\neval(y)")) == 1


def test_names_broken_syntax() -> None:
    """A script that is no Python is reported at the place."""
    found = scan("def go(e, c):\n  return (")

    assert [(f.code, f.line) for f in found] == [("SCR001", 2)]


@pytest.mark.parametrize(
    ("source", "handler", "is_there"),
    [
        ("def go(e, c): pass", "go", True),
        ("async def other(): pass\ndef gone(): pass", "go", False),
        ("go = lambda e, c: 1", "go", True),
        ("from helpers import go", "go", True),
        ("from helpers import *", "go", True),
        ("class go: pass", "go", True),
        ("def go(e, c): pass", "script.go", True),
        ("def x(): pass", "{{ Handler }}", True),
        ("def x(): pass", "", True),
    ],
)
def test_looks_for_the_handler(source: str, handler: str, is_there: bool) -> None:  # noqa: FBT001 - a table
    """A handler that cannot be there is named."""
    assert ([f.code for f in scan(source, handler=handler)] == []) == is_there


@pytest.mark.parametrize(
    ("source", "runtime", "codes"),
    [
        ("match x:\n  case 1: pass", "python3.9", ["SCR003"]),
        ("match x:\n  case 1: pass", "python3.10", []),
        ("x = (y := 1)", "python3.7", ["SCR003"]),
        ("x = (y := 1)", "Python3.8", []),
        ("x = (y := 1)", "{{ Runtime }}", []),
    ],
)
def test_knows_what_is_too_new(source: str, runtime: str, codes: list[str]) -> None:
    """Syntax that AWS's own runtime of that name would not understand is named."""
    assert [f.code for f in scan(source, runtime=runtime)] == codes


def test_templates_in_code_are_dangers() -> None:
    """A reference whose value can be anything must not become code; an f-string's braces are not one."""
    source = "x = '{{ Name }}'\ny = f'{{ x }}'\nz = '{{ global:REGION }}{{step.Output}}'"

    found = scan(source, templates={"Name", "step.Output"})

    assert [(f.code, f.line, f.column) for f in found] == [("SCR110", 1, 6), ("SCR110", 3, 25)]


@given(st.text(alphabet="abc=()[]{}'\"\n :#\\0\x00é", max_size=60))
def test_never_breaks(source: str) -> None:
    """Whatever the text, the scan returns, in order."""
    found = scan(source, runtime="python3.8", handler="go", templates={"a"})

    assert all(a.line <= b.line for a, b in pairwise(found))


@pytest.mark.parametrize("source", ["(" * 10_000, "-" * 50_000 + "1", "x" + "+1" * 20_000, "[" * 90 + "]" * 90])
def test_survives_nesting(source: str) -> None:
    """Nesting without end is a finding, not a crash."""
    assert all(finding.code == "SCR001" for finding in scan(source))


@needs_corpus
def test_every_script_of_the_corpus_compiles_and_is_scanned() -> None:
    """No script of others is beyond the scan; those that do not compile are not Python."""
    from engine.document import RunbookRefused
    from engine.scripts.problems import python_scripts
    from engine.validation import parse

    scanned = 0
    for name, text in runbooks("aws-owned", "community/docs"):
        try:
            document = parse(text, name=name)
        except RunbookRefused:
            continue
        for _, _, source in python_scripts(document):
            scanned += 1
            broken = any(finding.code == "SCR001" for finding in scan(source))
            assert not broken or "%%" in source[:30] or "<Insert" in source or "def tagInstance" in source, name

    assert scanned > 500
