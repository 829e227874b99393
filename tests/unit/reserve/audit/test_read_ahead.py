"""What the cut does not cover yet is read for what caused what it covers, and its own causes may be further than anything was read."""

from datetime import date
from pathlib import Path
from typing import Any

from services.allocation.events.clocks import ClockStarted, Standing
from tests.stories.audit import Step, Story, Told, audited, before, failures, told

OF: dict[str, Any] = {"request": "req_late", "product": "antimony-metal", "partner": "JP"}
NOW = Standing(next=None, limit_on=None, breached=False, check_on=None)
ON = date(2026, 1, 6)
STARTED = ClockStarted(**OF, now=NOW, clock="standard", submitted_on=ON, screened_on=ON, limits={}, warn_days=1, loan=False)


def story_of(late: Story) -> Story:
    """The key of the approvals that the cut covers is enrolled after it, as when the ledger was slower to take that shard."""
    story = told()
    return {name: step for name, step in story.items() if name != "key"} | {"key": story["key"]} | late


async def test_an_effect_after_the_cut_may_have_a_cause_that_was_not_read(tmp_path: Path) -> None:
    clock: Story = {"late_clock": Step(event=STARTED, stream="clock/req_late", shard=1)}
    assert failures(await audited(tmp_path / "late", story_of(clock))) == {}


async def test_an_effect_within_the_cut_has_its_cause_in_it_or_in_what_follows(tmp_path: Path) -> None:
    story = before(told(), "ask_jp", clock=Step(event=STARTED, stream="clock/req_late", shard=1))
    history = Told(story, tmp_path / "within")
    assert failures(await history.audited()) == {"order": [history.places["clock"]]}
