"""The audit of equity: each way in which a holding's history can be wrong is found, named, and placed."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.loans.domain.papers import HoldingPaper, WriteDownPaper
from services.loans.events.equity import HoldingFigures
from tests.stories.audit import OTHER_KEY, Step, Told, changed, failures
from tests.stories.audit_equity import held, told_with_equity
from tests.stories.audit_loans import signed
from tests.stories.equity import DOCUMENT


async def found(folder: Path, name: str, **fields: Any) -> dict[str, str]:
    """With one step's event otherwise: check -> the step in which it fails first."""
    story = told_with_equity()
    changed(story, f"equity_{name}", **fields)
    history = Told(story, folder)
    named = {place: name for name, place in history.places.items()}
    return {check: named.get(places[0], places[0]).removeprefix("equity_") for check, places in failures(await history.audited()).items()}


async def test_a_true_holding_passes(tmp_path: Path) -> None:
    assert failures(await Told(told_with_equity(), tmp_path).audited()) == {}


def event_of(name: str) -> Any:
    step = held()[name]
    assert isinstance(step, Step)
    return step.event


@pytest.mark.parametrize("name", HoldingFigures.__struct_fields__)
async def test_a_holding_that_says_otherwise_than_its_books_is_found(tmp_path: Path, name: str) -> None:
    after = event_of("divest").after
    assert await found(tmp_path, "divest", after=replace(after, **{name: getattr(after, name) + 1})) == {"money": "divest"}


async def test_money_that_is_not_what_was_paid_is_found(tmp_path: Path) -> None:
    assert await found(tmp_path, "dividend", amount_minor=8) == {"money": "dividend"}
    assert await found(tmp_path, "divest", amount_minor=51) == {"money": "divest"}
    assert await found(tmp_path, "reverse_dividend", flow="eqf_d1") == {"money": "reverse_dividend"}
    change = event_of("write_down").change
    assert (await found(tmp_path, "write_down", change=replace(change, cost_minor=-9)))["money"] == "write_down"


async def test_more_is_not_subscribed_than_is_committed(tmp_path: Path) -> None:
    subscribed = event_of("subscribe")
    more = {"amount_minor": 101, "change": replace(subscribed.change, cash_minor=-101, cost_minor=101)}
    after = replace(subscribed.after, cost_minor=101, subscribed_minor=101, uncalled_minor=0)
    assert (await found(tmp_path, "subscribe", **more, after=after))["advances"] == "subscribe"


async def test_a_holding_is_not_closed_while_shares_are_held(tmp_path: Path) -> None:
    assert (await found(tmp_path, "write_off", units=29))["advances"] == "write_off_closes"


async def test_a_holding_that_is_not_what_was_approved_or_reserved_is_found(tmp_path: Path) -> None:
    assert (await found(tmp_path, "commit_holding", commitment_minor=99))["headroom"] == "commit_holding"
    assert await found(tmp_path, "approve_holding", approval=signed(DOCUMENT, HoldingPaper.purpose, key=OTHER_KEY)) == {
        "approvals": "approve_holding"
    }
    assert await found(tmp_path, "approve_holding", commitment_minor=101) == {"approvals": "approve_holding"}


async def test_a_write_down_that_is_not_what_was_approved_is_found(tmp_path: Path) -> None:
    for name in ("write_down", "write_off"):
        other = signed(DOCUMENT, WriteDownPaper.purpose, key=OTHER_KEY)
        assert await found(tmp_path, name, approval=other) == {"approvals": name}
        assert await found(tmp_path, name, document="cd" * 32) == {"approvals": name}
    assert await found(tmp_path, "propose_write_down", amount_minor=11) == {"approvals": "write_down"}
    assert await found(tmp_path, "propose_write_off", amount_minor=30) == {"approvals": "write_off"}
