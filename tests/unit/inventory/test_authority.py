"""By what authority protected stock is opened, holds are lifted and releases are taken back."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.inventory.domain.stockpile import timers
from services.inventory.events import AuthorityCited, HoldLifted, ProtectedStockSet
from shared.journal.decider import CancelTimer
from shared.terms.authority import Capacity, Cited, Fault, Kind, interest_in
from tests.stories.given import Given
from tests.stories.powers import INSTRUMENT, may
from tests.stories.stockpile import MAY, TODAY, UNIT_G, a_round, a_stockpile, award, hold, lift, lot, protect, take_back


def a_reserve() -> Given:
    return a_stockpile(lot(units=10), protect(4), a_round(award("a", "JP", 5)), hold("partner", "US"))


def test_protected_stock_is_raised_freely_and_opened_under_an_authority():
    [raised] = a_reserve().when(protect(6, capacity=None)).events
    assert isinstance(raised, ProtectedStockSet)
    assert raised.authority == "Minister"
    opened, cited = a_reserve().when(protect(1)).events
    assert isinstance(opened, ProtectedStockSet)
    assert isinstance(cited, AuthorityCited)
    assert opened.authority == INSTRUMENT
    assert cited.cited == Cited(
        authority=INSTRUMENT,
        version=1,
        under=(),
        act="open_protected_stock",
        by="operator-1",
        product="antimony-metal",
        mass_g=3 * UNIT_G,
        amount_minor=None,
        currency=None,
    )


def test_a_hold_is_lifted_under_an_authority_and_its_timer_is_forgotten():
    lifted, cited = a_reserve().when(lift()).events
    assert isinstance(lifted, HoldLifted)
    assert isinstance(cited, AuthorityCited)
    assert (lifted.authority, cited.matter) == (INSTRUMENT, "hld_1")
    assert timers(lifted) == [CancelTimer("hold/hld_1"), CancelTimer("unconfirmed/hld_1")]


@pytest.mark.parametrize(
    ("capacity", "fault"),
    [
        (None, Fault.MISSING),
        (Capacity(by="operator-1", on=TODAY), Fault.MISSING),
        (may("operator-1", TODAY, holder="somebody"), Fault.MISSING),
        (may("operator-1", TODAY, acts=frozenset({"commit_loan"})), Fault.OTHER_ACT),
        (may("operator-1", TODAY, products=frozenset({"gallium-metal"})), Fault.OTHER_PRODUCT),
        (may("operator-1", TODAY, valid_until=TODAY - timedelta(days=1)), Fault.OUT_OF_DATE),
        (may("operator-1", TODAY, ended_on=TODAY), Fault.OUT_OF_DATE),
        (may("operator-1", TODAY, conflicts=frozenset({interest_in("product", "antimony-metal")})), Fault.CONFLICT),
    ],
)
def test_without_an_authority_that_covers_it_nothing_is_opened_lifted_or_taken_back(capacity: Capacity | None, fault: Fault):
    for command in (protect(1, capacity), lift(capacity=capacity), take_back(capacity=capacity)):
        a_reserve().when(command).refused(fault)


def test_an_authority_covers_no_more_grams_than_its_limit():
    limited = may("operator-1", TODAY, limit_g=3 * UNIT_G)
    a_reserve().given(protect(1, limited))
    a_reserve().when(protect(0, limited)).refused(Fault.OVER_LIMIT)
    a_reserve().when(take_back(capacity=limited)).refused(Fault.OVER_LIMIT)  # five units are left


@pytest.mark.parametrize(("command", "about"), [(take_back, ("partner", "JP")), (lift, ("partner", "us"))])
def test_an_interest_in_a_partner_bars_from_what_is_that_partners(command: Any, about: tuple[str, str]):
    barred = may("operator-1", TODAY, conflicts=frozenset({interest_in(*about)}))
    a_reserve().when(command(capacity=barred)).refused(Fault.CONFLICT)
    elsewhere = may("operator-1", TODAY, conflicts=frozenset({interest_in("partner", "EU")}))
    assert len(a_reserve().when(command(capacity=elsewhere)).events) == 2


def test_a_delegation_acts_with_the_power_that_it_stands_under():
    [[statute]] = MAY.held
    delegation = may("officer", TODAY, id="ins_del", under=statute.id, kind=Kind.DELEGATION, limit_g=2 * UNIT_G).held[0][0]
    capacity = Capacity(by="officer", on=date(2026, 1, 6), held=((delegation, statute),))
    a_reserve().when(protect(2, capacity)).refused(Fault.NOT_DELEGABLE)
