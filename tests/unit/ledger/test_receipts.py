"""Receipts: a holder with the text and the log's key, and nothing else, can tell a true receipt from any other text."""

import base64
import json
import re
from pathlib import Path

import aics_tlog
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from reserve_partner import proofs
from services.ledger.receipt import Check, Fault, Grade, Opening, ReceiptInvalid, make_receipt, verify_receipt
from services.ledger.signers import FileSigner, create_key_file
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TileStore
from services.ledger.tlog_proof import ProofMalformed, TlogProof, parse_tlog_proof
from shared.journal.record import Record, event_hash, hashed_bytes
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.merkle import hash_leaf, inclusion_proof
from shared.proofs.policy import WitnessPolicy, parse_policy
from shared.proofs.signed_note import Note, VerifierKey, verifier_key

ORIGIN = "reserve.example/ledger"
SIZE = 300


class Log:
    """A ledger's log of 300 events of one inventory shard, signed."""

    def __init__(self, folder: Path) -> None:
        self.signer = create_key_file(folder / "log.pem")
        self.keys = [verifier_key(ORIGIN, self.signer)]
        self.openings = [open_event(position) for position in range(1, SIZE + 1)]
        self.store = TileStore(folder / "log")
        self.head = TileWriter(self.store).append([opening.leaf for opening in self.openings])
        self.checkpoint = sign_checkpoint(Checkpoint(ORIGIN, self.head), self.signer)

    def proof(self, index: int) -> list[bytes]:
        return inclusion_proof(self.store.node_reader(SIZE), index, SIZE)

    def receipt(self, index: int, opening: Opening | None = None) -> str:
        return make_receipt(opening or self.openings[index], index, self.proof(index), self.checkpoint)


def open_event(position: int, shard: int = 0) -> Opening:
    record = Record(
        shard=shard,
        position=position,
        stream="stockpile-antimony",
        version=position,
        type="inventory.stock_drawn.v1",
        data=msgspec.Raw(b'{"depot":"Kalgoorlie \xc3\xa9","mass_g":5000}'),
        partner="JP",
        partner_seq=position,
        effective_on="2026-01-06",
        recorded_at="2026-01-06T00:00:00.000000Z",
        command_id="c0",
        actor="operator",
        correlation_id="0" * 32,
        causation_id="",
        salt=position.to_bytes(16),
        event_hash=bytes(32),
        chain_hash=bytes(32),
    )
    hashed = hashed_bytes(record)
    return Opening(f"inventory/{shard}/{position}", record.salt, event_hash(record.salt, hashed), hashed)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(tmp_path_factory.mktemp("log"))


def refused(text: str | bytes, keys: list[VerifierKey], *policies: WitnessPolicy) -> Fault:
    """A partner's own check, which has no policies, refuses it for the same."""
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(text, keys, *policies)
    if not policies:
        with pytest.raises(proofs.ReceiptInvalid) as also:
            proofs.check_receipt(text, *map(str, keys))
        assert also.value.code == caught.value.code
    return caught.value.code


def extra_of(receipt: str) -> bytes:
    return base64.b64decode(re.findall(r"(?m)^extra (.*)$", receipt)[0])


def with_extra(receipt: str, extra: bytes) -> str:
    return re.sub(r"(?m)^extra .*$", f"extra {base64.b64encode(extra).decode()}", receipt)


# True receipts


@pytest.mark.parametrize("index", [0, 1, 255, 256, 298, 299])
def test_a_receipt_verifies_and_says_what_was_recorded_where(log: Log, index: int) -> None:
    verified = verify_receipt(log.receipt(index), log.keys)
    partners = proofs.check_receipt(log.receipt(index), *map(str, log.keys))
    assert (partners.index, partners.place, partners.size) == (index, verified.opening.place, SIZE)
    assert partners.event == msgspec.json.decode(verified.opening.event or b"")
    assert verified.index == index
    assert verified.opening == log.openings[index]
    assert verified.head == log.head
    assert verified.grade is Grade.SIGNED
    assert msgspec.json.decode(verified.opening.event or b"")["position"] == index + 1


def test_a_receipt_need_not_show_its_event(log: Log) -> None:
    opening = msgspec.structs.replace(log.openings[9], event=None)
    text = log.receipt(9, opening)
    assert verify_receipt(text, log.keys).opening == opening
    assert proofs.check_receipt(text, str(log.keys[0])).event is None
    assert b"Kalgoorlie" not in extra_of(text)


