"""What a log shows of a receipt, a running one or that of a bundle: that it goes on from what was signed then, or that the history which
goes on has kept the event.

It is asked without a token, as by anybody, and its word counts for nothing. What is kept of a log that has ended is in the first leaf of
the log after it: that this is so is shown under a pinned key, or else it is said that nothing shows it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from reserve.audit.evidence import Evidence, Unreadable
from reserve.client import ProblemAnswer
from reserve.commands.failure import CHECK_FAILED, fail, why
from reserve.commands.forks import write_fork
from services.ledger.receipt import VerifiedReceipt
from shared.proofs.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from shared.proofs.encoding import encode_base64
from shared.proofs.fork import ForkProof
from shared.proofs.history import Before, Commitment, NoCommitment, read_commitment
from shared.proofs.merkle import hash_leaf
from shared.proofs.policy import WitnessPolicy, open_witnessed
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, SignatureWrong, VerifierKey, parse_note, parse_verifier_key


class Held(msgspec.Struct, frozen=True):
    """A receipt that was verified, from this file, with what is pinned."""

    file: Path
    receipt: VerifiedReceipt
    pinned: Sequence[VerifierKey]
    policies: Sequence[WitnessPolicy] = ()


class Shown(msgspec.Struct, frozen=True):
    """`proven`: names and values. `missing`: what nothing shows that is pinned; None: nothing is missing."""

    proven: dict[str, str]
    missing: str | None = None


async def shown_by(evidence: Evidence, url: str, held: Held) -> Shown:
    """`url`: where it is from, or the folder of a bundle. Ends the command where the receipt does not stand there: exit code 1. What proves
    a fork is written beside it."""
    try:
        if (served := await evidence.checkpoint()) is None:
            fail(f"--against: {url} has signed nothing")
        if _read(served).origin != held.receipt.checkpoint.origin:
            return await _in_ended(held, evidence, served, url)
        now = open_checkpoint(served, held.pinned).head
        if now.size < held.receipt.head.size:
            fail(f"{held.file}: the log had {held.receipt.head.size} leaves, and has {now.size} now", CHECK_FAILED)
        if not await _goes_on(held, evidence, held.receipt.note, served):
            fail(f"--against: {url} does not show what the first {held.receipt.head.size} leaves of its log are")
    except (NoteMalformed, NoteUnverified) as error:
        fail(f"{url} is another log, or a checkpoint of nobody's: {error}", CHECK_FAILED)
    except (ProblemAnswer, httpx.TransportError, msgspec.MsgspecError, NoCommitment) as error:
        fail(f"--against: {url} does not answer as a log does: {why(error)}")
    except Unreadable as error:
        fail(f"--against: {error}")
    return Shown({"stands in": f"the log of {now.size} leaves at {url}"})


async def _in_ended(held: Held, evidence: Evidence, served: str, url: str) -> Shown:
    """That the event is in a history that has ended, among what the next one has of it."""
    receipt, word = held.receipt, _word_alone(held, served, url)
    next_one = await _successor(held, evidence, served, url)
    before = next_one.before
    begins = f"history {next_one.history} begins after the first {before.kept} leaves of this log"
    known = 0 if before.checkpoint is None else open_checkpoint(before.checkpoint, held.pinned).head.size
    if receipt.index >= before.kept:
        lost = f"this is leaf {receipt.index}: it was signed, and is lost. Of that log, {known} leaves are known there"
        fail(f"{held.file}: {begins}, and {lost}. Show the operator this receipt{'' if word is None else f'. {word}'}", CHECK_FAILED)
    if before.kept_checkpoint is None or known < receipt.head.size:
        fail(f"{held.file}: {begins}; the receipt is of {receipt.head.size} leaves, and {known} are known there", CHECK_FAILED)
    if (kept := open_checkpoint(before.kept_checkpoint, held.pinned).head.size) != before.kept:
        fail(f"{held.file}: {begins}, of which it names a checkpoint of {kept}", CHECK_FAILED)
    notes = (receipt.note, before.kept_checkpoint)
    older, newer = notes if receipt.head.size <= kept else reversed(notes)
    nothing = f"nothing shows that the {kept} leaves which are kept and the {receipt.head.size} of the receipt are of one tree"
    missing = [word, None if await _goes_on(held, evidence, older, newer, before.history) else nothing]
    end = _witnessed_end(held, before, known)
    if any(missing):
        return Shown(end, f"{held.file}: {begins}. {'; and '.join(filter(None, missing))}")
    return Shown({"stands in": f"the log of history {before.history}, which has ended: {begins}"} | end)


def _word_alone(held: Held, served: str, url: str) -> str | None:
    """Why what the log that is served begins with is its operator's word alone, if it is."""
    try:
        open_checkpoint(served, held.pinned)
    except SignatureWrong:
        raise
    except NoteUnverified:
        return (
            f"{url} says so, and nothing shows it: the key of {_read(served).origin} is not pinned. Pin it as well (--key), once it has "
            "reached you by another way than this"
        )
    return None


