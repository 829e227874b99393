"""Carries as a book holds them: by agreement, each with the day on which it is forgotten."""

from collections.abc import Mapping
from datetime import date

import immutables
import msgspec

from services.allocation.events import AgreementId, PartnerCode, Reads

NOTHING = "0"


class Carry(msgspec.Struct, frozen=True, kw_only=True):
    """What rounding gave too little under an agreement, or, below 0, too much."""

    partner: PartnerCode
    carry_g: str  # a rational
    remembered_until: date | None = None
    expires_on: date | None = None  # the last day on which it counts


type Carries = immutables.Map[AgreementId, Carry]


def carry_g(carries: Carries, agreement: AgreementId) -> str:
    carry = carries.get(agreement)
    return NOTHING if carry is None else carry.carry_g


def with_carry(carries: Carries, agreement: AgreementId, carry: Carry) -> Carries:
    if carry.carry_g != NOTHING:
        return carries.set(agreement, carry)
    return carries.delete(agreement) if agreement in carries else carries


def carries_told(carries: Carries, reads: Reads, told_g: Mapping[PartnerCode, str]) -> Carries:
    """After a round that is certified or reopened. Earlier builds recorded no `carry_set`, and what changed followed from the decision;
    where there was one, nothing is left to do."""
    for partner, now_g in told_g.items():
        read = reads.agreements.get(partner)
        if read is not None and carry_g(carries, read.agreement) != now_g:
            carries = with_carry(carries, read.agreement, Carry(partner=partner, carry_g=now_g))
    return carries
