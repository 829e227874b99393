"""Partners are registered once."""

from services.allocation.domain.partners.partner import Partner, Reason, RegisterPartner, decide, evolve
from services.allocation.events import PartnerCode, PartnerRegistered
from shared.journal.decider import Refused

REGISTER = RegisterPartner(partner=PartnerCode("JP"), name="Japan")


def test_a_partner_is_registered():
    assert decide(REGISTER, Partner()) == [PartnerRegistered(partner=PartnerCode("JP"), name="Japan")]


def test_a_partner_is_registered_once():
    registered = evolve(Partner(), PartnerRegistered(partner=PartnerCode("JP"), name="Japan"))
    refused = decide(REGISTER, registered)
    assert isinstance(refused, Refused)
    assert refused.code == Reason.ALREADY_REGISTERED
