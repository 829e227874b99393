"""Currencies: ISO 4217's codes, and how many digits of each are minor units."""

import re
from collections.abc import Mapping

_TWO_DIGITS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP
ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL
MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD
SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

MINOR_DIGITS: Mapping[str, int] = {
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}

_AMOUNT = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,3}))?")


def minor_units(text: str, currency: str) -> int:
    """ "10000.00" AUD is 1000000. Raises LookupError for an unknown currency, ValueError for another text or too many digits."""
    digits = MINOR_DIGITS[currency]
    amount = _AMOUNT.fullmatch(text)
    if amount is None or len(cents := amount[2] or "") > digits:
        raise ValueError(f"{text!r} is no amount of {currency}, which has {digits} digits after the point")
    return int(amount[1] + cents.ljust(digits, "0"))


def decimal_text(amount_minor: int, currency: str) -> str:
    """Of 1000000 AUD, "10000.00". Raises LookupError for an unknown currency."""
    digits = MINOR_DIGITS[currency]
    sign, whole = "-" if amount_minor < 0 else "", str(abs(amount_minor)).rjust(digits + 1, "0")
    return f"{sign}{whole[:-digits]}.{whole[-digits:]}" if digits else f"{sign}{whole}"
