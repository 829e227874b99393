"""Fields that bodies, paths and views share, and who may see what."""

from typing import Annotated

import msgspec
from fastapi import Path
from pydantic import Field, StringConstraints

from services.allocation.events import PartnerCode
from shared.http.auth import Caller, whose
from shared.http.fields import TYPEID, Text

READERS = ("operator", "approver", "auditor", "administrator")  # see every partner's things

type Texts = Annotated[list[Text], Field(min_length=1, max_length=20)]
type ProductField = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
type PartnerField = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}$")]
type SubjectField = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]

type PolicyField = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
type ClockField = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]

type AgreementField = Annotated[str, StringConstraints(pattern=f"^agr_{TYPEID}$")]
type DisruptionField = Annotated[str, StringConstraints(pattern=f"^dis_{TYPEID}$")]
# Of one that goods are dispatched to: it stands in the ledger's account names.
type ConsigneeField = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f\x7f]{1,60}$")]
type RequestField = Annotated[str, StringConstraints(pattern=f"^req_{TYPEID}$")]
type CurrencyField = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]

type RoundField = Annotated[str, StringConstraints(pattern=f"^rnd_{TYPEID}$")]

AgreementPath = Annotated[str, Path(pattern=f"^agr_{TYPEID}$")]
DisruptionPath = Annotated[str, Path(pattern=f"^dis_{TYPEID}$")]
RequestPath = Annotated[str, Path(pattern=f"^req_{TYPEID}$")]
RoundPath = Annotated[str, Path(pattern=f"^rnd_{TYPEID}$")]
AwardPath = Annotated[str, Path(pattern=f"^awd_{TYPEID}$")]
VersionPath = Annotated[int, Path(ge=1, le=1_000_000)]
PolicyPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
TenderPath = Annotated[str, Path(pattern=f"^tnd_{TYPEID}$")]
PartnerPath = Annotated[str, Path(pattern=r"^[A-Z]{2,3}$")]
KeyPath = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
InstrumentPath = Annotated[str, Path(pattern=f"^ins_{TYPEID}$")]
SubjectPath = Annotated[str, Path(pattern=r"^[!-~]{1,200}$")]


def limited_to(caller: Caller) -> PartnerCode | None:
    """The one partner whose things the caller may see; None: all partners'. Raises Problem `forbidden`."""
    partner = whose(caller, "partner", READERS)
    return None if partner is None else PartnerCode(partner)


def own_partner(caller: Caller) -> PartnerCode:
    """For whom the caller asks. Raises Problem `forbidden`."""
    partner = whose(caller, "partner", ())
    assert partner is not None, "nobody asks for all partners"
    return PartnerCode(partner)


class Sight(msgspec.Struct, frozen=True):
    """Of whom the caller may see requests and what became of them. None: of every partner; of every nominee."""

    partner: PartnerCode | None
    nominee: str | None


EVERYTHING = Sight(None, None)


def sight_of(caller: Caller) -> Sight:
    """A partner sees what is its nominees'; a nominee only where its partner named it so, to the letter. Raises Problem `forbidden`."""
    partner = whose(caller, "partner", READERS, nominees=True)
    return Sight(None if partner is None else PartnerCode(partner), caller.nominee)
