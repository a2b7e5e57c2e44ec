"""Milliseconds per step by action against moto, beside the bare boto3 calls that do the same; scripts; parsing.

Each row is measured in turns in one run, in processor time, so the ratios hold on any machine. `--corpus` times
parsing on documents of others, and has the cases that `--simulator` plays twice: here and in the foreign simulator
(a folder in which `npm i @cdklabs/cdk-ssm-documents aws-cdk-lib constructs` was run).

    python -m benchmarks.runbooks [--rounds 7] [--corpus DIR] [--simulator DIR]
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import structlog
from moto import mock_aws

from audit.events import Actor
from engine.actions import BY_NAME
from engine.document import RunbookRefused
from engine.foreground import Foreground
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import Script
from engine.validation import parse
from infra.aws import Aws, AwsSession
from infra.clock import utc_now
from tests.conformance.oracle_cases import cases, judge

REGION, ACCOUNT, STEPS = "eu-west-1", "123456789012", 20
LEE = Actor("person", "person:lee", "Lee")
MOTO: Any = {"lambda": {"use_docker": False}}
AIM = {"aws:executeAwsApi": 1.15}


@dataclass(frozen=True)
class Row:
    """An action's step, and the bare calls that do the same."""

    action: str
    inputs: Mapping[str, Any]
    bare: Callable[[], object] | None = None


class Bench:
    """One engine on a database in memory, used again and again, as a bot's is."""

    def __init__(self, aws: AwsSession) -> None:
        performer = Performer(BY_NAME, lambda _: aws, utc_now, poll=timedelta(0))
        self._engine = Foreground(actions=BY_NAME, performer=performer, clock=utc_now, pause=lambda _: None)

    def run(self, row: "Row") -> float:
        """Milliseconds of processor time per step; the execution's own beginning and end are in it."""
        steps = [{"name": f"s{number}", "action": row.action, "inputs": row.inputs} for number in range(STEPS)]
        tree = {"schemaVersion": "0.3", "variables": {"V": {"type": "String", "default": ""}}, "mainSteps": steps}
        if row.action == "aws:branch":
            steps.append({"name": "last", "action": "aws:sleep", "inputs": {"Duration": "PT0S"}})
        document = parse(json.dumps(tree), name="Bench")
        began = time.process_time()
        state = self._engine.run(StartOrder(document, {}, LEE, REGION, ACCOUNT), lambda _: None)
        spent = time.process_time() - began
        if state.status != "Success":
            raise SystemExit(f"{row.action}: {state.status} {state.failure_message}")
        return spent * 1000 / STEPS

    def close(self) -> None:
        self._engine.close()


def timed(call: Callable[[], object], count: int, clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    for _ in range(count):
        call()
    return (clock() - began) * 1000 / count


def rows(instance: str, group: str) -> list[Row]:
    """The actions, each with its bare counterpart."""
    ec2, ssm = boto3.client("ec2", region_name=REGION), boto3.client("ssm", region_name=REGION)
    sqs, awslambda = boto3.client("sqs", region_name=REGION), boto3.client("lambda", region_name=REGION)
    look = {"Service": "ec2", "Api": "DescribeInstances", "InstanceIds": [instance]}
    wanted = {"PropertySelector": "$.Reservations[0].Instances[0].State.Name", "DesiredValues": ["running", "stopped"]}
    tag = {"Key": "a", "Value": "b"}

    def describe() -> object:
        return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]

    def stop() -> object:
        ec2.stop_instances(InstanceIds=[instance])
        return ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)

    def command() -> object:
        sent = ssm.send_command(
            DocumentName="AWS-RunShellScript", InstanceIds=[instance], Parameters={"commands": ["x"]}
        )
        found = {"CommandId": sent["Command"]["CommandId"]}
        ssm.list_commands(**found)
        return ssm.get_command_invocation(**found, InstanceId=instance)

    def invoke() -> object:
        return awslambda.invoke(FunctionName="f", Payload=b"{}")["Payload"].read()

    return [
        Row("aws:executeAwsApi", look, describe),
        Row("aws:executeAwsApi", {"Service": "sqs", "Api": "ListQueues"}, sqs.list_queues),
        Row("aws:assertAwsResourceProperty", {**look, **wanted}, describe),
        Row("aws:waitForAwsResourceProperty", {**look, **wanted}, describe),
        Row(
            "aws:createTags", {"ResourceIds": [group], "Tags": [tag]},
            lambda: ec2.create_tags(Resources=[group], Tags=[tag]),
        ),
        Row("aws:changeInstanceState", {"InstanceIds": [instance], "DesiredState": "stopped"}, stop),
        Row(
            "aws:runCommand",
            {"DocumentName": "AWS-RunShellScript", "InstanceIds": [instance], "Parameters": {"commands": ["x"]}},
            command,
        ),
        Row(
            "aws:invokeLambdaFunction", {"FunctionName": "f", "Payload": "{}"},
            invoke,
        ),
        Row("aws:branch", {"Choices": [{"NextStep": "last", "Variable": "{{ variable:V }}", "StringEquals": "never"}]}),
        Row("aws:updateVariable", {"Name": "variable:V", "Value": "x"}),
        Row("aws:sleep", {"Duration": "PT0S"}),
    ]  # fmt: skip


