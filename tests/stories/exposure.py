"""A facility in AUD with limits, and positions charged to it, as tests begin with them."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from services.loans.domain.facility.exposure import Exposure
from services.loans.domain.facility.headroom import DECIDER, OpenFacility, RecordRate, ReserveHeadroom
from services.loans.domain.facility.state import Facility
from services.loans.domain.facility.what_ifs import ExpectedDelivery, Portfolio
from services.loans.events.facility import CommitmentId, FacilityId, Limit
from tests.stories.given import Given

TODAY = date(2026, 11, 25)
CMF = FacilityId("cmf")
LIMITS = (
    Limit(key="total", parent=None, limit_minor=10_000),
    Limit(key="element/Sb", parent="total", limit_minor=3_000, warn_at="1/2"),
    Limit(key="element/Ga", parent="total", limit_minor=3_000),
    Limit(key="partner/JP", parent="total", limit_minor=2_000),
)
SB = "contained/Sb"


def keys_of(position: Exposure) -> tuple[str, ...]:
    named = (("partner", position.partner), ("borrower", position.borrower), ("project", position.project))
    return (
        f"instrument/{position.instrument}",
        *(f"{dimension}/{value}" for dimension, value in named if value),
        *(f"element/{element}" for element in position.elements),
    )


def a_facility(positions: Iterable[Exposure] = (), rates: dict[str, str] | None = None) -> Facility:
    commands: list[Any] = [OpenFacility(facility=CMF, currency="AUD", limits=LIMITS, authority="Act")]
    for asset, rate in ({SB: "2"} if rates is None else rates).items():
        commands.append(RecordRate(asset=asset, rate=rate, quoted_on=TODAY, source="a market", on=TODAY))
    for each in positions:
        commands.append(
            ReserveHeadroom(facility=CMF, commitment=CommitmentId(each.id), asset=each.asset, amount=each.committed, keys=keys_of(each))
        )
    facility: Facility = Given(DECIDER, *commands).state
    return facility


def loan(id: str = "lon_1", **changed: Any) -> Exposure:
    terms = {
        "instrument": "loan",
        "id": id,
        "facility": CMF,
        "asset": "AUD",
        "elements": ("Sb",),
        "borrower": "larvotto",
        "project": "hillgrove",
        "committed": 1_000,
        "undrawn": 400,
        "outstanding": 600,
        "value": 600,
    }
    return Exposure(**(terms | changed))


def holding(id: str = "eqh_1", **changed: Any) -> Exposure:
    terms = {"instrument": "equity", "committed": 500, "undrawn": 0, "outstanding": 500, "value": 700}
    return loan(id, **(terms | changed))


def material(id: str = "mln_1", **changed: Any) -> Exposure:
    terms = {
        "instrument": "material",
        "asset": SB,
        "partner": "JP",
        "borrower": None,
        "project": None,
        "committed": 300,
        "undrawn": 0,
        "outstanding": 300,
        "value": 300,
    }
    return loan(id, **(terms | changed))


def a_book(*positions: Exposure, deliveries: tuple[ExpectedDelivery, ...] = (), rates: dict[str, str] | None = None) -> Portfolio:
    return Portfolio(positions=positions, facilities={CMF: a_facility(positions, rates)}, deliveries=deliveries, on=TODAY)
