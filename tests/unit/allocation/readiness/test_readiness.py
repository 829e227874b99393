"""Readiness: what is cleared, for how long, and how soon first grams could arrive."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.allocation.domain.readiness.first_grams import KINDS, ClearedItem, Lead, first_grams
from services.allocation.domain.readiness.readiness import (
    DECIDER,
    MAX_ITEMS,
    CheckItem,
    ClearItem,
    Reason,
    RenewItem,
    WithdrawItem,
)
from services.allocation.events import AgreementId, PartnerCode, ProductId, SubjectId
from services.allocation.events.readiness import (
    ItemId,
    ItemKind,
    ReadinessCleared,
    ReadinessExpired,
    ReadinessExpiring,
    ReadinessRenewed,
    ReadinessWithdrawn,
)
from services.allocation.settings import Leads
from shared.journal.decider import CancelTimer, Timer
from tests.stories.given import Given

TODAY = date(2026, 1, 6)  # a Tuesday
LEADS = Leads().of("antimony-metal")


def clear(name: str = "permit 1", **changes: Any) -> ClearItem:
    told: dict[str, Any] = {
        "agreement": AgreementId("agr_1"),
        "product": ProductId("antimony-metal"),
        "partner": PartnerCode("JP"),
        "item": ItemId("rdy_1"),
        "kind": "permit",
        "name": name,
        "evidence": "letter",
        "by": SubjectId("u-1"),
        "until": TODAY + timedelta(days=100),
        "warn_days": 30,
        "on": TODAY,
    }
    return ClearItem(**(told | changes))


def renew(until: date | None, on: date, item: str = "rdy_1") -> RenewItem:
    return RenewItem(item=ItemId(item), evidence="another letter", by=SubjectId("u-2"), until=until, warn_days=30, on=on)


def check(days: int) -> CheckItem:
    return CheckItem(item=ItemId("rdy_1"), on=TODAY + timedelta(days=days))


def test_an_item_is_warned_of_before_it_expires_and_expires_once():
    story = Given(DECIDER)
    story = story.when(clear())
    [cleared] = story.events
    assert isinstance(cleared, ReadinessCleared)
    assert DECIDER.timers(cleared) == [Timer("item/rdy_1", TODAY + timedelta(days=70), check(70))]
    story.when(check(69)).then()
    story = story.when(check(70))
    [expiring] = story.events
    assert isinstance(expiring, ReadinessExpiring)
    assert DECIDER.timers(expiring) == [Timer("item/rdy_1", TODAY + timedelta(days=101), check(101))]
    story.when(check(71)).then()
    story = story.when(check(101))
    [expired] = story.events
    assert isinstance(expired, ReadinessExpired)
    story.when(check(102)).then()


def test_a_renewal_begins_anew_also_after_the_end():
    story = Given(DECIDER, clear(), check(101))
    story = story.when(renew(TODAY + timedelta(days=200), TODAY + timedelta(days=101)))
    [renewed] = story.events
    assert isinstance(renewed, ReadinessRenewed)
    assert DECIDER.timers(renewed) == [Timer("item/rdy_1", TODAY + timedelta(days=170), check(170))]
    story.when(check(150)).then()
    story = story.when(renew(None, TODAY + timedelta(days=150)))
    [forever] = story.events
    assert DECIDER.timers(forever) == [CancelTimer("item/rdy_1")]
    story.when(check(300)).then()


def test_a_warning_is_never_set_for_a_day_that_has_begun():
    [soon] = Given(DECIDER).when(clear(until=TODAY + timedelta(days=3))).events
    assert DECIDER.timers(soon) == [Timer("item/rdy_1", TODAY + timedelta(days=1), check(1))]
    [today] = Given(DECIDER).when(clear(until=TODAY)).events
    assert DECIDER.timers(today) == [Timer("item/rdy_1", TODAY + timedelta(days=1), check(1))]


def test_what_is_withdrawn_may_be_cleared_again():
    story = Given(DECIDER, clear())
    story.when(clear(item=ItemId("rdy_2"))).refused(Reason.CLEARED_ALREADY)
    story = story.when(WithdrawItem(item=ItemId("rdy_1"), reason="revoked"))
    [withdrawn] = story.events
    assert isinstance(withdrawn, ReadinessWithdrawn)
    assert DECIDER.timers(withdrawn) == [CancelTimer("item/rdy_1")]
    story.when(check(101)).then()
    story.given(clear(item=ItemId("rdy_2")))


def test_what_is_not_there_or_has_passed_is_refused():
    story = Given(DECIDER, clear())
    story.when(renew(None, TODAY, "rdy_9")).refused(Reason.ITEM_NOT_FOUND)
    story.when(WithdrawItem(item=ItemId("rdy_9"), reason="x")).refused(Reason.ITEM_NOT_FOUND)
    yesterday = TODAY - timedelta(days=1)
    story.when(renew(yesterday, TODAY)).refused(Reason.DATE_IN_PAST)
    story.when(clear("another", until=yesterday)).refused(Reason.DATE_IN_PAST)
    full = Given(DECIDER, *(clear(f"permit {number}", item=ItemId(f"rdy_{number}")) for number in range(MAX_ITEMS)))
    full.when(clear("one more")).refused(Reason.TOO_MANY)


def all_but(*kinds: ItemKind, until: date | None = None) -> list[ClearedItem]:
    return [ClearedItem(kind=kind, name=f"a {kind}", until=until) for kind in KINDS if kind not in kinds]


def when(cleared: list[ClearedItem], on: date = TODAY, leads: Any = LEADS) -> Any:
    return first_grams(cleared, leads, on, dispatch_days=3, transport_days=7)


def test_with_all_cleared_only_dispatch_and_transport_take_time():
    found = when(all_but())
    assert (found.days, found.causes, str(found)) == (10, (), "first grams in 10 days, since all is cleared")


def test_the_slowest_of_what_is_missing_decides_and_is_named_first():
    found = when(all_but("carrier", "permit", "security"))
    assert [(cause.kind, cause.ready_on) for cause in found.causes] == [
        ("permit", date(2026, 1, 27)),
        ("security", date(2026, 1, 16)),
        ("carrier", date(2026, 1, 9)),
    ]
    assert found.days == 21 + 10
    assert str(found).startswith("first grams in 31 days, because no permit is cleared (15 working days); no security is")


def test_what_ends_before_the_goods_would_leave_is_begun_anew():
    permit = ClearedItem(kind="permit", name="D-1", until=TODAY + timedelta(days=12))
    assert when([*all_but("permit"), permit]).days == 10
    late = when([*all_but("permit", "security"), permit])
    assert [(cause.kind, cause.status) for cause in late.causes] == [("permit", "expires"), ("security", "missing")]
    assert (late.days, str(late.causes[0])) == (31, "the permit D-1 expires on 2026-01-18 (15 working days)")
    [cause] = when([*all_but("permit"), permit], on=TODAY + timedelta(days=13)).causes
    assert (cause.status, str(cause)) == ("expired", "the permit D-1 expired on 2026-01-18 (15 working days)")


def test_one_of_several_is_enough():
    short, long = (ClearedItem(kind="carrier", name=name, until=until) for name, until in (("a", TODAY), ("b", None)))
    assert when([*all_but("carrier"), short, long]).causes == ()


def test_a_sensitive_products_permit_takes_longer():
    leads = Leads(sensitive_products=("gallium-7n",)).of("gallium-7n")
    assert str(leads["permit"]) == "35 working days"
    assert leads["permit"].after(TODAY) == date(2026, 2, 24)
    assert leads["carrier"] == LEADS["carrier"]


@pytest.mark.parametrize(("on", "after"), [(TODAY, date(2026, 1, 13)), (date(2026, 1, 10), date(2026, 1, 16))])
def test_working_days_pass_over_weekends(on: date, after: date):
    assert Lead(5, working=True).after(on) == after


items = st.lists(
    st.builds(
        ClearedItem,
        kind=st.sampled_from(KINDS),
        name=st.sampled_from("abc"),
        until=st.none() | st.dates(TODAY - timedelta(days=10), TODAY + timedelta(days=90)),
    ),
    max_size=12,
)


@given(items, st.sampled_from(KINDS))
def test_one_more_item_never_makes_it_slower_and_what_is_named_does_not_hold_when_goods_leave(cleared: list[ClearedItem], kind: ItemKind):
    found = when(cleared)
    assert when([*cleared, ClearedItem(kind=kind, name="z", until=None)]).days <= found.days
    named = {cause.kind for cause in found.causes}
    for each in KINDS:
        holds = any(item.kind == each and (item.until is None or item.until >= found.leaves_on) for item in cleared)
        assert holds == (each not in named)
    assert found.ready_on == max((cause.ready_on for cause in found.causes), default=TODAY)
