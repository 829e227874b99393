"""A facility in AUD under limits that are a tree, told in commands."""

from datetime import date
from typing import Any

from services.loans.domain.facility.facility import DECIDER, Facility, OpenFacility, RecordRate, ReserveHeadroom
from services.loans.events.facility import CommitmentId, FacilityId, Limit
from shared.journal.decider import Refused

CMF = FacilityId("cmf")
TODAY = date(2026, 1, 6)
LIMITS = (
    Limit(key="total", parent=None, limit_minor=1_000),
    Limit(key="instrument/loan", parent="total", limit_minor=800, warn_at="3/4"),
    Limit(key="project/hillgrove", parent="instrument/loan", limit_minor=500),
)


def happen(*commands: Any, facility: Facility = Facility()) -> Facility:
    for command in commands:
        events = DECIDER.decide(command, facility)
        assert not isinstance(events, Refused), events
        for event in events:
            facility = DECIDER.evolve(facility, event)
    return facility


def opened(*commands: Any) -> Facility:
    return happen(OpenFacility(facility=CMF, currency="AUD", limits=LIMITS, authority="Act"), *commands)


def reserve(commitment: str, amount: int, *keys: str, asset: str = "AUD") -> ReserveHeadroom:
    return ReserveHeadroom(facility=CMF, commitment=CommitmentId(commitment), asset=asset, amount=amount, keys=keys)


def rate(value: str, asset: str = "USD", quoted_on: date = TODAY) -> RecordRate:
    return RecordRate(asset=asset, rate=value, quoted_on=quoted_on, source="RBA", on=TODAY)
