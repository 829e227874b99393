"""Telling: an event as a sentence of `SENTENCES`, its figures with units, what people typed in quotes."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from fractions import Fraction
from functools import cache
from typing import Any

import msgspec

from reserve.audit.sentences import SENTENCES
from shared.journal.codec import type_of, without_version
from shared.journal.texts import COMMITMENT
from shared.terms.currencies import money

_MOST_NAMED = 8  # things of one list in a sentence
_PARTS = re.compile(r"\[(?P<optional>[^\]]*)\]|\{(?P<either>\w+)\?(?P<yes>[^:}]*):(?P<no>[^}]*)\}|\{(?P<field>[\w.]+)\}")
_DAYS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20}|/[1-9][0-9]{0,40})?")  # "1e999999999" is a number, too, and takes a day to work out
_NOTHING: tuple[Any, ...] = (None, msgspec.UNSET, "", 0, (), {})


def sentence_of(event: Any, texts: Mapping[str, str]) -> str:
    """`texts`: what people typed, by its commitment. Raises LookupError for a type without a sentence."""
    return _filled(SENTENCES[without_version(type_of(type(event)))], event, texts)


def typed_in(value: Any) -> Iterator[str]:
    """The commitments to typed texts anywhere in an event."""
    for each in strings_of(value):
        if COMMITMENT.fullmatch(each):
            yield each


def strings_of(value: Any) -> Iterator[str]:
    """Each string in an event, or a part of one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from strings_of(getattr(value, name))
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from strings_of(key)
            yield from strings_of(part)
    elif isinstance(value, tuple | list | set | frozenset):
        for part in value:
            yield from strings_of(part)


def printable(text: str) -> str:
    """What others have typed can do nothing to a terminal, and show no other words than it holds: it stays on its line."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


@cache
def _parsed(template: str) -> tuple[re.Match[str] | str, ...]:
    parts: list[re.Match[str] | str] = []
    end = 0
    for found in _PARTS.finditer(template):
        parts += [template[end : found.start()], found]
        end = found.end()
    return (*parts, template[end:])


def _filled(template: str, event: Any, texts: Mapping[str, str]) -> str:
    said = []
    for part in _parsed(template):
        if isinstance(part, str):
            said.append(part)
        elif (name := part["either"]) is not None:
            said.append(part["yes"] if getattr(event, name) else part["no"])
        elif (name := part["field"]) is not None:
            said.append(_words(name, _value(event, name), event, texts))
        elif all(_value(event, each["field"]) not in _NOTHING for each in _parsed(part["optional"]) if not isinstance(each, str)):
            said.append(_filled(part["optional"], event, texts))
    return "".join(said)


def _value(event: Any, name: str) -> Any:
    first, _, rest = name.partition(".")
    if isinstance(event, tuple):
        return tuple(_value(each, name) for each in event)
    found = None if event is None else getattr(event, first)
    return _value(found, rest) if rest else found


def _words(name: str, value: Any, event: Any, texts: Mapping[str, str]) -> str:
    match value:
        case None | msgspec.UNSET:
            return "nobody" if name.endswith("subject") else "nothing"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M} UTC"
        case date():
            return value.isoformat()
        case int():
            return _figure(name, value, event)
        case str():
            return _text(name, value, texts)
        case Mapping():
            return _listed([f"{printable(str(key))} {_words(name, part, event, texts)}" for key, part in value.items()])
        case tuple() | frozenset():
            return _listed([_words(name, part, event, texts) for part in value])
    raise TypeError(f"{name} is a {type(value).__name__}, which no sentence can say")


def _listed(words: list[str]) -> str:
    more = len(words) - _MOST_NAMED
    return ", ".join(words if more <= 0 else [*words[:_MOST_NAMED], f"and {more} more"]) or "nothing"


def _figure(name: str, value: int, event: Any) -> str:
    if name.endswith("_minor"):
        return _money(value, _currency_of(event))
    return f"{value:,} g" if name.endswith("_g") else f"{value:,}" if name != "version" else str(value)


def _currency_of(event: Any) -> str | None:
    return getattr(event, "currency", None) or getattr(getattr(event, "terms", None), "currency", None)


def _money(amount_minor: int, currency: str | None) -> str:
    if not currency:
        return f"{amount_minor:,} minor units"
    return money(amount_minor, printable(currency))


def _text(name: str, value: str, texts: Mapping[str, str]) -> str:
    if COMMITMENT.fullmatch(value):
        return f"“{printable(texts[value])}”" if value in texts else "(a text that is erased, or not in the bundle)"
    if name == "days_of_cover" and _DAYS.fullmatch(value):
        tenths = 10 * Fraction(value) // 1
        return f"{tenths // 10}.{tenths % 10}"
    return printable(value.replace("_", " ") if name in ("act", "acts", "cited.act") else value)
