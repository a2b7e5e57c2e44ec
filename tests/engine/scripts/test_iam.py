"""The permissions of a script are found through everything that people do with boto3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scripts.iam import actions_of
from tests.engine.corpus import needs_corpus, runbooks

ONLY = "only the running script knows"
CALLS = [
    ("boto3.client('ec2').describe_instances()", "ec2:DescribeInstances"),
    ("c = boto3.client(service_name='ec2')\nc.stop_instances()", "ec2:StopInstances"),
    ("from boto3 import client\nclient('ec2').stop_instances()", "ec2:StopInstances"),
    ("import boto3 as b\nb.client('ec2').stop_instances()", "ec2:StopInstances"),
    ("make = boto3.client\nmake('ec2').stop_instances()", "ec2:StopInstances"),
    ("s = boto3.Session(region_name='x')\ns.client('ec2').stop_instances()", "ec2:StopInstances"),
    ("boto3.session.Session().client('ec2').stop_instances()", "ec2:StopInstances"),
    ("NAME = 'ec2'\nboto3.client(NAME).stop_instances()", "ec2:StopInstances"),
    ("n = 'ec' + '2'\nboto3.client(f'{n}').stop_instances()", "ec2:StopInstances"),
    ("for n in ['ecs', 'eks']:\n  boto3.client(n).list_clusters()", "ecs:ListClusters eks:ListClusters"),
    ("def get(n):\n  return boto3.client(n)\nget('ec2').stop_instances()", "ec2:StopInstances"),
    ("def stop(c):\n  c.stop_instances()\nstop(boto3.client('ec2'))", "ec2:StopInstances"),
    ("def stop(*cs):\n  for c in cs: c.stop_instances()\nstop(boto3.client('ec2'))", "ec2:StopInstances"),
    ("def stop(c=boto3.client('ec2')):\n  c.stop_instances()", "ec2:StopInstances"),
    ("stop = boto3.client('ec2').stop_instances\nstop()", "ec2:StopInstances"),
    ("functools.partial(boto3.client('ec2').stop_instances, X=1)", "ec2:StopInstances"),
    ("def go(c): c.stop_instances()\npool.submit(go, boto3.client('ec2'))", "ec2:StopInstances"),
    ("list(map(lambda c: c.stop_instances(), [boto3.client('ec2')]))", "ec2:StopInstances"),
    ("getattr(boto3.client('ec2'), 'stop_instances')()", "ec2:StopInstances"),
    ("cs = {'a': boto3.client('ec2')}\ncs['a'].stop_instances()", "ec2:StopInstances"),
    ("cs = {}\ncs['a'] = boto3.client('ec2')\ncs.get('a').stop_instances()", "ec2:StopInstances"),
    ("cs = []\ncs.append(boto3.client('ec2'))\n[c.stop_instances() for c in cs]", "ec2:StopInstances"),
    ("a, b = boto3.client('ec2'), boto3.client('rds')\na.stop_instances()", "ec2:StopInstances"),
    (
        "def two(): return boto3.client('ec2'), boto3.client('rds')\na, b = two()\na.stop_instances()",
        "ec2:StopInstances",
    ),
    ("if (c := boto3.client('ec2')): c.stop_instances()", "ec2:StopInstances"),
    ("c = None\ndef go():\n  global c\n  c = boto3.client('ec2')\ndef on(): c.stop_instances()", "ec2:StopInstances"),
    (
        "class A:\n  def __init__(self): self.c = boto3.client('ec2')\n  def go(self): self.c.stop_instances()",
        "ec2:StopInstances",
    ),
    ("class A:\n  c = boto3.client('ec2')\nA.c.stop_instances()", "ec2:StopInstances"),
    (
        "class A:\n def __init__(s, c): s.c = c\nclass B(A):\n def go(s): s.c.stop_instances()\nB(boto3.client('ec2'))",
        "ec2:StopInstances",
    ),
    ("boto3.client('ec2').get_paginator('describe_volumes').paginate()", "ec2:DescribeVolumes"),
    ("boto3.client('ec2').get_waiter('instance_running').wait()", "ec2:DescribeInstances"),
    ("boto3.client('s3').upload_file('a', 'b', 'c')", "s3:AbortMultipartUpload s3:PutObject"),
    ("boto3.client('s3').generate_presigned_url('get_object', Params={})", "s3:GetObject"),
    ("boto3.client('lambda').invoke(FunctionName='f')", "lambda:InvokeFunction"),
    ("boto3.resource('s3').Bucket('b').objects.all().delete()", "s3:DeleteObject s3:ListBucket"),
    ("for o in boto3.resource('s3').Bucket('b').objects.filter(): o.delete()", "s3:DeleteObject s3:ListBucket"),
    ("boto3.resource('ec2').Instance('i').stop()", "ec2:StopInstances"),
    ("print(boto3.resource('ec2').Instance('i').state)", "ec2:DescribeInstances"),
    ("print(boto3.resource('ec2').Instance('i').id)", ""),
    ("boto3.resource('ec2').Instance('i').wait_until_running()", "ec2:DescribeInstances"),
    ("boto3.resource('ec2').Instance('i').vpc.delete()", "ec2:DeleteVpc"),
    ("boto3.resource('s3').meta.client.list_buckets()", "s3:ListAllMyBuckets"),
    ("with boto3.resource('dynamodb').Table('t').batch_writer() as b: b.put_item(Item={})", "dynamodb:BatchWriteItem"),
    ("c = boto3.client('sts', aws_access_key_id=k)\nc.get_caller_identity()", ""),
    ("s = boto3.Session(aws_access_key_id=k)\ns.client('ec2').stop_instances()", ""),
    ("boto3.client('ec2').exceptions.ClientError", ""),
    ("boto3.client('ec2').can_paginate('x')", ""),
    ("ec2.stop_instances()", ""),
    ("boto3.client('nothing').stop()", ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "actions"), CALLS, ids=[source[:60] for source, _ in CALLS])
def test_follows_a_client_to_its_calls(source: str, actions: str) -> None:
    """Whatever way a client takes to its call, the action is found; what needs none is not."""
    assert " ".join(actions_of(f"import boto3\n{source}\n").actions) == actions


def test_says_where_each_call_stands() -> None:
    """Line and column from 1, so that a reader finds it; other credentials are told apart."""
    needs = actions_of("import boto3\nc = boto3.client('ec2', aws_session_token=t)\nif 1:\n    c.stop_instances()\n")

    assert [(call.service, call.operation, call.line, call.column, call.is_foreign) for call in needs.calls] == [
        ("ec2", "StopInstances", 4, 5, True)
    ]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("boto3.client(events['s']).stop()", f".stop() is called on a client whose service {ONLY}"),
        ("boto3.client('{{ S }}').stop()", f".stop() is called on a client whose service {ONLY}"),
        ("getattr(boto3.client('ec2'), name)()", f"an operation of ec2 is called that {ONLY}"),
        ("boto3.client('ec2').get_paginator(x).paginate()", f"an operation of ec2 is called that {ONLY}"),
        ("boto3.client('ec2').stop_instance()", 'a client of ec2 has no method "stop_instance"'),
    ],
)  # fmt: skip
def test_says_what_cannot_be_told(source: str, sentence: str) -> None:
    """A call that only the running script knows is named, instead of being left out."""
    needs = actions_of(f"import boto3\n{source}\n")

    assert sentence in [each.sentence for each in needs.unknown]
    assert needs.calls == ()


def test_a_text_that_is_no_python_is_said_to_be_unreadable() -> None:
    """Nothing is claimed about it."""
    assert not actions_of("def (").is_readable
    assert actions_of("x = 1").is_readable


@pytest.mark.parametrize(
    "source",
    [
        "(" * 10_000,
        "x" + "+1" * 20_000,
        "x" + ".a()" * 300,
        "import boto3\n" + "c = boto3.client('ec2')\n" + "c.stop_instances()\n" * 2000,
        "def f(x): return f(f(x))\n" * 50,
        "a = [a, a]\n" * 500,
    ],
    ids=["brackets", "sum", "chain", "calls", "recursion", "boxes"],
)
def test_no_script_makes_it_slow(source: str) -> None:
    """Depth, chains and circles end; the answer comes back."""
    assert actions_of(source).actions in ((), ("ec2:StopInstances",))


WORDS = st.sampled_from(
    [
        "boto3",
        ".client(",
        "'ec2'",
        ")",
        "\n",
        "x",
        "=",
        "for ",
        " in ",
        ":",
        " pass",
        "def ",
        "(",
        "[",
        "]",
        "lambda",
        ",",
    ]
)


@given(st.lists(WORDS, max_size=25).map("".join))
def test_never_breaks(source: str) -> None:
    """Whatever the text, something comes back."""
    assert actions_of(source).unknown is not None


@needs_corpus
def test_every_call_of_the_corpus_is_one_that_exists() -> None:
    """No script of AWS's own runbooks is said to call a method that its client does not have."""
    from engine.scripts.problems import python_scripts
    from engine.validation import parse

    wrong, found = [], 0
    for name, text in runbooks("aws-owned"):
        for step, _, source in python_scripts(parse(text, name=name)):
            needs = actions_of(source)
            found += len(needs.calls)
            wrong += [(name, step.name, each.sentence) for each in needs.unknown if each.is_wrong]

    assert wrong == []
    assert found > 500
