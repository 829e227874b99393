"""Authority: who may do what, within which limits, and under whose power."""

from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace

from shared.journal.decider import Refused
from shared.terms.authority import (
    Acting,
    Action,
    Authority,
    Capacity,
    Chain,
    Cited,
    Exercise,
    Fault,
    Kind,
    Link,
    Uncovered,
    Use,
    chain_of,
    cite,
    fault_of,
    narrowest,
    wider_than,
)

TODAY, FIRST, LAST = date(2026, 1, 6), date(2026, 1, 1), date(2026, 12, 31)
STATUTE = Authority(
    id="ins_act",
    version=1,
    kind=Kind.ACT,
    under=None,
    holder="minister",
    acts=frozenset({"approve", "waive", "lend"}),
    valid_from=date(2025, 1, 1),
    valid_until=date(2030, 12, 31),
    may_sub_delegate=True,
)


def a_delegation(id: str = "ins_del", **changes: Any) -> Authority:
    given: dict[str, Any] = {
        "id": id,
        "version": 2,
        "kind": Kind.DELEGATION,
        "under": "ins_act",
        "holder": "officer",
        "acts": frozenset({"approve"}),
        "products": frozenset({"antimony"}),
        "limit_g": 100,
        "valid_from": FIRST,
        "valid_until": LAST,
    }
    return Authority(**(given | changes))


def an_exercise(**changes: Any) -> Exercise:
    given: dict[str, Any] = {"act": "approve", "by": "officer", "on": TODAY, "product": "antimony", "mass_g": 100} | changes
    by, on = given.pop("by"), given.pop("on")
    return Exercise(action=Action(**given), by=by, on=on)


def fault(chain: Chain = (a_delegation(), STATUTE), **changes: Any) -> Fault | None:
    return fault_of(chain, an_exercise(**changes))


def test_an_authority_covers_what_every_link_of_its_chain_covers():
    assert fault() is None
    assert fault(()) == Fault.MISSING
    assert fault(act="waive") == Fault.OTHER_ACT
    assert fault((a_delegation(acts=frozenset({"approve", "seize"})), STATUTE), act="seize") == Fault.OTHER_ACT
    assert fault((a_delegation(), replace(STATUTE, limit_g=99))) == Fault.OVER_LIMIT
    assert fault((a_delegation(), replace(STATUTE, valid_until=date(2026, 1, 5)))) == Fault.OUT_OF_DATE


def test_only_its_holder_acts_under_it_or_who_acts_for_them_on_the_day():
    assert fault(by="another") == Fault.OF_ANOTHER
    stand_in = Acting(subject="another", valid_from=TODAY, valid_until=TODAY)
    chain = (a_delegation(acting=(stand_in,)), STATUTE)
    assert fault(chain, by="another") is None
    assert fault(chain, by="another", on=date(2026, 1, 7)) == Fault.OF_ANOTHER
    assert fault(chain) is None, "the holder may go on acting"


def test_an_authority_over_some_products_covers_no_other_and_not_all_of_them():
    assert fault(product="gallium") == Fault.OTHER_PRODUCT
    assert fault(product=None) == Fault.OTHER_PRODUCT
    assert fault((a_delegation(products=frozenset()), STATUTE), product=None) is None


def test_its_first_and_last_days_count_and_the_day_it_ends_does_not():
    assert (fault(on=FIRST), fault(on=LAST)) == (None, None)
    assert (fault(on=date(2025, 12, 31)), fault(on=date(2027, 1, 1))) == (Fault.OUT_OF_DATE, Fault.OUT_OF_DATE)
    assert fault((a_delegation(ended_on=TODAY), STATUTE)) == Fault.OUT_OF_DATE
    assert fault((a_delegation(), replace(STATUTE, ended_on=TODAY))) == Fault.OUT_OF_DATE
    assert fault((a_delegation(ended_on=date(2026, 1, 7)), STATUTE)) is None


def test_a_limit_that_says_no_days_is_of_one_act_in_grams_and_in_one_currency():
    assert fault(mass_g=101) == Fault.OVER_LIMIT
    assert fault((a_delegation(uses=(Use(name="rnd_1", on=TODAY, mass_g=100),)), STATUTE)) is None
    assert fault(mass_g=None) is None
    chain = (a_delegation(limit_g=None, limit_minor=500, currency="AUD"), STATUTE)
    assert fault(chain, amount_minor=500, currency="AUD") is None
    assert fault(chain, amount_minor=501, currency="AUD") == Fault.OVER_LIMIT
    assert fault(chain, amount_minor=1, currency="USD") == Fault.OVER_LIMIT


def used(mass_g: int, days_ago: int = 1, name: str = "rnd_1", **changes: Any) -> Use:
    return Use(name=name, on=TODAY - timedelta(days=days_ago), mass_g=mass_g, **changes)


def test_what_is_split_is_summed_over_the_days_of_the_limit():
    def limited(*uses: Use, **changes: Any) -> Chain:
        return a_delegation(window_days=30, uses=uses, **changes), STATUTE

    assert fault(limited(used(40)), mass_g=60) is None
    assert fault(limited(used(40)), mass_g=61) == Fault.OVER_LIMIT
    assert fault(limited(used(40), used(1, name="rnd_2")), mass_g=60) == Fault.OVER_LIMIT
    assert fault(limited(used(40, days_ago=29)), mass_g=61) == Fault.OVER_LIMIT
    assert fault(limited(used(40, days_ago=30)), mass_g=100) is None
    assert fault(limited(used(100)), mass_g=None) is None
    money: dict[str, Any] = {"limit_minor": 500, "currency": "AUD"}
    spent = Use(name="x", on=TODAY, amount_minor=400, currency="AUD")
    assert fault(limited(spent, **money), amount_minor=100, currency="AUD") is None
    assert fault(limited(spent, **money), amount_minor=101, currency="AUD") == Fault.OVER_LIMIT


