"""What becomes known of a project: facts with their evidence, which the loans that watch it hold against their conditions.

Each event names the watching loans, since each of them is told.
"""

from datetime import date
from typing import Annotated, NewType

import msgspec

from services.loans.events.loan import LoanId
from services.loans.events.terms import ProjectCode
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText

ProjectFactId = NewType("ProjectFactId", str)  # "fct_01j..."; of a right: with the right's own 01j...

type Quantity = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]


class ProjectFact(msgspec.Struct, frozen=True, kw_only=True):
    """What a loan is told: small, since a project may have many, and all stand in one event."""

    fact: ProjectFactId
    kind: str  # "offtake", "output", "permit", "lender_closed", ...
    subject: str | None  # of what: a permit's, a lender's, a right's name
    product: str | None  # that a quantity is of; None: of the whole project
    quantity: Quantity | None
    unit: str | None  # "g"
    binding: bool | None  # None: the kind has nothing that binds
    by: str
    since: date
    until: date | None  # inclusive; None: for good


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    project: ProjectCode


class ProjectFactRecorded(_Event, frozen=True, kw_only=True, tag="loans.project_fact_recorded.v2"):
    known: ProjectFact
    evidence: tuple[TypedText, ...]
    document: str | None  # SHA-256 of the paper itself, which stays where it is
    loans: tuple[LoanId, ...]


class ProjectFactWithdrawn(_Event, frozen=True, kw_only=True, tag="loans.project_fact_withdrawn.v2"):
    """It no longer counts, on any day: it was wrong, or has ended before its time."""

    fact: ProjectFactId
    kind: str
    by: str
    reason: TypedText
    loans: tuple[LoanId, ...]


class ProjectWatched(_Event, frozen=True, kw_only=True, tag="loans.project_watched.v1"):
    """A loan is told what is known, in as many events as that takes, and from now on what becomes known."""

    loan: LoanId
    known: tuple[ProjectFact, ...]


ProjectEvent = ProjectFactRecorded | ProjectFactWithdrawn | ProjectWatched
