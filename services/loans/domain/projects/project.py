"""Project: what is known of it, with evidence. Loans that watch it are told, and hold it against their conditions; none is ever ticked.

A right to a project's production that binds both sides is an offtake by itself, known from inventory. Operators record the rest.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from itertools import batched
from typing import assert_never

import immutables
import msgspec

from services.loans.events.authority import AuthorityCited
from services.loans.events.loan import LoanId
from services.loans.events.project import (
    ProjectEvent,
    ProjectFact,
    ProjectFactId,
    ProjectFactRecorded,
    ProjectFactWithdrawn,
    ProjectWatched,
)
from services.loans.events.terms import ProjectCode
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.conditions import Evidence
from shared.terms.countersigning import ProposedCommand

OFFTAKE = "offtake"
OUTPUT = "output"
COUNTED = (OFFTAKE, OUTPUT)  # kinds that say nothing without a quantity
FACTS_AN_EVENT = 10  # of the largest that can be, all fit in one event, with what a loan makes of them
NAME_LENGTH = 63


class RecordFact(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    project: ProjectCode
    known: ProjectFact
    evidence: tuple[TypedText, ...]
    document: str | None = None  # SHA-256


class WithdrawFact(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    fact: ProjectFactId
    by: str
    reason: TypedText


class RecordRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A firm right to the project's production was added. What is delivered under it does not end it. Never `Refused`."""

    project: ProjectCode
    right: str  # "rgt_..."
    product: str
    mass_g: int
    since: date
    until: date  # the last day of its window
    place: str  # of the event that added it: anyone can look it up in the ledger


