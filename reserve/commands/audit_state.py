"""What an auditor remembers: the checkpoint of each audit that held, the oldest first: signed notes with a blank line between.

A rewriting of what came before one of them is found by that one alone, and the log may have lost what came after. So each of them is kept.
"""

from itertools import pairwise
from pathlib import Path

from reserve.audit.anchors import Anchor
from reserve.commands.failure import fail
from shared.engines.private_files import write_private
from shared.proofs.checkpoint import parse_checkpoint
from shared.proofs.signed_note import NoteMalformed, parse_note

MOST_KEPT = 10_000  # some 240 bytes each: 90 kB a year where an audit is made each day, and never more than 2.4 MB


def kept(state: Path | None) -> list[Anchor]:
    """None before the first audit."""
    if state is None or not state.exists():
        if state is not None and not state.absolute().parent.is_dir():
            fail(f"--state: {state.parent} is no folder: what holds could not be kept there")
        return []
    return [Anchor(f"{state}, checkpoint {number}", note) for number, note in enumerate(read_notes(state, "--state"), 1)]


def keep(state: Path, note: str) -> None:
    """One more that held. Once there are too many, every second one goes; the first stays, and the last of each log."""
    notes = [*(read_notes(state, "--state") if state.exists() else ()), note]
    if len(notes) > 1 and parse_note(notes[-2]).text == parse_note(note).text:
        return
    if len(notes) > MOST_KEPT:
        notes = [each for number, (each, after) in enumerate(pairwise([*notes, ""])) if number % 2 == 0 or _log_of(each) != _log_of(after)]
    write_private(state, "\n".join(notes).encode())


def read_notes(file: Path, option: str) -> list[str]:
    """The checkpoints in a file, at least one; of who signed them nothing is known. Ends the command for any other file."""
    try:
        parts = file.read_text().split("\n\n")  # a note is a text and its signatures, with a blank line between them, too
        if len(parts) % 2:
            raise NoteMalformed("a text is without signatures")
        notes = [f"{text}\n\n{lines.removesuffix(chr(10))}\n" for text, lines in zip(parts[::2], parts[1::2], strict=True)]
        for note in notes:
            parse_checkpoint(parse_note(note).text)
    except (OSError, ValueError) as error:
        fail(f"{option}: {file} holds no checkpoints: {error} (accepted: signed notes with a blank line between)")
    return notes


def _log_of(note: str) -> str:
    return note.partition("\n")[0]
