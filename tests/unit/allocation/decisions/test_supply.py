"""Who may have of which lots and rights, and the pools that follow."""

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.allocation.domain.decisions.eligibility import Asked, Lot, Right, Stock, Stop
from services.allocation.domain.decisions.proposal import Offer
from services.allocation.domain.decisions.supply import offer_from
from services.allocation.events import PartnerCode, RequestId

TODAY = date(2026, 1, 6)
SPRING = date(2026, 4, 1)
TONNE = 1_000_000
UNIT_G = 5 * TONNE
ALL_G = 10**15


def lot(name: str, units: int = 10, **changes: Any) -> Lot:
    told: dict[str, Any] = {"depot": "Fremantle", "unit_g": UNIT_G, "origin": "AU", "contents": {"Sb": "0.9965"}, "expires_on": None}
    return Lot(lot=name, units=units, **(told | changes))


def right(name: str, units: int = 10, window_from: date | None = date(2026, 3, 1)) -> Right:
    return Right(right=name, mass_g=units * UNIT_G, window_from=window_from, window_to=date(2026, 9, 30))


def asked(name: str, partner: str = "JP", **changes: Any) -> Asked:
    return Asked(request=RequestId(name), partner=PartnerCode(partner), **({"needed_by": SPRING} | changes))


def stock(*sources: Lot | Right, stops: tuple[Stop, ...] = (), **changes: Any) -> Stock:
    """Nothing of it is reserved or protected, unless `changes` say so."""
    lots = [each for each in sources if isinstance(each, Lot)]
    free: dict[int, int] = {}
    for each in lots:
        free[each.unit_g] = free.get(each.unit_g, 0) + each.units
    told: dict[str, Any] = {"free_units": free, "reserved_rights_g": 0, "protected_g": 0}
    rights = [each for each in sources if isinstance(each, Right)]
    return Stock(nominal_unit_g=UNIT_G, lots=lots, rights=rights, stops=stops, **(told | changes))


def offered(some: Stock, *them: Asked, supply_g: int = ALL_G) -> Offer:
    return offer_from(some, them, supply_g, TODAY)


def units(offer: Offer) -> dict[str, dict[int, int]]:
    return {pool.pool: {each.unit_g: each.units for each in pool.offered} for pool in offer.pools}


def whys(offer: Offer) -> set[tuple[tuple[str, ...], str | None, str]]:
    assert isinstance(offer.holdings.barred, tuple)
    return {(barred.sources, barred.profile, barred.why) for barred in offer.holdings.barred}


def test_where_everyone_may_have_everything_there_is_a_pool_of_lots_and_one_of_rights():
    offer = offered(stock(lot("lot_1"), lot("lot_2", origin="CN"), right("rgt_1")), asked("req_1"), asked("req_2", "US"))
    assert units(offer) == {"lots": {UNIT_G: 20}, "rights": {UNIT_G: 10}}
    assert [pool.restricted for pool in offer.pools] == ["", ""]
    assert (offer.eligible, offer.lots) == ({}, {})


def test_who_excludes_an_origin_has_only_of_the_lots_of_others():
    offer = offered(stock(lot("lot_1"), lot("lot_2", 4, origin="CN")), asked("req_1", excluded_origins=("cn",)), asked("req_2"))
    assert units(offer) == {"lots": {UNIT_G: 4}, "lots_2": {UNIT_G: 10}}
    assert [pool.restricted for pool in offer.pools] == ["of origin CN", ""]
    assert offer.eligible == {"req_1": ("lots_2",)}
    assert offer.lots == {"lots": ("lot_2",), "lots_2": ("lot_1",)}
    assert whys(offer) == {(("lot_2",), "p1", "origin CN excluded")}


def test_a_lot_of_which_nobody_says_in_a_code_where_it_is_from_is_for_nobody_who_excludes_any():
    offer = offered(stock(lot("lot_1", origin="People's Republic")), asked("req_1", excluded_origins=("CN",)), asked("req_2"))
    assert offer.eligible == {"req_1": ()}
    assert offer.pools[0].restricted == "of origin People's Republic"


def test_who_excludes_an_origin_is_pinned_though_there_is_no_lot_of_it_today():
    assert offered(stock(lot("lot_1")), asked("req_1", excluded_origins=("CN",)), asked("req_2")).lots == {"lots": ("lot_1",)}


def test_a_release_is_pinned_too_where_the_lots_that_are_not_for_it_are_not_offered():
    some = stock(lot("lot_1"), lot("lot_2", 4, origin="CN"))
    alone = offered(some, asked("req_1", excluded_origins=("CN",)))
    assert (units(alone), alone.lots) == ({"lots": {UNIT_G: 10}}, {"lots": ("lot_1",)})


