"""What happens to a laboratory: whose it is, and until when it is accredited. An assay that settles what comes back names one."""

from datetime import date, datetime
from typing import NewType

import msgspec

from shared.journal.texts import TypedText

LaboratoryCode = NewType("LaboratoryCode", str)  # "sgs-perth"
Owner = NewType("Owner", str)  # "independent", "reserve", or a party as limits name it: "partner/JP", "borrower/hillgrove-mines"


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    laboratory: LaboratoryCode


class LaboratoryRegistered(_Event, frozen=True, kw_only=True, tag="loans.laboratory_registered.v1"):
    """Also once more, when something of it changes: in full."""

    name: str  # a company's
    owner: Owner
    accredited_until: date  # to ISO/IEC 17025: the last day


class LaboratoryEnded(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.laboratory_ended.v1"):
    """No assay may name it any more, unless it is registered again. `lapses_at`: unless another person confirms it."""

    by: str
    reason: TypedText
    lapses_at: datetime | None = None


class LaboratoryEndConfirmed(_Event, frozen=True, kw_only=True, tag="loans.laboratory_end_confirmed.v1"):
    """By another person than has ended it."""

    confirmed_by: str


class LaboratoryEndLapsed(_Event, frozen=True, kw_only=True, tag="loans.laboratory_end_lapsed.v1"):
    """Nobody has confirmed it in time: an assay may name it as before."""


LaboratoryEvent = LaboratoryRegistered | LaboratoryEnded | LaboratoryEndConfirmed | LaboratoryEndLapsed
