"""Rounding carries: what rounding to whole units gave a partner too little, or too much, under an agreement. They confer no right."""

from datetime import date
from typing import ClassVar, Literal

import msgspec

from services.allocation.events.ids import AgreementId, PartnerCode, ProductId


class CarrySet(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.carry_set.v1"):
    """With what caused it, in the same commit: a round that was certified or reopened, or an agreement that was amended."""

    told_to_partner: ClassVar[bool] = False  # with its award it would tell the rule's parameter, and so what others have claimed

    product: ProductId
    agreement: AgreementId
    partner: PartnerCode
    carry_g: str  # from now on, a rational: what is owed, or below 0 what was given too much; "0" is settled
    before_g: str
    remembered_until: date | None  # by the policy; None: for as long as the agreement
    expires_on: date | None  # the last day on which it counts: also the agreement's last; None: neither is known
    cause: str  # "rnd_01j...", "agr_01j..."


class CarryExpired(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.carry_expired.v1"):
    """It is forgotten, whoever it favoured."""

    told_to_partner: ClassVar[bool] = False

    product: ProductId
    agreement: AgreementId
    partner: PartnerCode
    carry_g: str  # what it was
    cause: Literal["agreement_ended", "time"]


CarryEvent = CarrySet | CarryExpired
