"""Fields that bodies, paths and views share, and who may see what."""

import re
from datetime import date
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints

from services.allocation.events import PartnerCode
from shared.auth import Caller
from shared.problems import Problem
from shared.record import MAX_INTEGER

READERS = ("operator", "approver", "auditor", "administrator")  # see every partner's things


def _written_day(value: Any) -> Any:
    """Only "2026-01-06": pydantic alone would also read numbers and instants."""
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is None:
        raise ValueError("a day is written as 2026-01-06")
    return value


type Day = Annotated[date, BeforeValidator(_written_day), Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]
type GramsOrNone = Annotated[StrictInt, Field(ge=0, le=MAX_INTEGER)]  # zero is a quantity here
type PositiveGrams = Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)]
type Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
type Texts = Annotated[list[Text], Field(min_length=1, max_length=20)]
type ProductField = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
type PartnerField = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}$")]
type SubjectField = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]

_TYPEID = "[0-7][0-9a-hjkmnp-tv-z]{25}"
type AgreementField = Annotated[str, StringConstraints(pattern=f"^agr_{_TYPEID}$")]
type DisruptionField = Annotated[str, StringConstraints(pattern=f"^dis_{_TYPEID}$")]
type RequestField = Annotated[str, StringConstraints(pattern=f"^req_{_TYPEID}$")]

AgreementPath = Annotated[str, Path(pattern=f"^agr_{_TYPEID}$")]
DisruptionPath = Annotated[str, Path(pattern=f"^dis_{_TYPEID}$")]
RequestPath = Annotated[str, Path(pattern=f"^req_{_TYPEID}$")]
RoundPath = Annotated[str, Path(pattern=f"^rnd_{_TYPEID}$")]
AwardPath = Annotated[str, Path(pattern=f"^awd_{_TYPEID}$")]
PartnerPath = Annotated[str, Path(pattern=r"^[A-Z]{2,3}$")]
KeyPath = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReasonBody(Body):
    reason: Text


def limited_to(caller: Caller) -> PartnerCode | None:
    """The one partner whose things the caller may see; None: all partners'. Raises Problem `forbidden`."""
    if not caller.roles.isdisjoint(READERS):
        return None
    if caller.partner is None:
        raise Problem("forbidden", "the token names no partner")
    return PartnerCode(caller.partner)