async def _successor(held: Held, evidence: Evidence, served: str, url: str) -> Commitment:
    """What the log after the receipt's begins with. From the log that is served, each names the key of the one before it."""
    told = {each.key.partition("+")[0]: each.commitment for each in await evidence.histories()}
    note, history = served, None
    while True:
        checkpoint = _read(note)
        if (leaf := told.pop(checkpoint.origin, None)) is None:
            fail(f"{held.file}: {url} is another log: {checkpoint.origin} goes on from none with the receipt's key", CHECK_FAILED)
        # What is shown of a log's first leaf by itself is that leaf's RFC 6962 inclusion proof, too.
        shown = await evidence.consistency(1, checkpoint.head.size, history)
        begins = encode_base64(hash_leaf(leaf.encode()))
        if shown is None:
            fail(f"--against: {url} does not show what {checkpoint.origin} begins with")
        if (shown.old_size, shown.old_root) != (1, begins) or not shown.holds(checkpoint.head):
            fail(f"{held.file}: {checkpoint.origin} does not begin with what {url} says of the log before it", CHECK_FAILED)
        found = read_commitment(leaf.encode())
        before, key = found.before, parse_verifier_key(found.before.key)
        if key in held.pinned and key.name == held.receipt.checkpoint.origin:
            return found
        if (last := before.kept_checkpoint or before.checkpoint) is None:
            fail(f"{held.file}: {url} shows nothing of {key.name}, which had signed nothing", CHECK_FAILED)
        open_checkpoint(last, [key])
        note, history = last, before.history


def _witnessed_end(held: Held, before: Before, known: int) -> dict[str, str]:
    """When the pinned witnesses saw the last checkpoint that is known of the log that has ended."""
    if before.checkpoint is None or not held.policies:
        return {}
    try:
        at = open_witnessed(before.checkpoint, *(policy.of_logs(*held.pinned) for policy in held.policies)).at
    except NoteUnverified as error:
        return {"its end": f"{known} leaves are known, and not enough pinned witnesses vouch for them: {error}"}
    return {"its end": f"{known} leaves, witnessed {datetime.fromtimestamp(at, UTC).isoformat()}"}


async def _goes_on(held: Held, evidence: Evidence, older: str, newer: str, history: int | None = None) -> bool:
    """Whether it is shown that the log of `newer` goes on from `older`. Ends the command where it is shown that it does not."""
    old, new = _read(older).head, _read(newer).head
    shown = await evidence.consistency(old.size, new.size, history)
    if shown is None:
        return False
    if shown.old_size != old.size or not shown.holds(new):
        fail(f"{held.file}: the log of {new.size} leaves does not show that it goes on from the one of {old.size}", CHECK_FAILED)
    if shown.old_root != encode_base64(old.root):
        write_fork(ForkProof(older, newer, shown), held.file)
        fail(f"{held.file}: the first {old.size} leaves of the log are others now", CHECK_FAILED)
    return True


def _read(note: str) -> Checkpoint:
    return parse_checkpoint(parse_note(note).text)
