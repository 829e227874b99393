"""Fields that bodies, paths and views share, and who may see what."""

import re
from fractions import Fraction
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, Field, StrictBool, StrictInt, StringConstraints

from services.inventory.events import Assay
from shared.http.auth import Caller, whose
from shared.http.fields import TYPEID, Body, Day
from shared.journal.record import MAX_INTEGER

READERS = ("operator", "approver", "auditor", "administrator")  # see everything


def _share(value: str) -> str:
    if not value.isascii() or re.fullmatch(r"0|1|0\.[0-9]{1,12}|[1-9][0-9]{0,11}/[1-9][0-9]{0,11}", value) is None or Fraction(value) > 1:
        raise ValueError('a share of the mass is written as "0.9965" or "7/8", at most 1')
    return value


def _tolerance(value: str) -> str:
    if Fraction(_share(value)) > Fraction(1, 10):
        raise ValueError('at most a tenth may be missing: "0.02"')
    return value


type PositiveUnits = Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)]
type ChangeUnits = Annotated[StrictInt, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
type Name = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f\x7f]{1,60}$")]  # stands in the ledger's account names
type Serial = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,32}$")]
type ProductField = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
type ScaleField = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}$")]  # "PKL-2"
type PartnerField = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}$")]
type Element = Annotated[str, StringConstraints(pattern=r"^[A-Z][a-z]?$")]
type Share = Annotated[str, AfterValidator(_share)]
type Tolerance = Annotated[str, AfterValidator(_tolerance)]
type Contents = Annotated[dict[Element, Share], Field(min_length=1, max_length=20, description="element -> share of the mass")]

type LotField = Annotated[str, StringConstraints(pattern=f"^lot_{TYPEID}$")]
type DrawField = Annotated[str, StringConstraints(pattern=f"^drw_{TYPEID}$")]
type ReleaseField = Annotated[str, StringConstraints(pattern=f"^rel_{TYPEID}$")]
type HoldField = Annotated[str, StringConstraints(pattern=f"^hld_{TYPEID}$")]
type RightField = Annotated[str, StringConstraints(pattern=f"^rgt_{TYPEID}$")]

ProductPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
LotPath = Annotated[str, Path(pattern=f"^lot_{TYPEID}$")]
RightPath = Annotated[str, Path(pattern=f"^rgt_{TYPEID}$")]
HoldPath = Annotated[str, Path(pattern=f"^hld_{TYPEID}$")]
ReleasePath = Annotated[str, Path(pattern=f"^rel_{TYPEID}$")]
DrawPath = Annotated[str, Path(pattern=f"^drw_{TYPEID}$")]


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


def limited_to(caller: Caller) -> str | None:
    """The one partner whose things the caller may see; None: all partners'. Raises Problem `forbidden`."""
    return whose(caller, "partner", READERS)


def draws_for(caller: Caller) -> str | None:
    """The one partner whose releases the caller may draw; None: all partners', since it operates. Who may see all does not move all.
    Raises Problem `forbidden`."""
    return whose(caller, "partner", ("operator",))