def test_a_receipt_is_read_from_bytes_too(log: Log) -> None:
    assert verify_receipt(log.receipt(3).encode(), log.keys) == verify_receipt(log.receipt(3), log.keys)


def test_anyone_can_read_the_opening_as_json(log: Log) -> None:
    opening = json.loads(extra_of(log.receipt(41)))
    assert opening["place"] == "inventory/0/42"
    assert opening["event"]["data"]["mass_g"] == 5000
    assert bytes.fromhex(opening["event_hash"]) == log.openings[41].event_hash


def test_a_log_of_one_leaf_gives_a_receipt_without_hashes(tmp_path: Path) -> None:
    signer = create_key_file(tmp_path / "log.pem")
    opening = open_event(1)
    head = TileWriter(TileStore(tmp_path)).append([opening.leaf])
    text = make_receipt(opening, 0, [], sign_checkpoint(Checkpoint(ORIGIN, head), signer))
    assert verify_receipt(text, [verifier_key(ORIGIN, signer)]).opening == opening


def test_the_oracle_finds_the_leaf_in_the_signed_tree(log: Log) -> None:
    proof = parse_tlog_proof(log.receipt(77))
    note = aics_tlog.parse_note(proof.checkpoint)
    checkpoint = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(str(log.keys[0])))
    assert checkpoint.ok
    assert checkpoint.size is not None
    assert checkpoint.root is not None
    leaf = log.openings[77].leaf
    assert aics_tlog.verify_leaf_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root)


def test_a_receipt_that_would_not_verify_is_not_made(log: Log) -> None:
    with pytest.raises(ValueError, match="is not leaf 4"):
        make_receipt(log.openings[3], 4, log.proof(4), log.checkpoint)


# False receipts


def test_a_receipt_of_another_leaf_is_refused(log: Log) -> None:
    swapped = with_extra(log.receipt(5), extra_of(log.receipt(6)))
    assert refused(swapped, log.keys) is Fault.NOT_INCLUDED
    moved = log.receipt(5).replace("index 5\n", "index 6\n")
    assert refused(moved, log.keys) is Fault.NOT_INCLUDED
    beyond = log.receipt(5).replace("index 5\n", f"index {SIZE}\n")
    assert refused(beyond, log.keys) is Fault.NOT_INCLUDED


def test_an_altered_event_is_refused(log: Log) -> None:
    for old, new in ((b"5000", b"9000"), (b"JP", b"US"), (b"Kalgoorlie", b"Fremantle.")):
        assert refused(with_extra(log.receipt(5), extra_of(log.receipt(5)).replace(old, new)), log.keys) is Fault.EVENT_ALTERED


def test_an_event_shown_at_another_place_than_its_own_is_refused(tmp_path: Path) -> None:
    """The ledger itself lies: it logged, and signed, an event under a place that is not its own."""
    signer = create_key_file(tmp_path / "log.pem")
    for place in ("inventory/0/8", "inventory/1/7", "allocation/0/7"):
        opening = msgspec.structs.replace(open_event(7), place=place)
        head = TileWriter(TileStore(tmp_path / place)).append([opening.leaf])
        text = make_receipt(opening, 0, [], sign_checkpoint(Checkpoint(ORIGIN, head), signer))
        assert refused(text, [verifier_key(ORIGIN, signer)]) is Fault.EVENT_ELSEWHERE


def test_a_receipt_under_no_pinned_key_is_refused(log: Log, tmp_path: Path) -> None:
    stranger = create_key_file(tmp_path / "stranger.pem")
    assert refused(log.receipt(5), []) is Fault.KEY_UNKNOWN
    assert refused(log.receipt(5), [verifier_key(ORIGIN, stranger)]) is Fault.KEY_UNKNOWN
    assert refused(log.receipt(5), [verifier_key("another.example", log.signer)]) is Fault.KEY_UNKNOWN