class EndRight(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A right to the project's production was terminated. Never `Refused`."""

    project: ProjectCode
    right: str


class Watch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Tell this loan what is known, and from now on what becomes known. Never `Refused`."""

    project: ProjectCode
    loan: LoanId


type Command = RecordFact | WithdrawFact | RecordRight | EndRight | Watch


class Reason(Reasons):
    """Why nothing more is known of a project."""

    ALREADY_RECORDED = "project_fact_already_recorded", 409, "The fact is recorded already"
    NOT_FOUND = "project_fact_not_found", 404, "There is no such fact"
    NO_EVIDENCE = "project_fact_without_evidence", 422, "A fact needs evidence"
    QUANTITY_INVALID = "project_fact_quantity_invalid", 422, "Invalid quantity"
    UNIT_MISSING = "project_fact_unit_missing", 422, "The quantity needs a unit"
    BINDING_MISSING = "project_fact_binding_missing", 422, "An offtake must say whether it is binding"
    DATES_REVERSED = "project_fact_dates_reversed", 422, "The fact's start is after its end"
    COUNTED_TWICE = "project_fact_counted_twice", 409, "The quantity is counted by another fact"


class Project(msgspec.Struct, frozen=True, kw_only=True):
    id: ProjectCode | None = None  # None: nothing is known of it, and nobody watches
    facts: immutables.Map[ProjectFactId, ProjectFact] = immutables.Map()  # those that were not withdrawn
    loans: tuple[LoanId, ...] = ()  # that watch
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature


def decide(command: Command, project: Project) -> Sequence[ProjectEvent] | Refused[Reason]:
    match command:
        case RecordFact():
            return _record(command, project)
        case WithdrawFact():
            if project.id is None or command.fact not in project.facts:
                return Refused(Reason.NOT_FOUND, f"there is no fact {command.fact}", "path:fact")
            return _withdraw(command.fact, command.by, command.reason, project)
        case RecordRight():
            return _record_right(command, project)
        case EndRight():
            return _withdraw(_fact_of(command.right), "inventory", "the right was terminated", project)
        case Watch():
            return _watch(command, project)
        case _:
            assert_never(command)


def evolve(project: Project, event: ProjectEvent | AuthorityCited) -> Project:
    match event:
        case ProjectFactRecorded():
            return msgspec.structs.replace(project, id=event.project, facts=project.facts.set(event.known.fact, event.known))
        case ProjectFactWithdrawn():
            return msgspec.structs.replace(project, facts=project.facts.delete(event.fact))
        case ProjectWatched():
            loans = project.loans if event.loan in project.loans else (*project.loans, event.loan)
            return msgspec.structs.replace(project, id=event.project, loans=loans)
        case AuthorityCited():
            return project
        case _:
            assert_never(event)


def evidence_of(known: ProjectFact) -> Evidence:
    """The fact as conditions are evaluated from it. What binds nobody is of another kind, so that no condition takes it for the thing
    itself; and quantities of two products are in two units, so that none is added to, or a share of, the other."""
    unit = known.unit if known.product is None else f"{known.unit} of {known.product}"
    return Evidence(
        kind=f"{known.kind}_not_binding" if known.binding is False else known.kind,
        reference=known.fact,
        by=known.by,
        subject=known.subject,
        quantity=known.quantity,
        unit=None if known.quantity is None else unit,
        since=known.since,
        until=known.until,
    )


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What loans that watch a project are told by one of its events."""

    loans: tuple[LoanId, ...]
    learnt: tuple[Evidence, ...]
    forgotten: tuple[str, ...]  # references of evidence that counts no longer


def news_of(event: ProjectEvent) -> News:
    match event:
        case ProjectFactRecorded():
            return News(loans=event.loans, learnt=(evidence_of(event.known),), forgotten=())
        case ProjectFactWithdrawn():
            return News(loans=event.loans, learnt=(), forgotten=(event.fact,))
        case ProjectWatched():
            return News(loans=(event.loan,), learnt=tuple(evidence_of(each) for each in event.known), forgotten=())
        case _:
            assert_never(event)


def lowers_a_share(known: ProjectFact, project: Project) -> bool:
    """Whether a share may be less by it, or cannot be told any more: there is more of what it is of. What is sold only adds to one."""
    kind = evidence_of(known).kind
    others = (each for each in project.facts.values() if each.quantity is not None and evidence_of(each).kind == kind)
    return known.kind != OFFTAKE and any(not _apart(known, each) for each in others)


def project_of(name: str) -> ProjectCode:
    """The id of a project that inventory calls so: "Eneabba (Iluka)" is `eneabba-iluka`. Total: a name that has no letters of ASCII, or
    too many, ends in its hash."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")
    if 0 < len(words) <= NAME_LENGTH:
        return ProjectCode(words)
    return ProjectCode(f"{words[:46]}-{sha256(name.encode()).hexdigest()[:16]}".lstrip("-"))


def _record(command: RecordFact, project: Project) -> Sequence[ProjectEvent] | Refused[Reason]:
    known = command.known
    if known.fact in project.facts:
        return Refused(Reason.ALREADY_RECORDED, f"{known.fact} is recorded already")
    if not command.evidence:
        return Refused(Reason.NO_EVIDENCE, "no evidence is given", "/evidence", "at least one reference")
    if known.quantity is None and known.kind in COUNTED:
        return Refused(Reason.QUANTITY_INVALID, f"how much {known.kind} it is must be said", "/quantity", "a quantity, in a unit")
    if known.quantity is not None and not 0 < known.quantity <= MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "it is not a quantity", "/quantity", f"1 to {MAX_INTEGER}")
    if known.quantity is not None and known.unit is None:
        return Refused(Reason.UNIT_MISSING, "a quantity is in a unit", "/unit", 'a unit, such as "g"')
    if known.binding is None and known.kind == OFFTAKE:
        return Refused(Reason.BINDING_MISSING, "only an offtake that binds counts as one", "/binding", "true or false")
    if known.until is not None and known.until < known.since:
        return Refused(Reason.DATES_REVERSED, "it would end before it begins", "/until", f"{known.since} or later")
    if (twin := _counted_with(known, project)) is not None:
        return Refused(Reason.COUNTED_TWICE, f"{twin} says so already, and both would be added up: withdraw it first", "/subject")
    return [
        ProjectFactRecorded(project=command.project, known=known, evidence=command.evidence, document=command.document, loans=project.loans)
    ]


def _counted_with(known: ProjectFact, project: Project) -> ProjectFactId | None:
    """A fact that gives a quantity of the same thing for some of the same days."""
    if known.quantity is None:
        return None
    same = (known.kind, known.subject, known.product, known.unit, known.binding)
    for other in project.facts.values():
        alike = same == (other.kind, other.subject, other.product, other.unit, other.binding)
        if other.quantity is not None and alike and not _apart(known, other):
            return other.fact
    return None


def _apart(one: ProjectFact, other: ProjectFact) -> bool:
    """No day is among those of both."""
    return (other.until is not None and other.until < one.since) or (one.until is not None and one.until < other.since)


def _fact_of(right: str) -> ProjectFactId:
    return ProjectFactId(f"fct_{right.removeprefix('rgt_')}")


def _withdraw(fact: ProjectFactId, by: str, reason: str, project: Project) -> Sequence[ProjectEvent]:
    """What is not known is not withdrawn."""
    known = project.facts.get(fact)
    if project.id is None or known is None:
        return []
    return [ProjectFactWithdrawn(project=project.id, fact=fact, kind=known.kind, by=by, reason=TypedText(reason), loans=project.loans)]


def _record_right(command: RecordRight, project: Project) -> Sequence[ProjectEvent]:
    fact = _fact_of(command.right)
    if fact in project.facts:
        return []
    known = ProjectFact(
        fact=fact,
        kind=OFFTAKE,
        subject=command.right,
        product=command.product,
        quantity=command.mass_g,
        unit="g",
        binding=True,
        by="inventory",
        since=command.since,
        until=command.until,
    )
    return [
        ProjectFactRecorded(project=command.project, known=known, evidence=(TypedText(command.place),), document=None, loans=project.loans)
    ]


def _watch(command: Watch, project: Project) -> Sequence[ProjectEvent]:
    """A loan that watches already has been told."""
    if command.loan in project.loans:
        return []
    known = sorted(project.facts.values(), key=lambda each: each.fact)
    told = [*batched(known, FACTS_AN_EVENT)] or [()]
    return [ProjectWatched(project=command.project, loan=command.loan, known=part) for part in told]


DECIDER = Decider(kind="project", initial=Project(), commands=Command, decide=decide, evolve=evolve)
