"""What operations see of the ledger: what waits for a checkpoint, and which accounts stand below zero."""

from datetime import date

import msgspec
import pytest
from prometheus_client import REGISTRY

from services.inventory.domain.lots import RecordAssay
from services.inventory.events import LotId, ProductId
from services.ledger.watch import overdrawn_accounts, watch_log
from services.registry import service
from tests.contract.ledger_stage import LedgerStage, receipts_of
from tests.kernel.stage import until
from tests.stories.stockpile import FAILED, a_round, award, lot, register


def metric(name: str) -> float:
    found = REGISTRY.get_sample_value(f"reserve_ledger_{name}")
    assert found is not None
    return found


async def test_what_waits_for_a_checkpoint_is_told_until_it_is_signed(stage: LedgerStage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.ledger.watch.LOOK_SECONDS", 0.1)
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_signed", 1)))
        await until(lambda: metric("leaves") == metric("signed_leaves"))
    signed, signed_at = metric("signed_leaves"), metric("checkpoint_timestamp_seconds")
    async with stage.serving(msgspec.structs.replace(service("ledger"), tasks=(watch_log,))):  # it does not sign
        await stage.happen(lot("lot_unsigned", 1))
        await until(lambda: metric("leaves") > signed)
        await until(lambda: metric("unsigned_seconds") > 0.5)
        assert metric("signed_leaves") == signed
    async with stage.ledger():
        await until(lambda: metric("unsigned_seconds") == 0)
        await until(lambda: metric("signed_leaves") == metric("leaves") > signed)
        await until(lambda: metric("checkpoint_timestamp_seconds") > signed_at)


async def test_an_account_below_zero_is_told_until_it_is_made_good(stage: LedgerStage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.ledger.watch.LOOK_SECONDS", 0.1)
    gallium = ProductId("gallium-6n")
    registered = msgspec.structs.replace(register(), product=gallium)
    released = msgspec.structs.replace(a_round(award("h", "JP", 3), expires_on=date(2999, 1, 1)), product=gallium)
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(registered, product=gallium))
        happened = await stage.inventory.pool.fetchval("SELECT count(*) FROM events")
        await until(lambda: metric("leaves") == happened)  # what earlier tests did on other shards too
        overdrawn_accounts.set(-1)  # what an earlier test saw is not a look of now
        await until(lambda: metric("overdrawn_accounts") >= 0)
        before = metric("overdrawn_accounts")
        await stage.happen(lot("lot_h", 4), released, RecordAssay(lot=LotId("lot_h"), assay=FAILED), product=gallium)
        await until(lambda: metric("overdrawn_accounts") == before + 1)
        await stage.happen(lot("lot_i", 3), product=gallium)
        await until(lambda: metric("overdrawn_accounts") == before)
