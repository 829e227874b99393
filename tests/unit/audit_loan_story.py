"""What loans add to the audit's small history: a facility with limits, and what is committed under them."""

from typing import Any

from audit_story import TODAY, Step, Story, told

from services.loans.events.facility import FacilityOpened, HeadroomReleased, HeadroomReserved, Limit, LimitsSet, RateRecorded

CMF: Any = "cmf"


def facility(event: Any) -> Step:
    return Step(event=event, stream="facility/cmf", shard=1)


def limits(mine_minor: int = 600) -> tuple[Limit, ...]:
    return (
        Limit(key="total", parent=None, limit_minor=1000),
        Limit(key="instrument/loan", parent="total", limit_minor=900),
        Limit(key="project/hillgrove", parent="total", limit_minor=mine_minor),
    )


def reserved(name: str, asset: str, amount: int, value_minor: int) -> HeadroomReserved:
    commitment: Any = name
    keys = ("instrument/loan", "partner/US", "project/hillgrove", "total")
    return HeadroomReserved(facility=CMF, commitment=commitment, asset=asset, amount=amount, value_minor=value_minor, keys=keys, warned=())


def rate(rate: str, before_minor: int, after_minor: int) -> RateRecorded:
    told: Any = {"asset": "USD", "quoted_on": TODAY, "source": "RBA", "over": ()}
    return RateRecorded(facility=CMF, rate=rate, before_minor=before_minor, after_minor=after_minor, **told)


def given_back(name: str, asset: str, amount: int, value_minor: int, remaining: int) -> HeadroomReleased:
    commitment: Any = name
    return HeadroomReleased(facility=CMF, commitment=commitment, asset=asset, amount=amount, value_minor=value_minor, remaining=remaining)


def lent() -> Story:
    return {
        "open_facility": facility(FacilityOpened(facility=CMF, currency="AUD", limits=limits(), authority="an Act")),
        "reserve": facility(reserved("lon_1", "AUD", 400, 400)),
        "rate": facility(rate("3/2", 0, 0)),
        "reserve_usd": facility(reserved("lon_2", "USD", 101, 152)),
        "rate_again": facility(rate("1.6", 152, 162)),
        "give_back": facility(given_back("lon_1", "AUD", 300, 300, 100)),
        "lower": facility(LimitsSet(facility=CMF, limits=limits(261), authority="an Act", reason="prudence")),
        "give_back_usd": facility(given_back("lon_2", "USD", 101, 162, 0)),
    }


def told_with_loans() -> Story:
    story = told()
    last = story.pop("last_sign")
    return story | lent() | {"last_sign": last}
