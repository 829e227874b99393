"""What a person types is shown, verified and erased, on the real PostgreSQL and Kafka: no event has it, and nothing has it after."""

import json
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from reserve.__main__ import app
from reserve.operate.backup import back_up_service
from reserve.operate.migrate import ROOT
from services.inventory.events import HoldPutOn, TextErased
from shared.engines.postgres_tools import copy_cluster
from shared.journal.postgres_texts import wipe_texts
from shared.journal.texts import commitment_to
from shared.terms.approval import private_key_pem
from shared.terms.countersigning import CommandPaper
from tests.contract.allocation_stage import PRODUCT, Reserve
from tests.kernel.stage import until
from tests.stories.log import LOG_KEY
from tests.stories.stockpile import lot

PAGE = ROOT / "docs" / "erasing.md"
SAID = "Jane Q. Doe of 4 Harbour Street saw it"
OTHER = "Jane's brother wrote in"


DEPOTS = [f"Depot {number}" for number in range(24)]  # a lot lies in each
ANOTHER_DEPOT = cycle(DEPOTS)  # since nobody renews a hold of their own


def body(reason: str, **more: str) -> dict[str, str]:
    return {"scope": "depot", "target": next(ANOTHER_DEPOT), "authority": "the keeper", "reason": reason} | more


class Callers:
    """Of inventory, each with their own token."""

    def __init__(self, reserve: Reserve, clients: dict[str, httpx.AsyncClient]) -> None:
        self.reserve = reserve
        self.clients = clients

    async def post(self, who: str, path: str, body: Any, key: str | None = None) -> Any:
        answer = await self.clients[who].post(path, json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)})
        return answer.json() | {"http_status": answer.status_code}

    async def get(self, path: str, who: str = "auditor-1") -> Any:
        answer = await self.clients[who].get(path)
        return answer.json() | {"http_status": answer.status_code}

    async def hold(self, said: str | dict[str, str], key: str | None = None) -> str:
        answer = await self.post("operator-1", "/v1/holds", body(said) if isinstance(said, str) else said, key)
        assert answer["http_status"] == 201, answer
        return str(answer["hold"])

    async def shown(self, hold: str) -> Any:
        rows = (await self.get("/v1/holds?limit=200"))["data"]
        return next(row for row in rows if row["hold"] == hold)

    async def sign(self, proposed: Any) -> Any:
        signed = self.reserve.signed(proposed["document"], CommandPaper.purpose, "approver-1")
        return await self.post("approver-1", f"/v1/proposals/{proposed['proposal']}/approvals", signed)

    async def text_of(self, content: str) -> Any:
        [row] = [row for row in (await self.get("/v1/texts?limit=200"))["data"] if row["content"] == content]
        return row

    async def erase(self, text: Any) -> Any:
        proposed = await self.post("admin-1", f"/v1/texts/{text['sha256']}/erasure", {"code": "subject_request"})
        assert proposed["http_status"] == 202, proposed
        return await self.sign(proposed)

    async def wiped(self, text: Any) -> Any:
        async def done() -> Any:
            found = await self.get(f"/v1/texts/{text['sha256']}")
            return found if found["wiped_at"] else None

        return await until(done)


@pytest.fixture
async def callers(reserve: Reserve) -> AsyncIterator[Callers]:
    name = reserve.inventory.kernel.service.name
    url = reserve.stage.urls[name]
    known = "SELECT true FROM approver_keys WHERE subject = $1"
    await until(lambda: reserve.inventory.kernel.pool.fetchval(known, reserve.subject("approver-1")))
    instrument = reserve.registrar.instruments[reserve.subject("approver-1")]
    await until(lambda: reserve.inventory.kernel.pool.fetchval("SELECT true FROM authorities WHERE id = $1", instrument))
    lie_in = "SELECT count(DISTINCT depot) FROM lots WHERE depot = ANY($1)"
    if not await reserve.inventory.kernel.pool.fetchval(lie_in, DEPOTS):
        await reserve.happen(*(lot(f"lot_in_{depot}", units=1, depot=depot) for depot in DEPOTS))

    async def taken_in() -> bool:
        return bool(await reserve.inventory.kernel.pool.fetchval(lie_in, DEPOTS) == len(DEPOTS))

    await until(taken_in)
    async with (
        reserve.stage.client(url, "operator-1") as operator,
        reserve.stage.client(url, "approver-1") as approver,
        reserve.stage.client(url, "admin-1") as admin,
        reserve.stage.client(url, "auditor-1") as auditor,
    ):
        yield Callers(reserve, {"operator-1": operator, "approver-1": approver, "admin-1": admin, "auditor-1": auditor})