def test_a_checkpoint_altered_after_it_was_signed_is_refused(log: Log) -> None:
    assert refused(log.receipt(5).replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n"), log.keys) is Fault.SIGNATURE_WRONG


def test_a_forged_tree_with_its_own_checkpoint_needs_the_logs_key(log: Log, tmp_path: Path) -> None:
    forger = create_key_file(tmp_path / "forger.pem")
    opening = open_event(301)
    head = TileWriter(TileStore(tmp_path)).append([opening.leaf])
    forged = make_receipt(opening, 0, [], sign_checkpoint(Checkpoint(ORIGIN, head), forger))
    assert refused(forged, log.keys) is Fault.KEY_UNKNOWN


def test_a_receipt_is_witnessed_once_enough_of_the_pinned_witnesses_have_cosigned_its_checkpoint(log: Log) -> None:
    tokyo, geneva, stranger = (Cosigner(f"witness.example/{name}", Ed25519PrivateKey.generate()) for name in ("tokyo", "geneva", "nobody"))
    policy = parse_policy(f"witness tokyo {tokyo.key}\nwitness geneva {geneva.key}\ngroup both all tokyo geneva\nquorum both\n")
    checkpoint = Checkpoint(ORIGIN, log.head)

    def cosigned(*said: tuple[Cosigner, int]) -> str:
        return log.receipt(5) + Note("", tuple(each.cosign(checkpoint, time) for each, time in said)).signature_lines

    witnessed = verify_receipt(cosigned((tokyo, 1_790_000_000), (geneva, 1_790_000_007)), log.keys, policy)
    assert (witnessed.grade, witnessed.witnessed and witnessed.witnessed.at) == (Grade.WITNESSED, 1_790_000_007)
    assert refused(log.receipt(5), log.keys, policy) is Fault.GRADE_NOT_MET
    assert refused(cosigned((tokyo, 1_790_000_000), (stranger, 1_790_000_000)), log.keys, policy) is Fault.GRADE_NOT_MET
    elsewhere = Note("", (tokyo.cosign(Checkpoint(ORIGIN, TreeHead(5, bytes(32))), 1),)).signature_lines
    assert refused(cosigned((geneva, 1_790_000_000)) + elsewhere, log.keys, policy) is Fault.SIGNATURE_WRONG


@pytest.mark.parametrize(
    "alter",
    [
        lambda opening: {**opening, "more": 1},
        lambda opening: {key: value for key, value in opening.items() if key != "salt"},
        lambda opening: {**opening, "salt": opening["salt"][:-2]},
        lambda opening: {**opening, "salt": opening["salt"][:-1]},
        lambda opening: {**opening, "salt": "A" * 32},  # hex is written in lower case
        lambda opening: {**opening, "event_hash": opening["event_hash"] + "00"},
        lambda opening: {**opening, "event_hash": " " + opening["event_hash"]},
        lambda opening: {**opening, "place": "inventory/00/6"},
        lambda opening: {**opening, "place": "inventory/6"},
        lambda opening: {**opening, "place": "../0/6"},
        lambda opening: {**opening, "place": "inventory/0/6\n"},
        lambda opening: {**opening, "place": 6},
        lambda opening: [],
    ],
)
def test_what_is_not_exactly_an_opening_is_refused(log: Log, alter: object) -> None:
    opening = json.loads(extra_of(log.receipt(5, msgspec.structs.replace(log.openings[5], event=None))))
    altered = json.dumps(alter(opening), separators=(",", ":"), sort_keys=True).encode()  # type: ignore[operator]
    assert refused(with_extra(log.receipt(5), altered), log.keys) is Fault.NOT_AN_OPENING


def test_an_opening_has_one_spelling(log: Log) -> None:
    extra = extra_of(log.receipt(5))
    twice = extra.replace(b'{"event":', b'{"place":"inventory/0/6","event":', 1)
    for spelling in (json.dumps(json.loads(extra)).encode(), b" " + extra, extra + b"\n", twice, extra[:-1], b"", b"[" * 100_000):
        assert refused(with_extra(log.receipt(5), spelling), log.keys) is Fault.NOT_AN_OPENING


def test_an_event_that_nests_too_deep_is_refused(log: Log) -> None:
    deep = b"[" * 60_000 + b"]" * 60_000
    extra = re.sub(rb'"event":.*,"event_hash"', b'"event":' + deep + b',"event_hash"', extra_of(log.receipt(5)))
    assert refused(with_extra(log.receipt(5), extra), log.keys) in (Fault.NOT_AN_OPENING, Fault.EVENT_ALTERED)


def test_a_proof_without_an_opening_is_no_receipt(log: Log) -> None:
    assert refused(re.sub(r"(?m)^extra .*\n", "", log.receipt(5)), log.keys) is Fault.NOT_AN_OPENING


@pytest.mark.parametrize(
    "text", ["", "\n", "{}", b"\xff\xfe", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v2\nindex 0\n\nx\n", "a" * 300_000]
)
def test_any_other_text_is_no_proof(log: Log, text: str | bytes) -> None:
    assert refused(text, log.keys) is Fault.NOT_A_PROOF


def test_a_receipt_whose_checkpoint_is_cut_off_is_refused(log: Log) -> None:
    text = log.receipt(5)
    assert refused(text[: text.index(ORIGIN)], log.keys) is Fault.NOT_A_CHECKPOINT
    assert refused(text[:-1], log.keys) is Fault.NOT_A_CHECKPOINT


def test_a_refusal_names_its_code_and_the_check_that_failed(log: Log) -> None:
    with pytest.raises(ReceiptInvalid, match=r"^not_included \(inclusion\): inventory/0/6 is not leaf 6") as caught:
        verify_receipt(log.receipt(5).replace("index 5\n", "index 6\n"), log.keys)
    assert caught.value.check is Check.INCLUSION
    assert {fault.check for fault in Fault} == set(Check)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_flipped_bit_breaks_a_receipt(log: Log, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, SIZE - 1))
    text = log.receipt(index).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    flipped = text[:at] + bytes([text[at] ^ 1 << data.draw(st.integers(0, 7))]) + text[at + 1 :]
    with pytest.raises(ReceiptInvalid):
        verify_receipt(flipped, log.keys)


# The C2SP format by itself: the cases of transparency-dev/formats


HASHES = (hash_leaf(b"1"), hash_leaf(b"2"))


@pytest.mark.parametrize(
    "proof", [TlogProof(5, HASHES, "checkpoint\n"), TlogProof(10, HASHES[:1], "a\n\nb\n", b"extra"), TlogProof(0, (), "c\n", b"")]
)
def test_a_proof_reads_as_it_was_written(proof: TlogProof) -> None:
    assert parse_tlog_proof(str(proof)) == proof


def test_a_proof_is_written_as_the_specification_says() -> None:
    first, second = (base64.b64encode(sibling).decode() for sibling in HASHES)
    assert str(TlogProof(5, HASHES, "checkpoint\n")) == f"c2sp.org/tlog-proof@v1\nindex 5\n{first}\n{second}\n\ncheckpoint\n"
    assert str(TlogProof(0, (), "c\n", b"info")) == "c2sp.org/tlog-proof@v1\nextra aW5mbw==\nindex 0\n\nc\n"


@pytest.mark.parametrize(
    "lines",
    [
        "\n\ncheckpoint\n",
        "index notanumber\n\ncheckpoint\n",
        "index -5\n\ncheckpoint\n",
        "index +1\n\ncheckpoint\n",
        "index  1\n\ncheckpoint\n",
        "index 007\n\ncheckpoint\n",
        "index 18446744073709551616\n\ncheckpoint\n",
        "index 1\n",
        "index 1\r\n\r\ncheckpoint\n",
        "extra\nindex 0\n\ncheckpoint\n",
        "extra !!notbase64!!\nindex 0\n\ncheckpoint\n",
        "extra YR==\nindex 0\n\ncheckpoint\n",
        "index 0\nextra YQ==\n\ncheckpoint\n",
        "index 0\n!!notbase64!!\n\ncheckpoint\n",
        "index 0\nYQ==\n\ncheckpoint\n",
        "index 0\n" + ("A" * 43 + "=\n") * 64 + "\ncheckpoint\n",
        "index 0\nypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLt=\n\ncheckpoint\n",
    ],
)
def test_what_is_not_exactly_a_proof_is_refused(lines: str) -> None:
    with pytest.raises(ProofMalformed):
        parse_tlog_proof(f"c2sp.org/tlog-proof@v1\n{lines}")


def test_the_signer_may_be_anything_that_signs(log: Log) -> None:
    """A KMS in the file's stead: the log asks it for its public key and for signatures, and never sees the private one."""

    class Kms:
        def __init__(self, key: FileSigner) -> None:
            self._key = key
            self.public_key = key.public_key

        def sign(self, message: bytes) -> bytes:
            return self._key.sign(message)

    checkpoint = sign_checkpoint(Checkpoint(ORIGIN, log.head), Kms(log.signer))
    assert verify_receipt(make_receipt(log.openings[0], 0, log.proof(0), checkpoint), log.keys).index == 0
