"""Partner: a government that may ask for material. Australia itself is one."""

from typing import assert_never

import msgspec

from services.allocation.events import PartnerCode, PartnerEvent, PartnerRegistered
from shared.journal.decider import Decider, Reasons, Refused


class RegisterPartner(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    partner: PartnerCode
    name: str


type Command = RegisterPartner


class Reason(Reasons):
    """Why a partner is not registered."""

    ALREADY_REGISTERED = "partner_already_registered", 409, "The partner is registered already"


class Partner(msgspec.Struct, frozen=True):
    registered: bool = False


def decide(command: Command, partner: Partner) -> list[PartnerEvent] | Refused[Reason]:
    match command:
        case RegisterPartner():
            if partner.registered:
                return Refused(Reason.ALREADY_REGISTERED, f"{command.partner} is registered already", field="/partner")
            return [PartnerRegistered(partner=command.partner, name=command.name)]
        case _:
            assert_never(command)


def evolve(partner: Partner, event: PartnerEvent) -> Partner:
    match event:
        case PartnerRegistered():
            return Partner(registered=True)
        case _:
            assert_never(event)


DECIDER = Decider(kind="partner", initial=Partner(), commands=Command, decide=decide, evolve=evolve)
