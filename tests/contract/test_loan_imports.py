"""Imports as they are served: a report line by line, a dry run that changes nothing, and the same file twice, on the real PostgreSQL."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.loans.api.loan import imports as loan_imports
from services.loans.api.loan.imports import loan_of
from shared.engines.engines import Engines
from shared.http.problems import BODY_LIMIT_BYTES, IMPORT_LIMIT_BYTES
from tests.contract.loans_stage import TODAY, Lender, a_lender
from tests.stories.imports import LINE, file_of

LIMITS = [
    {"key": "total", "limit_minor": 100_000_000},
    {"key": "project/crowded", "parent": "total", "limit_minor": 250_000},
]
OLD = LINE | {
    "as_of": str(TODAY - timedelta(days=40)),
    "schedule_start": str(TODAY - timedelta(days=40)),
    "available_until": str(TODAY + timedelta(days=400)),
    "sunset_on": str(TODAY + timedelta(days=100)),
}


def line(reference: str, **changes: str) -> dict[str, str]:
    return OLD | {"reference": reference} | changes


@pytest.fixture(scope="module")
async def lender(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lender]:
    async with a_lender(servers, tmp_path_factory.mktemp("imports")) as lender:
        await lender.by_two("admin-1", "/v1/facilities", {"facility": "cmf", "limits": LIMITS, "authority": "Act"})
        yield lender


async def send(lender: Lender, content: bytes, who: str = "admin-1", *, dry: bool = False, **headers: str) -> httpx.Response:
    given = {"Idempotency-Key": secrets.token_hex(8), "Content-Type": "text/csv"} | headers
    return await lender.clients[who].post(f"/v1/loan-imports?dry_run={'true' if dry else 'false'}", content=content, headers=given)


async def report(lender: Lender, *lines: dict[str, str], dry: bool = False, **headers: str) -> Any:
    answer = await send(lender, file_of(*lines), dry=dry, **headers)
    assert answer.is_success, answer.text
    return answer.json()


async def brought_in(lender: Lender, *lines: dict[str, str], **headers: str) -> Any:
    """The report of a file, each loan of which another person has signed."""
    told = await report(lender, *lines, **headers)
    await sign(lender, *(row["loan"] for row in told["rows"] if row["result"] == "proposed"))
    return told


async def sign(lender: Lender, *loans: str) -> list[int]:
    """Every proposal of these loans: how each was answered."""
    found, after = [], ""
    while True:
        page = await lender.clients["approver-1"].get(f"/v1/proposals?status=proposed&limit=200{after}")
        found += [each for each in page.json()["data"] if each["streams"][0].removeprefix("loan/") in loans]
        if (last := page.json()["next"]) is None:
            break
        after = f"&cursor={last}"
    answers = []
    for each in found:
        signed = lender.signed(each["document"], "command")
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        answers.append(await lender.clients["approver-1"].post(f"/v1/proposals/{each['proposal']}/approvals", json=signed, headers=headers))
    return [answer.status_code for answer in answers]


def results(report: Any) -> list[str]:
    return [row["result"] for row in report["rows"]]


async def heads(lender: Lender) -> Any:
    """Once what loans say to themselves has all been heard."""
    own = lender.inventory.kernel.service.name
    return await lender.stage.heard(own, own)


async def test_an_imported_loan_stands_as_it_was_handed_over_and_is_a_loan_like_any_other(lender: Lender):
    told = await report(lender, line("OLD-1"))
    [row] = told["rows"]
    assert (row["line"], row["reference"], row["loan"], row["result"]) == (2, "OLD-1", loan_of("OLD-1"), "proposed")
    assert told["summary"] == {"rows": 1, "ready": 0, "proposed": 1, "already": 0, "differs": 0, "refused": 0}
    assert (await lender.clients["operator-1"].get(f"/v1/loans/{row['loan']}")).status_code == 404
    assert results(await report(lender, line("OLD-1"))) == ["proposed"]
    assert await sign(lender, row["loan"]) == [201]
    loan = await lender.loan(row["loan"], "committed")
    assert (loan["reference"], loan["figures"]["advanced_minor"], loan["figures"]["repaid_minor"]) == ("OLD-1", 100_000, 25_050)
    assert loan["figures"]["principal_minor"] == 74_950
    assert loan["figures"]["interest_minor"] > 0  # a period has ended since
    assert (await lender.get("borrower-hillgrove", f"/v1/loans/{row['loan']}/proposal"))["reference"] == "OLD-1"
    paid = {"reference": "bank-1", "amount_minor": 1_000, "received_on": str(TODAY)}
    await lender.post("operator-1", f"/v1/loans/{row['loan']}/payments", paid)


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(lender: Lender):
    before = await heads(lender)
    told = await report(lender, line("DRY-1"), line("DRY-2", repaid="9999.00"), dry=True)
    assert (told["dry_run"], results(told)) == (True, ["ready", "refused"])
    default = await lender.clients["operator-1"].post(
        "/v1/loan-imports", content=file_of(line("DRY-1")), headers={"Idempotency-Key": "dry", "Content-Type": "text/csv; charset=utf-8"}
    )
    assert default.json()["dry_run"] is True
    assert await heads(lender) == before
    assert (await lender.clients["operator-1"].get(f"/v1/loans/{loan_of('DRY-1')}")).status_code == 404


async def test_the_same_file_again_is_there_already_and_another_line_of_a_reference_is_never_written_over(lender: Lender):
    assert results(await brought_in(lender, line("TWICE-1"), line("TWICE-2"))) == ["proposed", "proposed"]
    before = await lender.loan(loan_of("TWICE-1"), "committed")
    await lender.loan(loan_of("TWICE-2"), "committed")
    for dry in (True, False):
        told = await report(lender, line("TWICE-1", kyc="kyc-2", repaid="1.00"), line("TWICE-2"), line("TWICE-3"), dry=dry)
        assert results(told) == ["differs", "already", "ready" if dry else "proposed"]
        assert (told["rows"][0]["code"], told["rows"][0]["field"]) == ("import_differs", "repaid")
        assert told["rows"][0]["detail"] == "it was imported with another repaid, kyc"
    after = await lender.loan(loan_of("TWICE-1"), "committed")
    assert after == before


async def test_imports_at_once_may_propose_a_loan_twice_and_bring_it_in_once(lender: Lender):
    lines = [line(f"ONCE-{number}") for number in range(5)]
    told = await asyncio.gather(*(report(lender, *lines) for _ in range(3)))
    for row in zip(*(each["rows"] for each in told), strict=True):
        assert {each["result"] for each in row} == {"proposed"}
    answers = await sign(lender, *(loan_of(f"ONCE-{number}") for number in range(5)))
    assert answers.count(201) == 5 and set(answers) <= {201, 409}
    async with lender.stage.sql(lender.inventory.kernel.service.name) as sql:
        assert await sql.fetchval("SELECT count(*) FROM loan_entries WHERE kind = 'loan_imported' AND text LIKE 'ONCE-%'") == 5


async def test_what_there_was_no_time_for_comes_in_when_the_file_is_sent_again(lender: Lender, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loan_imports, "PATIENCE_SECONDS", 0.0)
    lines = [line(f"LATE-{number}") for number in range(loan_imports.TOGETHER + 5)]
    first = await report(lender, *lines)
    assert (first["summary"]["proposed"], first["summary"]["ready"]) == (loan_imports.TOGETHER, 5)
    again = await report(lender, *lines)
    assert (again["summary"]["proposed"], again["summary"]["ready"]) == (loan_imports.TOGETHER + 5, 0)


async def test_each_bad_line_is_said_so_and_the_others_come_in(lender: Lender):
    lines = [
        line("BAD-1", repaid="1000.01"),
        line("BAD-2", as_of=str(TODAY + timedelta(days=1))),
        line("BAD-0", as_of="1900-01-01"),
        line("BAD-3", base_pct="1000"),
        line("BAD-4", facility="none"),
        line("BAD-5", currency="USD"),
        line("BAD-6", schedule_calendar="XX"),
        line("BAD-7", commitment="x"),
        line("GOOD-1"),
        line("GOOD-1"),
    ]
    told = await report(lender, *lines)
    assert results(told) == ["refused"] * 8 + ["proposed", "refused"]
    assert [(row["code"], row["field"]) for row in told["rows"] if row["code"]] == [
        ("amount_invalid", "advanced"),
        ("date_in_future", "as_of"),
        ("loan_terms_invalid", "as_of"),
        ("loan_rate_invalid", "base_pct"),
        ("facility_not_found", "facility"),
        ("rate_missing", "currency"),
        ("schedule_invalid", "schedule"),
        ("amount_invalid", "commitment"),
        ("import_reference_repeated", "reference"),
    ]
    assert told["summary"]["refused"] == 9


@pytest.mark.parametrize("dry", [True, False])
async def test_headroom_is_counted_down_over_the_file(lender: Lender, dry: bool):
    crowded = [line(f"CROWD-{number}", project="crowded") for number in range(3)]
    told = await (report(lender, *crowded, dry=True) if dry else brought_in(lender, *crowded))
    assert results(told)[2] == "refused"
    assert (told["rows"][2]["code"], told["rows"][2]["field"]) == ("limit_exceeded", "commitment")
    if not dry:
        for number in range(2):
            await lender.loan(loan_of(f"CROWD-{number}"), "committed")


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"", "text/csv", 422, "import_header_invalid"),
        (b"a,b\r\n1,2\r\n", "text/csv", 422, "import_header_invalid"),
        (b"\xff\xfe", "text/csv", 422, "import_not_text"),
        (b'{"rows": []}', "application/json", 415, "import_not_csv"),
        (b"x" * (IMPORT_LIMIT_BYTES + 1), "text/csv", 413, "body_too_large"),
    ],
)
async def test_what_is_no_import_file_is_refused_as_a_whole(lender: Lender, content: bytes, kind: str, status: int, code: str):
    before = await heads(lender)
    answer = await send(lender, content, **{"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await heads(lender) == before


async def test_a_file_larger_than_other_bodies_is_taken(lender: Lender):
    wide = [line(f"WIDE-{number}", security="s" * 500) for number in range(2_000)]
    content = file_of(*wide)
    assert len(content) > BODY_LIMIT_BYTES
    answer = await send(lender, content, dry=True)
    assert (answer.status_code, answer.json()["summary"]["rows"]) == (200, 2_000)


async def test_an_administrator_imports_and_who_advances_may_only_ask(lender: Lender):
    assert (await send(lender, file_of(line("NO-1")), "operator-1", dry=True)).json()["summary"]["ready"] == 1
    for who in ("operator-1", "borrower-hillgrove", "auditor-1", "approver-1"):
        assert (await send(lender, file_of(line("NO-1")), who)).status_code == 403
    keyless = await lender.clients["operator-1"].post(
        "/v1/loan-imports", content=file_of(line("NO-1")), headers={"Content-Type": "text/csv"}
    )
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_missing")
