"""Partners are registered once."""

from services.allocation.domain.partners.partner import DECIDER, Reason, RegisterPartner
from services.allocation.events import PartnerCode, PartnerRegistered
from tests.stories.given import Given

REGISTER = RegisterPartner(partner=PartnerCode("JP"), name="Japan")
REGISTERED = PartnerRegistered(partner=PartnerCode("JP"), name="Japan")


def test_a_partner_is_registered():
    Given(DECIDER).when(REGISTER).then(REGISTERED)


def test_a_partner_is_registered_once():
    Given(DECIDER, REGISTERED).when(REGISTER).refused(Reason.ALREADY_REGISTERED)
