"""Ceremony: two persons' keys and one instrument are entered unsigned, and no more."""

from services.allocation.domain.authority.ceremony import DECIDER, EnterInstrument, EnterKey
from services.allocation.domain.authority.endorsement import Reason
from services.allocation.events import CeremonyEntered, InstrumentId, SubjectId
from tests.stories.given import Given

ANN, BEN, CY = (EnterKey(subject=SubjectId(name)) for name in ("ann", "ben", "cy"))
ACT, SECOND = (EnterInstrument(instrument=InstrumentId(name)) for name in ("ins_1", "ins_2"))


def test_two_persons_are_entered_and_each_as_often_as_it_likes():
    Given(DECIDER).when(ANN).then(CeremonyEntered(subject=ANN.subject, instrument=None))
    both = Given(DECIDER, ANN, ACT, BEN)
    both.when(ANN).then()
    both.when(CY).refused(Reason.MISSING, "/endorsement")


def test_one_instrument_is_entered():
    Given(DECIDER, ANN).when(ACT).then(CeremonyEntered(subject=None, instrument=ACT.instrument))
    Given(DECIDER, ACT).when(ACT).then()
    Given(DECIDER, ACT).when(SECOND).refused(Reason.MISSING, "/endorsement")