def test_who_asks_for_more_of_an_element_has_only_of_the_lots_that_contain_it():
    lots = [lot("lot_1", contents={"Sb": "0.9965"}), lot("lot_2", contents={"Sb": "0.9990"}), lot("lot_3", contents={"As": "0.1"})]
    offer = offered(stock(*lots), asked("req_1", least_contents={"Sb": "0.9985"}), asked("req_2"))
    assert units(offer) == {"lots": {UNIT_G: 20}, "lots_2": {UNIT_G: 10}}
    assert offer.eligible == {"req_1": ("lots_2",)}
    assert offer.pools[0].restricted == "Sb 0.9965"
    assert whys(offer) == {(("lot_1",), "p1", "Sb 0.9965 < 0.9985"), (("lot_3",), "p1", "Sb is not assayed")}


def test_a_lot_that_expires_before_it_is_needed_is_not_for_that_request():
    offer = offered(stock(lot("lot_1", expires_on=date(2026, 2, 1))), asked("req_1", needed_by=date(2026, 2, 1)), asked("req_2"))
    assert offer.eligible == {"req_2": ()}
    assert whys(offer) == {(("lot_1",), "p2", "expires on 2026-02-01, before it is needed")}
    assert offer.pools[0].restricted == "expires on 2026-02-01"


def test_a_release_is_pinned_where_a_lot_would_expire_before_anybody_needs_it():
    some = stock(lot("lot_1"), lot("lot_2", expires_on=date(2026, 2, 1)))
    assert offered(some, asked("req_1")).lots == {"lots": ("lot_1",)}


def test_a_right_is_for_those_that_its_deliveries_reach_in_time():
    offer = offered(
        stock(right("rgt_1"), right("rgt_2", 3, date(2026, 5, 1))),
        asked("req_1"),
        asked("req_2", needed_by=date(2026, 6, 1)),
    )
    assert units(offer) == {"rights": {UNIT_G: 3}, "rights_2": {UNIT_G: 10}}
    assert offer.eligible == {"req_1": ("rights_2",)}
    assert offer.pools[0].restricted == "delivered from 2026-05-01"


def test_a_loan_has_nothing_of_rights():
    offer = offered(stock(lot("lot_1"), right("rgt_1")), asked("req_1", lent=True), asked("req_2"))
    assert offer.eligible == {"req_1": ("lots",)}
    assert (offer.pools[1].restricted, offer.lots) == ("not lent", {})


def test_what_is_expired_or_on_hold_is_for_nobody():
    stops = (
        Stop(scope="lot", target="lot_2", expires_on=None),
        Stop(scope="depot", target="Darwin", expires_on=TODAY),
        Stop(scope="lot", target="lot_1", expires_on=TODAY - timedelta(days=1)),
    )
    lots = [lot("lot_1"), lot("lot_2"), lot("lot_3", depot="Darwin"), lot("lot_4", expires_on=TODAY - timedelta(days=1))]
    offer = offered(stock(*lots, stops=stops), asked("req_1"))
    assert units(offer) == {"lots": {UNIT_G: 10}}
    assert whys(offer) == {(("lot_2", "lot_3"), None, "on hold"), (("lot_4",), None, "expired on 2026-01-05")}
    assert offer.holdings.available_g == 10 * UNIT_G


def test_a_partner_on_hold_has_nothing_and_the_pools_do_not_tell_who():
    offer = offered(
        stock(lot("lot_1"), stops=(Stop(scope="partner", target="JP", expires_on=None),)),
        asked("req_1"),
        asked("req_2", "US"),
    )
    assert offer.eligible == {"req_1": ()}
    assert offer.pools[0].restricted == "not for everyone"


def test_a_hold_on_everything_leaves_nothing_to_offer():
    offer = offered(stock(lot("lot_1"), right("rgt_1"), stops=(Stop(scope="all", target=None, expires_on=None),)), asked("req_1"))
    assert units(offer) == {"rights": {UNIT_G: 0}}


def test_what_the_fewest_may_have_is_offered_first_and_lots_before_rights():
    some = stock(lot("lot_1"), lot("lot_2", 4, origin="CN"), right("rgt_1"))
    requests = [asked("req_1", excluded_origins=("CN",)), asked("req_2")]
    assert units(offered(some, *requests, supply_g=6 * UNIT_G)) == {"lots": {UNIT_G: 4}, "lots_2": {UNIT_G: 2}}
    assert units(offered(some, *requests, supply_g=15 * UNIT_G)) == {"lots": {UNIT_G: 4}, "lots_2": {UNIT_G: 10}, "rights": {UNIT_G: 1}}


def test_protected_stock_is_what_most_may_have():
    some = stock(lot("lot_1"), lot("lot_2", 4, origin="CN"), protected_g=8 * UNIT_G)
    offer = offered(some, asked("req_1", excluded_origins=("CN",)), asked("req_2"))
    assert units(offer) == {"lots": {UNIT_G: 4}, "lots_2": {UNIT_G: 2}}


def test_what_others_have_reserved_of_no_lot_in_particular_is_what_most_may_have():
    some = stock(lot("lot_1"), lot("lot_2", 4, origin="CN"), right("rgt_1"), free_units={UNIT_G: 9}, reserved_rights_g=3 * UNIT_G)
    offer = offered(some, asked("req_1", excluded_origins=("CN",)), asked("req_2"))
    assert units(offer) == {"lots": {UNIT_G: 4}, "lots_2": {UNIT_G: 5}, "rights": {UNIT_G: 7}}


