"""What concerns one person."""

from playbooks.desk import divided, filtered, may_answer
from playbooks.people import Identity
from tests.bot.slack.blocks import facts as f

SAM = Identity("slack:T01/U02SAM", "Sam", frozenset({"U02SAM", "sam"}), is_full_member=True)


def test_a_question_is_mine_when_a_list_names_me() -> None:
    """By Slack id, by group, by name, or as everybody; a guest is not everybody."""
    assert may_answer(f.approval(approvers=("<@U02SAM>",)), SAM)
    assert may_answer(f.approval(approvers=("sam",)), SAM)
    assert may_answer(f.approval(approvers=("*",)), SAM)
    group = Identity("x", "X", frozenset({"S01ONCALL"}), is_full_member=False)
    assert may_answer(f.approval(approvers=("<!subteam^S01ONCALL>",)), group)
    assert not may_answer(f.approval(approvers=("*", "<@U03>", "<@U02SAM> or so")), group)
    assert not may_answer(f.approval(approvers=()), SAM)


def test_what_i_answered_waits_for_others() -> None:
    """A question that needs two is done for me when I have agreed."""
    answered = f.approval(id="r2", decisions=f.decided().decisions)
    mine, others = divided([f.approval(), answered, f.approval(id="r3", approvers=("kim",))], SAM)

    assert ([each.id for each in mine], [each.id for each in others]) == (["r1"], ["r2", "r3"])


def test_what_i_may_not_approve_waits_for_others() -> None:
    """Whoever started it, or is barred by name, account or group, is not asked."""
    for never in ("slack:T01/U02SAM", "sam", "U02SAM"):
        mine, others = divided([f.approval(never=frozenset({never}))], SAM)
        assert (mine, [each.id for each in others]) == ((), ["r1"])
    assert may_answer(f.approval(never=frozenset({"person:lee"})), SAM)


def test_a_search_takes_every_word_and_puts_names_first() -> None:
    """Words of name, title, description and trigger, in any order; nothing typed shows all."""
    one, other = f.playbook(name="reboot", title="Reboot"), f.playbook(name="stop", title="Or reboot it")
    found = filtered((other, one), "reboot")

    assert [each.name for each in found] == ["reboot", "stop"]
    assert filtered((one, other), "web- OR") == (other,)
    assert filtered((one, other), "") == (one, other)
    assert filtered((one, other), "xyzzy") == ()
