"""In the demo's world an alarm says something about its instance, and a fresh start makes both well."""

from typing import Any

import pytest

from bot.demo import health
from bot.demo.moto_instances import Pace
from tests.bot.demo.conftest import Later


class Ward:
    """An instance with alarms on it."""

    def __init__(self, client: Any) -> None:
        self.ec2 = client("ec2")
        self.cloudwatch = client("cloudwatch")
        ran = self.ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
        self.instance = ran["Instances"][0]["InstanceId"]

    def watch(self, metric: str) -> None:
        """Put a red alarm on a metric."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=metric,
            Namespace="AWS/EC2",
            MetricName=metric,
            Dimensions=[{"Name": "InstanceId", "Value": self.instance}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
        self.cloudwatch.set_alarm_state(AlarmName=metric, StateValue="ALARM", StateReason="red")

    def alarm(self, name: str) -> tuple[str, str]:
        """State and reason of an alarm."""
        alarm = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
        return alarm["StateValue"], alarm["StateReason"]

    def checks(self) -> tuple[str, str]:
        """System and instance status."""
        status = self.ec2.describe_instance_status(InstanceIds=[self.instance])["InstanceStatuses"][0]
        return status["SystemStatus"]["Status"], status["InstanceStatus"]["Status"]


@pytest.fixture
def ward(client: Any, later: Later) -> Ward:
    """A world with one instance."""
    health.install(Pace())
    return Ward(client)


def test_a_red_system_check_impairs_the_host(ward: Ward) -> None:
    """While the alarm is red, EC2 tells the same of the instance."""
    ward.watch("StatusCheckFailed_System")

    assert ward.checks() == ("impaired", "ok")


def test_a_new_host_heals_it_and_turns_the_alarm_green(ward: Ward, later: Later) -> None:
    """Stop and start: the check passes, and CloudWatch says why the alarm is OK."""
    ward.watch("StatusCheckFailed_System")
    ward.ec2.stop_instances(InstanceIds=[ward.instance])
    later.run_out()
    ward.ec2.start_instances(InstanceIds=[ward.instance])

    later.run_out()
    later.run_out()

    state, reason = ward.alarm("StatusCheckFailed_System")
    assert (state, ward.checks()) == ("OK", ("ok", "ok"))
    assert "was not greater than or equal to the threshold (1.0)" in reason


def test_a_reboot_does_not_heal_the_host(ward: Ward, later: Later) -> None:
    """The same host stays as it is: only what runs on it is fresh."""
    for metric in ("CPUUtilization", "StatusCheckFailed_System"):
        ward.watch(metric)
    ward.ec2.reboot_instances(InstanceIds=[ward.instance])

    later.run_out()
    later.run_out()

    assert (ward.alarm("StatusCheckFailed_System")[0], ward.alarm("CPUUtilization")[0]) == ("ALARM", "OK")
    assert ward.checks() == ("impaired", "ok")


def test_a_reboot_heals_what_runs_on_it(ward: Ward, later: Later) -> None:
    """A failed instance check passes after a reboot."""
    ward.watch("StatusCheckFailed_Instance")
    before = ward.checks()
    ward.ec2.reboot_instances(InstanceIds=[ward.instance])

    later.run_out()
    later.run_out()

    assert (before, ward.checks()) == (("ok", "impaired"), ("ok", "ok"))
    assert ward.alarm("StatusCheckFailed_Instance")[0] == "OK"


def test_green_by_hand_heals_too(ward: Ward) -> None:
    """Setting the alarm to OK takes the failed check away."""
    ward.watch("StatusCheckFailed_System")

    ward.cloudwatch.set_alarm_state(AlarmName="StatusCheckFailed_System", StateValue="OK", StateReason="by hand")

    assert ward.checks() == ("ok", "ok")
