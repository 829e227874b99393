"""A partner's own witness beside a deployment: it cosigns the log's checkpoints as they grow, and a killed one forgets nothing."""

import base64
from hashlib import sha256
from pathlib import Path

import msgspec

from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.encoding import decode_base64
from shared.proofs.fork import Consistency
from shared.proofs.policy import open_witnessed, parse_policy
from shared.proofs.signed_note import parse_verifier_key
from shared.proofs.submission import Submission
from tests.e2e.world import UNIT_G, World
from tests.faults.drill import reserve
from tests.stories.witnesses import witness_on


async def test_a_partners_witness_cosigns_what_goes_on_also_after_it_was_killed(world: World, tmp_path: Path) -> None:
    status, pinned = await reserve("witness", "new", str(tmp_path / "witness"), "--name", "witness.example.jp/reserve")
    assert status == 0, pinned
    log = (world.running.folder / "keys" / "ledger.vkey").read_text().strip()
    ed25519, ml_dsa = pinned.split()
    policy = parse_policy(f"log {log}\nwitness a {ed25519}\nwitness b {ml_dsa}\ngroup both all a b\nquorum both\n")
    old = 0
    for _ in range(2):  # each time another process of it
        async with witness_on(tmp_path / "witness", log) as http:
            await world.registered_product()
            note = (await world.auditor.request("GET", "/ledger/v1/checkpoint")).text
            size = open_checkpoint(note, [parse_verifier_key(log)]).head.size
            answer = await http.post("/add-checkpoint", content=str(Submission(old, await proof(world, old, size), note)))
            assert answer.status_code == 200, answer.text
            assert open_witnessed(note + answer.text, policy).checkpoint.head.size == size
            behind = await http.post("/add-checkpoint", content=str(Submission(size - 1, (), note)))
            assert (behind.status_code, behind.text, behind.headers["content-type"]) == (409, f"{size}\n", "text/x.tlog.size")
            kept = await http.get(f"/{sha256(parse_verifier_key(log).name.encode()).hexdigest()}/checkpoint")
            assert open_witnessed(kept.text, policy).checkpoint.head.size == size
            assert (await http.post("/add-checkpoint", content=b"x" * 600_000)).status_code == 413
            old = size


async def test_a_partner_takes_home_a_receipt_that_others_vouch_for(world: World, tmp_path: Path) -> None:
    """With nothing but the log's key and the policy, both pinned: one process, no network."""
    _, _, release = await world.stocked_release("JP", 1)
    drawn = await world.drawn("JP", release, UNIT_G)
    policy, file = world.running.folder / "keys" / "witnesses.policy", tmp_path / "receipt"
    file.write_text(await world.receipt(world.partner("JP"), drawn["place"], grade="witnessed"))
    pinned = ("--data", str(world.running.folder))
    status, said = await reserve("receipt", "verify", str(file), *pinned, "--policy", str(policy))
    assert status == 0, said
    assert "witnessed" in said
    assert "geneva, tokyo" in said
    file.write_text(await world.receipt(world.partner("JP"), drawn["place"]))
    status, said = await reserve("receipt", "verify", str(file), *pinned, "--policy", str(policy))
    assert (status, "grade_not_met" in said) == (1, True), said
    status, said = await reserve("audit", "verify", "--live", *pinned, "--policy", str(policy))
    assert status == 0, said
    assert "the pinned witnesses vouch for the first" in said


async def test_goods_whose_receipt_must_be_witnessed_leave_once_it_is(world: World) -> None:
    product, _, release = await world.stocked_release("JP", 1)
    grade = {"grade": "witnessed", "reason": "of what neighbours watch"}
    signed = await world.countersigned(f"products/{product}/receipt-grade", grade)
    assert (await world.operator.get(f"/inventory/v1/products/{product}", at_least=signed.position))["receipt_grade"] == "witnessed"
    drawn = await world.drawn("JP", release, UNIT_G)
    await world.weighed(drawn["draw"], UNIT_G)
    await world.dispatched(drawn["draw"])
    [event] = [each for each in await world.events("inventory", f"stockpile/{product}") if each["type"] == "inventory.draw_dispatched.v1"]
    gates = msgspec.json.decode(base64.b64decode(event["data_base64"]))["gates"]
    assert [gate["gate"] for gate in gates][:2] == ["ledger_receipt", "witnessed_receipt"]


async def proof(world: World, old: int, size: int) -> tuple[bytes, ...]:
    if old == 0:
        return ()
    answer = await world.auditor.request("GET", f"/ledger/v1/consistency/{old}/{size}")
    return tuple(map(decode_base64, msgspec.json.decode(answer.content, type=Consistency).proof))
