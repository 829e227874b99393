"""What the bodies and views of material loans share, and whose loan it is."""

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StringConstraints
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.fields import READERS, Element, FactKind, PositiveNumber
from services.loans.domain.material.state import MaterialLoan
from services.loans.events.material import Assay
from services.loans.tables.material import MaterialLoanRow
from shared.clock import day_of
from shared.http.auth import Caller, allow, whose
from shared.http.fields import TYPEID, Body, Day
from shared.http.handlers import Reads
from shared.http.problems import Problem
from shared.journal.record import MAX_INTEGER

MaterialPath = Annotated[str, Path(pattern=f"^mln_{TYPEID}$")]
DeferralPath = Annotated[str, Path(pattern=f"^dfr_{TYPEID}$")]
ReturnPath = Annotated[str, Path(pattern=f"^mrt_{TYPEID}$")]

Operates = Annotated[Caller, allow("operator")]
Approves = Annotated[Caller, allow("approver")]
SeesMaterial = Annotated[Caller, allow(*READERS, "partner")]


def _share(value: str) -> str:
    if not value.isascii() or re.fullmatch(r"0|1|0\.[0-9]{1,12}|[1-9][0-9]{0,11}/[1-9][0-9]{0,11}", value) is None or Fraction(value) > 1:
        raise ValueError('a share of the mass is written as "0.9965" or "7/8", at most 1')
    return value


type Share = Annotated[str, AfterValidator(_share)]
type Contents = Annotated[dict[Element, Share], Field(min_length=1, max_length=20, description="element -> share of the mass")]
type Place = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f\x7f]{1,60}$")]  # a depot
type Serial = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,32}$")]
type Condition = FactKind
type PriceMinor = Annotated[PositiveNumber, Field(description="minor units of the terms' currency for a contained gram")]
type Units = Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)]


class AssayBody(Body):
    report: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    laboratory: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    assayed_on: Day
    contents: Contents
    in_specification: StrictBool

    def assay(self) -> Assay:
        return Assay(
            report=self.report,
            laboratory=self.laboratory,
            assayed_on=self.assayed_on,
            contents=dict(self.contents),
            in_specification=self.in_specification,
        )


class AssayView(BaseModel):
    report: str
    laboratory: str
    assayed_on: date
    contents: dict[str, str]
    in_specification: bool


def limited_to_partner(caller: Caller) -> str | None:
    """The one partner whose loans the caller may see; None: all partners'. Raises Problem `forbidden`."""
    return whose(caller, "partner", READERS)


async def find_material_loan(session: AsyncSession, loan: str, caller: Caller) -> MaterialLoanRow:
    """Raises Problem `material_loan_not_found`, also for another partner's."""
    row = await session.get(MaterialLoanRow, loan)
    if row is None or limited_to_partner(caller) not in (None, row.partner):
        raise no_material_loan(loan)
    return row


async def material_state(reads: Reads, loan: str, caller: Caller) -> tuple[MaterialLoan, int]:
    """The loan as it stands now. Raises Problem `material_loan_not_found`, also for another partner's."""
    state, version = await reads.state(f"material/{loan}")
    assert isinstance(state, MaterialLoan)
    if state.id is None or limited_to_partner(caller) not in (None, state.partner):
        raise no_material_loan(loan)
    return state, version


def no_material_loan(loan: str) -> Problem:
    return Problem("material_loan_not_found", f"there is no material loan {loan}", field="path:loan")


def today(reads: Reads) -> date:
    return day_of(reads.kernel.clock.now(), reads.kernel.settings.zone)


def stream_of(loan: str) -> str:
    return f"material/{loan}"


def of_event[View: BaseModel](view: type[View], event: Any) -> View:
    return view.model_validate(event, from_attributes=True)