def test_the_same_thing_counts_once_however_often_it_is_approved():
    chain = a_delegation(window_days=30, uses=(used(100),)), STATUTE
    assert fault(chain, name="rnd_1") is None
    assert fault(chain, name="rnd_2") == Fault.OVER_LIMIT
    assert fault(chain) == Fault.OVER_LIMIT


def test_what_is_done_under_a_lower_authority_counts_for_those_above_it():
    above = replace(STATUTE, limit_g=150, window_days=30, uses=(used(100),))
    assert fault((a_delegation(window_days=30), above), mass_g=50) is None
    assert fault((a_delegation(window_days=30), above), mass_g=51) == Fault.OVER_LIMIT


def test_who_is_over_a_limit_is_told_the_sum_and_what_is_left_until_when():
    chain = a_delegation(window_days=30, uses=(used(40, days_ago=9), used(30))), STATUTE
    found = narrowest([chain], an_exercise(mass_g=31), "ins_del")
    assert isinstance(found, Uncovered)
    assert found.detail.endswith("101 g in 30 days, 70 of them before, and ins_del is limited to 100")
    assert found.accepted.startswith("up to 30 g until 2026-01-27, or ")


def test_a_delegation_stands_under_what_may_be_delegated_and_every_chain_has_a_root():
    assert fault((a_delegation(), replace(STATUTE, may_sub_delegate=False))) == Fault.NOT_DELEGABLE
    assert fault((a_delegation(kind=Kind.DIRECTION), replace(STATUTE, may_sub_delegate=False))) is None
    assert fault((a_delegation(),)) == Fault.NOT_DELEGABLE
    assert fault((a_delegation(under="ins_other"), STATUTE)) == Fault.NOT_DELEGABLE


def test_the_narrowest_authority_that_covers_the_act_is_cited_with_its_chain():
    wide = a_delegation("ins_wide", limit_g=None, products=frozenset())
    middle = a_delegation("ins_middle", limit_g=150)
    held = [(wide, STATUTE), (middle, STATUTE), (a_delegation(), STATUTE)]
    cited = narrowest(held, an_exercise())
    assert isinstance(cited, Cited)
    assert (cited.authority, cited.version, cited.under) == ("ins_del", 2, (Link(authority="ins_act", version=1),))
    assert (cited.act, cited.by, cited.product, cited.mass_g) == ("approve", "officer", "antimony", 100)
    for mass_g, expected in ((101, "ins_middle"), (151, "ins_wide")):
        found = narrowest(held, an_exercise(mass_g=mass_g))
        assert isinstance(found, Cited)
        assert found.authority == expected
    named = narrowest(held, an_exercise(), named="ins_wide")
    assert isinstance(named, Cited)
    assert named.authority == "ins_wide"


def test_who_has_no_authority_is_told_what_came_nearest():
    def told(held: list[Chain], named: str | None = None, **changes: Any) -> Fault:
        found = narrowest(held, an_exercise(**changes), named)
        assert isinstance(found, Uncovered)
        return found.fault

    assert told([]) == Fault.MISSING
    assert told([(a_delegation(holder="another"), STATUTE)]) == Fault.MISSING
    assert told([(a_delegation(holder="another"), STATUTE)], named="ins_del") == Fault.OF_ANOTHER
    assert told([(a_delegation(), STATUTE)], named="ins_unknown") == Fault.MISSING
    assert told([(a_delegation(acts=frozenset({"lend"})), STATUTE), (a_delegation(), STATUTE)], mass_g=101) == Fault.OVER_LIMIT


def test_a_chain_goes_up_to_its_root_and_never_in_a_circle():
    child = a_delegation()
    assert chain_of({"ins_act": STATUTE, "ins_del": child}, "ins_del") == (child, STATUTE)
    assert chain_of({"ins_del": child}, "ins_del") is None
    assert chain_of({"ins_del": a_delegation(under="ins_del")}, "ins_del") is None


def test_a_child_is_never_wider_than_its_parent():
    parent = a_delegation("ins_parent", limit_minor=500, currency="AUD")
    child = replace(parent, id="ins_child", under="ins_parent")
    assert wider_than(child, parent) is None
    wider: dict[str, Any] = {
        "acts": frozenset({"approve", "waive"}),
        "products": frozenset(),
        "limit_g": None,
        "limit_minor": 501,
        "valid_from": date(2025, 12, 31),
        "valid_until": date(2027, 1, 1),
    }
    for field, value in wider.items():
        assert wider_than(replace(child, **{field: value}), parent) == field
    assert wider_than(replace(child, currency="USD"), parent) == "limit_minor"


def test_who_acts_cites_what_they_hold_unless_a_conflict_bars_them():
    capacity = Capacity(by="officer", on=TODAY, held=((a_delegation(), STATUTE),), conflicts=frozenset({"partner/JP"}))
    cited = cite(capacity, Action(act="approve", product="antimony", mass_g=100, concerns=("partner/US",)))
    assert isinstance(cited, Cited)
    assert (cited.authority, cited.by) == ("ins_del", "officer")
    for refused, code in (
        (cite(capacity, Action(act="approve", product="antimony", concerns=("partner/US", "partner/JP"))), Fault.CONFLICT),
        (cite(capacity, Action(act="waive", product="antimony")), Fault.OTHER_ACT),
        (cite(replace(capacity, named="ins_act"), Action(act="approve", product="antimony")), Fault.MISSING),
        (cite(None, Action(act="approve")), Fault.MISSING),
    ):
        assert isinstance(refused, Refused)
        assert refused.code == code
