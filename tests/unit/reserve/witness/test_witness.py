"""A witness: it cosigns what goes on, refuses what does not with the status that C2SP tlog-witness names, and forgets nothing."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.witness.keys import make_keys, open_keys
from reserve.witness.witness import Submission, Witness
from services.ledger.signers import FileSigner, KeyUnsafe, create_key_file
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.merkle import consistency_proof, hash_leaf, root_of
from shared.proofs.policy import open_witnessed, parse_policy
from shared.proofs.signed_note import verifier_key

ORIGIN = "reserve.localhost/ledger/1"
NOW = 1_790_000_000


class _Log:
    """A log with its key: it can sign any tree, also one that does not go on."""

    def __init__(self, signer: FileSigner, origin: str = ORIGIN) -> None:
        self.signer = signer
        self.origin = origin
        self.key = verifier_key(origin, signer)
        self.leaves = [f"leaf {number}".encode() for number in range(20)]

    def node(self, height: int, index: int) -> bytes:
        return root_of(map(hash_leaf, self.leaves[index << height : (index + 1) << height]))

    def note(self, size: int) -> str:
        return sign_checkpoint(Checkpoint(self.origin, TreeHead(size, root_of(map(hash_leaf, self.leaves[:size])))), self.signer)

    def submission(self, old: int, size: int) -> bytes:
        proof = tuple(consistency_proof(self.node, old, size)) if old <= size else ()
        return str(Submission(old, proof, self.note(size))).encode()


@pytest.fixture
def log(tmp_path: Path) -> _Log:
    return _Log(create_key_file(tmp_path / "log.pem"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_keys(tmp_path / "witness", "witness.example.jp/reserve")
    return tmp_path / "witness"


def witness_of(folder: Path, log: _Log) -> Witness:
    return Witness(folder / "seen", open_keys(folder), {log.origin: [log.key]}, lambda: NOW)


@pytest.fixture
def witness(folder: Path, log: _Log) -> Iterator[Witness]:
    witness = witness_of(folder, log)
    yield witness
    witness.close()


def test_it_cosigns_with_both_keys_what_goes_on_from_the_last(witness: Witness, folder: Path, log: _Log) -> None:
    for old, size in ((0, 3), (3, 3), (3, 8), (8, 20)):
        answer = witness.add_checkpoint(log.submission(old, size))
        assert answer.status == 200, answer
        ed25519, ml_dsa = (folder / "witness.vkeys").read_text().splitlines()
        policy = parse_policy(f"log {log.key}\nwitness a {ed25519}\nwitness b {ml_dsa}\ngroup g all a b\nquorum g\n")
        witnessed = open_witnessed(log.note(size) + answer.text, policy)
        assert {name: said.time for name, said in witnessed.cosignatures.items()} == {"a": NOW, "b": NOW}
        assert open_witnessed(witness.checkpoint(sha256(ORIGIN.encode()).hexdigest()).text, policy).checkpoint.head.size == size


def test_what_does_not_go_on_is_refused_and_changes_nothing(witness: Witness, tmp_path: Path, log: _Log) -> None:
    assert witness.add_checkpoint(log.submission(0, 8)).status == 200
    kept = witness.checkpoint(sha256(ORIGIN.encode()).hexdigest())
    other = _Log(log.signer)
    other.leaves[2] = b"another past"
    stranger = _Log(create_key_file(tmp_path / "stranger.pem"))
    elsewhere = _Log(log.signer, "reserve.localhost/ledger/2")
    refused = {
        "a rewritten past": (other.submission(8, 12), 422),
        "another root of the same size": (other.submission(8, 8), 422),
        "a smaller log": (log.submission(8, 5), 400),
        "a size that is not the last": (log.submission(3, 12), 409),
        "a signature of nobody's": (stranger.submission(8, 12), 403),
        "another log": (elsewhere.submission(8, 12), 404),
        "no request": (b"old 8", 400),
        "no size": (log.submission(8, 12).replace(b"old 8", b"old 08"), 400),
        "a proof too long": (log.submission(8, 12).replace(b"old 8\n", b"old 8\n" + b"A" * 43 + b"=\n"), 422),
        "a proof of another length": (log.submission(8, 12).replace(b"old 8\n", b"old 8\nAAAA\n"), 400),
        "no text": (b"\xff", 400),
    }
    assert {name: witness.add_checkpoint(body).status for name, (body, _) in refused.items()} == {
        name: status for name, (_, status) in refused.items()
    }
    assert witness.checkpoint(sha256(ORIGIN.encode()).hexdigest()) == kept


def test_who_is_behind_is_told_the_size(witness: Witness, log: _Log) -> None:
    assert witness.add_checkpoint(log.submission(0, 8)).status == 200
    answer = witness.add_checkpoint(log.submission(0, 12))
    assert (answer.status, answer.text, answer.content_type) == (409, "8\n", "text/x.tlog.size")
    assert witness.add_checkpoint(log.submission(8, 12)).status == 200


def test_started_again_it_knows_what_it_has_cosigned(folder: Path, log: _Log) -> None:
    first = witness_of(folder, log)
    assert first.add_checkpoint(log.submission(0, 8)).status == 200
    with pytest.raises(BlockingIOError):
        witness_of(folder, log)  # two would cosign two histories
    first.close()
    again = witness_of(folder, log)
    assert again.add_checkpoint(log.submission(0, 12)).status == 409
    again.close()


def test_of_a_log_that_it_has_not_cosigned_it_serves_nothing(witness: Witness) -> None:
    assert witness.checkpoint(sha256(ORIGIN.encode()).hexdigest()).status == 404
    assert witness.checkpoint("../witness").status == 404


def test_keys_that_others_can_read_or_that_are_not_those_given_out_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        make_keys(folder, "witness.example.jp/reserve")
    (folder / "witness.vkeys").write_text(f"{Cosigner('witness.example.jp/reserve', Ed25519PrivateKey.generate()).key}\n")
    with pytest.raises(KeyUnsafe, match="given out"):
        open_keys(folder)
    (folder / "witness-ed25519.pem").chmod(0o644)
    with pytest.raises(KeyUnsafe, match="read by others"):
        open_keys(folder)
    with pytest.raises(KeyUnsafe, match="no keys"):
        open_keys(tmp_path / "absent")
