"""A receipt: proof, to one who has neither our database nor our word, that an event stands in the ledger.

It is a C2SP tlog-proof whose `extra` opens the leaf. The leaf hides the event (SHA-256(0x03 || salt || place || event_hash)); the opening
gives its salt, place and hash and, if the holder may read it, the event as it was recorded. Verifying needs the text, the log's key, and no
network.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from services.ledger.tlog_proof import ProofMalformed, TlogProof, parse_tlog_proof
from shared.journal.places import FIRST, Place, parse_place
from shared.journal.record import canonical, event_hash, leaf_data
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint, parse_checkpoint
from shared.proofs.merkle import hash_leaf, verify_inclusion
from shared.proofs.policy import NotWitnessed, Witnessed, WitnessPolicy, open_witnessed
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, SignatureWrong, VerifierKey, parse_note

_SALT_BYTES = 16
_EVENT_HASH_BYTES = 32


class Grade(StrEnum):
    """What a receipt claims."""

    SIGNED = "signed"  # the ledger said so, and cannot unsay it
    WITNESSED = "witnessed"  # and k of n witnesses vouch that it says the same to everyone


class Check(StrEnum):
    """The checks, in the order in which they are made."""

    FORM = "form"  # the text is a receipt
    EVENT = "event"  # the event is what the opening says
    SIGNATURE = "signature"  # a pinned key of the log signed the checkpoint
    GRADE = "grade"  # it claims what was asked for
    INCLUSION = "inclusion"  # the leaf is in the tree that was signed


class Fault(StrEnum):
    """Why a receipt is worth nothing. The values are stable: tools and partners match on them."""

    NOT_A_PROOF = "not_a_proof"
    NOT_AN_OPENING = "not_an_opening"
    NOT_A_CHECKPOINT = "not_a_checkpoint"
    EVENT_ALTERED = "event_altered"
    EVENT_ELSEWHERE = "event_elsewhere"
    KEY_UNKNOWN = "key_unknown"
    SIGNATURE_WRONG = "signature_wrong"
    GRADE_NOT_MET = "grade_not_met"
    NOT_INCLUDED = "not_included"

    @property
    def check(self) -> Check:
        """Which check failed."""
        return _CHECKS[self]


_CHECKS = {
    Fault.NOT_A_PROOF: Check.FORM,
    Fault.NOT_AN_OPENING: Check.FORM,
    Fault.NOT_A_CHECKPOINT: Check.FORM,
    Fault.EVENT_ALTERED: Check.EVENT,
    Fault.EVENT_ELSEWHERE: Check.EVENT,
    Fault.KEY_UNKNOWN: Check.SIGNATURE,
    Fault.SIGNATURE_WRONG: Check.SIGNATURE,
    Fault.GRADE_NOT_MET: Check.GRADE,
    Fault.NOT_INCLUDED: Check.INCLUSION,
}


class ReceiptInvalid(Exception):
    """A receipt failed a check; what it says must not be relied on, not even in part."""

    def __init__(self, code: Fault, detail: str) -> None:
        super().__init__(f"{code} ({code.check}): {detail}")
        self.code = code
        self.detail = detail

    @property
    def check(self) -> Check:
        return self.code.check


class Opening(msgspec.Struct, frozen=True):
    """What turns a leaf back into an event: its place ("inventory/0/123"), salt (16 bytes) and hash (32), and perhaps the bytes that were
    hashed (`shared.journal.record.hashed_bytes`)."""

    place: str
    salt: bytes
    event_hash: bytes
    event: bytes | None = None

    @property
    def leaf(self) -> bytes:
        """The leaf's data, 32 bytes."""
        return leaf_data(self.salt, self.place, self.event_hash)


class VerifiedReceipt(msgspec.Struct, frozen=True):
    """What a verified receipt says: this event is leaf `index` of the tree that `checkpoint` signed."""

    index: int
    checkpoint: Checkpoint
    opening: Opening
    note: str  # the checkpoint as it was signed
    witnessed: Witnessed | None = None  # where a policy was asked for

    @property
    def grade(self) -> Grade:
        return Grade.SIGNED if self.witnessed is None else Grade.WITNESSED

    @property
    def head(self) -> TreeHead:
        return self.checkpoint.head


