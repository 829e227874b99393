"""docs/audit/verify.py, alone in a bare interpreter: it passes a true bundle, and refuses each that was tampered with and made to fit."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.operate.migrate import ROOT
from tests.stories.audit import Story, Told, changed, told
from tests.stories.audit_material import told_with_material
from tests.stories.bundles import bundle_of, change_manifest, rewrite
from tests.stories.restored import Restored

VERIFIER = ROOT / "docs/audit/verify.py"
JOURNAL, LEAVES = "journals/inventory/0/000001.jsonl.gz", "log/leaves/1/000001.jsonl.gz"
DECISIONS = "journals/allocation/0/000001.jsonl.gz"


@pytest.fixture
async def made(tmp_path: Path) -> tuple[str, Path]:
    """The log's key, and the bundle."""
    history = Told(told_with_material(), tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    return str(history.log_key), tmp_path / "bundle"


def verified(bundle: Path, *keys: str) -> tuple[int, str]:
    """In an interpreter that looks at neither this folder nor the environment."""
    ran = subprocess.run([sys.executable, "-I", VERIFIER, bundle, *keys], capture_output=True, text=True, cwd=bundle.parent, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_it_is_short_and_stands_on_the_standard_library_and_cryptography() -> None:
    text = VERIFIER.read_text()
    assert text.count("\n") <= 300
    imported = {line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_a_true_bundle_holds(made: tuple[str, Path]) -> None:
    key, bundle = made
    status, said = verified(bundle, key)
    events = sum(json.loads((bundle / "manifest.json").read_bytes())["heads"].values())
    assert status == 0 and said.startswith(f"it holds: {events} events, "), said
    assert int(said.split(",")[2].split()[0]) > 5, "signatures of approvers"


async def test_a_history_that_goes_on_from_another_holds_under_its_own_key(tmp_path: Path) -> None:
    history = Restored(tmp_path / "log")
    history.begin_history(history.marked, known=history.late)
    history.go_on()
    await bundle_of(history, tmp_path / "bundle")
    assert verified(tmp_path / "bundle", str(history.log_key))[0] == 0
    status, said = verified(tmp_path / "bundle", str(history.old_key))
    assert status == 2 and "of another system" in said


# --- tampered with, each by who makes the manifest fit


def _event(name: str, change: Callable[[dict[str, Any]], None], kind: str, *, sealed: bool = False) -> Callable[[Path], None]:
    """One event of this kind is changed; `sealed`: and its hash, and those of the chain after it."""

    def rewritten(content: bytes) -> bytes:
        rows, chain, found = [json.loads(line) for line in content.splitlines()], bytes(32), False
        for row in rows:
            hashed = json.loads(row["hashed"])
            if hashed["type"].startswith(kind) and not found:
                found = True
                change(hashed["data"])
                row["hashed"] = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            if sealed:
                own = sha256(b"\x01" + bytes.fromhex(row["salt"]) + row["hashed"].encode()).digest()
                chain = sha256(b"\x02" + chain + own).digest()
                row["event_hash"], row["chain_hash"] = own.hex(), chain.hex()
        assert found
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    return lambda bundle: rewrite(bundle, name, rewritten)


def _lines(name: str, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    return lambda bundle: rewrite(bundle, name, lambda content: b"".join(change(content.splitlines(keepends=True))))


def _larger(data: dict[str, Any]) -> None:
    data["mass_g"] += 1


def _another_signature(data: dict[str, Any]) -> None:
    data["approval"]["signature"] = "00" * 64


def _note(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda bundle: rewrite(bundle, "log/checkpoint", lambda content: change(content.decode()).encode())


def _of_fewer_leaves(note: str) -> str:
    origin, size, *rest = note.split("\n")
    return "\n".join([origin, str(int(size) - 1), *rest])


def _dropped(bundle: Path) -> None:
    """A journal's shard that nobody would miss."""
    (bundle / DECISIONS).unlink()
    change_manifest(bundle, lambda said: said.update(files=[file for file in said["files"] if file["name"] != DECISIONS]))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_event(JOURNAL, _larger, "inventory.stock_drawn"), "the event hash is not the event's"),
        (_event(JOURNAL, _larger, "inventory.stock_drawn", sealed=True), "no event opens it"),
        (_event(DECISIONS, _another_signature, "allocation.round_approved", sealed=True), "no event opens it"),
        (_lines(JOURNAL, lambda rows: rows[:3] + rows[4:]), "position 5 is here"),
        (_lines(JOURNAL, lambda rows: rows[:-2]), "no event opens it"),
        (_lines(JOURNAL, lambda rows: [rows[1], rows[0], *rows[2:]]), "position 2 is here"),
        (_lines(JOURNAL, lambda rows: [rows[0].replace(b'\\"shard\\":0', b'\\"shard\\": 0'), *rows[1:]]), "is not in canonical JSON"),
        (_lines(LEAVES, lambda rows: rows[:-1]), "the leaves are not what was signed"),
        (_lines(LEAVES, lambda rows: [rows[1], rows[0], *rows[2:]]), "no event opens it, or it comes before its turn"),
        (_lines(LEAVES, lambda rows: [rows[0], rows[0], *rows[1:]]), "no event opens it, or it comes before its turn"),
        (_note(_of_fewer_leaves), "a signature that is not its key"),
        (_note(lambda note: note.partition("\n\n")[0] + "\n\n"), "has not signed it"),
        (_dropped, "no event opens it"),
    ],
)
def test_what_was_tampered_with_is_refused_with_its_place(made: tuple[str, Path], tamper: Callable[[Path], None], said: str) -> None:
    key, bundle = made
    tamper(bundle)
    status, found = verified(bundle, key)
    assert status == 1 and said in found, found


def _signed_by_nobody(story: Story) -> None:
    approval = story["approve"].event.approval  # type: ignore[union-attr]
    changed(story, "approve", approval=replace(approval, signature="00" * 64))


def _approved_by_its_proposer(story: Story) -> None:
    changed(story, "propose", proposed_by=story["approve"].event.approval.subject)  # type: ignore[union-attr]


def _by_a_key_that_nobody_enrolled(story: Story) -> None:
    changed(story, "key", subject="sub_nobody")


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (_signed_by_nobody, "did not sign this decision"),
        (_approved_by_its_proposer, "proposed it, and approved it"),
        (_by_a_key_that_nobody_enrolled, "has no key"),
    ],
)
async def test_an_approval_that_does_not_count_is_refused_though_all_of_it_is_signed_again(
    forge: Callable[[Story], None], said: str, tmp_path: Path
) -> None:
    """By who has the log's key: hashes, leaves and checkpoint are those of what was changed."""
    story = told()
    forge(story)
    history = Told(story, tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    status, found = verified(tmp_path / "bundle", str(history.log_key))
    assert status == 1 and said in found, found


def test_another_key_than_the_pinned_one_is_refused(made: tuple[str, Path], tmp_path: Path) -> None:
    other = Told({}, tmp_path / "other")
    status, said = verified(made[1], str(other.log_key))
    assert status != 0, said


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bundle: (bundle / JOURNAL).unlink(),
        lambda bundle: (bundle / "run.py").touch(),
        lambda bundle: (bundle / JOURNAL).write_bytes((bundle / JOURNAL).read_bytes()[:-9]),
        lambda bundle: change_manifest(bundle, lambda said: said.update(version=2)),
        lambda bundle: change_manifest(bundle, lambda said: said["files"].append({**said["files"][0], "name": "../x"})),
        lambda bundle: change_manifest(bundle, lambda said: [each.update(content_bytes=5) for each in said["files"]]),
        lambda bundle: rewrite(bundle, JOURNAL, lambda _: b"[" * 1_000_000 + b"\n"),
        lambda bundle: rewrite(bundle, JOURNAL, lambda _: gzip.compress(b"x")),
    ],
)
def test_what_is_no_bundle_is_said_to_be_none(made: tuple[str, Path], spoil: Callable[[Path], None]) -> None:
    key, bundle = made
    spoil(bundle)
    status, said = verified(bundle, key)
    assert status == 2 and said.startswith("no bundle: ") and said.count("\n") == 1, said
