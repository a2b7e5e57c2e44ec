"""A night's facts, to be rendered."""

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

from audit.events import Actor, Event
from engine.consequence import Consequence
from engine.document import Parameter
from engine.preview_result import Failing, Planned, Preview, PreviewStep, Reach
from engine.validation import parse
from playbooks.breakglass import BreakGlassLine, BreakGlassReport, week_named
from playbooks.desk import Desk
from playbooks.digest import DecisionLine, DigestFacts, HeldLine, ReviewLine
from playbooks.facts import (
    AlarmFacts,
    ApprovalFacts,
    DecisionFacts,
    ExecutionFacts,
    GroupFacts,
    PlaybookFacts,
    PreviewFacts,
    RunFacts,
    SeenFacts,
    StepFacts,
    StormFacts,
    SuggestionFacts,
    TimelineEntry,
)
from playbooks.guard_store import HeldWish
from playbooks.locks import Holder
from playbooks.locks import busy as busy_sentence
from playbooks.people import Identity
from playbooks.refusals import Busy
from tests.fakes.clock import NIGHT

ALARM_ACTOR = Actor("alarm", "arn:aws:cloudwatch:eu-west-1:1:alarm:web-1", "web-1-system-check")
SAM = Actor("person", "slack:T01/U02SAM", "Sam")
KIM = Actor("person", "person:kim", "Kim Bell")
EXECUTION = "0b7d1c44-0000-4000-8000-000000000001"
EVIL = "<!channel> <@U1> *x*\n:white_check_mark: Approved by <@U2> &lt; \u202e`"


def alarm(**fields: Any) -> AlarmFacts:
    """The host under web-1 has failed."""
    reason = "Threshold Crossed: 2 datapoints [1.0, 1.0] were greater than or equal to the threshold (1.0)."
    return replace(AlarmFacts("web-1-system-check", "ALARM", reason, "eu-west-1", "402715938824", NIGHT), **fields)


def approval(**fields: Any) -> ApprovalFacts:
    """The question whether it may be stopped and started."""
    usual = ApprovalFacts(
        "r1", EXECUTION, "approve", "Waiting", "Stop i-0b7d1c44e9f2a6d35 and start it on new hardware.",
        ("<@U02SAM>", "<!subteam^S01ONCALL>", "lee"), 1, (), NIGHT, NIGHT + timedelta(hours=1), "recover",
        "Recover an instance",
    )  # fmt: skip
    return replace(usual, **fields)


def asked_in_full() -> ApprovalFacts:
    """A question with everything that one may have: groups, consequences, news, who never may, a second asking."""
    groups = (GroupFacts("SRE", ("<@U02SAM>", "kim"), 1, 0), GroupFacts("Security", ("<!subteam^S01SEC>",), 1, 1))
    return approval(
        groups=groups, minimum=2, decisions=decided().decisions, revision=2, delegations=((KIM, SAM),),
        barred=(("<@U01LEE>", "They started it."),), may_be_delegated=True, may_be_broken=True, painted="m1",
        situation=("the alarm recovered at 03:10", "web-1 is stopped"),
        consequences=(
            "stands in the way: i-0b7d1c44e9f2a6d35: it is protected from being stopped",
            "lost: i-0b7d1c44e9f2a6d35: what it holds in memory",
        ),
    )  # fmt: skip


def day() -> DigestFacts:
    """A day with something of everything."""
    runs = (execution(), answered("Success"), answered("Failed", title="Restart <it>"))
    decisions = tuple(
        DecisionLine(who, verdict, "Recover an instance", "approve", NIGHT)
        for who, verdict in ((SAM, "Approve"), (KIM, "Reject"))
    )
    reviews = (ReviewLine(KIM, "Nobody answered, and customers waited", NIGHT, EXECUTION),)
    held = (HeldLine("recover-instance on i-0b7d1c44e9f2a6d35", "3 of 3 automatic starts in 60 min are used"),)
    return DigestFacts(NIGHT - timedelta(days=1), NIGHT, runs, decisions, reviews, held)


