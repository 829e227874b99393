"""Conditions: what must be shown before something may happen, and whether the evidence at hand shows it on a day.

Conditions and evidence are data: their owner stores them (so these shapes never change; a new condition is a new struct and its branches),
decides which evidence is at hand, and who may waive what. Nothing is taken for granted here: where the evidence does not let one say, a
condition is *not evaluated*, and that is never met.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, assert_never

import msgspec

_SHARE = re.compile(r"[0-9]{1,12}(?:/[0-9]{1,12}|\.[0-9]{1,12})?")  # no exponents: "1e999999999" would never be done


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Something established. Quantities are compared in one unit only, whatever it is called."""

    kind: str
    reference: str  # where it can be looked up: an id, a document's SHA-256
    by: str  # who or what established it
    subject: str | None = None  # of whom or what
    quantity: int | None = None  # never negative; None: none is known
    unit: str | None = None
    since: date | None = None  # None: always was
    until: date | None = None  # the last day on which it counts; None: for good


class Shown(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="shown"):
    """Evidence of the kind, of this subject or (None) of any."""

    kind: str
    subject: str | None = None


class AllShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="all_shown"):
    """Evidence of the kind for each of these subjects."""

    kind: str
    subjects: tuple[str, ...]


class SumAtLeast(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="sum_at_least"):
    """All evidence of the kind together is of at least this quantity."""

    kind: str
    quantity: int
    unit: str | None = None


class ShareAtLeast(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="share_at_least"):
    """The quantities of the kind `part` are together at least this share of those of the kind `whole`."""

    part: str
    whole: str
    share: str  # an exact rational, "4/5" or "0.8"; above 1 for a cover
    unit: str | None = None  # only what is in this unit is looked at; None: all, and the whole must be in one


MOST_NAMED = 8  # references that an evaluation names: it has a bound, however much was shown

type Condition = Shown | AllShown | SumAtLeast | ShareAtLeast

