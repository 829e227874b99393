"""Exposure: sums by dimension, in the facility's currency, with the limits that stand on them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.facility.exposure import (
    NONE,
    Dimension,
    Exposure,
    ExposureRow,
    exposures,
    limit_uses,
    security_shortfall,
    totals,
    valued,
)
from services.loans.domain.facility.state import with_group
from tests.stories.exposure import CMF, SB, a_book, holding, loan, material


def rows(*positions: Exposure, by: Dimension) -> dict[str, ExposureRow]:
    book = a_book(*positions)
    return {row.key: row for row in exposures(valued(book.positions, book.facilities), book.facilities, by)}


def test_each_dimension_adds_up_what_concerns_it():
    positions = (loan(), holding(), material())
    by_instrument = rows(*positions, by="instrument")
    assert {key: row.sums.committed_minor for key, row in by_instrument.items()} == {"loan": 1_000, "equity": 500, "material": 600}
    assert {key: row.sums.outstanding_minor for key, row in rows(*positions, by="project").items()} == {"hillgrove": 1_100, NONE: 600}
    assert rows(*positions, by="borrower")["larvotto"].sums.value_minor == 1_300
    assert rows(*positions, by="facility")["cmf"].sums.positions == 3


def test_metal_counts_at_the_recorded_price_and_is_shown_in_grams_too():
    row = rows(material(outstanding=301, overdue=7), by="partner")["JP"]
    assert (row.sums.outstanding_minor, row.sums.overdue_minor, row.contained_g) == (602, 14, {"Sb": 301})


def test_what_is_owed_is_rounded_up_and_what_is_held_down():
    book = a_book(loan(asset="USD", committed=100, undrawn=0, outstanding=101, value=101), rates={"USD": "1.505"})
    (row,) = [each for each in exposures(valued(book.positions, book.facilities), book.facilities, "instrument") if each.key == "loan"]
    assert (row.sums.outstanding_minor, row.sums.value_minor) == (153, 152)


def test_a_row_has_the_limits_of_its_key_with_what_is_left_and_whether_to_warn():
    (limit,) = rows(loan(), holding(), by="element")["Sb"].limits
    assert (limit.key, limit.committed_minor, limit.headroom_minor, limit.warned) == ("element/Sb", 1_500, 1_500, True)
    (limit,) = rows(loan(), by="facility")["cmf"].limits
    assert (limit.key, limit.headroom_minor, limit.warned) == ("total", 9_000, False)


def test_a_limit_that_nothing_is_charged_to_has_a_row_all_the_same():
    row = rows(loan(), by="partner")["JP"]
    assert (row.sums.positions, row.limits[0].headroom_minor) == (0, 2_000)


def test_a_loan_for_two_elements_counts_in_full_for_each_and_once_in_all():
    book = a_book(loan(elements=("Sb", "Ga")))
    by_element = {
        row.key: row.sums.committed_minor for row in exposures(valued(book.positions, book.facilities), book.facilities, "element")
    }
    assert by_element == {"Sb": 1_000, "Ga": 1_000}
    assert totals(valued(book.positions, book.facilities), book.facilities)["AUD"].committed_minor == 1_000


@pytest.mark.parametrize(("security", "cover", "shortfall"), [(600, "1", 0), (599, "1", 1), (600, "1.101", 61), (None, "1", None)])
def test_security_falls_short_of_what_it_must_cover(security: int | None, cover: str, shortfall: int | None):
    book = a_book(loan(security_minor=security, required_cover=cover))
    assert security_shortfall(book.positions[0], book.facilities[CMF]) == shortfall


def test_a_position_is_in_the_row_of_each_group_that_whom_it_concerns_is_in():
    book = a_book(loan(), loan("lon_2", borrower="nolans", project="nolans"))
    facility = with_group(with_group(book.facilities[CMF], "one", ["borrower/larvotto", "borrower/x"]), "two", ["project/hillgrove", "x/y"])
    rows = exposures(valued(book.positions, {CMF: facility}), {CMF: facility}, "group")
    assert {row.key: row.sums.committed_minor for row in rows} == {"one": 1_000, "two": 1_000, NONE: 1_000}


LOANS = st.builds(
    lambda elements, project, committed: loan(elements=elements, project=project, committed=committed),
    st.sampled_from([("Sb",), ("Ga",), ("Sb", "Ga"), ("W",)]),
    st.sampled_from(["hillgrove", "nolans"]),
    st.integers(1, 300),
)
LENT = st.builds(
    lambda partner, committed: material(partner=partner, committed=committed), st.sampled_from(["JP", "US"]), st.integers(1, 99)
)


@given(st.lists(st.one_of(LOANS, LENT), max_size=9))
def test_what_rows_say_is_committed_is_what_the_facility_has_charged(drawn: list[Exposure]):
    positions = [msgspec.structs.replace(each, id=f"c{number}") for number, each in enumerate(drawn)]
    book = a_book(*positions, rates={SB: "7/3"})
    facility = book.facilities[CMF]
    for by in ("partner", "project", "element", "instrument", "borrower"):
        for row in exposures(valued(book.positions, book.facilities), book.facilities, by):
            if row.key != NONE:
                assert row.sums.committed_minor == facility.used_minor.get(f"{by}/{row.key}", 0)
    assert totals(valued(positions, book.facilities), book.facilities)["AUD"].committed_minor == facility.used_minor.get("total", 0)
    assert all(use.headroom_minor >= 0 for use in limit_uses([facility]))