def week_of_glass() -> BreakGlassReport:
    """A week in which the glass was broken twice, and once before that nobody has reviewed."""
    used = BreakGlassLine(
        "r1", EXECUTION, KIM, NIGHT, "customers <waited>", "i-0b7d1c44e9f2a6d35", "approve", "Recover an instance",
        "402715938824/eu-west-1", "Success",
    )  # fmt: skip
    reviewed = replace(used, request_id="r2", reviewed_by=SAM, reviewed_at=NIGHT, note="the rota was wrong")
    week = week_named("2026-W09", UTC)
    return BreakGlassReport(week, (used, reviewed), (replace(used, request_id="r3", title="", place="", outcome=""),))


def step(name: str, status: str = "Success", **fields: Any) -> StepFacts:
    """A step."""
    return replace(StepFacts(name, "aws:changeInstanceState", status, f"What {name} does"), **fields)


STEPS = (
    step("assertBroken", action="aws:assertAwsResourceProperty"),
    step("approve", "Waiting", action="aws:approve"),
    step("stop", "Pending"),
    step("start", "Pending"),
)


def execution(**fields: Any) -> ExecutionFacts:
    """It waits for an approval."""
    usual = ExecutionFacts(
        EXECUTION, "recover-instance", "Recover an instance", "recover-instance", "Waiting", ALARM_ACTOR, NIGHT,
        "eu-west-1", "402715938824", {"InstanceId": "i-0b7d1c44e9f2a6d35"}, STEPS, ("i-0b7d1c44e9f2a6d35",),
        alarm=alarm(), approval=approval(), approvals=(approval(),),
    )  # fmt: skip
    return replace(usual, **fields)


def decided(verdict: str = "Approve", by: Actor = SAM, comment: str = "") -> ApprovalFacts:
    """It was answered."""
    status = "Approved" if verdict == "Approve" else "Rejected"
    return approval(status=status, decisions=(DecisionFacts(by, verdict, NIGHT + timedelta(minutes=2), comment),))


def answered(status: str, *steps: StepFacts, question: ApprovalFacts | None = None, **fields: Any) -> ExecutionFacts:
    """It was answered, and went on to `status`."""
    question = question or decided()
    done = (STEPS[0], step("approve", action="aws:approve"), *steps)
    ended = (
        NIGHT + timedelta(minutes=5, seconds=18) if status in ("Success", "Failed", "Cancelled", "TimedOut") else None
    )
    usual: dict[str, Any] = {"approval": question, "approvals": (question,), "steps": done, "ended_at": ended}
    return execution(status=status, **{**usual, **fields})


def suggestion(**fields: Any) -> SuggestionFacts:
    """An alarm that two playbooks fit."""
    fitting = (("restart-instance", "Restart an instance"), ("reboot-instance", "Reboot an instance"))
    return replace(SuggestionFacts("k1", alarm(description="CPU of web-1"), fitting, "C1"), **fields)


def seen(**fields: Any) -> SeenFacts:
    """What AWS told of the instance."""
    usual = SeenFacts(
        NIGHT, "i-0b7d1c44e9f2a6d35", "web-1", "running · m5.large · eu-west-1a", "payments",
        {"Name": "web-1", "env": "prod"}, ("StopInstances by lee at 02:55",), ("CloudTrail does not tell more.",),
    )  # fmt: skip
    return replace(usual, **fields)


def earlier() -> tuple[RunFacts, ...]:
    """Two runs on the instance, of which one helped."""
    return (
        RunFacts(EXECUTION, "reboot-instance", "Reboot an instance", "Success", KIM, NIGHT, timedelta(minutes=4)),
        RunFacts("1" * 8, "restart-instance", "Restart an instance", "Failed", ALARM_ACTOR, NIGHT),
    )


def started(status: str) -> tuple[RunFacts, ...]:
    """A run that was started from the alarm, after one that failed."""
    first = RunFacts("2" * 8, "restart-instance", "Restart an instance", "Failed", SAM, NIGHT)
    return (first, replace(first, id="3" * 8, status=status, started_at=NIGHT + timedelta(minutes=9)))


def holder() -> Holder:
    """A reboot that waits for people has the instance."""
    return Holder("1/eu-west-1/ec2/i-0b7d1c44e9f2a6d35", "e3911291-2", "Reboot an instance", KIM, NIGHT)


def storm(count: int, state: str = "ALARM") -> StormFacts:
    """Many alarms, the first of them OK."""
    alarms = tuple((f"k{number}", f"web-{number}", state if number else "OK") for number in range(count))
    return StormFacts(NIGHT, alarms)


