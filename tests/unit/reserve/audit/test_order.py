"""The audit of order: for each rule and each type that it is of, an event without what it follows, or after that is over, is found."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.approvers import instant
from reserve.audit.journals import CODECS
from reserve.audit.order import RULES, Order
from reserve.audit.orders import Follows
from reserve.audit.report import Check, Findings
from reserve.audit.statements import LINKED, RECOMPUTED, STATED
from shared.journal.codec import type_of, without_version
from tests.stories.audit import RECORD

GOLDEN = Path(__file__).parents[3] / "contract"
CAUSED = [rule for rule in RULES if rule.key == ("cause",)]
BY_FIELDS = [rule for rule in RULES if rule not in CAUSED]
CASES = [(rule, said) for rule in BY_FIELDS for said in rule.says]
NAMES = [f"{said} after {rule.after[0]} by {'+'.join(rule.key)}" for rule, said in CASES]


@cache
def event_of(kind: str) -> Any:
    """One that was stored once, in its last version."""
    service = kind.partition(".")[0]
    files = sorted((GOLDEN / service).glob(f"{kind}.v*.json"))
    return CODECS[service].decode(files[-1].stem, files[-1].read_bytes().strip())


def field_of(kind: str, name: str) -> str | None:
    """Of the ways in which a rule writes a field, that of this type."""
    fields = event_of(kind).__struct_fields__
    return next((each for each in name.split("|") if each.partition(".")[0] in fields), None)


def with_fields(event: Any, values: dict[str, Any]) -> Any:
    for path, value in values.items():
        head, _, rest = path.partition(".")
        event = replace(event, **{head: with_fields(getattr(event, head), {rest: value}) if rest else value})
    return event


def of(rule: Follows, said: str, key: str = "one", same: dict[str, Any] | None = None) -> Any:
    """An event of that type, of the thing that is called `key`; what must be the same is so, unless another is given."""
    values: dict[str, Any] = {}
    given = same or {}
    for number, name in enumerate((*rule.key, *rule.same)):
        if (field := field_of(said, name)) is not None and name != "remaining_g":
            values[field] = f"{key}-{number}" if number < len(rule.key) else given.get(name, f"the same {name}")
    event = with_fields(event_of(said), values)
    return replace(event, remaining_g=given.get("remaining_g", 0)) if "remaining_g" in event.__struct_fields__ else event


class History:
    def __init__(self, rule: Follows) -> None:
        self.findings = Findings()
        self.order = Order(self.findings, [rule])

    def see(self, *events: Any) -> "History":
        for number, event in enumerate(events):
            self.order.see(f"{number}", replace(RECORD, stream="a stream"), event)
        return self

    def found(self) -> list[str]:
        self.order.finish()
        [result] = self.findings.results([Check.ORDER])
        return [each.place for each in result.failures]

    def differs(self) -> bool:
        [result] = self.findings.results([Check.ORDER])
        return any("says another" in each.what for each in result.failures)


@pytest.mark.parametrize(("rule", "said"), CASES, ids=NAMES)
def test_what_follows_nothing_is_found(rule: Follows, said: str) -> None:
    before = of(rule, rule.after[0])
    assert History(rule).see(before, of(rule, said)).found() == []
    assert History(rule).see(of(rule, said)).found() == ([] if rule.from_the_first else ["0"])
    assert History(rule).see(before, of(rule, said, "another")).found() == ([] if rule.from_the_first else ["1"])


@pytest.mark.parametrize(("rule", "said"), CASES, ids=NAMES)
def test_between_streams_any_order_will_do_and_within_one_none_but_this(rule: Follows, said: str) -> None:
    if said not in rule.after:
        assert History(rule).see(of(rule, said), of(rule, rule.after[0])).found() == ([] if rule.anywhere or rule.from_the_first else ["0"])


@pytest.mark.parametrize(("rule", "said"), CASES, ids=NAMES)
def test_what_follows_something_that_is_over_is_found(rule: Follows, said: str) -> None:
    for end in rule.until:
        if said in rule.after or end in rule.after:
            continue
        history = History(rule).see(of(rule, rule.after[0]), of(rule, end), of(rule, said))
        assert history.found() == ["2"]


@pytest.mark.parametrize(("rule", "said"), [(rule, said) for rule, said in CASES if rule.same], ids=str)
def test_what_says_another_thing_than_what_it_follows_is_found(rule: Follows, said: str) -> None:
    told = [name for name in rule.same if field_of(said, name) and any(field_of(before, name) for before in rule.after)]
    for name in told:
        before = next(each for each in rule.after if field_of(each, name))
        other: dict[str, Any] = {name: 7} if name == "remaining_g" else {name: "another"}
        assert History(rule).see(of(rule, before), of(rule, said, same=other)).differs()


def test_what_has_something_left_is_not_over() -> None:
    [rule] = [each for each in RULES if "inventory.stock_pinned" in each.says]
    released, pinned = of(rule, "inventory.stock_released"), of(rule, "inventory.stock_pinned")
    part, rest = of(rule, "inventory.stock_drawn", same={"remaining_g": 5}), of(rule, "inventory.stock_drawn")
    assert History(rule).see(released, part, pinned).found() == []
    assert History(rule).see(released, part, rest, pinned).found() == ["3"]


def test_what_lapses_is_not_over() -> None:
    [rule] = [each for each in RULES if each.after == ("allocation.request_submitted",)]
    submitted, accepted = of(rule, "allocation.request_submitted"), of(rule, "allocation.request_accepted")
    by_one = replace(of(rule, "allocation.request_declined"), lapses_at=datetime(2026, 1, 9, tzinfo=UTC))
    for end in (of(rule, "allocation.request_declined"), of(rule, "allocation.request_decline_confirmed")):
        assert History(rule).see(submitted, by_one, accepted).found() == []
        assert History(rule).see(submitted, by_one, end, accepted).found() == ["3"]


def test_a_carry_of_a_build_that_set_none_expires_and_one_that_was_set_expires_once() -> None:
    [rule] = [each for each in RULES if each.from_the_first]
    carry_set, expired = of(rule, "allocation.carry_set"), of(rule, "allocation.carry_expired")
    another = of(rule, "allocation.carry_set", "another")
    assert History(rule).see(another, expired, carry_set, expired).found() == []
    assert History(rule).see(carry_set, expired, expired).found() == ["2"]
    assert History(rule).see(expired, carry_set, expired, expired).found() == ["3"]


def test_an_offtake_is_ended_once_more_by_an_earlier_day_alone() -> None:
    [rule] = [each for each in RULES if each.sooner]
    agreed, ended = of(rule, "loans.offtake_agreed"), of(rule, "loans.offtake_ended")
    third, fourth, fifth = (replace(ended, on=date(2026, 3, number)) for number in (3, 4, 5))
    assert History(rule).see(agreed, fifth, third).found() == []
    assert History(rule).see(agreed, fifth, fourth, third).found() == []
    assert History(rule).see(agreed, third, fifth).found() == ["2"]
    assert History(rule).see(agreed, fifth, third, fourth).found() == ["3"]
    assert History(rule).see(agreed, fifth, replace(third, loan="another")).differs()
    assert History(rule).see(fifth, third).found() == ["0", "1"]


def test_a_cause_that_the_cut_does_not_cover_is_waited_for() -> None:
    [rule] = [each for each in RULES if "inventory.return_refused" in each.says and each.anywhere]
    then = instant(RECORD)
    for beyond, found in (([], ["0"]), ([("loans", then)], []), ([("allocation", then)], ["0"])):
        history = History(rule)
        history.see(of(rule, "inventory.return_refused")).order.end_cut(beyond)
        assert history.found() == found


def test_what_a_service_recorded_later_than_the_effect_is_not_its_cause() -> None:
    """However much of it there is beyond the cut."""
    [rule] = [each for each in RULES if "inventory.return_refused" in each.says and each.anywhere]
    for minutes, found in ((1, []), (2, ["0"])):
        history = History(rule).see(of(rule, "inventory.return_refused"))
        history.order.end_cut([("loans", instant(RECORD) + timedelta(minutes=each)) for each in (minutes, 60)])
        assert history.found() == found


@pytest.mark.parametrize(("rule", "said"), [(rule, said) for rule in CAUSED for said in rule.says], ids=str)
def test_what_a_service_does_by_itself_follows_from_what_provokes_it_on_the_same_day(rule: Follows, said: str) -> None:
    def found(cause: str, actor: str = "service:x", on: str = RECORD.effective_on, after: str = rule.after[-1]) -> list[str]:
        findings = Findings()
        order = Order(findings, [rule])
        order.see("allocation/0/1", RECORD, event_of(after))
        order.see("effect", replace(RECORD, actor=actor, causation_id=cause, effective_on=on), event_of(said))
        order.finish()
        [result] = findings.results([Check.ORDER])
        return [each.place for each in result.failures]

    assert found("allocation/0/1") == []
    assert found("allocation/0/2") == ["effect"], "nothing is there"
    assert found("allocation/0/1", after="inventory.product_registered") == ["effect"], "something else is there"
    assert found("allocation/0/1", on="1999-01-01") == ["effect"]
    assert found("request:1", actor="sub_operator") == [], "a person has, for whom other checks ask"


def test_what_comes_after_the_cut_waits_for_no_cause_and_is_one() -> None:
    [rule] = [each for each in RULES if "inventory.return_refused" in each.says and each.anywhere]
    covered, later = of(rule, "inventory.return_refused"), of(rule, "inventory.return_refused", "another")
    history = History(rule).see(covered)
    history.order.end_cut(())
    history.see(later)
    assert history.found() == ["0"]
    assert history.see(of(rule, rule.after[0])).found() == ["0"], "it was found before"
    history = History(rule).see(covered)
    history.order.end_cut(())
    assert history.see(of(rule, rule.after[0])).found() == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.says[0]} after {rule.after[0]}")
def test_each_rule_is_of_types_and_fields_that_there_are(rule: Follows) -> None:
    known = {*RECOMPUTED, *LINKED, *STATED}
    kinds = {*rule.after, *rule.says, *rule.until}
    assert kinds <= known
    lacking = {(kind, name) for kind in kinds for name in rule.key if name not in ("cause", "stream") and field_of(kind, name) is None}
    assert lacking == set(), "a key that a type does not have makes the rule none for it"
    unsaid = {name for name in rule.same if name != "day" and not any(field_of(kind, name) for kind in rule.says)}
    assert unsaid == set(), "what nobody says is not compared"


def test_the_kinds_of_events_are_those_that_are_stored() -> None:
    assert without_version(type_of(type(event_of("loans.loan_closed")))) == "loans.loan_closed"
