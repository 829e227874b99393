"""Cosignatures and the policies that ask for them, against the examples of C2SP and against what a liar would hand in."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.ledger.signers import create_key_file
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.cosignature import Cosignature, Cosigner, parse_cosigner_key
from shared.proofs.policy import NotWitnessed, PolicyMalformed, WitnessPolicy, open_witnessed, parse_policy
from shared.proofs.signed_note import Note, NoteMalformed, NoteUnverified, SignatureWrong, VerifierKey, parse_note, verifier_key

LOG = "reserve.localhost/ledger/1"
CHECKPOINT = Checkpoint(LOG, TreeHead(7, bytes(range(32))))


@pytest.fixture(scope="module")
def cosigners() -> list[Cosigner]:
    keys = [Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate(), Ed25519PrivateKey.generate()]
    return [Cosigner(f"witness.example/{number}", key) for number, key in enumerate(keys)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[VerifierKey, Note]:
    signer = create_key_file(tmp_path_factory.mktemp("log") / "log.pem")
    return verifier_key(LOG, signer), parse_note(sign_checkpoint(CHECKPOINT, signer))


def policy(log: VerifierKey, cosigners: list[Cosigner], *rule: str) -> WitnessPolicy:
    witnesses = [f"witness w{number} {cosigner.key}" for number, cosigner in enumerate(cosigners)]
    return parse_policy("\n".join(("# who counts", f"log {log}", "", *witnesses, *rule, "")))


def test_a_cosignature_says_who_and_when(cosigners: list[Cosigner]) -> None:
    for cosigner in cosigners:
        line = cosigner.cosign(CHECKPOINT, 1_679_315_147)
        said = Cosignature.verified(CHECKPOINT, line, parse_cosigner_key(str(cosigner.key)))
        assert (said.key, said.time) == (cosigner.key, 1_679_315_147)


def test_a_cosignature_of_another_tree_time_or_key_is_refused(cosigners: list[Cosigner]) -> None:
    another = Checkpoint(LOG, TreeHead(8, bytes(range(32))))
    for cosigner in cosigners:
        line = cosigner.cosign(CHECKPOINT, 1_679_315_147)
        with pytest.raises(SignatureWrong):
            Cosignature.verified(another, line, cosigner.key)
        for forged in (bytes(7) + b"\1" + line.signature[8:], bytes(8) + line.signature[8:], line.signature[:-1]):
            with pytest.raises(SignatureWrong):
                Cosignature.verified(CHECKPOINT, type(line)(line.name, line.key_id, forged), cosigner.key)


@pytest.mark.parametrize("text", ["", "a+b+c", "w+00000000+AQ=="])
def test_what_is_no_cosigners_key_is_refused(text: str) -> None:
    with pytest.raises(NoteMalformed):
        parse_cosigner_key(text)


@pytest.mark.parametrize(
    ("rule", "enough", "too_few"),
    [
        (["quorum none"], [], None),
        (["quorum w0"], [0], [1, 2]),
        (["group g any w0 w1 w2", "quorum g"], [2], []),
        (["group g 2 w0 w1 w2", "quorum g"], [0, 1], [1]),
        (["group g all w0 w1", "group h all g w2", "quorum h"], [0, 1, 2], [0, 2]),
    ],
)
def test_a_checkpoint_counts_once_enough_witnesses_have_cosigned_it(
    log: tuple[VerifierKey, Note], cosigners: list[Cosigner], rule: list[str], enough: list[int], too_few: list[int] | None
) -> None:
    key, note = log

    def cosigned(numbers: list[int]) -> str:
        return str(Note(note.text, note.signatures + tuple(cosigners[number].cosign(CHECKPOINT, 1) for number in numbers)))

    asked = policy(key, cosigners, *rule)
    assert sorted(open_witnessed(cosigned(enough), asked).cosignatures) == [f"w{number}" for number in enough]
    if too_few is not None:
        with pytest.raises(NotWitnessed):
            open_witnessed(cosigned(too_few), asked)


def test_one_wrong_cosignature_of_a_witness_refuses_the_checkpoint(log: tuple[VerifierKey, Note], cosigners: list[Cosigner]) -> None:
    key, note = log
    another = cosigners[0].cosign(Checkpoint(LOG, TreeHead(6, bytes(32))), 1)
    with pytest.raises(SignatureWrong):
        open_witnessed(str(Note(note.text, (*note.signatures, another))), policy(key, cosigners, "quorum none"))


@pytest.mark.parametrize(
    "rule",
    [
        [],  # no quorum
        ["quorum none", "quorum none"],
        ["quorum nobody"],
        ["group g any", "quorum g"],
        ["group g 3 w0 w1", "quorum g"],
        ["group g 0 w0 w1", "quorum g"],
        ["group g any later", "group later any w0", "quorum g"],
        ["group g any w0 w0", "quorum g"],
        ["group g any w0", "group h any w0", "quorum h"],
        ["group w0 any w1", "quorum w0"],
        ["group none any w1", "quorum none"],
        ["quorum w0 w1"],
        ["anything else"],
        ["quorum\x00 none"],
    ],
)
def test_what_is_no_policy_is_refused_by_its_line(log: tuple[VerifierKey, Note], cosigners: list[Cosigner], rule: list[str]) -> None:
    with pytest.raises(PolicyMalformed, match=r"line [0-9]+:|one line that says"):
        policy(log[0], cosigners, *rule)


def test_one_witness_by_two_keys_is_not_counted_as_two_of_three(log: tuple[VerifierKey, Note], cosigners: list[Cosigner]) -> None:
    second = Cosigner(cosigners[0].key.name, MLDSA44PrivateKey.generate())
    same = f"witness again {second.key}"
    with pytest.raises(PolicyMalformed, match=f"{second.key.name} has several keys in it, and would be counted as several witnesses"):
        policy(log[0], cosigners, same, "group g 2 w0 again w1", "quorum g")
    with pytest.raises(PolicyMalformed, match="several keys in it"):
        policy(log[0], cosigners, same, "group h any again w1", "group g all w0 h", "quorum g")
    policy(log[0], cosigners, same, "group h all w0 again", "group g all h w1", "quorum g")  # one witness by both of its keys
    policy(log[0], cosigners, same, "group g any w0 again w1", "quorum g")


def test_a_witness_or_a_log_is_there_once(log: tuple[VerifierKey, Note], cosigners: list[Cosigner], tmp_path: Path) -> None:
    with pytest.raises(PolicyMalformed, match="there already"):
        policy(log[0], cosigners, f"witness again {cosigners[0].key}", "quorum none")
    with pytest.raises(PolicyMalformed, match="there already"):
        policy(log[0], cosigners, f"log {log[0]}", "quorum none")


def test_a_policy_names_the_log_by_either_of_its_keys(log: tuple[VerifierKey, Note], cosigners: list[Cosigner]) -> None:
    key, note = log
    second = Cosigner(LOG, MLDSA44PrivateKey.generate())
    line, forged = second.cosign(CHECKPOINT, 1), second.cosign(Checkpoint(LOG, TreeHead(8, bytes(32))), 1)
    by_second = parse_policy(f"log {second.key}\nquorum none\n")
    by_either = parse_policy(f"log {key}\nlog {second.key}\nquorum none\n")
    for signatures in ((line,), (*note.signatures, line)):
        for asked in (by_second, by_either):
            assert open_witnessed(str(Note(note.text, signatures)), asked).checkpoint == CHECKPOINT
    assert open_witnessed(str(note), by_either).checkpoint == CHECKPOINT
    for asked in (by_second, by_either):
        with pytest.raises(SignatureWrong):
            open_witnessed(str(Note(note.text, (*note.signatures, forged))), asked)
    with pytest.raises(NoteUnverified):
        open_witnessed(str(note), by_second)
    elsewhere = Cosigner("another.example/log", second._private_key)
    with pytest.raises(NoteUnverified):  # a key counts for the log of its name
        open_witnessed(str(Note(note.text, (elsewhere.cosign(CHECKPOINT, 1),))), parse_policy(f"log {elsewhere.key}\nquorum none\n"))


def test_a_log_is_not_named_by_a_witness_key_of_ed25519(cosigners: list[Cosigner]) -> None:
    with pytest.raises(PolicyMalformed, match="line 1: not a verifier key of a type that counts here: 1, 6"):
        parse_policy(f"log {cosigners[0].key}\nquorum none\n")


def test_a_signature_of_the_head_says_nothing_of_further_lines() -> None:
    """What ML-DSA-44 signs is the tree's head: lines after it would be anybody's."""
    second = Cosigner(LOG, MLDSA44PrivateKey.generate())
    extended = Checkpoint(LOG, CHECKPOINT.head, ("more",))
    with pytest.raises(SignatureWrong, match="further lines"):
        Cosignature.verified(extended, second.cosign(CHECKPOINT, 1), second.key)
