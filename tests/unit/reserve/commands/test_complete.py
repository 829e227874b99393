"""`reserve receipt complete`: a partner's own copy of the feed, held against a day's tally by nobody but itself."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.commands.complete import Kept, missing
from services.allocation.events.reach import LineTally, PartnerTallied
from shared.journal.record import GENESIS, chain_hash
from tests.stories.audit import TODAY, Told, told
from tests.stories.tallies import opened, tallied


class Partner:
    """What Japan has: its items of the feed, the receipts of its tally and of the United States', and the log's key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.story = Told(told(), folder)
        for partner in ("JP", "US"):
            self.story.seal(partner, tallied(self.story, partner, TODAY, TODAY + timedelta(days=1)))
        self.story.sign("tallied")
        self.items = self.items_of("JP")

    def items_of(self, partner: str) -> list[dict[str, Any]]:
        return [{"hashed": entry.hashed, "salt": entry.salt} for entry in self.story.books if entry.partner == partner]

    def without(self, *places: str) -> list[dict[str, Any]]:
        numbers = {entry.hashed for entry in self.story.books if entry.place in places}
        return [item for item in self.items if item["hashed"] not in numbers]

    def asks(self, items: Any, step: str = "JP") -> Result:
        receipt, feed = self._folder / "tally.receipt", self._folder / "feed.json"
        receipt.write_text(opened(self.story, step))
        feed.write_text(items if isinstance(items, str) else json.dumps(items))
        return CliRunner().invoke(app, ["receipt", "complete", str(receipt), str(feed), "--key", str(self.story.log_key)])


@pytest.fixture
def japan(tmp_path: Path) -> Partner:
    return Partner(tmp_path)


def test_who_has_all_of_its_events_knows_it_from_its_own_files(japan: Partner):
    of_tally = len(japan.items) - 1  # the tally itself came after
    for kept in (japan.items, {"data": japan.items}, "\n".join(map(json.dumps, reversed(japan.items)))):
        result = japan.asks(kept)
        assert result.exit_code == 0, result.output
        assert f"these are all events of JP, up to {TODAY}" in result.output
        assert ["events", str(of_tally)] in [line.split() for line in result.output.splitlines()]


def test_what_is_missing_is_named_by_service_and_shard(japan: Partner):
    story = japan.story
    result = japan.asks(japan.without(*(story.places[step] for step in ("draw", "weigh", "ask_jp"))))
    assert result.exit_code == 1
    said = [line.split(maxsplit=1)[1] for line in result.output.splitlines() if line.startswith("missing")]
    assert said == ["allocation/0: 1 of 3", "inventory/0: 2-3 of 4"]
    assert "these are not all events of JP" in result.output


def test_all_numbers_with_another_event_among_them_are_not_enough(japan: Partner):
    item = next(item for item in japan.items if "stock_drawn" in item["hashed"])
    item["hashed"] = item["hashed"].replace('"mass_g":30', '"mass_g":31', 1)
    result = japan.asks(japan.items)
    assert result.exit_code == 1 and "inventory/0: all numbers up to 4 are there, and at least one is not" in result.output


@pytest.mark.parametrize(
    ("step", "kept", "exit_code", "says"),
    [
        ("US", "JP", 1, "has an event of JP, and the tally is of US"),
        ("draw", "JP", 1, "accepted: the receipt of an allocation.partner_tallied"),
        ("JP", "no feed", 2, "accepted: pages of the feed"),
        ("JP", '{"other": 1}', 2, "accepted: pages of the feed"),
    ],
)
def test_another_partners_tally_another_receipt_and_what_is_no_feed_prove_nothing(
    japan: Partner, step: str, kept: str, exit_code: int, says: str
):
    result = japan.asks(japan.items if kept == "JP" else kept, step)
    assert (result.exit_code, says in result.output) == (exit_code, True), result.output


def test_a_number_that_a_restore_has_given_again_counts_as_it_was_given_last():
    """What was lost with it is not the operator's to send any more, and is not missing."""
    first, lost, again = (
        Kept("inventory/0", number, history, bytes([own]) * 32) for own, (number, history) in enumerate([(1, 1), (2, 1), (2, 2)])
    )
    chain = chain_hash(chain_hash(GENESIS, first.event_hash), again.event_hash).hex()
    tally = PartnerTallied(partner="JP", day=TODAY, size=9, lines={"inventory/0": LineTally(last=2, chain=chain)})  # type: ignore[arg-type]
    assert list(missing(tally, [again, lost, first])) == list(missing(tally, [first, lost, again])) == []
    assert list(missing(tally, [first, lost])) != []
    assert list(missing(tally, [again])) == ["inventory/0: 1 of 2"]