def measure_actions(rounds: int) -> None:
    aws = Aws(region=REGION).session(account=ACCOUNT)
    ec2 = boto3.client("ec2", region_name=REGION)
    image = ec2.register_image(Name="base")["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    group = ec2.create_security_group(GroupName="g", Description="g")["GroupId"]
    print(f"{'action':34} {'step ms':>8} {'bare ms':>8} {'ratio':>6} {'aim':>5} {'more':>6}")
    for row in rows(instance, group):
        bench, ours, bare = Bench(aws), [], []
        bench.run(row)
        if row.bare:
            timed(row.bare, STEPS)
        for _ in range(rounds):
            gc.collect()
            ours.append(bench.run(row))
            bare += [timed(row.bare, STEPS, time.process_time)] if row.bare else []
        bench.close()
        _print_row(row.action, statistics.median(ours), statistics.median(bare) if bare else None)


def _print_row(action: str, ours: float, bare: float | None) -> None:
    if bare is None:
        print(f"{action:34} {ours:8.2f} {'-':>8} {'-':>6} {'-':>5}")
        return
    print(f"{action:34} {ours:8.2f} {bare:8.2f} {ours / bare:6.2f} {AIM.get(action, 1.3):5.2f} {ours - bare:6.2f}")


def measure_scripts(rounds: int) -> None:
    source = "import boto3\ndef go(events, context):\n    return events\n"
    script = Script(source, "go", {}, {}, REGION, "bench")
    aws = Aws(region=REGION).session(account=ACCOUNT)

    def cold() -> float:
        began = time.perf_counter()
        runner = ScriptRunner()
        end = runner.run(script, aws)
        spent = (time.perf_counter() - began) * 1000
        runner.close()
        if end.how != "done":
            raise SystemExit(f"scripts do not run here: {end.failure}")
        return spent

    def fresh() -> object:
        return subprocess.run([sys.executable, "-I", "-c", "import boto3"], check=True)

    colds = [cold() for _ in range(3)]
    runner = ScriptRunner()
    runner.run(script, aws)
    warm = [timed(lambda: runner.run(script, aws), 10) for _ in range(rounds)]
    print(f"\nscript, jailed by {runner.isolation.kind} ({runner.isolation.detail})")
    runner.close()
    bare = statistics.median(timed(fresh, 1) for _ in range(3))
    print(f"  warm start {statistics.median(warm):6.1f} ms (aim < 20)   cold start {statistics.median(colds):6.0f} ms")
    print(f"  a bare `python -c 'import boto3'` {bare:6.0f} ms")


def measure_parsing(corpus: Path | None) -> None:
    steps = [
        {"name": f"s{n}", "action": "aws:executeAwsApi", "inputs": {"Service": "ec2", "Api": "DescribeInstances"}}
        for n in range(40)
    ]
    text = json.dumps({"schemaVersion": "0.3", "mainSteps": steps}, indent=1)
    bare = timed(lambda: json.loads(text), 50)
    ours = timed(lambda: parse(text, name="B"), 20)
    print(f"\nparse and validate {len(text.splitlines())} lines of JSON: {ours:.2f} ms")
    print(f"  json.loads of them alone: {bare:.2f} ms")
    if corpus is None:
        return
    texts = [path.read_text(encoding="utf-8-sig") for path in sorted((corpus / "aws-owned").rglob("*.json"))]
    spent = []
    for each in texts:
        began = time.perf_counter()
        try:
            parse(each, name="B")
        except RunbookRefused:
            continue
        spent.append((time.perf_counter() - began) * 1000)
    print(
        f"  {len(spent)} documents of the corpus: median {statistics.median(spent):.2f} ms, worst {max(spent):.1f} ms"
    )


def measure_cases(simulator: Path, corpus: Path) -> None:
    """The same cases in the foreign simulator and here."""
    file = corpus / "oracle" / "cdk_ssm_documents_cases.json"
    here = Path(__file__).parent / "simulator.cjs"
    said = subprocess.run(["node", str(here), str(simulator), str(file)], capture_output=True, text=True, check=True)
    theirs = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    runner = ScriptRunner()
    print(f"\n{'case':66} {'ours':>10} {'ms':>7} {'theirs':>10} {'ms':>7}")
    for case, other in zip(cases(corpus), theirs, strict=True):
        began = time.perf_counter()
        verdict = judge(case, runner)
        spent = (time.perf_counter() - began) * 1000
        told = "cannot" if "error" in other else str(other["chosen"] if case["kind"] == "choice" else other["status"])
        ours = str(verdict.found) if case["kind"] == "choice" else "as asked" if verdict.agrees else "differs"
        print(f"{case['title'][:66]:66} {ours:>10} {spent:7.1f} {told:>10} {other.get('ms', 0):7.1f}")
    runner.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--simulator", type=Path)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws(config=MOTO):
        measure_actions(options.rounds)
        measure_scripts(options.rounds)
    measure_parsing(options.corpus)
    if options.simulator and options.corpus:
        measure_cases(options.simulator, options.corpus)


if __name__ == "__main__":
    main()
