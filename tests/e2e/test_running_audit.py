"""The audit of a live system: true while it moves, and not to be deceived by who owns the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx

from reserve.audit.anchors import Anchor
from reserve.audit.report import Report
from reserve.client import Client, GivenToken
from reserve.commands.audit_state import read_notes
from reserve.commands.failure import SEEN_BY_NOBODY
from shared.engines.engines import engines
from tests.e2e.auditing import a_dispatch, an_assignment, audited
from tests.e2e.lending import something_of_each
from tests.e2e.tendering import a_tender
from tests.e2e.world import UNIT_G, World
from tests.faults.drill import reserve
from tests.waiting import until

_REWRITE = "UPDATE events SET data = $3::json WHERE shard = $1 AND position = $2"


def failed(report: Report) -> dict[str, list[str]]:
    """check -> places"""
    return {result.check: [failure.place for failure in result.failures] for result in report.checks if result.failed}


async def test_a_true_history_passes_and_every_check_has_looked_at_something(world: World) -> None:
    await a_dispatch(world)
    await an_assignment(world)
    await something_of_each(world)
    await a_tender(world)

    seen = Anchor("state", (await world.auditor.request("GET", "/ledger/v1/checkpoint")).text)

    async def of_everything() -> Report | None:
        report = await audited(world, seen)
        return report if report.beyond == 0 else None

    report = await until(of_everything)
    assert report is not None
    assert failed(report) == {}
    assert [result.check for result in report.checks if not result.checked] == ["pinned_keys"], "nobody pins any here"


async def test_a_system_is_audited_while_it_moves(world: World) -> None:
    moving = asyncio.gather(*(a_dispatch(world) for _ in range(3)))
    audits = 0
    while not moving.done() or not audits:
        assert failed(await audited(world)) == {}
        audits += 1
    await moving


async def test_a_draw_that_the_databases_owner_makes_larger_is_found(world: World) -> None:
    place = await a_dispatch(world)
    assert (await audited(world)).ok
    _, shard, position = place.split("/")
    where = (int(shard), int(position))
    async with owner(world) as connection:
        true = await connection.fetchval("SELECT data::text FROM events WHERE shard = $1 AND position = $2", *where)
        await connection.execute(_REWRITE, *where, true.replace(str(UNIT_G), str(2 * UNIT_G)))
        try:
            found = failed(await audited(world))
        finally:
            await connection.execute(_REWRITE, *where, true)
    assert found["event_hashes"] == [place]
    assert (await audited(world)).ok


async def test_a_balance_that_the_databases_owner_changes_is_found(world: World) -> None:
    await a_dispatch(world)
    async with owner(world) as connection:
        account = await connection.fetchval("SELECT id FROM ledger.balances WHERE account = 'carrier/Linfox' ORDER BY id LIMIT 1")
        await connection.execute("UPDATE ledger.balances SET posted_g = posted_g + 1 WHERE id = $1", account)
        try:
            found = failed(await audited(world))
        finally:
            await connection.execute("UPDATE ledger.balances SET posted_g = posted_g - 1 WHERE id = $1", account)
    assert found == {"balances": [account]}


async def test_an_auditor_elsewhere_remembers_and_a_partner_holds_a_receipt_against_the_log(world: World, tmp_path: Path) -> None:
    """Neither has a file of the deployment, but the log's key, pinned; the partner has no token either."""
    receipt, secret = tmp_path / "receipts" / "of-a-draw", tmp_path / "secret"
    receipt.parent.mkdir()
    receipt.write_text(await world.receipt(world.partner("JP"), await a_dispatch(world)))
    secret.write_text(world.running.endpoints.client("auditor-1").client_secret)
    url, key = world.running.endpoints.base_url, (world.running.folder / "keys" / "ledger.vkey").read_text().strip()
    verify = ["audit", "verify", "--url", url, "--key", key, "--secret-file", str(secret), "--state", str(tmp_path / "state")]
    status, said = await reserve(*verify)
    assert (status, "nobody else is known to have seen" in said.replace("\n", " ")) == (SEEN_BY_NOBODY, True), said
    await a_dispatch(world)
    status, said = await reserve(*verify, "--receipts", str(receipt.parent))
    assert status == 0, said
    assert len(read_notes(tmp_path / "state", "--state")) == 2, "each audit that held"
    status, said = await reserve(*verify, "--integrity", "--receipts", str(receipt.parent))
    assert (status, "only the integrity was looked at" in said.replace("\n", " ")) == (0, True), said
    status, said = await reserve("receipt", "verify", str(receipt), "--key", key, "--against", url)
    assert (status, "stands in" in said) == (0, True), said
    token = await world.auditor.token()
    async with Client(url, GivenToken(token), gzip=True) as far_away, httpx.AsyncClient(base_url=url) as http:
        page = {"shard": 0, "limit": 8}
        zipped = await http.get("/inventory/v1/journal", params=page, headers={"authorization": f"Bearer {token}"})
        assert (zipped.headers["content-encoding"], zipped.num_bytes_downloaded < len(zipped.content)) == ("gzip", True)
        assert zipped.content == await far_away.content("/inventory/v1/journal", **page)


@asynccontextmanager
async def owner(world: World) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner, who can turn off what keeps events append-only."""
    connection = await asyncpg.connect(engines(world.running.folder).database_url, server_settings={"search_path": "inventory"})
    try:
        await connection.execute("SET session_replication_role = replica")  # no trigger fires
        yield connection
    finally:
        await connection.close()