def test_units_of_each_size_are_offered_largest_first():
    offer = offered(stock(lot("lot_1", 2), lot("lot_2", 9, unit_g=TONNE)), asked("req_1"), supply_g=13 * TONNE)
    assert units(offer) == {"lots": {UNIT_G: 2, TONNE: 3}}


def test_lots_that_are_not_known_one_by_one_are_for_those_who_ask_for_nothing():
    some = stock(lot("lot_1"), free_units={UNIT_G: 16})
    offer = offered(some, asked("req_1", excluded_origins=("CN",)), asked("req_2"))
    assert units(offer) == {"lots": {UNIT_G: 6}, "lots_2": {UNIT_G: 10}}
    assert offer.eligible == {"req_1": ("lots_2",)}
    assert offer.lots == {"lots": (), "lots_2": ("lot_1",)}
    alone = offered(some, asked("req_2"))
    assert (units(alone), alone.lots) == ({"lots": {UNIT_G: 16}}, {})


def test_the_auditor_is_told_what_each_lot_was_for():
    offer = offered(stock(lot("lot_1"), lot("lot_2", 4, origin="CN")), asked("req_1", excluded_origins=("CN",)), asked("req_2"))
    assert isinstance(offer.holdings.held, tuple) and isinstance(offer.holdings.profiles, tuple)
    assert [(held.source, held.pool, held.units) for held in offer.holdings.held] == [("lot_1", "lots_2", 10), ("lot_2", "lots", 4)]
    assert [profile.requests for profile in offer.holdings.profiles] == [("req_1",), ("req_2",)]


ORIGINS = ("AU", "CN", "RU")
lots = st.lists(
    st.builds(
        lot,
        st.integers(0, 10**6).map(lambda number: f"lot_{number}"),
        st.integers(1, 9),
        unit_g=st.sampled_from((UNIT_G, TONNE)),
        origin=st.sampled_from(ORIGINS),
        contents=st.sampled_from(({"Sb": "0.9965"}, {"Sb": "0.9990"}, {})),
        expires_on=st.sampled_from((None, TODAY, SPRING)),
    ),
    max_size=8,
    unique_by=lambda each: each.lot,
)
requests = st.lists(
    st.builds(
        asked,
        st.integers(0, 10**6).map(lambda number: f"req_{number}"),
        needed_by=st.sampled_from((TODAY, SPRING, date(2026, 12, 1))),
        excluded_origins=st.lists(st.sampled_from(ORIGINS), max_size=2, unique=True).map(tuple),
        least_contents=st.sampled_from(({}, {"Sb": "0.998"})),
        lent=st.booleans(),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each.request,
)


@given(lots, requests, st.integers(0, 60 * TONNE), st.integers(0, 60 * TONNE), st.integers(0, 4))
def test_nobody_is_offered_what_is_not_for_them_and_nothing_beyond_what_is_free(some, them, supply_g, protected_g, reserved):
    there = stock(*some, right("rgt_1", 3))
    free = {unit_g: max(0, count - reserved) for unit_g, count in there.free_units.items()}
    there = stock(*some, right("rgt_1", 3), free_units=free, protected_g=protected_g)
    offer = offered(there, *them, supply_g=supply_g)
    held = {each.source: each.pool for each in offer.holdings.held or ()}
    for each in them:
        own = offer.eligible.get(each.request, tuple(pool.pool for pool in offer.pools))
        for one in some:
            fits = (
                one.origin not in each.excluded_origins
                and (one.expires_on is None or one.expires_on >= each.needed_by)
                and ("Sb" not in each.least_contents or one.contents.get("Sb") == "0.9990")
            )
            assert held[one.lot] is None or (held[one.lot] in own) == fits
    given_out: dict[int, int] = {}
    for pool in offer.pools:
        for count in pool.offered:
            if pool.kind == "lots":
                given_out[count.unit_g] = given_out.get(count.unit_g, 0) + count.units
    assert all(count <= free[unit_g] for unit_g, count in given_out.items())
    lots_g = sum(unit_g * count for unit_g, count in given_out.items())
    assert not lots_g or lots_g <= sum(unit_g * count for unit_g, count in free.items()) - protected_g
    assert sum(count.unit_g * count.units for pool in offer.pools for count in pool.offered) <= supply_g


def test_ten_thousand_requests_of_five_kinds_are_five_profiles():
    kinds: list[dict[str, Any]] = [
        {},
        {"excluded_origins": ("CN",)},
        {"excluded_origins": ("CN", "RU")},
        {"least_contents": {"Sb": "0.9985"}},
        {"needed_by": date(2026, 12, 1)},
    ]
    them = [asked(f"req_{number:05}", **kinds[number % 5]) for number in range(10_000)]
    some = [lot(f"lot_{number:04}", origin=ORIGINS[number % 3], expires_on=SPRING if number % 7 else None) for number in range(2_000)]
    there = stock(*some, right("rgt_1"))
    offer = offered(there, *them)
    assert isinstance(offer.holdings.profiles, tuple) and len(offer.holdings.profiles) == 5
