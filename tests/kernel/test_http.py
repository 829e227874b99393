"""What every service's API shares: posting once, reading at a position, pages, ETags, and the journal's own routes."""

import base64
import secrets
from typing import Any

import httpx
import pytest

from services.identity.tokens import Claims, TokenSigner, signing_key
from shared.journal.messages import from_feed
from shared.journal.record import GENESIS, chain_hash
from tests.kernel.counter import TOO_MUCH_FOR_THE_TABLE
from tests.kernel.stage import Running, Stage
from tests.waiting import HANGS_AFTER_S


def name() -> str:
    return secrets.token_hex(6)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def added(counter: Running, amount: int = 1, to: str | None = None, **headers: str) -> httpx.Response:
    answer = await counter.post(f"/v1/counters/{to or name()}/additions", {"amount": amount}, **headers)
    assert answer.status_code == 201, answer.text
    return answer


# Idempotency


async def test_a_retry_gets_the_same_answer_and_nothing_moves(counter: Running) -> None:
    one, key = name(), name()
    answers = [await counter.post("/v1/counters", {"counter": one, "amount": 3}, key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["Reserve-Position"] == answers[1].headers["Reserve-Position"]
    assert (await counter.http.get(f"/v1/counters/{one}")).json()["total"] == 3


async def test_the_order_of_members_and_spaces_do_not_make_another_body(counter: Running) -> None:
    one, key = name(), name()
    await counter.post("/v1/counters", {"counter": one, "amount": 3}, key)
    content = f'{{ "amount":3,\n "counter":"{one}" }}'
    again = await counter.http.post("/v1/counters", content=content, headers={"Idempotency-Key": key, "Content-Type": "application/json"})
    assert again.status_code == 201


async def test_another_body_under_the_same_key_is_refused(counter: Running) -> None:
    one, key = name(), name()
    await counter.post(f"/v1/counters/{one}/additions", {"amount": 3}, key)
    assert code(await counter.post(f"/v1/counters/{one}/additions", {"amount": 4}, key)) == (422, "idempotency_key_reused")


async def test_another_body_is_refused_whichever_shard_it_chooses(counter: Running) -> None:
    key = name()
    await counter.post("/v1/counters", {"counter": name(), "amount": 3}, key)
    answers = [await counter.post("/v1/counters", {"counter": name(), "amount": 3}, key) for _ in range(8)]
    assert {code(answer) for answer in answers} == {(422, "idempotency_key_reused")}


async def test_the_same_key_means_another_command_on_another_path_and_for_another_client(counter: Running, stage: Stage) -> None:
    one, key = name(), name()
    await counter.post(f"/v1/counters/{one}/additions", {"amount": 5}, key)
    await counter.post(f"/v1/counters/{one}/takings", {"amount": 1}, key)
    async with stage.client(str(counter.http.base_url), "operator-2") as other:
        await other.post(f"/v1/counters/{one}/additions", json={"amount": 5}, headers={"Idempotency-Key": key})
    assert (await counter.http.get(f"/v1/counters/{one}")).json()["total"] == 9


async def test_people_who_share_a_client_do_not_share_their_keys(counter: Running, stage: Stage) -> None:
    one, key = name(), name()
    signer = TokenSigner(signing_key(stage.folder / "keys"), issuer=stage.issuer, audience="reserve")
    for person in ("sub_one", "sub_two", "sub_one"):
        token = signer.sign(Claims(subject=person, client_id="console", roles=("operator",)))
        await counter.post(f"/v1/counters/{one}/additions", {"amount": 5}, key, Authorization=f"Bearer {token}")
    assert (await counter.http.get(f"/v1/counters/{one}")).json()["total"] == 10


async def test_a_key_belongs_to_whom_its_caller_spoke_for(counter: Running, stage: Stage) -> None:
    """Its issuer lets a client, or a person, speak for somebody else: what was answered before is not for them."""
    one, signer = name(), TokenSigner(signing_key(stage.folder / "keys"), issuer=stage.issuer, audience="reserve")
    jp, us = {"partner": "JP"}, {"partner": "US"}
    parties: list[dict[str, str]] = [{}, jp, us, {"borrower": "JP"}, {**jp, "nominee": "JP"}]

    async def sent(party: dict[str, str], key: str, amount: int = 5, path: str = "additions") -> httpx.Response:
        token = signer.sign(Claims(subject="sub_of_many", client_id="of-many", roles=("partner",), **party))
        return await counter.post(f"/v1/counters/{one}/{path}", {"amount": amount}, key, Authorization=f"Bearer {token}")

    async def assert_refused_to_others(mine: dict[str, str], key: str, **what: Any) -> None:
        for party in parties:
            if party != mine:
                assert code(await sent(party, key, **what)) == (422, "idempotency_key_reused"), (mine, party)

    for number, mine in enumerate(parties):
        for what in ({}, {"amount": 1_000, "path": "takings"}):  # done, and refused
            first = await sent(mine, f"{number}", **what)
            assert (await sent(mine, f"{number}", **what)).json() == first.json()
            await assert_refused_to_others(mine, f"{number}", **what)
    assert (await counter.http.get(f"/v1/counters/{one}")).json()["total"] == 5 * len(parties)

    bulk = {"items": [{"idempotency_key": "of-a-bulk", "counter": one, "amount": 1}]}
    for atomic in (False, True):
        token = signer.sign(Claims(subject="sub_of_many", client_id="of-many", roles=("partner",), **(us if atomic else jp)))
        answer = await counter.post("/v1/takings/bulk", {**bulk, "atomic": atomic}, Authorization=f"Bearer {token}")
    assert (*code(answer), answer.json()["field"]) == (422, "idempotency_key_reused", "/items/0/idempotency_key")


async def test_a_key_of_a_build_before_finds_its_answer(counter: Running, stage: Stage) -> None:
    """Which kept what was sent, and not for whom."""
    one, key, signer = name(), name(), TokenSigner(signing_key(stage.folder / "keys"), issuer=stage.issuer, audience="reserve")
    token = signer.sign(Claims(subject="sub_of_jp", client_id="partner", roles=("partner",), partner="JP"))
    bearer = {"Authorization": f"Bearer {token}"}
    first = await counter.post("/v1/counters", {"counter": one, "amount": 3}, key, **bearer)
    async with stage.sql(counter.kernel.service.name) as sql:
        kept = await sql.fetchval(
            "UPDATE outcomes SET fingerprint = substr(fingerprint, 1, 32) WHERE stream = $1 RETURNING fingerprint", f"counter/{one}"
        )
    assert len(kept) == 32
    assert (await counter.post("/v1/counters", {"counter": one, "amount": 3}, key, **bearer)).json() == first.json()
    assert code(await counter.post("/v1/counters", {"counter": one, "amount": 4}, key, **bearer)) == (422, "idempotency_key_reused")


async def test_a_missing_or_malformed_key_is_told(counter: Running) -> None:
    path = f"/v1/counters/{name()}/additions"
    assert code(await counter.http.post(path, json={"amount": 1})) == (400, "idempotency_key_missing")
    for key in (b"", b"a b", "é".encode(), b"x" * 256):
        answer = await counter.http.post(path, json={"amount": 1}, headers={b"Idempotency-Key": key})
        assert code(answer) == (400, "idempotency_key_malformed"), key


async def test_a_refusal_names_its_code_the_field_and_what_would_be_accepted(counter: Running) -> None:
    one, key = name(), name()
    await added(counter, 5, to=one)
    refused = await counter.post(f"/v1/counters/{one}/takings", {"amount": 6}, key)
    assert code(refused) == (409, "counter_too_little")
    assert (refused.json()["field"], refused.json()["accepted"]) == ("/amount", "at most 5")
    await added(counter, 5, to=one)
    assert (await counter.post(f"/v1/counters/{one}/takings", {"amount": 6}, key)).json() == refused.json()


@pytest.mark.parametrize("body", [{"amount": 5.0}, {"amount": True}, {"amount": "5"}, {"amount": 2**53}, {"amount": 1, "more": 1}, {}, []])
async def test_a_malformed_body_changes_nothing_and_does_not_use_the_key_up(counter: Running, body: Any) -> None:
    one, key = name(), name()
    assert (await counter.post(f"/v1/counters/{one}/additions", body, key)).status_code == 422
    assert (await counter.post(f"/v1/counters/{one}/additions", {"amount": 1}, key)).status_code == 201


async def test_a_bug_or_data_that_the_database_refuses_is_a_500_with_an_id_to_quote(counter: Running) -> None:
    one = name()
    for answer in (
        await counter.post(f"/v1/counters/{one}/break", None, **{"X-Request-Id": "quote-me-please"}),
        await counter.post(f"/v1/counters/{one}/additions", {"amount": TOO_MUCH_FOR_THE_TABLE}, **{"X-Request-Id": "quote-me-please"}),
    ):
        assert code(answer) == (500, "internal_error")
        assert "quote-me-please" in answer.json()["detail"]


# Versions and positions


async def test_if_match_guards_against_what_happened_meanwhile(counter: Running) -> None:
    one = name()
    first = await added(counter, to=one)
    await added(counter, to=one, **{"If-Match": first.headers["ETag"]})
    stale = await counter.post(f"/v1/counters/{one}/additions", {"amount": 1}, **{"If-Match": first.headers["ETag"]})
    assert code(stale) == (412, "precondition_failed")
    assert stale.json()["accepted"] == '"2"' == (await counter.http.get(f"/v1/counters/{one}")).headers["ETag"]
    malformed = await counter.post(f"/v1/counters/{one}/additions", {"amount": 1}, **{"If-Match": "2"})
    assert code(malformed) == (400, "if_match_malformed")


async def test_who_speaks_for_a_partner_hears_no_version_of_what_others_change_too(counter: Running, stage: Stage) -> None:
    one, signer = name(), TokenSigner(signing_key(stage.folder / "keys"), issuer=stage.issuer, audience="reserve")
    token = signer.sign(Claims(subject="sub_of_jp", client_id="partner", roles=("partner",), partner="JP"))
    bearer = {"Authorization": f"Bearer {token}"}
    assert "ETag" in (await added(counter, to=one)).headers
    assert "ETag" not in (await added(counter, to=one, **bearer)).headers
    assert "ETag" not in (await counter.http.get(f"/v1/counters/{one}", headers=bearer)).headers
    told = []
    for tag in ('"1"', '"2"', '"3"'):  # of the past, of now, of the future
        answer = await counter.post(f"/v1/counters/{one}/additions", {"amount": 1}, **bearer, **{"If-Match": tag})
        assert code(answer) == (400, "if_match_not_taken")
        told.append(answer.json())
    assert told[0] == told[1] == told[2]
    assert (await counter.http.get(f"/v1/counters/{one}")).headers["ETag"] == '"2"'


async def test_a_retry_with_if_match_gets_its_first_answer(counter: Running) -> None:
    one, key = name(), name()
    first = await added(counter, to=one)
    answers = [
        await counter.post(f"/v1/counters/{one}/additions", {"amount": 1}, key, **{"If-Match": first.headers["ETag"]}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"] == '"2"'


async def test_at_least_knows_own_positions_and_refuses_unknown_ones(counter: Running) -> None:
    one = name()
    position = (await added(counter, to=one)).headers["Reserve-Position"]
    source, shard, number = position.split("/")
    read = await counter.http.get(f"/v1/counters/{one}", params={"at_least": position})
    assert read.json()["total"] == 1
    for unknown in (f"{source}/{shard}/{int(number) + 1000}", f"{source}/99/1", "nobody/0/1"):
        assert code(await counter.http.get(f"/v1/counters/{one}", params={"at_least": unknown})) == (400, "position_unknown")
    assert (await counter.http.get(f"/v1/counters/{one}", params={"at_least": "x"})).status_code == 422


async def test_a_state_is_that_of_now(counter: Running) -> None:
    one = name()
    await added(counter, 4, to=one)
    assert (await counter.http.get(f"/v1/counters/{one}/state")).json() == {"total": 4, "version": 1}


# Lists


async def test_a_walk_by_cursor_sees_each_entry_once_and_ends(counter: Running, stage: Stage) -> None:
    for _ in range(12):
        await added(counter)
    seen: list[str] = []
    url = "/v1/entries?limit=5"
    while True:
        answer = await counter.http.get(url)
        content = answer.json()
        seen += [entry["place"] for entry in content["data"]]
        if content["next"] is None:
            assert "Link" not in answer.headers
            break
        link = answer.links["next"]["url"]
        assert httpx.URL(link).params["cursor"] == content["next"]
        url = str(answer.url.join(link))
    async with stage.sql(counter.kernel.service.name) as sql:
        everything = [row["place"] for row in await sql.fetch("SELECT place FROM entries ORDER BY place")]
    assert seen == everything and len(seen) >= 12


async def test_a_walk_sees_only_what_was_asked_for(counter: Running, stage: Stage) -> None:
    for amount in (7, 1, 7, 7):
        await added(counter, amount)
    first = (await counter.http.get("/v1/entries", params={"amount": 7, "limit": 2})).json()
    rest = (await counter.http.get("/v1/entries", params={"amount": 7, "cursor": first["next"]})).json()
    async with stage.sql(counter.kernel.service.name) as sql:
        sevens = [row["place"] for row in await sql.fetch("SELECT place FROM entries WHERE amount = 7 ORDER BY place")]
    seen = [entry["place"] for entry in first["data"] + rest["data"]]
    assert seen == sevens and len(first["data"]) == 2 and rest["next"] is None


@pytest.mark.parametrize("content", ["nonsense", "12", "[]", "{}", "null", r'"\0"', r'"\u0000"', r'"\ud800"'])
async def test_a_cursor_that_no_page_gave_is_told(counter: Running, content: str) -> None:
    cursor = base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")
    assert code(await counter.http.get("/v1/entries", params={"cursor": cursor})) == (400, "cursor_malformed")


async def test_a_cursor_that_is_not_base64_is_told(counter: Running) -> None:
    for cursor in ("x", "$", "é", ""):
        assert code(await counter.http.get("/v1/entries", params={"cursor": cursor})) == (400, "cursor_malformed")


async def test_a_page_has_its_limits(counter: Running) -> None:
    for limit in ("0", "201", "x"):
        assert (await counter.http.get("/v1/entries", params={"limit": limit})).status_code == 422


# The journal over HTTP


async def test_the_feed_is_the_chain(counter: Running, stage: Stage) -> None:
    for _ in range(10):
        await added(counter)
    async with stage.client(str(counter.http.base_url), "auditor-1") as auditor:
        heads = (await auditor.get("/v1/journal/heads")).json()
        for shard, head in heads.items():
            after, chain = 0, GENESIS
            while True:
                answer = await auditor.get("/v1/journal", params={"shard": shard, "after": after, "limit": 2})
                for headed in from_feed(answer.content):
                    assert headed.previous == chain
                    assert headed.record.position == after + 1
                    after, chain = headed.record.position, chain_hash(chain, headed.record.event_hash)
                if answer.json()["next"] is None:
                    break
            assert (after, chain.hex()) == (head["position"], head["chain_hash"])
            at_head = (await auditor.get(f"/v1/journal/heads/{shard}", params={"at": after})).json()
            assert at_head == {"position": after, "chain_hash_at": chain.hex()}
            beyond = (await auditor.get(f"/v1/journal/heads/{shard}", params={"at": after + 1})).json()
            assert beyond == {"position": after, "chain_hash_at": None}
        assert code(await auditor.get("/v1/journal/heads/9")) == (404, "shard_not_found")
        assert code(await auditor.get("/v1/journal", params={"shard": 9})) == (404, "shard_not_found")


async def test_the_journal_is_for_auditors_and_services_alone(counter: Running) -> None:
    for path in ("/v1/journal?shard=0", "/v1/journal/heads", "/v1/journal/heads/0", f"/v1/documents/{'0' * 64}"):
        assert code(await counter.http.get(path)) == (403, "forbidden")
    async with httpx.AsyncClient(base_url=counter.http.base_url, timeout=HANGS_AFTER_S) as nobody:
        assert code(await nobody.get("/v1/journal?shard=0")) == (401, "token_missing")


async def test_a_document_is_served_by_its_hash(counter: Running, stage: Stage) -> None:
    answer = await counter.post(f"/v1/counters/{name()}/notes", {"text": "gallium melts at 29.76 C"})
    async with stage.client(str(counter.http.base_url), "auditor-1") as auditor:
        served = await auditor.get(f"/v1/documents/{answer.json()['document']}")
        assert (served.text, served.headers["content-type"].split(";")[0]) == ("gallium melts at 29.76 C", "text/plain")
        assert code(await auditor.get(f"/v1/documents/{'0' * 64}")) == (404, "document_not_found")


async def test_a_request_is_traced_by_its_traceparent_or_its_request_id(counter: Running, stage: Stage) -> None:
    trace, identifier = secrets.token_hex(16), secrets.token_hex(16)
    traced = await added(counter, traceparent=f"00-{trace}-{'1' * 16}-01")
    named = await added(counter, **{"X-Request-Id": identifier})
    service = counter.kernel.service
    recorded = {f"{service.name}/{record.shard}/{record.position}": record for record in await stage.records(service)}
    assert recorded[traced.headers["Reserve-Position"]].correlation_id == trace
    assert recorded[named.headers["Reserve-Position"]].correlation_id == identifier
    assert recorded[named.headers["Reserve-Position"]].causation_id == f"request:{identifier}"


async def test_health_and_metrics_answer_without_a_token(counter: Running) -> None:
    await added(counter)
    async with httpx.AsyncClient(base_url=counter.http.base_url, timeout=HANGS_AFTER_S) as nobody:
        assert (await nobody.get("/livez")).json() == {"status": "live"}
        assert (await nobody.get("/readyz")).json() == {"status": "ready", "reasons": []}
        metrics = (await nobody.get("/metrics")).text
    assert f'reserve_events_total{{service="{counter.kernel.service.name}"}}' in metrics
