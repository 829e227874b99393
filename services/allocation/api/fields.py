"""Fields that bodies, paths and views share, and who may see what."""

from typing import Annotated

from fastapi import Path
from pydantic import Field, StringConstraints

from services.allocation.events import PartnerCode
from shared.auth import Caller
from shared.fields import TYPEID, Text
from shared.problems import Problem

READERS = ("operator", "approver", "auditor", "administrator")  # see every partner's things

type Texts = Annotated[list[Text], Field(min_length=1, max_length=20)]
type ProductField = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
type PartnerField = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}$")]
type SubjectField = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]

type DisruptionField = Annotated[str, StringConstraints(pattern=f"^dis_{TYPEID}$")]
type RequestField = Annotated[str, StringConstraints(pattern=f"^req_{TYPEID}$")]
type InstrumentField = Annotated[str, StringConstraints(pattern=f"^ins_{TYPEID}$")]
type CurrencyField = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]

AgreementPath = Annotated[str, Path(pattern=f"^agr_{TYPEID}$")]
DisruptionPath = Annotated[str, Path(pattern=f"^dis_{TYPEID}$")]
RequestPath = Annotated[str, Path(pattern=f"^req_{TYPEID}$")]
RoundPath = Annotated[str, Path(pattern=f"^rnd_{TYPEID}$")]
AwardPath = Annotated[str, Path(pattern=f"^awd_{TYPEID}$")]
PartnerPath = Annotated[str, Path(pattern=r"^[A-Z]{2,3}$")]
KeyPath = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
InstrumentPath = Annotated[str, Path(pattern=f"^ins_{TYPEID}$")]
SubjectPath = Annotated[str, Path(pattern=r"^[!-~]{1,200}$")]


def limited_to(caller: Caller) -> PartnerCode | None:
    """The one partner whose things the caller may see; None: all partners'. Raises Problem `forbidden`."""
    if not caller.roles.isdisjoint(READERS):
        return None
    if caller.partner is None:
        raise Problem("forbidden", "the token names no partner")
    return PartnerCode(caller.partner)
