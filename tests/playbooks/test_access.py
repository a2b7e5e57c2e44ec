"""Rules of access: which speak of a wish, which one decides, and that order means nothing."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.access import VERBS, Access, Effect, Rule, Wish, decide, implicit, refusal, specificity
from playbooks.people import Directory, Identity, Person
from tests.playbooks.worlds import playbook

DIRECTORY = Directory(
    (Person("lee", slack="U01LEE", name="Lee"), Person("kim", slack="U03KIM", name="Kim")),
    {"sre": ("lee", "kim"), "dba": ("kim",)},
)
LEE, KIM = DIRECTORY.slack("T01", "U01LEE"), DIRECTORY.slack("T01", "U03KIM")
GUEST = DIRECTORY.slack("T01", "U09GUEST", is_full_member=False)
RUN = Wish("run", "restart-db", {"environment": "prod"}, "C01", "eu-west-1", "111122223333")


def rule(who: str = "*", effect: Effect = "allow", **fields: Any) -> Rule:
    """A rule about running."""
    usual: dict[str, Any] = {"may": ("run",), **fields}
    return Rule(f"{effect} {who} {sorted(fields.items())}", (who,), effect=effect, **usual)


def allowed(wish: Wish, by: Identity, *rules: Rule) -> bool:
    """What the rules say in every order, which must be one thing."""
    found = {decide(each, wish, by).is_allowed for each in permutations(rules)}
    assert len(found) == 1
    return found.pop()


def test_what_no_rule_matches_is_refused() -> None:
    """No rules, or rules about others: the answer is no."""
    assert not allowed(RUN, LEE)
    assert not allowed(RUN, LEE, rule("kim"), rule(playbooks=("other",)), rule(may=("stop",)))


NARROWER: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "a name beats a glob": ({"playbooks": ("restart-db",)}, {"playbooks": ("restart-*",)}),
    "a longer glob beats a shorter one": ({"playbooks": ("restart-*",)}, {"playbooks": ("re*",)}),
    "a glob beats any": ({"playbooks": ("re*",)}, {}),
    "a playbook beats a parameter": ({"playbooks": ("re*",)}, {"parameters": {"environment": ("prod",)}}),
    "a parameter beats none": ({"parameters": {"environment": ("prod",)}}, {}),
    "a value beats a glob": ({"parameters": {"environment": ("prod",)}}, {"parameters": {"environment": ("p*",)}}),
    "a parameter beats a place": ({"parameters": {"environment": ("p*",)}}, {"channels": ("C01",)}),
    "two places beat one": ({"channels": ("C01",), "regions": ("eu-*",)}, {"accounts": ("111122223333",)}),
    "a place beats a person": ({"regions": ("eu-*",)}, {"who": "kim"}),
    "a person beats a group": ({"who": "kim"}, {"who": "group:dba"}),
    "a group beats all": ({"who": "sre"}, {"who": "*"}),
    "all members beat everybody": ({"who": "*"}, {"who": "everybody"}),
    "a verb beats any verb": ({"may": ("run",)}, {"may": ()}),
}


@pytest.mark.parametrize("case", NARROWER)
@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_the_more_specific_rule_decides(case: str, effect: Effect) -> None:
    """In both directions: what is narrower wins, whether it allows or refuses."""
    narrow, wide = NARROWER[case]
    other: Effect = "deny" if effect == "allow" else "allow"

    assert allowed(RUN, KIM, rule(effect=effect, **narrow), rule(effect=other, **wide)) is (effect == "allow")


def test_between_equals_a_refusal_wins() -> None:
    """As specific, and contrary: the careful answer."""
    assert not allowed(RUN, KIM, rule("kim"), rule("kim", "deny"))


def test_never_beats_everything() -> None:
    """However narrow the others are."""
    narrow = rule("kim", playbooks=("restart-db",), parameters={"environment": ("prod",)}, channels=("C01",))

    assert allowed(RUN, KIM, narrow)
    assert not allowed(RUN, KIM, narrow, rule("*", "never", may=()))


def test_prod_for_some_only() -> None:
    """The case it is made for: everybody restarts, in prod only the DBAs do, in their channel."""
    rules = (
        rule("sre", playbooks=("restart-*",)),
        rule("*", "deny", playbooks=("restart-*",), parameters={"environment": ("prod",)}),
        rule("dba", playbooks=("restart-*",), parameters={"environment": ("prod",)}, channels=("C01",)),
    )

    assert allowed(replace(RUN, parameters={"environment": "dev"}), LEE, *rules)
    assert not allowed(RUN, LEE, *rules)
    assert allowed(RUN, KIM, *rules)
    assert not allowed(replace(RUN, channel="C02"), KIM, *rules)


def test_every_value_must_be_allowed_and_one_refused_value_is_enough() -> None:
    """A list with one forbidden entry is forbidden; a parameter without a value meets no condition."""
    dev, prod = {"hosts": ("dev-*",)}, {"hosts": ("prod-*",)}
    mixed = replace(RUN, parameters={"hosts": ["dev-1", "prod-1"]})

    assert not allowed(mixed, LEE, rule(parameters=dev))
    assert not allowed(mixed, LEE, rule(), rule("*", "deny", parameters=prod))
    assert not allowed(replace(RUN, parameters={"hosts": []}), LEE, rule(parameters=dev))
    assert not allowed(replace(RUN, parameters={}), LEE, rule(parameters=dev))
    assert allowed(replace(RUN, parameters={"hosts": ["dev-1", "dev-2"]}), LEE, rule(parameters=dev))


@pytest.mark.parametrize(("value", "spelled"), [(True, "true"), (False, "false"), (3, "3"), ("x", "x")])
def test_values_are_compared_as_they_are_written(value: Any, spelled: str) -> None:
    """Numbers and truth values have one spelling."""
    assert allowed(replace(RUN, parameters={"v": value}), LEE, rule(parameters={"v": (spelled,)}))


def test_what_is_not_known_yet_could_be_allowed() -> None:
    """A list of what somebody may run shows what they may run with some value, somewhere."""
    unknown = Wish("run", "restart-db")
    rules = (rule(parameters={"environment": ("dev",)}, channels=("C01",)), rule("*", "deny", regions=("us-*",)))

    assert allowed(unknown, LEE, *rules)
    assert allowed(unknown, LEE, *rules, rule("lee", "never", parameters={"environment": ("prod",)}))
    assert not allowed(unknown, LEE, *rules, rule("lee", "never"))


def test_a_guest_is_no_full_member() -> None:
    """`*` leaves guests out, `everybody` does not."""
    assert not allowed(RUN, GUEST, rule("*"))
    assert allowed(RUN, GUEST, rule("everybody"))


def test_whoever_may_do_something_may_see_it() -> None:
    """Seeing need not be said; refusing to run does not hide."""
    see = replace(RUN, verb="see")

    assert allowed(see, LEE, rule(may=("run",)))
    assert allowed(see, LEE, rule(may=("stop",)), rule("lee", "deny", may=("run",)))
    assert not allowed(see, LEE, rule(may=("run",)), rule("lee", "deny", may=("see",)))


def test_the_starter_stops_what_is_theirs() -> None:
    """Only theirs, and not against a more specific rule."""
    starter = rule("starter", may=("stop",))
    stop = replace(RUN, verb="stop", is_starter=True)

    assert allowed(stop, LEE, starter)
    assert not allowed(replace(stop, is_starter=False), LEE, starter)
    assert not allowed(stop, LEE, starter, rule("lee", "deny", may=("stop",)))


def test_without_a_file_the_playbooks_lists_count() -> None:
    """`may_run`, `approvers` and `admins` mean what they always did."""
    rules = implicit([playbook(name="nap", may_run=("lee",), approvers=("kim",))], ["sam"])
    sam = Identity("person:sam", spellings=frozenset({"sam"}))

    def may(by: Identity) -> list[str]:
        return [verb for verb in VERBS if decide(rules, Wish(verb, "nap"), by).is_allowed]

    assert may(LEE) == ["see", "run", "stop", "resume", "approve"]
    assert may(KIM) == ["see", "stop", "resume", "approve"]
    assert may(GUEST) == ["see", "approve"]
    assert may(sam) == [*VERBS]


def test_a_refusal_says_whom_to_ask() -> None:
    """The rule that refuses names them; else those that speak of it; else the file."""
    prod = rule("*", "deny", parameters={"environment": ("prod",)}, ask="#dba")
    other = rule("kim", parameters={"environment": ("prod",)}, ask="#sre-leads")

    refused = decide([rule(), prod], RUN, LEE, ask="#help")
    assert refusal(refused, RUN).endswith("Please ask #dba.")
    assert refused.reason == f"It is {prod.source} that refuses it."
    assert refusal(decide([other], RUN, LEE, ask="#help"), RUN) == (
        "You may not run `restart-db`. No rule lets you with environment=prod. Please ask #sre-leads."
    )
    assert refusal(decide([rule("kim", ask="#sre-leads")], RUN, LEE), RUN) == (
        "You may not run `restart-db`. Please ask #sre-leads."
    )
    assert decide([], RUN, LEE, ask="#help").ask == "#help"
    assert refusal(decide([], Wish("run", "restart-db"), LEE), RUN) == "You may not run `restart-db`."


def test_no_reason_tells_a_secret() -> None:
    """Neither of a parameter that the playbook calls secret, nor of one named like one, nor what no rule asks."""
    values = {"environment": "prod", "Motd": "s3cr3t-motd", "DbPassword": "s3cr3t-password", "Other": "s3cr3t-preset"}
    wish = Wish("run", "restart-db", values, secrets=frozenset({"Motd"}))
    rules = [rule("lee", parameters={"environment": ("dev",), "Motd": ("hello",), "DbPassword": ("x",)})]

    refused = decide(rules, wish, LEE)
    told = [refusal(refused, wish), *(each.why for each in refused.findings)]

    assert refused.reason == "No rule lets you with DbPassword=***, Motd=***, environment=prod."
    assert not [text for text in told if "s3cr3t" in text]


def test_every_rule_is_explained() -> None:
    """Each says whether it matched and why not, and one of them that it decides."""
    rules = [rule("kim"), rule(playbooks=("x",)), rule(parameters={"environment": ("dev", "qa")}), rule("lee")]

    found = decide(rules, RUN, LEE).findings

    assert [(each.is_matched, each.decides) for each in found] == [(False, False)] * 3 + [(True, True)]
    assert [each.why for each in found] == [
        "it is for kim",
        "it is about x",
        "it needs environment = dev or qa, and it is prod",
        "it allows lee",
    ]


def test_learning_changes_nothing_but_tells() -> None:
    """What counts are the implied rules; the tried ones say what they would have done."""
    access = Access((rule("lee"),), tried=(rule("kim"),))

    assert access.decide(RUN, LEE).is_allowed
    tried = access.rehearse(RUN, LEE)
    assert tried is not None
    assert not tried.is_allowed
    assert Access((rule("lee"),)).rehearse(RUN, LEE) is None


# -- for all rules

NAMES = st.sampled_from(["restart-db", "restart-*", "re*", "*", "other", "o?her"])
VALUES = st.sampled_from(["prod", "dev", "p*", "*"])
WHO = st.sampled_from(["lee", "kim", "group:sre", "dba", "*", "everybody", "starter", "nobody"])
RULES = st.builds(
    Rule,
    source=st.text("abc", min_size=1, max_size=3),
    who=st.lists(WHO, min_size=1, max_size=2).map(tuple),
    may=st.lists(st.sampled_from(VERBS), max_size=2).map(tuple),
    effect=st.sampled_from(["allow", "deny", "never"]),
    playbooks=st.lists(NAMES, max_size=2).map(tuple),
    parameters=st.dictionaries(
        st.sampled_from(["environment", "hosts"]), st.lists(VALUES, min_size=1, max_size=2).map(tuple), max_size=2
    ),
    channels=st.lists(st.sampled_from(["C01", "C02"]), max_size=1).map(tuple),
    regions=st.lists(st.sampled_from(["eu-*", "us-east-1"]), max_size=1).map(tuple),
)
WISHES = st.builds(
    Wish,
    verb=st.sampled_from(VERBS),
    playbook=st.sampled_from(["restart-db", "other", ""]),
    parameters=st.dictionaries(
        st.sampled_from(["environment", "hosts"]), st.sampled_from(["prod", "dev", ["prod", "dev"], [], 5, None])
    ),
    channel=st.sampled_from(["C01", "C03", ""]),
    region=st.sampled_from(["eu-west-1", "us-east-1"]),
    is_starter=st.booleans(),
)
PEOPLE = st.sampled_from([LEE, KIM, GUEST])


@given(st.lists(RULES, max_size=6), WISHES, PEOPLE, st.randoms(use_true_random=False))
def test_order_means_nothing(rules: list[Rule], wish: Wish, by: Identity, random: Any) -> None:
    """Neither the order of rules nor that of a rule's lists and tables."""
    shuffled = [
        replace(
            each,
            who=tuple(reversed(each.who)),
            playbooks=tuple(reversed(each.playbooks)),
            parameters=dict(reversed([*each.parameters.items()])),
        )
        for each in rules
    ]
    random.shuffle(shuffled)
    turned = replace(wish, parameters=dict(reversed([*(wish.parameters or {}).items()])))

    assert decide(rules, wish, by).is_allowed == decide(shuffled, turned, by).is_allowed


