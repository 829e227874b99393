"""Amounts are written with the digits of their currency, and read as they are written."""

import pytest

from shared.terms.currencies import MINOR_DIGITS, decimal_text, minor_units, money


@pytest.mark.parametrize(("currency", "digits"), [("AUD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_amounts_are_read_as_they_are_written(currency: str, digits: int) -> None:
    assert MINOR_DIGITS[currency] == digits
    for amount_minor in (0, 1, 99, 100, 12345, 2**53 - 1):
        assert minor_units(decimal_text(amount_minor, currency), currency) == amount_minor


def test_what_is_less_than_nothing_has_its_sign_first() -> None:
    assert [decimal_text(-5, currency) for currency in ("AUD", "JPY", "KWD")] == ["-0.05", "-5", "-0.005"]


def test_people_read_amounts_in_groups_of_three_and_of_what_is_no_currency_its_minor_units() -> None:
    assert money(-123456789, "AUD") == "-1,234,567.89 AUD"
    assert money(1_000, "XAU") == "1,000 minor units of XAU"  # gold has a code, and no minor unit
