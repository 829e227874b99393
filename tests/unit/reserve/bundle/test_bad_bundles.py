"""Bundles that are none: exit code 2 and one line each. And those that were changed inside and made to fit: exit code 1, with the place."""

import asyncio
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.bundle.layout import BALANCES, HISTORIES, LINE_BYTES, LISTED_BYTES, LISTED_ROWS, MANIFEST, MANIFEST_HASH
from reserve.commands.failure import BAD_INPUT, CHECK_FAILED, SEEN_BY_NOBODY
from shared.proofs.cosignature import Cosigner
from tests.stories.audit import Told, told
from tests.stories.bundles import bundle_of, change_manifest, fit, rewrite
from tests.stories.late import Late
from tests.stories.vouching import GENEVA, POLICY_TEXT, TOKYO

JOURNAL, TEXTS = "journals/inventory/0/000001.jsonl.gz", "texts/inventory.jsonl.gz"


@pytest.fixture
async def made(tmp_path: Path) -> tuple[Told, Path]:
    history = Told(told(), tmp_path / "log")
    await bundle_of(history, tmp_path / "bundle")
    return history, tmp_path / "bundle"


def verified(history: Told, bundle: Path, *more: object) -> Result:
    return CliRunner().invoke(app, ["audit", "verify", str(bundle), "--key", str(history.log_key), *map(str, more)])


def test_a_true_bundle_holds_where_there_is_no_server(made: tuple[Told, Path], tmp_path: Path) -> None:
    history, bundle = made
    found = verified(history, bundle, "--state", tmp_path / "state")
    assert found.exit_code == SEEN_BY_NOBODY and "all of it holds" in found.stdout, found.output
    assert "were not compared with the events" in found.stdout.replace("\n", " ")
    again = verified(history, copytree(bundle, tmp_path / "elsewhere"), "--state", tmp_path / "state", "--integrity")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("cosigners", "expected"), [((), SEEN_BY_NOBODY), ((TOKYO,), CHECK_FAILED), ((TOKYO, GENEVA), 0)], ids=["nobody", "too few", "enough"]
)
def test_who_pins_witnesses_and_is_shown_none_is_told_whatever_they_have_kept(
    cosigners: tuple[Cosigner, ...], expected: int, tmp_path: Path
) -> None:
    """What was kept says nothing of times, and an operator may have ceased to ask witnesses."""
    history, bundle, state = Told(told(), tmp_path / "log"), tmp_path / "bundle", tmp_path / "state"
    if cosigners:
        history.witness("witnessed", *cosigners)
    asyncio.run(bundle_of(history, bundle))
    (tmp_path / "policy").write_text(POLICY_TEXT)
    assert verified(history, bundle, "--state", state).exit_code == SEEN_BY_NOBODY
    assert verified(history, bundle, "--state", state).exit_code == 0
    found = verified(history, bundle, "--state", state, "--policy", tmp_path / "policy")
    assert found.exit_code == expected, found.output
    assert ("times are not checkable" in found.stdout) is (expected != 0)