type Status = Literal["open", "met", "waived", "not_evaluated"]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a condition on a day, to be kept with what it let happen."""

    status: Status
    found: str
    needed: str
    evidence: tuple[str, ...]  # references that counted, at most `MOST_NAMED`: `found` says how many more there are
    until: date | None = None  # of a met one: the last day on which this evidence still meets it; None: for good


def fault_of(condition: Condition) -> str | None:
    """Why this is no condition that evidence could ever be held against; None: it is one. Its owner asks before it takes one in."""
    match condition:
        case Shown():
            return None
        case AllShown(subjects=subjects):
            return None if subjects and len(set(subjects)) == len(subjects) else "it names at least one subject, and each once"
        case SumAtLeast(quantity=quantity):
            return None if quantity > 0 else "the quantity is at least 1"
        case ShareAtLeast(part=part, whole=whole, share=share):
            if part == whole:
                return "the part and the whole are of different kinds"
            return None if _exact(share) else 'the share is a rational above 0, such as "4/5" or "0.8"'
        case _:
            assert_never(condition)


def evaluate(condition: Condition, evidence: Iterable[Evidence], on: date) -> Evaluation:
    """Total: a condition with a fault is not evaluated."""
    about = [each for each in evidence if _concerns(condition, each)]
    status, found, counted = _judge(condition, _valid(about, on))
    references = [each.reference for each in counted]
    if more := max(0, len(references) - MOST_NAMED):
        references = sorted(references)[:MOST_NAMED]
        found += f"; by {more} more than are named"
    return Evaluation(
        status=status,
        found=found + _not_counted(about, on),
        needed=_needed(condition),
        evidence=tuple(references),
        until=_met_until(condition, about, on) if status == "met" else None,
    )


def waive(evaluation: Evaluation) -> Evaluation:
    """The same as seen, but its owner does without it. What is met needs no waiver, and stays met."""
    return evaluation if evaluation.status == "met" else msgspec.structs.replace(evaluation, status="waived")


def passes(evaluations: Iterable[Evaluation]) -> bool:
    return all(each.status in ("met", "waived") for each in evaluations)


type _Judgement = tuple[Status, str, Sequence[Evidence]]  # with what was found, and the evidence that counted


def _judge(condition: Condition, valid: Sequence[Evidence]) -> _Judgement:
    if (fault := fault_of(condition)) is not None:
        return "not_evaluated", f"no condition: {fault}", ()
    match condition:
        case Shown():
            return "met" if valid else "open", f"{_named(condition)}: {len(valid)}", valid
        case AllShown(kind=kind, subjects=subjects):
            shown = {each.subject for each in valid}
            missing = [subject for subject in subjects if subject not in shown]
            if missing:
                return "open", f"{kind}: not of {', '.join(missing)}", valid
            return "met", f"{kind}: of {', '.join(subjects)}", valid
        case SumAtLeast(kind=kind, quantity=quantity, unit=unit):
            total, counted = _sum(valid, unit)
            return _compared(total >= quantity, f"{kind}: {_written(total, unit)}", counted, valid)
        case ShareAtLeast():
            return _judge_share(condition, valid)
        case _:
            assert_never(condition)


def _judge_share(condition: ShareAtLeast, valid: Sequence[Evidence]) -> _Judgement:
    wholes = [each for each in valid if each.kind == condition.whole]
    parts = [each for each in valid if each.kind == condition.part]
    unit = condition.unit or (wholes[0].unit if wholes else None)
    whole, whole_counted = _sum(wholes, unit)
    if whole == 0 or len(whole_counted) < len(wholes):  # a whole that may be larger than what is known says nothing of a share
        return "not_evaluated", f"{condition.whole}: not known in one unit", ()
    part, part_counted = _sum(parts, unit)
    share = Fraction(part, whole)
    found = f"{condition.part} / {condition.whole}: {_written(part, unit)} / {_written(whole, unit)} = {share}"
    return _compared(share >= (_exact(condition.share) or 0), found, [*part_counted, *whole_counted], [*parts, *wholes])


def _compared(enough: bool, found: str, counted: Sequence[Evidence], valid: Sequence[Evidence]) -> _Judgement:
    """What cannot be counted could only add: where there is enough without it, nothing is left open."""
    if enough:
        return "met", found, counted
    if unknown := len(valid) - len(counted):
        return "not_evaluated", f"{found}; {unknown} of no quantity in this unit", counted
    return "open", found, counted


def _sum(evidence: Sequence[Evidence], unit: str | None) -> tuple[int, list[Evidence]]:
    """The quantities in this unit, and whose they are."""
    total, counted = 0, []
    for each in evidence:
        if each.quantity is not None and each.quantity >= 0 and each.unit == unit:
            total += each.quantity
            counted.append(each)
    return total, counted


def _concerns(condition: Condition, evidence: Evidence) -> bool:
    match condition:
        case Shown(kind=kind, subject=subject):
            return evidence.kind == kind and subject in (None, evidence.subject)
        case AllShown(kind=kind, subjects=subjects):
            return evidence.kind == kind and evidence.subject in subjects
        case SumAtLeast(kind=kind):
            return evidence.kind == kind
        case ShareAtLeast(part=part, whole=whole, unit=unit):
            return evidence.kind in (part, whole) and (unit is None or evidence.unit in (unit, None))
        case _:
            assert_never(condition)


def _needed(condition: Condition) -> str:
    match condition:
        case Shown():
            return f"{_named(condition)}: at least 1"
        case AllShown(kind=kind, subjects=subjects):
            return f"{kind}: of {', '.join(subjects)}"
        case SumAtLeast(kind=kind, quantity=quantity, unit=unit):
            return f"{kind}: at least {_written(quantity, unit)}"
        case ShareAtLeast(part=part, whole=whole, share=share, unit=unit):
            return f"{part} / {whole}: at least {share}" + ("" if unit is None else f", in {unit}")
        case _:
            assert_never(condition)


def _valid(evidence: Sequence[Evidence], on: date) -> list[Evidence]:
    return [each for each in evidence if (each.since is None or each.since <= on) and (each.until is None or on <= each.until)]


def _not_counted(evidence: Sequence[Evidence], on: date) -> str:
    """What is at hand and not valid on that day, in words: nobody wonders why it made no difference."""
    expired = [each.until for each in evidence if each.until is not None and each.until < on]
    later = [each.since for each in evidence if each.since is not None and each.since > on]
    said = f"; {len(expired)} expired, the last on {max(expired)}" if expired else ""
    return said + (f"; {len(later)} not yet valid, the first from {min(later)}" if later else "")


def _met_until(condition: Condition, evidence: Sequence[Evidence], on: date) -> date | None:
    begun = {each.since for each in evidence if each.since is not None}
    over = {each.until + timedelta(days=1) for each in evidence if each.until is not None and each.until < date.max}
    for day in sorted(day for day in begun | over if day > on):
        if _judge(condition, _valid(evidence, day))[0] != "met":
            return day - timedelta(days=1)
    return None


def _exact(share: str) -> Fraction | None:
    """None: it is no share."""
    if _SHARE.fullmatch(share) is None:
        return None
    try:
        return Fraction(share) or None
    except ZeroDivisionError:
        return None


def _named(condition: Shown) -> str:
    return condition.kind if condition.subject is None else f"{condition.kind} of {condition.subject}"


def _written(quantity: int, unit: str | None) -> str:
    return str(quantity) if unit is None else f"{quantity} {unit}"
