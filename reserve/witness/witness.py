"""A witness: it cosigns a log's checkpoints as long as each goes on from the last, so nobody is shown a history that others are not.

Source: c2sp.org/tlog-witness. What it has cosigned last of each log is on its disk before anybody hears of it: killed at any moment, it
never cosigns two histories.
"""

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Self

import msgspec

from shared.engines.private_files import write_private
from shared.proofs.checkpoint import ROOT_BYTES, Checkpoint, TreeHead, open_checkpoint, parse_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.encoding import decode_base64, decode_decimal, encode_base64
from shared.proofs.merkle import EMPTY_TREE, verify_consistency
from shared.proofs.signed_note import Note, NoteMalformed, NoteUnverified, VerifierKey, parse_note

MAX_REQUEST_BYTES = 512 * 1024
MAX_PROOF_LINES = 63


class Answer(msgspec.Struct, frozen=True):
    """Of a witness over HTTP."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


class Submission(msgspec.Struct, frozen=True):
    """What a log sends: that the checkpoint goes on from the tree of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parsed(cls, body: bytes) -> Self:
        """Raises ValueError."""
        head, blank, note = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        if not blank or not first.startswith("old "):
            raise ValueError("a request is `old` and a size, a proof, an empty line and a checkpoint")
        if len(lines) > MAX_PROOF_LINES:
            raise ValueError(f"a proof has at most {MAX_PROOF_LINES} lines")
        proof = tuple(decode_base64(line) for line in lines)
        if any(len(each) != ROOT_BYTES for each in proof):
            raise ValueError(f"a line of a proof is {ROOT_BYTES} bytes")
        return cls(decode_decimal(first.removeprefix("old ")), proof, note)

    def __str__(self) -> str:
        return "\n".join((f"old {self.old_size}", *map(encode_base64, self.proof), "", self.note))


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
            return Answer(409, f"{last.size}\n", "text/x.tlog.size")
        if not _goes_on(last, checkpoint.head, submission.proof):
            return Answer(422, f"the log of {checkpoint.head.size} leaves is not shown to go on from the one of {last.size}\n")
        return self._cosign(note, checkpoint)

    def checkpoint(self, origin_hash: str) -> Answer:
        """The last one that it cosigned of the log with this SHA-256 of its origin, with the log's signatures and its own."""
        for origin in self._logs:
            if sha256(origin.encode()).hexdigest() == origin_hash and self._file(origin).exists():
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
        return self._folder / f"{sha256(origin.encode()).hexdigest()}.checkpoint"

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