def test_what_was_recorded_while_no_witness_looked_is_exit_code_3_until_the_state_has_it(tmp_path: Path) -> None:
    late, bundle, state = Late(tmp_path / "log"), tmp_path / "bundle", tmp_path / "state"
    late.drawn("dated_back", 10)
    late.witnessed(7 * 24 * 60)
    asyncio.run(bundle_of(late.history, bundle))
    (tmp_path / "policy").write_text(POLICY_TEXT)
    given = ("--state", state, "--policy", tmp_path / "policy")
    first, second = (verified(late.history, bundle, *given, "--integrity") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (3, 0), first.output
    assert "of 1 events the times are not checkable" in first.stdout.replace("\n", " ")
    assert "no witness saw the log from" in second.stdout.replace("\n", " "), "it is listed for ever"


# --- what is no bundle


def _missing(bundle: Path) -> None:
    (bundle / JOURNAL).unlink()


def _truncated(bundle: Path) -> None:
    (bundle / JOURNAL).write_bytes((bundle / JOURNAL).read_bytes()[:-7])


def _truncated_to_fit(bundle: Path) -> None:
    content = gzip.decompress((bundle / JOURNAL).read_bytes())
    _truncated(bundle)
    fit(bundle, JOURNAL, content)


def _foreign(bundle: Path) -> None:
    (bundle / "journals" / "run.py").write_text("raise SystemExit('a bundle was run')")


def _changed(bundle: Path) -> None:
    content = bytearray((bundle / JOURNAL).read_bytes())
    content[100] ^= 1
    (bundle / JOURNAL).write_bytes(content)


def _of_another_version(bundle: Path) -> None:
    change_manifest(bundle, lambda manifest: manifest.update(version=2))


def _of_another_format(bundle: Path) -> None:
    change_manifest(bundle, lambda manifest: manifest.update(format="reserve.backup"))


def _named(name: str) -> Callable[[Path], None]:
    return lambda bundle: change_manifest(bundle, lambda manifest: manifest["files"].append({**manifest["files"][0], "name": name}))


def _without_a_part(bundle: Path) -> None:
    (bundle / JOURNAL).rename(bundle / JOURNAL.replace("000001", "000002"))
    change_manifest(
        bundle,
        lambda manifest: manifest.update(
            files=[{**file, "name": file["name"].replace(JOURNAL, JOURNAL.replace("000001", "000002"))} for file in manifest["files"]]
        ),
    )


def _linked(bundle: Path) -> None:
    kept = bundle.parent / "kept"
    (bundle / JOURNAL).rename(kept)
    (bundle / JOURNAL).symlink_to(kept)


def _linked_folder(bundle: Path) -> None:
    (bundle / "journals").rename(bundle.parent / "kept")
    (bundle / "journals").symlink_to(bundle.parent / "kept")


def _a_bomb(bundle: Path) -> None:
    """A gigabyte in a megabyte, of which the manifest says a little."""
    content = gzip.decompress((bundle / TEXTS).read_bytes())
    zeros = b"\n" * 1024 * 1024
    with gzip.open(bundle / TEXTS, "wb", compresslevel=9) as bomb:
        for _ in range(256):
            bomb.write(zeros)
    fit(bundle, TEXTS, content)


def _a_bomb_that_says_so(bundle: Path) -> None:
    with gzip.open(bundle / TEXTS, "wb", compresslevel=9) as bomb:
        for _ in range(256):
            bomb.write(b"0" * 1024 * 1024)
    fit(bundle, TEXTS, b"\n")
    change_manifest(
        bundle, lambda manifest: [file.update(content_bytes=256 * 1024 * 1024) for file in manifest["files"] if file["name"] == TEXTS]
    )


def _of_more_lines_than_it_says(bundle: Path) -> None:
    rewrite(bundle, BALANCES, lambda content: content * 2)
    change_manifest(bundle, lambda manifest: [file.update(rows=1) for file in manifest["files"] if file["name"] == BALANCES])


def _of_more_than_is_held_at_once(bundle: Path) -> None:
    """Each of its lines may be short: together they are more than anybody has room for."""
    rows = {BALANCES: LISTED_ROWS + 1}
    change_manifest(bundle, lambda manifest: [file.update(rows=rows.get(file["name"], file["rows"])) for file in manifest["files"]])


def _of_more_bytes_than_are_held_at_once(bundle: Path) -> None:
    change_manifest(
        bundle, lambda manifest: [file.update(content_bytes=LISTED_BYTES + 1) for file in manifest["files"] if file["name"] == BALANCES]
    )


def _of_more_logs_than_there_are_numbers(bundle: Path) -> None:
    change_manifest(bundle, lambda manifest: [file.update(rows=10_000) for file in manifest["files"] if file["name"] == HISTORIES])


def _a_hash_without_an_end(bundle: Path) -> None:
    """Sixty-four gigabytes of nothing."""
    os.truncate(bundle / MANIFEST_HASH, 64 * 1024**3)
    change = bundle / MANIFEST
    change.write_bytes(change.read_bytes() + b"\n")


def _brackets(bundle: Path) -> None:
    rewrite(bundle, JOURNAL, lambda _: b'{"hashed":"{}","more":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}\n")


def _brackets_in_an_event(bundle: Path) -> None:
    rewrite(
        bundle,
        JOURNAL,
        lambda _: b'{"hashed":"{\\"data\\":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b'}","salt":"","event_hash":"","chain_hash":""}\n',
    )


def _brackets_in_the_manifest(bundle: Path) -> None:
    (bundle / MANIFEST).write_bytes(b'{"more":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}")


def _no_json(bundle: Path) -> None:
    rewrite(bundle, JOURNAL, lambda content: content[: len(content) // 2] + b"\n")


def _something_after_the_end(bundle: Path) -> None:
    content = gzip.decompress((bundle / JOURNAL).read_bytes())
    (bundle / JOURNAL).write_bytes((bundle / JOURNAL).read_bytes() + gzip.compress(content))
    fit(bundle, JOURNAL, content)


def _doubled_rows(bundle: Path) -> None:
    rows = gzip.decompress((bundle / JOURNAL).read_bytes()).count(b"\n")
    rewrite(bundle, JOURNAL, lambda content: content + content)
    change_manifest(bundle, lambda manifest: [file.update(rows=rows) for file in manifest["files"] if file["name"] == JOURNAL])


def _of_another_checkpoint(bundle: Path) -> None:
    change_manifest(bundle, lambda manifest: manifest.update(size=manifest["size"] - 1))


def _of_a_line_that_is_none(bundle: Path) -> None:
    change_manifest(bundle, lambda manifest: manifest["heads"].update({"inventory/../0": 1}))


def _without_a_log(bundle: Path) -> None:
    rewrite(bundle, "log/histories.jsonl.gz", lambda _: b"")


def _another_hash(bundle: Path) -> None:
    (bundle / MANIFEST).write_bytes((bundle / MANIFEST).read_bytes() + b" ")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_missing, f"{JOURNAL} is missing"),
        (_truncated, f"{JOURNAL} has"),
        (_truncated_to_fit, f"{JOURNAL}: it ends after"),
        (_foreign, "journals/run.py is a file that the manifest does not name"),
        (_changed, f"{JOURNAL} is another file than the manifest says"),
        (_of_another_version, "in version 2 (accepted: 'reserve.audit-bundle' in version 1)"),
        (_of_another_format, "it is 'reserve.backup'"),
        (_named(JOURNAL), f"{JOURNAL} is in it twice"),
        (_named("../secret"), "'../secret' is no file that a bundle has"),
        (_named("/etc/passwd"), "'/etc/passwd' is no file that a bundle has"),
        (_named("journals/../../x/0/000001.jsonl.gz"), "is no file that a bundle has"),
        (_named("log/checkpoint\n"), "is no file that a bundle has"),
        (_without_a_part, f"{JOURNAL} is missing"),
        (_linked, f"{JOURNAL} is neither a file nor a folder"),
        (_linked_folder, "journals is neither a file nor a folder"),
        (_a_bomb, f"{TEXTS}: there is more in it than the"),
        (_of_more_lines_than_it_says, f"{BALANCES}: it has more lines than the 1 that"),
        (_of_more_than_is_held_at_once, f"{BALANCES}: it has more than {LISTED_ROWS} lines"),
        (_of_more_bytes_than_are_held_at_once, f"{BALANCES}: it has more than {LISTED_ROWS} lines, or {LISTED_BYTES} bytes"),
        (_of_more_logs_than_there_are_numbers, f"{HISTORIES}: it has more than 9999 lines"),
        (_a_hash_without_an_end, f"{MANIFEST} is another one than"),
        (_a_bomb_that_says_so, f"{TEXTS}: line 1 has more than {LINE_BYTES} bytes"),
        (_brackets, f"{JOURNAL}: line 1 is nested too deeply"),
        (_brackets_in_an_event, f"{JOURNAL}: line 1 is nested too deeply"),
        (_brackets_in_the_manifest, f"{MANIFEST}: it is nested too deeply"),
        (_no_json, f"{JOURNAL}: line"),
        (_something_after_the_end, f"{JOURNAL}: something comes after its end"),
        (_doubled_rows, f"{JOURNAL}: "),
        (_of_another_checkpoint, f"{MANIFEST} says another checkpoint than log/checkpoint"),
        (_of_a_line_that_is_none, "'inventory/../0' is no shard of a service"),
        (_without_a_log, "log/histories.jsonl.gz: no log is in it"),
        (_another_hash, f"{MANIFEST} is another one than"),
    ],
)
def test_what_is_no_bundle_is_refused_in_one_line(made: tuple[Told, Path], spoil: Callable[[Path], None], said: str) -> None:
    history, bundle = made
    spoil(bundle)
    found = verified(history, bundle)
    assert found.exit_code == BAD_INPUT, found.output
    assert said in found.stderr and found.stderr.count("\n") == 1, found.stderr


def test_what_a_process_of_the_integritys_audit_cannot_read_is_said_in_one_line(made: tuple[Told, Path]) -> None:
    history, bundle = made
    _brackets_in_an_event(bundle)
    found = verified(history, bundle, "--integrity")
    assert (found.exit_code, found.stderr.count("\n")) == (BAD_INPUT, 1), found.output
    assert f"{JOURNAL}: line 1 is nested too deeply" in found.stderr


def test_a_bundle_of_another_system_is_refused(made: tuple[Told, Path], tmp_path: Path) -> None:
    other = Told(told(), tmp_path / "other")
    found = verified(other, made[1])
    assert (found.exit_code, found.stderr.count("\n")) == (BAD_INPUT, 1)
    assert f"it is of another system: {made[0].log_key.name}" in found.stderr


def test_the_logs_key_is_never_the_bundles_own_word(made: tuple[Told, Path]) -> None:
    found = CliRunner().invoke(app, ["audit", "verify", str(made[1])])
    assert found.exit_code == BAD_INPUT and "with --key" in found.stderr


@pytest.mark.parametrize("others", [["--live"], ["--url", "https://reserve.example"]])
def test_a_bundle_and_a_running_system_are_not_audited_at_once(made: tuple[Told, Path], others: list[str]) -> None:
    found = verified(made[0], made[1], *others)
    assert found.exit_code == BAD_INPUT and "accepted: one of --live, --url" in found.stderr


def test_a_folder_that_is_none_is_refused(made: tuple[Told, Path], tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", made[1] / MANIFEST, made[1] / "journals"):
        found = verified(made[0], folder)
        assert (found.exit_code, found.stderr.count("\n")) == (BAD_INPUT, 1), found.output


def test_nothing_of_a_bundle_is_run(made: tuple[Told, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a module of the folder that the command is given in, either."""
    monkeypatch.chdir(made[1])
    (made[1] / "zlib.py").write_text("raise SystemExit('a bundle was run')")
    found = verified(made[0], Path(os.curdir))
    assert found.exit_code == BAD_INPUT and "zlib.py is a file that the manifest does not name" in found.stderr


# --- what was changed inside, and made to fit


def _replaced(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return lambda bundle: rewrite(bundle, name, change)


def _without_the_last_leaf(content: bytes) -> bytes:
    return content[: content[:-1].rindex(b"\n") + 1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_replaced(JOURNAL, b"Fremantle", b"Fremantla"), "event_hashes inventory/0/"),
        (_replaced(JOURNAL, b'\\"position\\":3,', b'\\"position\\":9,'), "positions inventory/0/9"),
        (_replaced("books/balances.jsonl.gz", b'"account":"', b'"account":"x'), "balances "),
        (_replaced("books/entries/000001.jsonl.gz", b'"account":"', b'"account":"x'), "postings "),
        (lambda bundle: rewrite(bundle, "log/leaves/1/000001.jsonl.gz", _without_the_last_leaf), "leaves_have_events leaf "),
    ],
)
def test_what_was_changed_and_made_to_fit_is_found_at_its_place(made: tuple[Told, Path], change: Callable[[Path], None], said: str) -> None:
    history, bundle = made
    change(bundle)
    found = verified(history, bundle)
    assert found.exit_code == CHECK_FAILED, found.output
    assert said in found.stdout, found.stdout


# --- receipts


def against(receipt: str, history: Told, bundle: Path) -> Result:
    file = bundle.parent / "receipt"
    file.write_text(receipt)
    return CliRunner().invoke(app, ["receipt", "verify", str(file), "--key", str(history.log_key), "--against", str(bundle)])


def test_a_receipt_stands_in_the_log_of_a_bundle(made: tuple[Told, Path]) -> None:
    history, bundle = made
    found = against(history.receipt("lot"), history, bundle)
    assert found.exit_code == 0 and f"the log of {history.signed[-1].size} leaves at {bundle}" in found.stdout, found.output


def test_a_receipt_of_a_log_that_became_another_is_a_fork(made: tuple[Told, Path], tmp_path: Path) -> None:
    history, bundle = made
    receipt = history.receipt("lot")
    rewrite(bundle, "log/leaves/1/000001.jsonl.gz", lambda content: json.dumps("ab" * 32).encode() + content[content.index(b"\n") :])
    found = against(receipt, history, bundle)
    assert found.exit_code == CHECK_FAILED, found.output


def test_a_receipt_of_after_a_bundle_is_not_found_wanting(made: tuple[Told, Path]) -> None:
    history, bundle = made
    history.seal("more", told()["register"])
    history.sign("more_signed")
    found = against(history.receipt("more"), history, bundle)
    assert found.exit_code == BAD_INPUT and "accepted: a later bundle" in found.stderr, found.output
