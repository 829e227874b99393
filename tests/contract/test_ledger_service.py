"""The ledger as it serves: what inventory records is provable, accounted for, and seen by those entitled to it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.inventory.domain.lots import AdjustStock, RecordAssay
from services.inventory.events import LotId, ProductId
from services.ledger.receipt import verify_receipt
from services.ledger.tables import metadata
from services.ledger.tiles import TILE_WIDTH, Tile, decode_bundle
from shared.http.crowd import MOST_OF_ONE
from shared.journal.messages import from_feed
from shared.journal.record import event_hash
from shared.process.service import Kernel
from shared.proofs.checkpoint import TreeHead, open_checkpoint
from shared.proofs.encoding import encode_base64
from shared.proofs.fork import Consistency
from shared.proofs.merkle import hash_leaf, root_of
from tests.contract.ledger_stage import LedgerStage, bundle_of, parts_of, receipts_of, rows, tiles_of
from tests.stories.stockpile import FAILED, UNIT_G, a_round, award, draw, lot, register, weigh
from tests.waiting import HANGS_AFTER_S, until

type Http = httpx.AsyncClient


@pytest.fixture(scope="module")
async def ledger(stage: LedgerStage) -> AsyncIterator[Kernel]:
    async with stage.ledger() as kernel:
        yield kernel


@pytest.fixture
async def japan(stage: LedgerStage, ledger: Kernel) -> AsyncIterator[Http]:
    async with stage.client("partner-jp") as http:
        yield http


async def balances(http: Http, **query: Any) -> dict[str, tuple[int, int]]:
    return {row["id"].replace("antimony-metal/", ""): (row["posted"], row["pending"]) for row in await rows(http, "/v1/balances", **query)}


async def test_the_migrated_tables_are_those_of_the_models(stage: LedgerStage):
    def differences(connection: Any) -> Any:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [each for each in compare_metadata(context, metadata) if "remove_table" not in str(each) and "remove_index" not in str(each)]

    url = stage.settings("ledger").database_owner_url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, connect_args={"server_settings": {"search_path": "ledger"}})
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_draw_has_a_receipt_that_verifies_offline_with_the_pinned_key(stage: LedgerStage, japan: Http):
    [place] = await stage.happen(draw("drw_1", "rel_a", 2))
    [text] = await receipts_of(japan, [place])
    receipt = verify_receipt(text, [stage.key])
    assert receipt.opening.place == place
    assert receipt.opening.event is not None
    told = msgspec.json.decode(receipt.opening.event)
    assert (told["type"], told["data"]["draw"], told["partner"]) == ("inventory.stock_drawn.v1", "drw_1", "JP")


async def test_a_receipt_is_the_same_text_ever_after(stage: LedgerStage, japan: Http):
    [place] = await stage.happen(draw("drw_same", "rel_a", 1))
    before = await receipts_of(japan, [place])
    await receipts_of(japan, await stage.happen(weigh("drw_same", UNIT_G)))
    assert await receipts_of(japan, [place]) == before


async def test_a_receipt_of_another_partner_is_as_unknown_as_one_that_is_not_there_yet(stage: LedgerStage, japan: Http, auditor: Http):
    [another, of_nobody] = await stage.happen(draw("drw_us", "rel_b", 1, partner="US"), lot("lot_of_nobody", 1))
    await receipts_of(auditor, [another, of_nobody])
    answers = []
    for place in (another, of_nobody, "inventory/0/123456789"):
        began = time.monotonic()
        answers.append(await japan.get(f"/v1/receipts/{place}", params={"wait": 1}))
        assert time.monotonic() - began >= 1, "how long it takes says nothing either"
    assert {(answer.status_code, answer.text, answer.headers["Retry-After"]) for answer in answers} == {(404, answers[0].text, "1")}
    assert answers[0].json()["code"] == "receipt_not_ready"


async def test_a_receipt_that_is_not_there_yet_says_when_to_ask_again(auditor: Http):
    answer = await auditor.get("/v1/receipts/inventory/0/123456789", params={"wait": 1})
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (404, "receipt_not_ready", "1")


async def test_the_tiles_hold_the_leaves_and_give_the_root_that_was_signed(stage: LedgerStage, japan: Http, auditor: Http):
    await receipts_of(auditor, (await stage.happen(lot("lot_tiles", 1))))
    head = open_checkpoint((await japan.get("/v1/checkpoint")).text, [stage.key]).head
    hashes: list[bytes] = []
    for tile in tiles_of(head.size):
        bundle = await bundle_of(japan, tile)
        assert "immutable" in bundle.headers["Cache-Control"]
        leaves = [hash_leaf(leaf) for leaf in decode_bundle(bundle.content)]
        assert (await japan.get(f"/v1/{tile.path}")).content == b"".join(leaves)
        hashes += leaves
    assert root_of(hashes) == head.root
    beyond = Tile(0, head.size // TILE_WIDTH)  # the last one, were it full
    assert (await japan.get(f"/v1/{beyond.path}")).status_code == 404


@pytest.mark.parametrize("path", ["0/997", "0/998.p/250", "0/999", "9/000", "0/..%2f..%2fkeys", "entries/0", "-1/000"])
async def test_a_tile_beyond_the_checkpoint_or_of_no_tree_is_not_found(japan: Http, path: str):
    answer = await japan.get(f"/v1/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "tile_not_found")


async def test_anyone_may_have_the_verifier_key(stage: LedgerStage, japan: Http):
    assert (await japan.get("/v1/verifier-key")).text == f"{stage.key}\n"


async def test_what_is_recorded_of_each_source_is_its_journal(stage: LedgerStage, auditor: Http):
    places = await stage.happen(lot("lot_sources", 1))
    await receipts_of(auditor, places)
    heads = {shard: head for shard, (head, _) in (await stage.inventory.journal.heads()).items()}
    recorded = (await auditor.get("/v1/sources")).json()
    expected = {
        f"inventory/{shard}": {"position": head.position, "chain_hash": head.chain_hash.hex()}
        for shard, head in heads.items()
        if head.position
    }
    assert recorded == expected


@pytest.mark.parametrize("limit", [2, 1000])
async def test_the_ledgers_copy_of_a_journal_is_the_journal_byte_for_byte(stage: LedgerStage, auditor: Http, limit: int):
    await receipts_of(auditor, await stage.happen(lot(f"lot_copy_{limit}", 1), lot(f"lot_copy_{limit}_too", 1)))
    for shard in range(4):
        own, copy = [
            [page.content async for page in pages(auditor, f"{stage.urls[name]}{path}", limit, **query)]
            for name, path, query in (
                ("inventory", "/v1/journal", {"shard": shard}),
                ("ledger", f"/v1/sources/inventory/{shard}/journal", {}),
            )
        ]
        assert copy == own
        assert all(from_feed(page) for page in copy if b'"position"' in page)


async def pages(http: Http, url: str, limit: int, **query: Any) -> AsyncIterator[httpx.Response]:
    after: int | None = 0
    while after is not None:
        page = await http.get(url, params={"after": after, "limit": limit, **query})
        assert page.status_code == 200, page.text
        yield page
        after = page.json()["next"]


async def test_nothing_is_given_of_a_journal_that_the_ledger_does_not_record(auditor: Http, japan: Http):
    for path in ("sources/ledger/0", "sources/inventory/4", "sources/edge/0"):
        answer = await auditor.get(f"/v1/{path}/journal")
        assert (answer.status_code, answer.json()["code"]) == (404, "shard_not_found")
    assert (await japan.get("/v1/sources/inventory/0/journal")).status_code == 403


async def test_an_event_records_each_checkpoint_with_what_it_covers(stage: LedgerStage, ledger: Kernel, auditor: Http):
    [place] = await stage.happen(lot("lot_covers", 1))
    await receipts_of(auditor, [place])
    state, version = await ledger.writer.state("log/main")
    checkpoints = await rows(auditor, "/v1/checkpoints", limit=2)
    assert (len(checkpoints), checkpoints[-1]["size"]) == (version, state.size)
    assert [each["size"] for each in checkpoints] == sorted({each["size"] for each in checkpoints})
    line, _, position = place.rpartition("/")
    assert checkpoints[-1]["covers"][line] >= int(position)
    for each in checkpoints:
        assert open_checkpoint(each["note"], [stage.key]).head == TreeHead(each["size"], bytes.fromhex(each["root"]))


async def test_entries_are_opened_with_what_they_posted_and_a_partner_sees_its_own(stage: LedgerStage, japan: Http, auditor: Http):
    [place] = await stage.happen(draw("drw_entries", "rel_a", 1))
    await receipts_of(japan, [place])
    every, own = await rows(auditor, "/v1/entries", limit=3), await rows(japan, "/v1/entries", limit=3)
    assert [each["leaf_index"] for each in every] == list(range(len(every)))
    assert own == [each for each in every if each["partner"] == "JP"]
    entry = own[-1]
    assert f"{entry['source']}/{entry['shard']}/{entry['position']}" == place
    assert event_hash(bytes.fromhex(entry["salt"]), entry["hashed"].encode()).hex() == entry["event_hash"]
    assert {
        "side": "title",
        "asset": "antimony-metal",
        "account": "partner/JP",
        "amount": UNIT_G,
        "unit": "g",
        "status": "posted",
    } in entry["postings"]


async def test_a_partner_sees_its_own_accounts_and_balances(stage: LedgerStage, japan: Http, auditor: Http):
    await receipts_of(auditor, await stage.happen(draw("drw_own", "rel_b", 1, partner="US")))
    own = await balances(japan)
    assert set(own) == {"title/partner/JP", "title/partner/JP/release/rel_a"}
    assert {row["partner"] for row in await rows(japan, "/v1/accounts")} == {"JP"}
    assert await balances(japan, account="partner/US") == {}
    every = await balances(auditor, limit=2)
    assert own.items() <= every.items()
    assert sum(posted for name, (posted, _) in every.items() if name.startswith("title/")) == 0
    assert sum(posted for name, (posted, _) in every.items() if name.startswith("custody/")) == 0
    names = [row["id"] for row in await rows(auditor, "/v1/accounts", limit=3)]
    assert len(names) == len(set(names)) > 5


async def test_a_balance_is_as_of_a_day_as_it_was_known_on_another(stage: LedgerStage, auditor: Http):
    await receipts_of(auditor, await stage.happen(lot("lot_early", 2, depot="Hobart"), effective_on="2026-01-06"))
    known = datetime.now(UTC).isoformat()
    late = AdjustStock(lot=LotId("lot_early"), change_units=-1, cause="loss", reason="found later")
    await receipts_of(auditor, await stage.happen(late, effective_on="2026-01-08"))
    hobart = {"account": "depot/Hobart"}
    at = "custody/depot/Hobart"
    assert await balances(auditor, **hobart) == {at: (UNIT_G, 0)}
    assert await balances(auditor, **hobart, as_of="2026-01-05") == {}
    assert await balances(auditor, **hobart, as_of="2026-01-07") == {at: (2 * UNIT_G, 0)}
    assert await balances(auditor, **hobart, as_of="2026-01-08") == {at: (UNIT_G, 0)}
    assert await balances(auditor, **hobart, as_of="2026-01-08", as_known_on=known) == {at: (2 * UNIT_G, 0)}
    assert await balances(auditor, **hobart, as_known_on="2020-01-01") == {}
    assert await balances(auditor, as_known_on="2999-01-01") == await balances(auditor)


@pytest.mark.parametrize(
    "query",
    [{"as_known_on": word} for word in ("yesterday", "2026-13-01", "2026-01-20T05:00:00", "9999-12-31", "0001-01-01T00:00:00+14:00")]
    + [{"as_of": "2026-02-30"}, {"as_of": "0"}, {"account": "a\0b"}, {"side": "left"}, {"cursor": "!"}],
)
async def test_a_question_that_cannot_be_read_is_a_problem(auditor: Http, query: dict[str, str]):
    answer = await auditor.get("/v1/balances", params=query)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("invalid_request", "cursor_malformed", "nul_in_text")


async def test_an_event_that_leaves_releases_short_is_recorded_and_flagged(stage: LedgerStage, auditor: Http):
    gallium = ProductId("gallium-4n")
    registered = msgspec.structs.replace(register(), product=gallium)
    released = msgspec.structs.replace(a_round(award("g", "JP", 3), expires_on=date(2999, 1, 1)), product=gallium)
    failed = RecordAssay(lot=LotId("lot_g"), assay=FAILED)
    places = await stage.happen(registered, lot("lot_g", 4), released, failed, product=gallium)
    await receipts_of(auditor, places)
    [flag] = [flag for flag in await rows(auditor, "/v1/flags") if flag["asset"] == gallium]
    assert (flag["kind"], flag["account"], flag["posted"], flag["pending"]) == ("overdrawn", "reserve/available", 0, -3 * UNIT_G)


@pytest.mark.parametrize("path", ["checkpoints", "sources", "flags"])
async def test_a_partner_may_not_read_what_is_not_its_own(japan: Http, path: str):
    assert (await japan.get(f"/v1/{path}")).status_code == 403


async def test_who_has_no_token_reads_the_log_and_sees_that_it_goes_on_from_a_receipt(stage: LedgerStage, ledger: Kernel, japan: Http):
    [text] = await receipts_of(japan, await stage.happen(draw("drw_seen", "rel_a", 1)))
    seen = verify_receipt(text, [stage.key])
    await receipts_of(japan, await stage.happen(weigh("drw_seen", UNIT_G)))
    async with httpx.AsyncClient(base_url=stage.urls["ledger"], timeout=HANGS_AFTER_S) as nobody:
        assert (await nobody.get("/v1/verifier-key")).text == f"{stage.key}\n"
        head = open_checkpoint((await nobody.get("/v1/checkpoint")).text, [stage.key]).head
        assert (await nobody.get(f"/v1/{tiles_of(seen.head.size)[-1].path}")).status_code == 200
        answer = await nobody.get(f"/v1/consistency/{seen.head.size}/{head.size}")
        shown = msgspec.json.decode(answer.content, type=Consistency)
        assert seen.head.size < head.size and shown.holds(head)
        assert shown.old_root == encode_base64(seen.head.root)
        for old_size, size in ((1, head.size + 1000), (2, 1)):
            answer = await nobody.get(f"/v1/consistency/{old_size}/{size}")
            assert (answer.status_code, answer.json()["code"]) == (404, "size_not_found")


async def test_nothing_else_is_read_without_a_token(stage: LedgerStage, ledger: Kernel):
    async with httpx.AsyncClient(base_url=stage.urls["ledger"], timeout=HANGS_AFTER_S) as nobody:
        for path in ("receipts/inventory/0/1", "sources", "entries", "accounts", "balances", "flags", "checkpoints"):
            assert (await nobody.get(f"/v1/{path}")).status_code == 401, path


async def test_one_party_has_so_many_requests_under_way_and_others_are_answered(stage: LedgerStage, auditor: Http, japan: Http):
    """By waits for the receipt of the event that comes next: each may last ten seconds."""
    source, shard, position = parts_of((await stage.happen(lot("lot_crowd", 1)))[-1])
    path, more = f"/v1/receipts/{source}/{shard}/{position + 1}", 5
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=auditor.base_url, headers=auditor.headers, limits=limits, timeout=HANGS_AFTER_S) as crowd:
        asked = [asyncio.create_task(crowd.get(path, params={"wait": 10})) for _ in range(MOST_OF_ONE + more)]
        await until(lambda: sum(each.done() for each in asked) == more)
        for refused in (each.result() for each in asked if each.done()):
            assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (429, "too_many_at_once", "1")
        assert (await japan.get("/v1/balances")).status_code == 200
        await stage.happen(lot("lot_after_crowd", 1))
        assert Counter(each.status_code for each in await asyncio.gather(*asked)) == {200: MOST_OF_ONE, 429: more}
    assert (await auditor.get("/v1/sources")).status_code == 200


@pytest.mark.parametrize("table", ["entries", "postings", "checkpoints"])
@pytest.mark.parametrize("role", ["ledger", "superuser"])
async def test_what_is_recorded_cannot_be_changed(stage: LedgerStage, auditor: Http, table: str, role: str):
    await receipts_of(auditor, await stage.happen(lot(f"lot_{table}_{role}", 1)))
    settings = stage.settings("ledger")
    connection = await asyncpg.connect(settings.database_url if role == "ledger" else settings.database_owner_url)
    try:
        for statement in (
            f"DELETE FROM ledger.{table}",
            f"UPDATE ledger.{table} SET {'size = 0' if table == 'checkpoints' else 'leaf_index = 0'}",
        ):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
                await connection.execute(statement)
    finally:
        await connection.close()
