"""The ledger's checkpoints before witnesses: enough of them vouch for it, one that is away delays nothing, and one that holds another
history stops it."""

from collections.abc import Iterator
from pathlib import Path
from time import time

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from services.ledger.keys import open_key
from services.ledger.publishing import publisher
from services.ledger.receipt import Fault, ReceiptInvalid, verify_receipt
from shared.process.service import Kernel
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint, sign_checkpoint
from shared.proofs.encoding import encode_base64
from shared.proofs.fork import Consistency
from shared.proofs.policy import PolicyMalformed, PolicyWitness, cosigned_by, open_witnessed, pinned_policy
from shared.proofs.signed_note import parse_note
from shared.proofs.submission import Submission, origin_hash
from shared.writer.commands import Refusal
from tests.contract.ledger_stage import LedgerStage, parts_of, receipts_of
from tests.stories.stockpile import lot
from tests.stories.witnesses import NAMES, Witnesses
from tests.waiting import until


@pytest.fixture
def witnesses(stage: LedgerStage, tmp_path: Path) -> Iterator[Witnesses]:
    """Named in the deployment's policy."""
    witnesses = Witnesses(tmp_path)
    file = witnesses.name_in(stage.folder)
    yield witnesses
    file.unlink()


async def witnessed(http: httpx.AsyncClient, place: str) -> str:
    async def receipt() -> str:
        answer = await http.get(f"/v1/receipts/{place}", params={"grade": "witnessed", "wait": 10})
        assert answer.status_code == 200 or "receipt_not_ready" in answer.text, answer.text
        return answer.text if answer.status_code == 200 else ""

    return await until(receipt)


async def test_two_of_three_vouch_for_a_receipt_and_the_dead_third_delays_nothing(stage: LedgerStage, witnesses: Witnesses):
    async with witnesses.serving(stage.key, "tokyo", "geneva"), stage.ledger() as kernel, stage.client("auditor-1") as auditor:
        [place] = await stage.happen(lot("lot_witnessed", 1))
        text = await witnessed(auditor, place)
        receipt = verify_receipt(text, [stage.key], witnesses.policy)
        assert receipt.opening.place == place
        assert receipt.witnessed is not None
        assert set(receipt.witnessed.cosignatures) == {"tokyo", "geneva"}
        assert abs(receipt.witnessed.at - time()) < 3600
        last = await auditor.get("/v1/checkpoint", params={"grade": "witnessed"})
        assert open_witnessed(last.text, replace(witnesses.policy, logs=(stage.key,))).checkpoint.head.size >= receipt.head.size
        assert any(line.key_id == publisher.open_publishing_key(stage.folder).key.key_id for line in parse_note(last.text).signatures)
        [signed] = await receipts_of(auditor, [place])
        with pytest.raises(ReceiptInvalid) as refused:
            verify_receipt(signed, [stage.key], witnesses.policy)
        assert refused.value.code is Fault.GRADE_NOT_MET
        assert kernel.writer.refusing is None
        for number in range(30):
            [place] = await stage.happen(lot(f"lot_of_many_{number}", 1))
        await witnessed(auditor, place)
        times = await published_at(stage, kernel)
        assert len(times) > 1 and times == sorted(set(times)), "at most one a second"
    async with witnesses.serving(stage.key, *NAMES), stage.ledger(), stage.client("auditor-1") as auditor:
        # Another process, which does not know where the witnesses are, finds them from what they say.
        [later] = await stage.happen(lot("lot_witnessed_later", 1))
        assert verify_receipt(await witnessed(auditor, later), [stage.key], witnesses.policy).opening.place == later
        assert await witnessed(auditor, receipt.opening.place) == text


async def test_gates_go_on_while_too_few_witnesses_answer(stage: LedgerStage, witnesses: Witnesses):
    async with witnesses.serving(stage.key, "tokyo"), stage.ledger(), stage.client("auditor-1") as auditor:
        [place] = await stage.happen(lot("lot_unwitnessed", 1))
        await receipts_of(auditor, [place])
        answer = await auditor.get(f"/v1/receipts/{place}", params={"grade": "witnessed", "wait": 1})
        assert (answer.status_code, answer.json()["code"]) == (404, "receipt_not_ready")
        async with witnesses.serving(stage.key, "washington"):
            assert verify_receipt(await witnessed(auditor, place), [stage.key], witnesses.policy)


async def test_a_log_that_does_not_grow_is_published_again_after_a_while(
    stage: LedgerStage, witnesses: Witnesses, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publisher, "HEARTBEAT_S", 1.0)
    async with witnesses.serving(stage.key, *NAMES), stage.ledger() as kernel, stage.client("auditor-1") as auditor:
        await witnessed(auditor, (await stage.happen(lot("lot_heartbeat", 1)))[0])

        async def twice() -> bool:
            found = await kernel.pool.fetch("SELECT size FROM witnessed ORDER BY position DESC LIMIT 2")
            return len(found) == 2 and found[0] == found[1]

        await until(twice)