class _Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The opening on paper: canonical JSON, hashes in hex, the event nested as it is, so that anyone can read it."""

    event_hash: str
    place: str
    salt: str
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Where(msgspec.Struct, frozen=True):
    """What an event says of its own place."""

    type: str
    shard: int
    position: int
    history: int = FIRST

    @property
    def place(self) -> str:
        return str(Place(self.type.partition(".")[0], self.shard, self.position, self.history))


def make_receipt(opening: Opening, index: int, proof: Sequence[bytes], checkpoint: str) -> str:
    """The receipt of leaf `index`, whose `proof` leads to the signed note `checkpoint`. Raises ValueError if it would not verify."""
    head = parse_checkpoint(parse_note(checkpoint).text).head
    if not verify_inclusion(hash_leaf(opening.leaf), index, head.size, proof, head.root):
        raise ValueError(f"{opening.place} is not leaf {index} of the tree of {head.size}")
    return str(TlogProof(index, tuple(proof), checkpoint, _encode_opening(opening)))


def verify_receipt(text: str | bytes, log_keys: Sequence[VerifierKey], *policies: WitnessPolicy) -> VerifiedReceipt:
    """What the receipt says, if all checks pass. `log_keys` are pinned: they came to the verifier some other way than with the receipt; so
    did `policies`, where any are given: enough witnesses of one of them must have cosigned (their own log lines are not looked at).

    Raises ReceiptInvalid, and nothing else, for any text.
    """
    proof = _read_proof(text)
    opening = _read_opening(proof.extra)
    checkpoint = _read_checkpoint(proof.checkpoint)
    _check_event(opening)
    witnessed = None
    try:
        if policies:
            witnessed = open_witnessed(proof.checkpoint, *(policy.of_logs(*log_keys) for policy in policies))
        else:
            open_checkpoint(proof.checkpoint, log_keys)
    except SignatureWrong as error:
        raise ReceiptInvalid(Fault.SIGNATURE_WRONG, str(error)) from error
    except NotWitnessed as error:
        raise ReceiptInvalid(Fault.GRADE_NOT_MET, f"the receipt is {Grade.SIGNED}, not {Grade.WITNESSED}: {error}") from error
    except NoteUnverified as error:
        raise ReceiptInvalid(Fault.KEY_UNKNOWN, f"no pinned key of {checkpoint.origin} signed the checkpoint") from error
    head = checkpoint.head
    if not verify_inclusion(hash_leaf(opening.leaf), proof.index, head.size, proof.hashes, head.root):
        raise ReceiptInvalid(Fault.NOT_INCLUDED, f"{opening.place} is not leaf {proof.index} of the signed tree of {head.size}")
    return VerifiedReceipt(proof.index, checkpoint, opening, proof.checkpoint, witnessed)


def _read_proof(text: str | bytes) -> TlogProof:
    try:
        return parse_tlog_proof(text if isinstance(text, str) else text.decode())
    except (ProofMalformed, UnicodeDecodeError) as error:
        raise ReceiptInvalid(Fault.NOT_A_PROOF, str(error)) from error


def _read_checkpoint(note: str) -> Checkpoint:
    try:
        return parse_checkpoint(parse_note(note).text)
    except NoteMalformed as error:
        raise ReceiptInvalid(Fault.NOT_A_CHECKPOINT, str(error)) from error


def _read_opening(extra: bytes | None) -> Opening:
    try:
        written = msgspec.json.decode(extra or b"", type=_Extra)
        event = None if written.event is msgspec.UNSET else bytes(written.event)
        opening = Opening(written.place, bytes.fromhex(written.salt), bytes.fromhex(written.event_hash), event)
    except (ValueError, RecursionError) as error:
        raise ReceiptInvalid(Fault.NOT_AN_OPENING, f"the extra line does not open a leaf: {error}") from error
    try:
        parse_place(opening.place)
    except ValueError as error:
        raise ReceiptInvalid(Fault.NOT_AN_OPENING, f"{opening.place} is {error}") from error
    if (len(opening.salt), len(opening.event_hash)) != (_SALT_BYTES, _EVENT_HASH_BYTES):
        raise ReceiptInvalid(Fault.NOT_AN_OPENING, "an opening has a salt of 16 bytes and a hash of 32")
    if _encode_opening(opening) != extra:
        raise ReceiptInvalid(Fault.NOT_AN_OPENING, "the opening is not canonical JSON")
    return opening


def _encode_opening(opening: Opening) -> bytes:
    event = msgspec.UNSET if opening.event is None else msgspec.Raw(opening.event)
    return canonical(_Extra(opening.event_hash.hex(), opening.place, opening.salt.hex(), event))


def _check_event(opening: Opening) -> None:
    """The event, if it is there, is the one that was hashed, and stands where the ledger says that it stands."""
    if opening.event is None:
        return
    if event_hash(opening.salt, opening.event) != opening.event_hash:
        raise ReceiptInvalid(Fault.EVENT_ALTERED, "the event is not the one whose hash was recorded")
    try:
        where = msgspec.json.decode(opening.event, type=_Where)
    except (ValueError, RecursionError) as error:
        raise ReceiptInvalid(Fault.EVENT_ELSEWHERE, f"the event does not say where it stands: {error}") from error
    if where.place != opening.place:
        raise ReceiptInvalid(Fault.EVENT_ELSEWHERE, f"the event says that it stands at {where.place}, its receipt {opening.place}")
