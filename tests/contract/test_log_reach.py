"""A service says in its journal where the log does not take what it records, and when it does again."""

from typing import Any

import pytest

from services.registry import service
from shared.clock import written
from shared.process import reach
from shared.process.reach import Watched
from shared.process.service import Kernel
from shared.terms.reach import STREAM
from tests.contract.ledger_stage import LedgerStage, parts_of
from tests.stories.stockpile import lot
from tests.waiting import until


async def said_by(kernel: Kernel) -> list[Any]:
    return [event async for _, event in kernel.journal.read_stream(STREAM)]


async def heads_of(kernel: Kernel) -> dict[str, int]:
    return {str(shard): head.position for shard, (head, _) in (await kernel.journal.heads()).items()}


async def test_what_the_log_does_not_take_is_said_while_it_lasts_and_once_it_is_over(
    stage: LedgerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = stage.inventory
    watched = Watched(inventory, {})
    async with stage.ledger() as ledger:
        await stage.happen(lot("lot_taken", 1))
        await until(lambda: ledger_has_all(inventory, ledger))
        await watched.look()
        await watched.look()
        [begun] = await said_by(inventory)
        assert (begun.reached, begun.since) == (True, None)
        await until(lambda: ledger_has_all(inventory, ledger))
        await watched.look()
    taken = await heads_of(inventory)
    [place] = await stage.happen(lot("lot_late", 1))
    await watched.look()
    assert len(await said_by(inventory)) == 1, "it is not late yet"
    monkeypatch.setattr(reach, "LATE_SECONDS", 0)
    await watched.look()
    await watched.look()
    [_, cut_off] = await said_by(inventory)
    _, shard, _ = parts_of(place)
    [record] = await inventory.journal.read(shard, after=taken[str(shard)], limit=1)
    assert (cut_off.reached, written(cut_off.since), cut_off.after) == (False, record.recorded_at, taken)
    monkeypatch.setattr(reach, "LATE_SECONDS", 1000)
    await watched.look()
    assert len(await said_by(inventory)) == 2, "a ledger that does not answer is not reached"
    until_then = await heads_of(inventory)
    async with stage.ledger() as ledger:
        await until(lambda: ledger_has_all(inventory, ledger))
        await watched.look()
        [*_, again] = await said_by(inventory)
        assert (again.reached, again.since, again.after, again.until) == (True, cut_off.since, taken, until_then)


async def test_what_was_not_sent_before_a_crash_is_said_by_the_next_process(stage: LedgerStage, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = stage.inventory
    said = len(await said_by(inventory))
    sent = {shard: head.position for shard, (head, _) in (await inventory.journal.heads()).items()}
    await stage.happen(lot("lot_unsent", 1))
    await Watched(inventory, sent).look(first=True)
    assert len(await said_by(inventory)) == said, "it is not late"
    monkeypatch.setattr(reach, "LATE_SECONDS", 0)
    await Watched(inventory, sent).look(first=True)
    [*_, cut_off] = await said_by(inventory)
    assert (cut_off.reached, cut_off.after) == (False, {str(shard): position for shard, position in sent.items()})


async def test_a_service_that_starts_says_that_it_reports_before_it_sends_anything(stage: LedgerStage) -> None:
    """So that the rule is in force from its first events on."""
    async with stage.ledger(), stage.serving(service("loans"), require_ledger_at_start=True) as loans:
        await until(lambda: said_by(loans))
        [begun] = await said_by(loans)
        assert begun.reached


async def ledger_has_all(source: Kernel, ledger: Kernel) -> bool:
    heads = await heads_of(source)
    rows = await ledger.pool.fetch("SELECT shard, position FROM inbox_cursors WHERE source = $1", source.service.name)
    taken = {str(row["shard"]): row["position"] for row in rows}
    return all(taken.get(shard, 0) >= position for shard, position in heads.items())
