"""The audit counts what is committed to connected clients anew: under their group, once, and to guarantors what they guarantee."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from services.allocation import events as allocation
from services.loans.events.facility import GroupSet, Guaranteed, HeadroomReserved, Limit, LimitsSet
from tests.stories.audit import DAY_BEFORE, Step, Told, before, failures
from tests.stories.audit_loans import CMF, facility, limits, told_with_loans
from tests.stories.material import days

GROUP = "group/mining"
TREE = (*limits(261), Limit(key=GROUP, parent="total", limit_minor=300))


def grouped(committed_minor: int, *members: str, over: tuple[str, ...] = ()) -> Step:
    event = GroupSet(
        facility=CMF, group="mining", members=members, committed_minor=committed_minor, over=over, reason="one holds the other"
    )
    return facility(event)


def reserved(name: Any, amount: int, *keys: str, named: tuple[str, ...], by: tuple[Guaranteed, ...] = ()) -> Step:
    told: dict[str, Any] = {"asset": "AUD", "value_minor": amount, "warned": (), "named": named, "guaranteed": by}
    return facility(HeadroomReserved(facility=CMF, commitment=name, amount=amount, keys=keys, **told))


SETTING = facility(LimitsSet(facility=CMF, limits=TREE, authority="an Act", reason="large exposures"))


async def failures_of(folder: Path, **steps: Step) -> dict[str, list[str]]:
    story = told_with_loans()
    history = Told(before(story, "last_sign", tree=SETTING, **steps), folder)
    named = {place: name for name, place in history.places.items()}
    return {check: [named[place] for place in places] for check, places in failures(await history.audited()).items()}


FIRST = reserved("lon_3", 120, "borrower/a", "total", named=("borrower/a",))
SECOND = reserved("lon_4", 180, "borrower/b", GROUP, "total", named=("borrower/b",))


async def test_what_is_committed_to_members_counts_under_their_group(tmp_path: Path) -> None:
    own = grouped(120, "borrower/a", "borrower/b")
    assert await failures_of(tmp_path, first=FIRST, own=own, second=SECOND) == {}
    more = reserved("lon_4", 181, "borrower/b", GROUP, "total", named=("borrower/b",))
    assert await failures_of(tmp_path, first=FIRST, own=own, second=more) == {"headroom": ["second"]}
    alone = reserved("lon_4", 180, "borrower/b", "total", named=("borrower/b",))
    assert await failures_of(tmp_path, first=FIRST, own=own, second=alone) == {"headroom": ["second"]}


@pytest.mark.parametrize(
    "wrong",
    [
        grouped(0, "borrower/a", "borrower/b"),
        grouped(120, "borrower/a", "borrower/b", over=(GROUP,)),
        grouped(120, "borrower/c", "borrower/b"),
    ],
    ids=["as if nothing were", "over what is not exceeded", "others"],
)
async def test_a_group_that_was_counted_otherwise_is_found(tmp_path: Path, wrong: Step) -> None:
    assert await failures_of(tmp_path, first=FIRST, own=wrong) == {"headroom": ["own"]}


async def test_a_guarantor_counts_beside_the_borrower(tmp_path: Path) -> None:
    by = (Guaranteed(key="borrower/g", amount=50),)
    own = grouped(0, "borrower/g", "borrower/h")
    fine = reserved("lon_3", 120, "borrower/a", "borrower/g", GROUP, "total", named=("borrower/a",), by=by)
    next_ = reserved("lon_4", 250, "borrower/h", GROUP, "total", named=("borrower/h",))
    assert await failures_of(tmp_path, own=own, first=fine, second=next_) == {}
    more = reserved("lon_4", 251, "borrower/h", GROUP, "total", named=("borrower/h",))
    assert await failures_of(tmp_path, own=own, first=fine, second=more) == {"headroom": ["second"]}
    without = reserved("lon_3", 120, "borrower/a", "total", named=("borrower/a",), by=by)
    assert await failures_of(tmp_path, own=own, first=without) == {"headroom": ["first"]}


INTERESTED: Any = {"official": "sub_operator", "about": "company", "reason": "shares"}


def interest_in(company: str) -> Step:
    event = allocation.ConflictDeclared(name=company, **INTERESTED)
    return Step(event=event, stream="official/sub_operator", shard=1, on=DAY_BEFORE)


async def test_who_has_an_interest_in_whom_the_borrower_is_connected_with_has_paid_it_out(tmp_path: Path) -> None:
    since = days(-9, DAY_BEFORE)
    group = structs.replace(grouped(0, "borrower/hillgrove-mines", "borrower/sister"), on=since)
    dissolved = structs.replace(grouped(0), on=DAY_BEFORE)
    for steps, company, listed in (
        ({"own": group}, "sister", True),
        ({"own": group}, "other", False),
        ({"own": group, "gone": dissolved}, "sister", False),
        ({}, "hillgrove-mines", True),
    ):
        story = before(told_with_loans(), "key", interest=interest_in(company))
        named_first = next(iter(story))
        history = Told(before(story, named_first, **steps), tmp_path / f"{company}-{len(steps)}")
        report = await history.audited()
        [found] = [each.listed for each in report.checks if each.check == "authority"]
        assert any("paid an advance" in each.what for each in found) is listed, (company, steps)