async def rows_with(reserve: Reserve, content: str) -> list[str]:
    """The tables of inventory that have it in any row."""
    name = reserve.inventory.kernel.service.name
    found = []
    async with reserve.stage.sql(name) as sql:
        for (table,) in await sql.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", name):
            written = await sql.fetch(f'SELECT t::text AS row FROM "{table}" t')
            if any(content in row["row"] or content.encode().hex() in row["row"] for row in written):
                found.append(table)
    return sorted(found)


def files_with(folder: Path, content: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and content.encode() in path.read_bytes()]


async def put_on(reserve: Reserve, hold: str) -> HoldPutOn:
    events = [event async for _, event in reserve.inventory.kernel.journal.read_stream(f"stockpile/{PRODUCT}")]
    return next(event for event in events if isinstance(event, HoldPutOn) and event.hold == hold)


async def test_an_event_holds_a_commitment_and_views_show_the_text(reserve: Reserve, callers: Callers):
    hold = await callers.hold(SAID, key="first")
    event = await put_on(reserve, hold)
    assert re.fullmatch("text:[0-9a-f]{64}", event.reason) and re.fullmatch("text:[0-9a-f]{64}", event.authority)
    assert (await callers.shown(hold))["reason"] == SAID
    text = await callers.text_of(SAID)
    assert commitment_to(bytes.fromhex(text["salt"]), SAID) == event.reason == f"text:{text['sha256']}"
    assert await rows_with(reserve, SAID) == ["texts"]
    await callers.erase(text)


async def test_a_repeat_has_the_first_answer_and_stores_nothing_twice(reserve: Reserve, callers: Callers):
    said = body("said twice")
    hold = await callers.hold(said, "twice")
    assert await callers.hold(said, "twice") == hold
    assert await callers.text_of("said twice")  # one row has it
    other = await callers.post("operator-1", "/v1/holds", said | {"reason": "said otherwise"}, "twice")
    assert (other["http_status"], other["code"]) == (422, "idempotency_key_reused")
    assert await rows_with(reserve, "said otherwise") == []


async def test_what_is_refused_leaves_no_text(reserve: Reserve, callers: Callers):
    missing = f"/v1/lots/lot_{'0' * 26}/adjustments"
    answer = await callers.post("operator-1", missing, {"change_units": 1, "cause": "loss", "reason": "refused words"})
    assert answer["http_status"] == 404
    past = await callers.post("operator-1", "/v1/holds", body("refused words", expires_on="2020-01-01"))
    assert past["code"] == "date_in_past"
    assert await rows_with(reserve, "refused words") == []


async def test_nobody_puts_a_commitment_in_the_place_of_a_text(reserve: Reserve, callers: Callers):
    answer = await callers.post("operator-1", "/v1/holds", body(f"text:{'ab' * 32}"))
    assert (answer["http_status"], answer["code"]) == (422, "commitment_typed")


async def test_nor_by_another_way_to_write_the_same(callers: Callers):
    said = json.dumps(body("REASON")).replace("REASON", f"\\u0074ext:{'ab' * 32}").encode("utf-8-sig")
    headers = {"Idempotency-Key": secrets.token_hex(8), "Content-Type": "application/json"}
    answer = await callers.clients["operator-1"].post("/v1/holds", content=said, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "commitment_typed")


async def test_a_proposal_shows_the_text_and_what_is_signed_holds_the_commitment(reserve: Reserve, callers: Callers):
    hold = await callers.hold("hot")
    proposed = await callers.post("operator-1", f"/v1/holds/{hold}/lift", {"reason": "it has cooled, says Ann"}, "lift")
    assert proposed["command"]["reason"] == "it has cooled, says Ann"
    again = await callers.post("operator-1", f"/v1/holds/{hold}/lift", {"reason": "it has cooled, says Ann"}, "lift")
    assert again == proposed
    document = (await callers.clients["approver-1"].get(f"/v1/proposals/{proposed['proposal']}/document")).content
    assert sha256(document).hexdigest() == proposed["document"]
    text = await callers.text_of("it has cooled, says Ann")
    assert f'"text:{text["sha256"]}"'.encode() in document and b"Ann" not in document
    assert (await callers.sign(proposed))["http_status"] == 201
    assert (await callers.shown(hold))["lifted_reason"] == "it has cooled, says Ann"


