"""Shown: how masses, days and instants are written on a page. What is rounded, or of another time zone, is exact in the `title`."""

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from markupsafe import Markup

from shared.zone import ZONE

MOST_G = 10**15  # a thousand million tonnes
TONNE_G, KG_BELOW_G = 1_000_000, 10_000_000  # whole tonnes are in t, and from 10 t on all is


def mass(grams: int | str | None) -> Markup:
    """1,600 kg, or 12.5 t: three decimals at most. A rational ("10/3") is a mass, too."""
    if grams is None:
        return Markup('<span class="none">none</span>')
    exact = Fraction(grams)
    in_kg = exact == 0 or (abs(exact) < KG_BELOW_G and exact % TONNE_G != 0)
    size, unit = (1000, "kg") if in_kg else (TONNE_G, "t")
    rounded = Decimal(round(exact * 1000 / size)) / 1000
    text = f"{rounded:,.3f}".rstrip("0").rstrip(".")
    title = f"{exact.numerator:,} g" if exact.denominator == 1 else f"{exact} g"
    return Markup('<span class="mass" title="{}">{} {}</span>').format(title, text, unit)


def day(on: str | None) -> Markup:
    """A day is one in Sydney; the title says what it is in UTC."""
    if on is None:
        return Markup('<span class="none">none</span>')
    begins = datetime.combine(date.fromisoformat(on), time(), ZONE).astimezone(UTC)
    title = f"the day in Sydney that begins {begins:%-d %B %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(on, title, f"{date.fromisoformat(on):%-d %b %Y}")


def instant(at: str | datetime | None) -> Markup:
    """To the minute, in Sydney; the title says it in UTC."""
    if at is None:
        return Markup('<span class="none">none</span>')
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    title = f"{when.astimezone(UTC):%-d %B %Y, %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(when.isoformat(), title, f"{when.astimezone(ZONE):%-d %b %Y, %H:%M}")


def words(code: str | None) -> str:
    """`not_stated` as "not stated"."""
    return "" if code is None else code.replace("_", " ")


def days(of_cover: int | str | None) -> str:
    """Days of supply, in tenths, rounded down as the services do. A rational, or a decimal."""
    if of_cover is None:
        return ""
    tenths = int(Fraction(of_cover) * 10)
    return f"{tenths // 10:,}.{tenths % 10}"


def grams(typed: str) -> int | None:
    """Of a mass in kg as a person types it: "1,200", "1200.5". None: it is none, no whole number of grams, or beyond all reserves."""
    try:
        exact = Decimal(typed.replace(",", "").replace(" ", "").replace(" ", "").removesuffix("kg")) * 1000
        return int(exact) if abs(exact) < MOST_G and exact == int(exact) else None
    except (InvalidOperation, ValueError, OverflowError):
        return None
