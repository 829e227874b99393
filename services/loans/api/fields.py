"""Fields that bodies, paths and views share, and who may see what."""

import re
from fractions import Fraction
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from shared.http.auth import Caller, whose
from shared.http.fields import TYPEID
from shared.journal.record import MAX_INTEGER

READERS = ("operator", "approver", "auditor", "administrator")  # see everything


def number(value: str) -> str:
    if re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12}|/[1-9][0-9]{0,11})?", value) is None or not value.isascii():
        raise ValueError('a number is written as "1.52" or "38/25"')
    return value


def _positive(value: str) -> str:
    if Fraction(number(value)) <= 0:
        raise ValueError("it is above zero")
    return value


type Number = Annotated[str, AfterValidator(number)]
type PositiveNumber = Annotated[str, AfterValidator(_positive)]
type PositiveMinor = Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)]
type WholeMinor = Annotated[StrictInt, Field(ge=0, le=MAX_INTEGER)]
type Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]  # "cmf", "hillgrove": stands in account names
type RateName = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,30}$")]  # "AONIA", "BBSW-3M"
type Key = Annotated[str, StringConstraints(pattern=r"^(total|[a-z_]{1,30}/[A-Za-z0-9_-]{1,63})$")]
type Asset = Annotated[str, StringConstraints(pattern=r"^([A-Z]{3}|contained/[A-Z][a-z]?)$")]
type Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
type Element = Annotated[str, StringConstraints(pattern=r"^[A-Z][a-z]?$")]

type PayeeName = Annotated[str, StringConstraints(pattern=f"^pye_{TYPEID}$")]
type LoanField = Annotated[str, StringConstraints(pattern=f"^lon_{TYPEID}$")]
type FactKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
type Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

LaboratoryPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
ProjectPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
RatePath = Annotated[str, Path(pattern=r"^[A-Z0-9][A-Z0-9-]{0,30}$")]
FactPath = Annotated[str, Path(pattern=f"^fct_{TYPEID}$")]
FacilityPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
LoanPath = Annotated[str, Path(pattern=f"^lon_{TYPEID}$")]
ActPath = Annotated[str, Path(pattern=f"^act_{TYPEID}$")]
AdvancePath = Annotated[str, Path(pattern=f"^adv_{TYPEID}$")]
PayeePath = Annotated[str, Path(pattern=f"^pye_{TYPEID}$")]
OfftakePath = Annotated[str, Path(pattern=f"^oft_{TYPEID}$")]
PaymentPath = Annotated[str, Path(pattern=f"^pay_{TYPEID}$")]


def limited_to(caller: Caller) -> str | None:
    """The one borrower whose things the caller may see; None: all borrowers'. Raises Problem `forbidden`."""
    return whose(caller, "borrower", READERS)