async def test_nobody_erases_alone_and_after_it_no_table_file_or_backup_has_the_text(reserve: Reserve, callers: Callers, tmp_path: Path):
    name = reserve.inventory.kernel.service.name
    hold = await callers.hold(OTHER, key="to-be-erased")
    text = await callers.text_of(OTHER)
    owner = reserve.stage.database_url
    await back_up_service(name, owner, tmp_path / "before")
    assert files_with(tmp_path / "before", OTHER) == [f"{name}.sql"]

    path = f"/v1/texts/{text['sha256']}/erasure"
    assert (await callers.post("operator-1", path, {"code": "subject_request"}))["http_status"] == 403
    proposed = await callers.post("admin-1", path, {"code": "subject_request"})
    assert (proposed["act"], proposed["status"]) == ("erase_text", "proposed")
    assert (await callers.post("admin-1", f"/v1/proposals/{proposed['proposal']}/approvals", {}))["http_status"] == 403
    assert (await callers.shown(hold))["reason"] == OTHER
    done = await callers.sign(proposed)
    assert done["http_status"] == 201, done

    stream = f"text/{text['sha256']}"
    events = [event async for _, event in reserve.inventory.kernel.journal.read_stream(stream)]
    assert TextErased(text=text["sha256"], code="subject_request") in events
    assert (await callers.shown(hold))["reason"] == "erased"
    assert await rows_with(reserve, OTHER) == []
    found = await callers.wiped(text)
    assert (found["content"], found["salt"], found["erased_at"] is None) == (None, None, False)
    assert await callers.hold("another body by now", key="to-be-erased") == hold  # its fingerprint is forgotten: the first answer
    assert await rows_with(reserve, "another body by now") == []
    again = await callers.post("admin-1", path, {"code": "court_order"})
    assert (again["http_status"], again["code"]) == (409, "text_already_erased")

    await back_up_service(name, owner, tmp_path / "service")
    await copy_cluster(owner, tmp_path / "cluster")
    assert files_with(tmp_path / "service", OTHER) == files_with(tmp_path / "cluster", OTHER) == []


async def test_who_reads_as_of_before_keeps_a_text_from_being_wiped_until_they_are_done(reserve: Reserve, callers: Callers):
    await callers.hold("read meanwhile")
    text = await callers.text_of("read meanwhile")
    async with reserve.stage.sql(reserve.inventory.kernel.service.name) as sql, sql.transaction(isolation="repeatable_read"):
        await sql.fetchval("SELECT count(*) FROM heads")
        await callers.erase(text)
        async with reserve.stage.sql(reserve.inventory.kernel.service.name, as_service=True) as service:
            assert await wipe_texts(service, datetime.now(UTC)) == 0
        assert (await callers.get(f"/v1/texts/{text['sha256']}"))["wiped_at"] is None
    await callers.wiped(text)


async def test_the_page_on_erasing_is_followed_as_it_is_written(reserve: Reserve, callers: Callers, tmp_path: Path):
    """Each step by who does it, with what the steps before have given."""
    said = "it was I, Jane"
    hold = await callers.hold(said)
    found = await _follow(reserve, callers, said, tmp_path)
    assert (found["content"], found["salt"], found["erased_at"] is None) == (None, None, False)
    await callers.wiped(found)
    assert (await callers.shown(hold))["reason"] == "erased"


async def _follow(reserve: Reserve, callers: Callers, said: str, folder: Path) -> Any:
    """What the last step gave."""
    steps = re.findall(r"^\| (administrator|approver) \| `([^`]+)` \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE)
    key, paper, signed = (folder / name for name in ("approver.pem", "paper", "signed"))
    key.write_bytes(private_key_pem(reserve.registrar.keys[subject := reserve.subject("approver-1")]))
    key.chmod(0o600)
    instrument = reserve.registrar.instruments[subject]
    places = {"PAPER": paper, "KEY": key, "SUBJECT": subject, "INSTRUMENT": instrument, "LOG_KEY": LOG_KEY, "SIGNED": signed}
    known: dict[str, Any] = {}
    for who, does, then in steps:
        name, path, *_ = does.split()
        client = callers.clients[{"administrator": "admin-1", "approver": "approver-1"}[who]]
        if name == "reserve":
            done = CliRunner().invoke(app, [str(places.get(word, word)) for word in does.split()[1:]])
            assert done.exit_code == 0, done.output
            continue
        path = path.removeprefix("/inventory").format(**known)
        if name == "GET":
            answer = await client.get(path)
        else:
            body = signed.read_bytes() if "SIGNED" in then else then.split("`")[1]
            headers = {"Idempotency-Key": secrets.token_hex(8), "Content-Type": "application/json"}
            answer = await client.post(path, content=body, headers=headers)
        assert answer.is_success, answer.text
        if path.endswith("/document"):
            paper.write_bytes(answer.content)
        else:
            known |= next((row for row in answer.json().get("data", ()) if row["content"] == said), answer.json())
    return known
