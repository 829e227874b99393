"""What an auditor remembers between two audits: each checkpoint that held, in one file."""

from pathlib import Path

import pytest
import typer

from reserve.commands import audit_state
from reserve.commands.audit_state import keep, kept, read_notes
from services.ledger.keys import open_key, seed_key
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint


def signed(folder: Path, size: int, history: int = 1) -> str:
    keys = folder / f"keys-{history}"
    if not keys.exists():
        seed_key(keys, history=history)
    key, signer = open_key(keys)
    return sign_checkpoint(Checkpoint(key.name, TreeHead(size, bytes(32))), signer)


def test_a_state_of_one_checkpoint_as_it_was_before_is_read_and_goes_on(tmp_path: Path) -> None:
    first, second, third = signed(tmp_path, 1), signed(tmp_path, 2), signed(tmp_path, 1, history=2)
    (state := tmp_path / "state").write_text(first)
    assert [anchor.note for anchor in kept(state)] == [first]
    for note in (second, second, third):  # nothing was signed between two audits
        keep(state, note)
    assert [anchor.note for anchor in kept(state)] == [first, second, third]
    assert [anchor.name for anchor in kept(state)][-1] == f"{state}, checkpoint 3"
    assert read_notes(state, "--last-checkpoint")[-1] == third


def test_before_the_first_audit_nothing_is_kept(tmp_path: Path) -> None:
    assert kept(None) == [] and kept(tmp_path / "state") == []
    keep(tmp_path / "state", signed(tmp_path, 1))
    assert len(kept(tmp_path / "state")) == 1


def test_a_folder_that_is_not_there_is_said_before_anything_is_audited(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit) as ended:
        kept(tmp_path / "not there" / "state")
    assert ended.value.exit_code == 2


def test_of_too_many_every_second_goes_and_the_ends_of_each_log_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_state, "MOST_KEPT", 8)
    notes = [*(signed(tmp_path, size) for size in range(1, 7)), *(signed(tmp_path, size, history=2) for size in range(1, 4))]
    for note in notes:
        keep(tmp_path / "state", note)
    assert [notes.index(anchor.note) for anchor in kept(tmp_path / "state")] == [0, 2, 4, 5, 6, 8]


@pytest.mark.parametrize("text", ["", "what nobody signed", "\n\n", "a log\n1\n\n"])
def test_what_no_audit_kept_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    (state := tmp_path / "state").write_text(text)
    with pytest.raises(typer.Exit):
        kept(state)
    with pytest.raises(typer.Exit):
        keep(state, signed(tmp_path, 1))
    assert state.read_text() == text
