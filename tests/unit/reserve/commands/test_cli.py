"""The `reserve` command where it needs no server: what it prints, and how it says no."""

import json
import os
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import Claimant, DecisionTerms, Opened, canonical_document
from services.allocation.domain.decisions.holdings import Holdings, Units
from services.allocation.domain.decisions.sealed import decision_hash
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events.policies import PolicyDocument
from services.ledger.keys import seed_key
from services.ledger.receipt import Opening, make_receipt
from services.ledger.signers import FileSigner
from shared.journal.record import event_hash
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.merkle import hash_leaf, root_of
from shared.proofs.signed_note import parse_verifier_key
from shared.terms.approval import key_id, read_private_key, verify_approval
from tests.stories.composed import partner_view
from tests.stories.endorsing import read_approval
from tests.stories.log import LOG_KEY, ORIGIN
from tests.stories.powers import INSTRUMENT
from tests.waiting import HANGS_AFTER_S

DECISION = compose(
    DecisionTerms(
        round="rnd_1",
        product="antimony-metal",
        rule="pro_rata",
        policy="standing",
        policy_version=1,
        disruption=None,
        offered=(Units(unit_g=1, units=100),),
    ),
    Opened(salt="00" * 16, content=Holdings(available_g=100, protected_g=0)),
    [
        Opened(
            salt=f"{number:032x}",
            content=Claimant(request=f"req_{number}", partner=partner, agreement=None, agreement_version=None, asked_g=80, accepted_g=80),
        )
        for number, partner in enumerate(["JP", "US"])
    ],
)
EVENT = b'{"data":{},"position":7,"shard":0,"type":"inventory.stock_drawn.v1"}'


