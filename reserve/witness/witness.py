"""A witness: it cosigns a log's checkpoints as long as each goes on from the last, so nobody is shown a history that others are not.

Source: c2sp.org/tlog-witness. What it has cosigned last of each log is on its disk before anybody hears of it: killed at any moment, it
never cosigns two histories.
"""

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from shared.engines.private_files import write_private
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint, parse_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.merkle import EMPTY_TREE, verify_consistency
from shared.proofs.signed_note import Note, NoteMalformed, NoteUnverified, VerifierKey, parse_note
from shared.proofs.submission import SIZE_TYPE, Submission, origin_hash

MAX_REQUEST_BYTES = 512 * 1024


class Answer(msgspec.Struct, frozen=True):
    """Of a witness over HTTP."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


class Witness:
    """`logs`: the keys that it trusts, by their origin. `folder`: of what it has cosigned; one process at a time has it.

    Raises BlockingIOError where another witness runs on the same folder.
    """

    def __init__(
        self, folder: Path, cosigners: Sequence[Cosigner], logs: Mapping[str, Sequence[VerifierKey]], now: Callable[[], float]
    ) -> None:
        self._folder = folder
        self._cosigners = cosigners
        self._logs = logs
        self._now = now
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._last = {origin: self._read(origin) for origin in logs}

    def close(self) -> None:
        os.close(self._lock)

    def add_checkpoint(self, body: bytes) -> Answer:
        """The cosignatures, once they are durable; or why there are none. One at a time."""
        try:
            submission = Submission.parsed(body)
            note = parse_note(submission.note)
            origin = parse_checkpoint(note.text).origin
        except (ValueError, NoteMalformed) as error:
            return Answer(400, f"{error}\n")
        if origin not in self._logs:
            return Answer(404, f"{origin} is no log of this witness\n")
        try:
            checkpoint = open_checkpoint(submission.note, self._logs[origin])
        except NoteUnverified as error:
            return Answer(403, f"{error}\n")
        if submission.old_size > checkpoint.head.size:
            return Answer(400, "the old size is above the checkpoint's\n")
        last = self._last[origin]
        if submission.old_size != last.size:
            return Answer(409, f"{last.size}\n", SIZE_TYPE)
        if not _goes_on(last, checkpoint.head, submission.proof):
            return Answer(422, f"the log of {checkpoint.head.size} leaves is not shown to go on from the one of {last.size}\n")
        return self._cosign(note, checkpoint)

    def checkpoint(self, named: str) -> Answer:
        """The last one that it cosigned of the log whose origin has this hash, with the log's signatures and its own."""
        for origin in self._logs:
            if origin_hash(origin) == named and self._file(origin).exists():
                return Answer(200, self._file(origin).read_text())
        return Answer(404, "no checkpoint of such a log was cosigned\n")

    def _cosign(self, note: Note, checkpoint: Checkpoint) -> Answer:
        time = int(self._now())
        own = tuple(cosigner.cosign(checkpoint, time) for cosigner in self._cosigners)
        keys = {(key.name, key.key_id) for key in self._logs[checkpoint.origin]}
        signed = tuple(line for line in note.signatures if (line.name, line.key_id) in keys)
        self._write(checkpoint.origin, str(Note(note.text, (*signed, *own))))
        self._last[checkpoint.origin] = checkpoint.head
        return Answer(200, Note("", own).signature_lines)

    def _file(self, origin: str) -> Path:
        return self._folder / f"{origin_hash(origin)}.checkpoint"

    def _read(self, origin: str) -> TreeHead:
        try:
            note = self._file(origin).read_text()
        except FileNotFoundError:
            return EMPTY_TREE
        return open_checkpoint(note, self._logs[origin]).head

    def _write(self, origin: str, note: str) -> None:
        """Durable when it returns: whole, or what was there before."""
        write_private(self._file(origin), note.encode())
        os.fsync(self._lock)


def _goes_on(last: TreeHead, head: TreeHead, proof: Sequence[bytes]) -> bool:
    if head.size == 0 and head.root != EMPTY_TREE.root:
        return False
    return verify_consistency(last, head, proof)