@given(st.lists(RULES, max_size=6), WISHES, PEOPLE)
def test_without_reasons_the_answer_is_the_same(rules: list[Rule], wish: Wish, by: Identity) -> None:
    """Lists ask the short way."""
    access = Access(tuple(rules))

    assert access.allows(wish, by) == access.decide(wish, by).is_allowed


@given(st.lists(RULES, max_size=6), WISHES, PEOPLE)
def test_only_a_matching_rule_allows(rules: list[Rule], wish: Wish, by: Identity) -> None:
    """Denied by default: what is allowed, is so by a rule that matches, that allows, and that none beats."""
    decision = decide(rules, wish, by)
    matched = [each.rule for each in decision.findings if each.is_matched]
    if not decision.is_allowed:
        assert not matched or any(each.effect != "allow" for each in matched)
        return
    (winner,) = (each.rule for each in decision.findings if each.decides)

    assert winner.effect == "allow"
    assert all(each.effect != "never" for each in matched)
    assert all(specificity(each, wish, by) < specificity(winner, wish, by) for each in matched if each.effect == "deny")


@given(st.lists(RULES, max_size=5), WISHES, PEOPLE, RULES)
def test_a_rule_more_that_refuses_allows_nothing_new(rules: list[Rule], wish: Wish, by: Identity, more: Rule) -> None:
    """Adding a refusal never opens anything, adding an allowance never closes anything."""
    before = decide(rules, wish, by).is_allowed

    assert not (decide([*rules, replace(more, effect="deny")], wish, by).is_allowed and not before)
    assert not (before and not decide([*rules, replace(more, effect="allow")], wish, by).is_allowed)


@given(st.lists(RULES, max_size=5), WISHES, PEOPLE)
def test_an_unmatched_rule_means_nothing(rules: list[Rule], wish: Wish, by: Identity) -> None:
    """Leaving out what does not match leaves the answer as it is."""
    decision = decide(rules, wish, by)
    matched = [each.rule for each in decision.findings if each.is_matched]

    assert decide(matched, wish, by).is_allowed == decision.is_allowed