PARAMETERS = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id", description: "The instance."}
  Size: {type: String, default: small, allowedValues: [small, large]}
  Force: {type: Boolean, default: false}
  Note: {type: String, default: "", maxChars: 5, displayType: textarea}
  Names: {type: StringList, default: [a, b]}
  Odd: {type: StringList, default: ["a,b", c]}
  Tags: {type: StringMap, default: {team: shop}}
  Count: {type: Integer, default: 3}
  Really: {type: Boolean}
  Day: {type: String, default: "2026-03-02", allowedPattern: '^\\d{4}-\\d{2}-\\d{2}$'}
  Zones: {type: StringList, default: [a, c], allowedValues: [a, b, c], maxItems: 2}
  Others: {type: "List<AWS::EC2::Instance::Id>", default: [i-0b7d1c44e9f2a6d36], maxItems: 3}
  Bucket: {type: "AWS::S3::Bucket::Name", default: logs-of-web}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
"""


def playbook(**fields: Any) -> PlaybookFacts:
    """A playbook with a parameter of each kind."""
    parameters: tuple[Parameter, ...] = tuple(parse(PARAMETERS, name="x").parameters.values())
    usual = PlaybookFacts(
        "recover-instance", "Recover an instance", "Stops it and starts it on new hardware.", parameters, {}, "auto",
        ("<@U02SAM>", "lee"), "alarm web-*", "recover-instance",
    )  # fmt: skip
    return replace(usual, **fields)


def desk(**fields: Any) -> Desk:
    """A home with something of everything."""
    red = suggestion(started=(EXECUTION,))
    usual = Desk(
        (approval(situation=("The alarm is OK by now.",), consequences=("lost: i-1: its instance store",),
                  called={"i-1": "web-1, of shop"}, painted="m1"),),
        (approval(id="r2"),), (execution(),), (answered("Success"),),
        (red, suggestion(alarm_now="OK"), suggestion(why="muted")), (playbook(),), "recover",
    )  # fmt: skip
    return replace(usual, **fields)


PICKERS = {
    "AWS::EC2::Instance::Id": {"i-0b7d1c44e9f2a6d35": "web-1 (i-0b7d1c44e9f2a6d35) · running"},
    "AWS::S3::Bucket::Name": {"logs-of-web": "logs-of-web"},
}


def previewed() -> PreviewFacts:
    """What a stop would do."""
    lost = (
        Consequence("lost", "i-0b7d1c44e9f2a6d35", "its instance store (120 GB) is emptied"),
        Consequence("changes", "i-0b7d1c44e9f2a6d35", "its public address changes"),
    )
    call = Planned("ec2", "StopInstances", {"InstanceIds": ["i-0b7d1c44e9f2a6d35"]}, lost)
    steps = (
        PreviewStep("look", "aws:executeAwsApi", Reach.SURE, "", Failing.NO),
        PreviewStep("nap", "aws:sleep", Reach.MAYBE, "only if it is running", Failing.NO, calls=(call,)),
        PreviewStep("tidy", "aws:executeAwsApi", Reach.ON_FAILURE, "nap fails", Failing.SURELY),
    )
    ends = (("Success", Reach.SURE, "nap"),)
    role = "arn:aws:iam::123456789012:role/runbooks"
    found = Preview(parse(PARAMETERS, name="x"), {}, steps, ("never",), ends, role)
    return PreviewFacts(found, "eu-west-1", 7)


def line(number: int, text: str = "stop: began") -> TimelineEntry:
    """A line of a story."""
    return TimelineEntry(number, NIGHT + timedelta(seconds=number), "step.started", SAM, text, {}, f"{number:064x}")


LEE = Actor("person", "slack:T01/U01LEE", "Lee Park")


def busy(title: str = "Restart it", *, has_wish: bool = True) -> Busy:
    """Lee has the instance that Sam wants."""
    holder = Holder("1/eu-west-1/ec2/i-0abc", "0123456789abcdef", title, LEE, NIGHT)
    sam = Identity("person:sam", "Sam Reyes", frozenset({"sam", "person:sam"}))
    wish = HeldWish("a1b2c3d4e5f60718", holder.execution_id, NIGHT, sam) if has_wish else None
    sentence = busy_sentence(holder, NIGHT + timedelta(minutes=3))
    return Busy(sentence, Event("start.refused", holder.execution_id, LEE), holder=holder, wish=wish)