async def test_a_witness_that_was_away_cosigns_a_later_checkpoint_which_covers_what_it_has_missed(
    stage: LedgerStage, witnesses: Witnesses, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is added to what was recorded without it: the receipt stays what it was."""
    monkeypatch.setattr(publisher, "HEARTBEAT_S", 1.0)
    async with witnesses.serving(stage.key, "tokyo", "geneva"), stage.ledger(), stage.client("auditor-1") as auditor:
        [place] = await stage.happen(lot("lot_while_one_is_away", 1))
        missed = verify_receipt(text := await witnessed(auditor, place), [stage.key], witnesses.policy)
        async with witnesses.serving(stage.key, "washington") as http:

            async def shows_it() -> bool:
                answer = await http["washington"].get(f"/{origin_hash(stage.key.name)}/checkpoint")
                if answer.status_code != 200:
                    return False
                head = open_checkpoint(answer.text, [stage.key]).head
                answer = await auditor.get(f"/v1/consistency/{missed.head.size}/{head.size}")
                shown = msgspec.json.decode(answer.content, type=Consistency)
                assert shown.holds(head) and shown.old_root == encode_base64(missed.head.root)
                return True

            await until(shows_it)
        assert await witnessed(auditor, place) == text


async def test_a_witness_that_holds_another_history_stops_the_log(stage: LedgerStage, witnesses: Witnesses):
    """Somebody has signed with the log's key, and shown that to one witness only."""
    _, signer = open_key(stage.folder)
    fork = sign_checkpoint(Checkpoint(stage.key.name, TreeHead(1_000_000, bytes(32))), signer)
    async with witnesses.serving(stage.key, "tokyo", "geneva"), stage.ledger(), stage.client("auditor-1") as auditor:
        await witnessed(auditor, (await stage.happen(lot("lot_before_the_fork", 1)))[0])
    async with witnesses.serving(stage.key, "washington") as http:
        answer = await http["washington"].post("/add-checkpoint", content=str(Submission(0, (), fork)))
        assert answer.status_code == 200, answer.text
        async with stage.ledger(signing=False) as kernel:
            [place] = await stage.happen(lot("lot_after_the_fork", 1))
            await kernel.reached(*parts_of(place))
            signed = await last_size(kernel)
        async with stage.ledger() as kernel, stage.client("auditor-1") as auditor:
            await until(lambda: Refusal.LOG_FORKED in kernel.writer.refusals)
            assert "washington" in (kernel.writer.refusing or "")
            assert await last_size(kernel) == signed  # they were asked before it signed what was waiting
            # Nor is a source that starts told that it lacks nothing: all may have been restored to the past together, the tiles too.
            told = await auditor.get("/v1/sources", params={"whole": True})
            assert (told.status_code, told.json()["code"], "washington" in told.text) == (503, "record_incomplete", True)


async def test_a_witness_that_shows_it_later_stops_the_log_then(stage: LedgerStage, witnesses: Witnesses):
    _, signer = open_key(stage.folder)
    fork = sign_checkpoint(Checkpoint(stage.key.name, TreeHead(1_000_000, bytes(32))), signer)
    async with witnesses.serving(stage.key, "washington") as http:
        answer = await http["washington"].post("/add-checkpoint", content=str(Submission(0, (), fork)))
        assert answer.status_code == 200, answer.text
    async with stage.ledger() as kernel, stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_while_all_are_away", 1)))
        assert kernel.writer.refusing is None
        told = await auditor.get("/v1/sources", params={"whole": True})
        assert told.status_code == 200, "a witness that is away keeps nobody from starting"
        async with witnesses.serving(stage.key, "washington"):
            await stage.happen(lot("lot_that_is_published", 1))
            await until(lambda: Refusal.LOG_FORKED in kernel.writer.refusals)


async def test_a_log_without_witnesses_says_that_it_has_none(stage: LedgerStage):
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        [place] = await stage.happen(lot("lot_of_a_log_without_witnesses", 1))
        answer = await auditor.get(f"/v1/receipts/{place}", params={"grade": "witnessed"})
        assert (answer.status_code, answer.json()["code"], answer.json()["accepted"]) == (409, "grade_not_given", "signed")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("quorum partners", "quorum none"), "its quorum is none"),
        (lambda text: text.replace("quorum partners", ""), "one line that says the quorum"),
        (lambda text: text.replace(" http://", " http:// http://"), "line 1"),
        (
            lambda text: "".join(line.partition(" http:")[0] + "\n" for line in text.splitlines()),
            "washington without the URL",
        ),
        (lambda text: text.replace(" http://127", " http://[127", 1), "tokyo without the URL"),
        (lambda text: text.replace(" http://127", " ftp://127", 1), "tokyo without the URL"),
    ],
)
def test_a_policy_that_says_nothing_is_refused_at_start(stage: LedgerStage, witnesses: Witnesses, change, says: str):
    file = stage.folder / "keys" / "witnesses.policy"
    file.write_text(change(witnesses.text))
    with pytest.raises(PolicyMalformed, match=says):
        pinned_policy(stage.folder)
    file.write_text(witnesses.text)


async def published_at(stage: LedgerStage, kernel: Kernel) -> list[int]:
    """Seconds, by the log's second key, of all that enough witnesses have cosigned."""
    key = publisher.open_publishing_key(stage.folder).key
    member = PolicyWitness("log", key)
    times = []
    for row in await kernel.pool.fetch("SELECT note FROM witnessed ORDER BY position"):
        [(_, said)] = cosigned_by([member], open_checkpoint(row["note"], [stage.key]), parse_note(row["note"]).signatures).values()
        times.append(said.time)
    return times


async def last_size(kernel: Kernel) -> int:
    return int(await kernel.pool.fetchval("SELECT max(size) FROM checkpoints"))


async def test_without_a_policy_the_second_key_is_not_asked_for(stage: LedgerStage, tmp_path: Path):
    """Whoever publishes nothing needs none, nor a client for witnesses."""
    key = stage.folder / "keys" / "ledger-ml-dsa-44.pem"
    key.rename(kept := tmp_path / key.name)
    try:
        async with stage.ledger(), stage.client("auditor-1") as auditor:
            assert await receipts_of(auditor, await stage.happen(lot("lot_unpublished", 1)))
    finally:
        kept.rename(key)
