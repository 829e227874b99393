"""Currencies: ISO 4217's codes, funds' among them, and how many digits of each are minor units."""

import re
from collections.abc import Mapping

from iso4217 import Currency

# What has no minor unit (XAU, XTS) is no currency that anything is counted in here.
MINOR_DIGITS: Mapping[str, int] = {each.code: each.exponent for each in Currency if each.exponent is not None}

_AMOUNT = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,4}))?")


def minor_units(text: str, currency: str) -> int:
    """ "10000.00" AUD is 1000000. Raises LookupError for an unknown currency, ValueError for another text or too many digits."""
    digits = MINOR_DIGITS[currency]
    amount = _AMOUNT.fullmatch(text)
    if amount is None or len(cents := amount[2] or "") > digits:
        raise ValueError(f"{text!r} is no amount of {currency}, which has {digits} digits after the point")
    return int(amount[1] + cents.ljust(digits, "0"))


def decimal_text(amount_minor: int, currency: str, grouped: bool = False) -> str:
    """Of 1000000 AUD, "10000.00", or "10,000.00". Raises LookupError for an unknown currency."""
    digits = MINOR_DIGITS[currency]
    whole, cents = divmod(abs(amount_minor), 10**digits)
    return f"{'-' if amount_minor < 0 else ''}{whole:{',' if grouped else ''}}{f'.{cents:0{digits}}' if digits else ''}"


def money(amount_minor: int, currency: str) -> str:
    """For people: of 1000000 AUD, "10,000.00 AUD"; "1,000,000 minor units of ZZZ", which is no currency."""
    if currency not in MINOR_DIGITS:
        return f"{amount_minor:,} minor units of {currency}"
    return f"{decimal_text(amount_minor, currency, grouped=True)} {currency}"
