"""A facility in AUD under limits that are a tree, told in commands."""

from datetime import date
from typing import Any

from services.loans.domain.facility.headroom import DECIDER, OpenFacility, RecordRate, ReserveHeadroom
from services.loans.events.facility import CommitmentId, FacilityId, Limit
from tests.stories.given import Given

CMF = FacilityId("cmf")
TODAY = date(2026, 1, 6)
LIMITS = (
    Limit(key="total", parent=None, limit_minor=1_000),
    Limit(key="instrument/loan", parent="total", limit_minor=800, warn_at="3/4"),
    Limit(key="project/hillgrove", parent="instrument/loan", limit_minor=500),
)


def opened(*happened: Any) -> Given:
    return Given(DECIDER, OpenFacility(facility=CMF, currency="AUD", limits=LIMITS, authority="Act"), *happened)


def reserve(commitment: str, amount: int, *keys: str, asset: str = "AUD") -> ReserveHeadroom:
    return ReserveHeadroom(facility=CMF, commitment=CommitmentId(commitment), asset=asset, amount=amount, keys=keys)


def rate(value: str, asset: str = "USD", quoted_on: date = TODAY) -> RecordRate:
    return RecordRate(asset=asset, rate=value, quoted_on=quoted_on, source="RBA", on=TODAY)