def reserve(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# --- allocate


def test_the_calculator_prints_awards_and_what_is_left_in_grams() -> None:
    result = reserve("allocate", "--rule", "pro_rata", "--supply", 100, "--claims", "a=50,b=100", "--json")
    assert (result.stdout, result.exit_code) == ('{"awards": {"a": 33, "b": 67}, "left": 0}\n', 0)


def test_the_calculator_awards_whole_units_and_tells_what_makes_up_none() -> None:
    result = reserve("allocate", "--rule", "pro_rata", "--supply", 103, "--claims", "a=50,b=100", "--unit", 5, "--json")
    assert json.loads(result.stdout) == {"awards": {"a": 35, "b": 65}, "left": 3}


def test_the_calculator_shows_a_table_to_people() -> None:
    shown = reserve("allocate", "--rule", "pro_rata", "--supply", 100, "--claims", "jp=50,us=100").stdout
    assert "jp" in shown
    assert "66.0%" in shown


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rule": "lottery"}, "rule"),
        ({"supply": "1.5"}, "supply"),
        ({"supply": "nan"}, "supply"),
        ({"supply": "1" + "0" * 19}, "supply"),
        ({"supply": "9" * 5000}, "supply"),
        ({"unit": "0"}, "unit"),
        ({"claims": "a=50,b"}, "claims"),
        ({"claims": "a=50,a=60"}, "claims"),
        ({"claims": "a=-1"}, "claims.a"),
        ({"claims": "a=x"}, "claims.a"),
        ({"claims": ""}, "claims"),
        ({"supply": "5x10,5x2"}, "supply"),
        ({"supply": "5x10,0x2"}, "supply"),
        ({"supply": "5x10,x"}, "supply"),
        ({"caps": "z=5"}, "caps"),
        ({"caps": "a=-5"}, "claims.a.cap"),
        ({"caps": "a=10", "minimums": "a=20"}, "caps.a"),
        ({"minimums": "a=-1"}, "claims.a.minimum"),
        ({"carries": "a=2"}, "carries.a"),
        ({"carries": "a=-3/2"}, "carries.a"),
        ({"carries": "a=0.5"}, "carries.a"),
        ({"rule": "priority", "classes": "a=-1,b=0"}, "claims.a.priority_class"),
        ({"rule": "priority", "classes": "a=1"}, "classes"),  # b would be first
        ({"classes": "a=1"}, "classes"),  # no rule but priority would look at it
        ({"supply": "5x10", "unit": "5"}, "unit"),
        ({"inside": "talmud"}, "inside"),
        ({"rule": "priority", "inside": "lottery"}, "inside."),
        ({"rule": "priority", "inside": "0=priority"}, "inside.0"),
        ({"rule": "priority", "inside": "x=talmud"}, "inside"),
        ({"rule": "iep"}, "restraint"),
        ({"rule": "iep", "restraint": "93/100"}, "positions.a"),
        ({"rule": "iep", "restraint": "2"}, "restraint"),
        ({"rule": "iep", "restraint": "93/100", "positions": "a=1:2:3"}, "positions.a"),
        ({"restraint": "93/100"}, "restraint"),
        ({"rule": "iep", "restraint": "9/10", "positions": "a=100:9:0:0,b=100:9:0:100"}, "restraint"),
    ],
)
def test_the_calculator_names_the_field_at_fault_in_one_line(change: dict[str, str], field: str) -> None:
    given = {"rule": "pro_rata", "supply": "100", "claims": "a=50,b=100", "unit": "1"} | change
    result = reserve("allocate", *(part for name, value in given.items() for part in (f"--{name}", value)), "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"reserve: {field}: ")
    assert result.stderr.count("\n") == 1


def test_the_calculator_shares_units_of_several_sizes_by_classes_with_caps_minimums_and_carries() -> None:
    result = reserve(
        *("allocate", "--rule", "priority", "--inside", "0=equal_awards", "--classes", "a=0,b=0,c=1", "--supply", "50x3,1x77"),
        *("--claims", "a=100,b=200,c=300", "--caps", "b=110", "--minimums", "c=10", "--carries", "a=7/3", "--json"),
    )
    assert json.loads(result.stdout) == {"awards": {"a": 100, "b": 110, "c": 17}, "left": 0}


def test_the_calculator_explains_each_step_in_words_and_numbers() -> None:
    shown = reserve("allocate", "--rule", "pro_rata", "--supply", 4, "--claims", "a=5,b=3,c=9", "--minimums", "c=3", "--explain").stdout
    for line in (
        "in units of 1 g: each is entitled to 4/17 of its claim, none beyond its cap",
        "  c, entitled to 36/17 g, does not reach its minimum of 3 g, and leaves",
        "  units: a 3 (tied, number 1 of which 1 got one more), b 1 (tied, number 2 of which 1 got one more)",
        "a: claim 5 g, entitled to 5/2 g, carry 0 g, award 3 g, carry now -1/2 g",
        "0 g are left",
    ):
        assert line in shown


def test_the_calculator_shows_rights_and_obligations_of_a_group_in_a_shortage() -> None:
    asked = ("--claims", "a=100,b=200", "--positions", "a=600:200:0:300,b=300:100:150:100,c=100:0:170:0", "--restraint", "93/100")
    found = json.loads(reserve("allocate", "--rule", "iep", "--supply", 90, *asked, "--explain", "--json").stdout)
    assert found["awards"] == {"a": 90, "b": 0}
    assert {"  a has a right to 118 g", "  b has an obligation of 41 g", "  c has an obligation of 77 g"} <= set(found["working"])


# --- approver-key and approve


def approve(file: Path, key: Path, approver: str, *more: object) -> Result:
    named = ("--approver", approver, "--log-key", str(LOG_KEY), "--authority", INSTRUMENT)
    return reserve("approve", file, "--key", key, *named, *more)


def test_a_new_approver_key_is_private_and_its_public_half_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "approver.pem"
    lines = dict(line.split() for line in reserve("approver-key", "new", file).stdout.splitlines())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_private_key(file.read_bytes()).public_key().public_bytes_raw().hex() == lines["public_key"]
    assert key_id(lines["public_key"]) == lines["key_id"] == lines["fingerprint"][:16]


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "approver.pem"
    file.write_text("mine")
    assert reserve("approver-key", "new", file).exit_code == 2
    assert file.read_text() == "mine"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "approver.pem"
    reserve("approver-key", "new", file)
    return file


@pytest.fixture
def decision(tmp_path: Path) -> Path:
    file = tmp_path / "decision.json"
    file.write_bytes(canonical_document(DECISION))
    return file


def test_an_approval_is_the_keys_signature_over_the_decisions_hash(tmp_path: Path, key: Path, decision: Path) -> None:
    assert approve(decision, key, "sub_1", "--out", tmp_path / "approval.json").exit_code == 0
    approval = read_approval((tmp_path / "approval.json").read_bytes())
    assert (approval.document, approval.approver, approval.purpose) == (decision_hash(DECISION), "sub_1", "decision")
    assert (approval.origin, approval.authority) == (ORIGIN, INSTRUMENT)
    assert verify_approval(approval, read_private_key(key.read_bytes()).public_key().public_bytes_raw().hex())


def test_a_decision_is_ratified_by_the_command_too_and_another_document_is_not(tmp_path: Path, key: Path, decision: Path) -> None:
    signed = approve(decision, key, "sub_2", "--purpose", "ratification")
    approval = read_approval(signed.stdout.encode())
    assert (approval.document, approval.purpose) == (decision_hash(DECISION), "ratification")
    assert "ratification" in signed.stderr.splitlines()[0]
    policy = tmp_path / "policy.json"
    policy.write_bytes(canonical_document(PolicyDocument(policy="standing", version=1, active_from=date(2026, 1, 6), terms=STANDARD_TERMS)))
    assert approve(policy, key, "sub_2", "--purpose", "ratification").exit_code == 2


def test_an_approver_of_a_policy_is_shown_every_limit_of_its_clocks(tmp_path: Path, key: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_bytes(canonical_document(PolicyDocument(policy="standing", version=1, active_from=date(2026, 1, 6), terms=STANDARD_TERMS)))
    shown = approve(policy, key, "sub_1").stderr
    assert "standard: screened in 5 days, decided 15, secured 20, cleared 25, dispatched 27, delivered 30" in shown


def test_without_out_the_approval_is_printed(key: Path, decision: Path) -> None:
    assert read_approval(approve(decision, key, "sub_1").stdout.encode()).approver == "sub_1"


def test_a_decision_that_does_not_recompute_is_not_signed(tmp_path: Path, key: Path) -> None:
    first, *others = DECISION.lines
    raised = msgspec.structs.replace(first, content=msgspec.structs.replace(first.content, award_g=80))
    file = tmp_path / "altered.json"
    file.write_bytes(canonical_document(msgspec.structs.replace(DECISION, lines=(raised, *others))))
    result = approve(file, key, "sub_1", "--out", tmp_path / "approval.json")
    assert result.exit_code == 1
    assert "lines/0/content/award_g: it says 80, worked out 50" in result.stderr
    assert not (tmp_path / "approval.json").exists()


def test_a_partners_view_is_not_enough_to_sign(tmp_path: Path, key: Path) -> None:
    file = tmp_path / "view.json"
    file.write_bytes(canonical_document(partner_view(DECISION, "JP")))
    result = approve(file, key, "sub_1")
    assert (result.exit_code, "no document that is approved" in result.stderr) == (2, True)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff"])
def test_what_is_no_decision_is_refused_in_one_line(tmp_path: Path, key: Path, content: bytes) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    result = approve(file, key, "sub_1")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_a_key_that_others_can_read_is_refused(key: Path, decision: Path) -> None:
    key.chmod(0o644)
    result = approve(decision, key, "sub_1")
    assert result.exit_code == 2
    assert "chmod 600" in result.stderr


def test_an_approver_names_the_instrument_and_the_log_by_its_pinned_key(tmp_path: Path, key: Path, decision: Path) -> None:
    without = reserve("approve", decision, "--key", key, "--approver", "sub_1", "--log-key", str(LOG_KEY))
    assert (without.exit_code, without.stdout, "--authority" in without.stderr) == (2, "", True)
    unpinned = reserve("approve", decision, "--key", key, "--approver", "sub_1", "--authority", INSTRUMENT, "--data", tmp_path)
    assert (unpinned.exit_code, unpinned.stdout, "ledger.vkey" in unpinned.stderr) == (2, "", True)
    shown = approve(decision, key, "sub_1").stderr
    assert ORIGIN in shown
    assert INSTRUMENT in shown


def test_an_approver_that_cannot_stand_in_a_statement_is_refused(key: Path, decision: Path) -> None:
    assert "--approver" in approve(decision, key, "two\nlines").stderr


# --- receipt verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    seed_key(tmp_path)
    return tmp_path


def receipt_in(folder: Path) -> str:
    opening = Opening("inventory/0/7", b"s" * 16, event_hash(b"s" * 16, EVENT), EVENT)
    other = hash_leaf(b"another leaf")
    root = root_of([other, hash_leaf(opening.leaf)])
    key = parse_verifier_key((folder / "keys" / "ledger.vkey").read_text().strip())
    note = sign_checkpoint(Checkpoint(key.name, TreeHead(2, root)), FileSigner(folder / "keys" / "ledger.pem"))
    return make_receipt(opening, 1, [other], note)


def test_a_receipt_says_what_it_proves(folder: Path) -> None:
    file = folder / "receipt.txt"
    file.write_text(receipt_in(folder))
    result = reserve("receipt", "verify", file, "--data", folder)
    said = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert result.exit_code == 0
    assert (said["place"], said["type"], said["position"], said["log_size"], said["grade"]) == (
        "inventory/0/7",
        "inventory.stock_drawn.v1",
        "1",
        "2",
        "signed",
    )


def test_a_receipt_is_verified_with_a_key_given_by_hand(folder: Path) -> None:
    file = folder / "receipt.txt"
    file.write_text(receipt_in(folder))
    assert reserve("receipt", "verify", file, "--key", (folder / "keys" / "ledger.vkey").read_text()).exit_code == 0


def test_a_receipt_of_another_log_fails_at_the_signature(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = folder / "receipt.txt"
    file.write_text(receipt_in(folder))
    result = reserve("receipt", "verify", file, "--key", seed_key(tmp_path_factory.mktemp("other")))
    assert result.exit_code == 1
    assert "check signature failed" in result.stderr


def test_a_receipt_with_a_changed_character_names_the_check_that_failed(folder: Path) -> None:
    file = folder / "receipt.txt"
    file.write_text(receipt_in(folder).replace("index 1", "index 0"))
    result = reserve("receipt", "verify", file, "--data", folder)
    assert result.exit_code == 1
    assert "check inclusion failed" in result.stderr


def test_a_file_that_is_no_receipt_and_a_key_that_is_no_key_are_told_apart(folder: Path) -> None:
    file = folder / "receipt.txt"
    file.write_bytes(b"\xff\x00")
    assert reserve("receipt", "verify", file, "--data", folder).exit_code == 1
    assert reserve("receipt", "verify", file, "--key", "nonsense").exit_code == 2
    assert reserve("receipt", "verify", folder / "absent", "--data", folder).exit_code == 2
    assert reserve("receipt", "verify", file, "--data", folder / "absent").exit_code == 2


# --- token


def test_a_token_needs_a_deployment_and_a_client_that_it_knows(tmp_path: Path) -> None:
    assert "reserve up" in reserve("token", "--client", "operator-1", "--data", tmp_path).stderr
    endpoints = {"base_url": "http://127.0.0.1:1", "services": {}, "issuer": "http://127.0.0.1:1", "clients": [], "pids": {}}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    result = reserve("token", "--client", "nobody", "--data", tmp_path)
    assert result.exit_code == 2
    assert "no client nobody" in result.stderr


def test_a_key_of_another_kind_cannot_approve(tmp_path: Path, decision: Path) -> None:
    file = tmp_path / "other.pem"
    file.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    file.chmod(0o600)
    assert approve(decision, file, "sub_1").exit_code == 2


# --- rebuild and audit


def test_a_rebuild_needs_a_service_that_has_a_journal_and_a_deployment(tmp_path: Path) -> None:
    assert "accepted: inventory, allocation, loans, ledger" in reserve("rebuild", "edge", "--data", tmp_path).stderr
    assert "reserve up" in reserve("rebuild", "inventory", "--data", tmp_path).stderr


def test_a_recovery_needs_a_service_that_has_a_journal_and_a_deployment(tmp_path: Path) -> None:
    assert "accepted: inventory, allocation, loans, ledger" in reserve("journal", "recover", "edge", "--data", tmp_path).stderr
    assert "reserve up" in reserve("journal", "recover", "inventory", "--data", tmp_path).stderr


def test_an_audit_says_what_it_needs_before_it_asks_anyone(tmp_path: Path, folder: Path) -> None:
    assert reserve("audit", "verify", "--data", folder).stderr.startswith("reserve: --live: ")
    assert reserve("audit", "verify", "--live", "--data", tmp_path / "absent").exit_code == 2
    assert "reserve up" in reserve("audit", "verify", "--live", "--data", folder).stderr
    (no_checkpoint := tmp_path / "state").write_text("nothing that an audit kept")
    assert "--state: " in reserve("audit", "verify", "--live", "--data", folder, "--state", no_checkpoint).stderr
    (receipts := tmp_path / "receipts").mkdir()
    (receipts / "forged").write_text("c2sp.org/tlog-proof@v1")
    refused = reserve("audit", "verify", "--live", "--data", folder, "--receipts", receipts)
    assert (refused.exit_code, "proves nothing" in refused.stderr) == (2, True)
    there = ("audit", "verify", "--url", "http://localhost:1", "--data", folder)
    key = (folder / "keys" / "ledger.vkey").read_text().strip()
    assert "--secret-file, --token-file: " in reserve(*there, "--key", key).stderr
    assert "--url: which log is it to be?" in reserve(*there).stderr, "a key of this machine is nobody's word for another's log"


def test_what_is_no_fork_proves_none(tmp_path: Path, folder: Path) -> None:
    (file := tmp_path / "fork.json").write_text("{}")
    result = reserve("audit", "fork", file, "--data", folder)
    assert (result.exit_code, "proves no fork" in result.stderr) == (1, True)


# --- up


def test_a_start_that_fails_says_why_with_the_last_lines_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "pgdata").mkdir(parents=True)  # no database
    environment = os.environ | {"DATABASE_URL": "", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    command = (sys.executable, "-m", "reserve", "up", "--data", tmp_path)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False)
    assert ended.returncode == 1
    said = ended.stderr[ended.stderr.index("reserve: postgres ended") :].splitlines()
    assert said[0] == f"reserve: postgres ended with status 2 before it was ready; see {tmp_path}/logs/postgres.log"
    assert "postgresql.conf" in " ".join(said[1:])
