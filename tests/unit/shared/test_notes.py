"""Signed notes and checkpoints: the examples of C2SP and of Go's sumdb, an independent library both ways, and what is refused."""

import base64
from pathlib import Path

import aics_tlog
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.signers import FileSigner, KeyUnsafe, create_key_file
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint, parse_checkpoint, sign_checkpoint
from shared.proofs.merkle import EMPTY_TREE
from shared.proofs.signed_note import (
    Note,
    NoteMalformed,
    NoteUnverified,
    Signature,
    SignatureWrong,
    parse_note,
    parse_verifier_key,
    sign_note,
    verifier_key,
    verify_note,
)

# c2sp.org/signed-note, "Verifier keys".
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# golang.org/x/mod/sumdb/note: its example, with the private key.
GO_PRIVATE_KEY = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# c2sp.org/tlog-checkpoint, whose key is not published.
C2SP_CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
SIGNATURE_LINE = C2SP_NOTE.split("\n\n")[1]
ORIGIN = "reserve.example/ledger"
HEAD = TreeHead(7, bytes(range(32)))


def write_key(path: Path, key: Ed25519PrivateKey) -> FileSigner:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return FileSigner(path)


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return create_key_file(tmp_path / "log.pem")


# Vectors


@pytest.mark.parametrize(("key", "note"), [(C2SP_KEY, C2SP_NOTE), (GO_KEY, GO_NOTE)])
def test_a_published_note_verifies_and_is_written_as_it_was_read(key: str, note: str) -> None:
    parsed = parse_note(note)
    assert verify_note(parsed, [parse_verifier_key(key)]) == (parse_verifier_key(key),)
    assert str(parsed) == note
    assert str(parse_verifier_key(key)) == key


def test_the_published_private_key_signs_the_published_note(tmp_path: Path) -> None:
    signer = write_key(tmp_path / "go.pem", Ed25519PrivateKey.from_private_bytes(base64.b64decode(GO_PRIVATE_KEY)[1:]))
    assert str(verifier_key("PeterNeumann", signer)) == GO_KEY
    assert str(sign_note(parse_note(GO_NOTE).text, "PeterNeumann", signer)) == GO_NOTE


def test_the_published_checkpoint_is_read() -> None:
    checkpoint = parse_checkpoint(parse_note(C2SP_CHECKPOINT).text)
    assert (checkpoint.origin, checkpoint.head.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(parse_note(C2SP_CHECKPOINT)) == C2SP_CHECKPOINT
    assert checkpoint.text == parse_note(C2SP_CHECKPOINT).text


# Verifying


def test_an_altered_text_is_refused() -> None:
    with pytest.raises(SignatureWrong):
        verify_note(parse_note(C2SP_NOTE.replace("example message", "Example message")), [parse_verifier_key(C2SP_KEY)])


def test_a_note_that_no_trusted_key_signed_is_refused() -> None:
    for keys in ([], [parse_verifier_key(GO_KEY)]):
        with pytest.raises(NoteUnverified):
            verify_note(parse_note(C2SP_NOTE), keys)


def test_lines_of_unknown_keys_are_ignored_even_if_they_share_a_name_or_an_id(signer: FileSigner) -> None:
    trusted = parse_verifier_key(C2SP_KEY)
    note = parse_note(C2SP_NOTE)
    same_name = sign_note(note.text, trusted.name, signer).signatures
    same_id = parse_note(C2SP_NOTE.replace("— example.com/foo", "— example.com/bar")).signatures
    assert verify_note(Note(note.text, same_name + same_id + note.signatures), [trusted]) == (trusted,)
    with pytest.raises(NoteUnverified):
        verify_note(Note(note.text, same_name + same_id), [trusted])


def test_sixteen_signatures_of_five_kilobytes_by_unknown_keys_are_passed_over() -> None:
    """As many as tlog-checkpoint asks a client to bear, of keys as large as those of ML-DSA."""
    note = parse_note(C2SP_NOTE)
    unknown = tuple(Signature(f"witness.example/{number}", bytes([number] * 4), bytes(5_000)) for number in range(16))
    long = str(Note(note.text, unknown + note.signatures))
    assert verify_note(parse_note(long), [parse_verifier_key(C2SP_KEY)]) == (parse_verifier_key(C2SP_KEY),)


def test_one_wrong_signature_of_a_trusted_key_refuses_the_note_whatever_else_is_right(signer: FileSigner) -> None:
    trusted = [parse_verifier_key(C2SP_KEY), verifier_key("other", signer)]
    note = parse_note(C2SP_NOTE)
    right, wrong = sign_note(note.text, "other", signer).signatures, sign_note("another\n", "other", signer).signatures
    assert verify_note(Note(note.text, note.signatures + right), trusted) == tuple(trusted)
    for signatures in (note.signatures + wrong, wrong + note.signatures, note.signatures + right + wrong):
        with pytest.raises(SignatureWrong):
            verify_note(Note(note.text, signatures), trusted)


def test_both_keys_of_a_rotation_verify(tmp_path: Path) -> None:
    old, new = create_key_file(tmp_path / "old.pem"), create_key_file(tmp_path / "new.pem")
    keys = [verifier_key(ORIGIN, old), verifier_key(ORIGIN, new)]
    for signer in (old, new):
        assert open_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, HEAD), signer), keys).head == HEAD


# Strict reading


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n",
        "text",
        "text\n",
        "text\n\n",
        f"text\n{SIGNATURE_LINE}",
        f"text\n\n{SIGNATURE_LINE.rstrip()}",
        f"text\n\n{SIGNATURE_LINE}\n",
        f"text\n\n{SIGNATURE_LINE}more\n",
        f"text\r\n\r\n{SIGNATURE_LINE}",
        f"te\x00xt\n\n{SIGNATURE_LINE}",
        f"te\txt\n\n{SIGNATURE_LINE}",
        f"te\udc80xt\n\n{SIGNATURE_LINE}",
        f"text\n\n{SIGNATURE_LINE.replace('—', '-')}",
        f"text\n\n{SIGNATURE_LINE.replace('— ', '—')}",
        f"text\n\n{SIGNATURE_LINE.replace('/foo', '+foo')}",
        f"text\n\n{SIGNATURE_LINE.replace('/foo', chr(0xA0) + 'foo')}",
        f"text\n\n{SIGNATURE_LINE.replace('example.com/foo', '')}",
        f"text\n\n{SIGNATURE_LINE.replace('/foo ', '/foo  ')}",
        f"text\n\n{SIGNATURE_LINE.replace('aQM=', 'aQN=')}",  # the same bytes, spelt otherwise
        f"text\n\n{SIGNATURE_LINE.replace('aQM=', 'aQM')}",
        f"text\n\n{SIGNATURE_LINE.replace('aQM=', 'aQ_=')}",
        "text\n\n— name AAAAAA==\n",  # a key id and no signature
        "text\n\n" + SIGNATURE_LINE * 65,
        "t" * 270_000 + f"\n\n{SIGNATURE_LINE}",
    ],
)
def test_what_is_not_exactly_a_note_is_refused(text: str) -> None:
    with pytest.raises(NoteMalformed):
        parse_note(text)


def test_a_text_may_hold_empty_lines_and_looks_of_signatures() -> None:
    note = parse_note(f"text\n\n{SIGNATURE_LINE}\nmore\n\n{SIGNATURE_LINE * 16}")
    assert note.text == f"text\n\n{SIGNATURE_LINE}\nmore\n"
    assert len(note.signatures) == 16


@pytest.mark.parametrize(
    "key",
    [
        "",
        "example.com/foo",
        C2SP_KEY.replace("530d903a", "530d903b"),
        C2SP_KEY.replace("530d903a", "530D903A"),
        C2SP_KEY.replace("/foo", "/bar"),
        C2SP_KEY.replace("/foo", " foo"),
        C2SP_KEY.replace("+Aek", "+Bek"),  # type 0x05
        C2SP_KEY[:-4],
        C2SP_KEY + "\n",
        "example.com/foo+530d903a+",
    ],
)
def test_what_is_not_exactly_a_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(NoteMalformed):
        parse_verifier_key(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_a_name_that_cannot_stand_in_a_note_signs_nothing(name: str, signer: FileSigner) -> None:
    with pytest.raises(NoteMalformed):
        sign_note("text\n", name, signer)


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "\ud800\n"])
def test_a_text_that_no_one_could_read_is_not_signed(text: str, signer: FileSigner) -> None:
    with pytest.raises(NoteMalformed):
        sign_note(text, "name", signer)


# Checkpoints


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "origin\n1\n" + "A" * 43 + "=",
        "\n1\n" + "A" * 43 + "=\n",
        "origin\n01\n" + "A" * 43 + "=\n",
        "origin\n-1\n" + "A" * 43 + "=\n",
        "origin\n+1\n" + "A" * 43 + "=\n",
        "origin\n1 \n" + "A" * 43 + "=\n",
        "origin\n\u0661\n" + "A" * 43 + "=\n",
        "origin\n9223372036854775808\n" + "A" * 43 + "=\n",
        "origin\n1\n" + "A" * 42 + "B=\n",
        "origin\n1\nAAAA\n",
        "origin\n1\n" + "A" * 43 + "=\n\n",
        "origin\n1\n" + "A" * 43 + "=\nextension\n\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteMalformed):
        parse_checkpoint(text)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(st.from_regex(r"[ -~]+", fullmatch=True), max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_checkpoint_reads_as_it_was_written(size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(ORIGIN, TreeHead(size, root), tuple(extensions))
    assert parse_checkpoint(checkpoint.text) == checkpoint


def test_a_key_vouches_for_its_own_log_only(signer: FileSigner) -> None:
    """A key trusted for one log signs, under its own name, a checkpoint that names another."""
    stray = str(sign_note(Checkpoint("elsewhere.example", HEAD).text, ORIGIN, signer))
    with pytest.raises(NoteUnverified):
        open_checkpoint(stray, [verifier_key(ORIGIN, signer)])


def test_the_oracle_accepts_our_checkpoint(signer: FileSigner) -> None:
    note = aics_tlog.parse_note(sign_checkpoint(Checkpoint(ORIGIN, HEAD), signer))
    result = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(str(verifier_key(ORIGIN, signer))))
    assert (result.ok, result.origin, result.size, result.root) == (True, ORIGIN, HEAD.size, HEAD.root)


def test_we_accept_the_oracles_checkpoint() -> None:
    key = Ed25519PrivateKey.generate()
    signed = aics_tlog.sign_checkpoint(aics_tlog.Checkpoint(ORIGIN, HEAD.size, HEAD.root), key, ORIGIN).serialise()
    trusted = parse_verifier_key(aics_tlog.format_vkey(aics_tlog.vkey_from_ed25519(ORIGIN, key.public_key())))
    assert open_checkpoint(signed, [trusted]) == Checkpoint(ORIGIN, HEAD)


def test_an_empty_log_has_a_checkpoint(signer: FileSigner) -> None:
    signed = sign_checkpoint(Checkpoint(ORIGIN, EMPTY_TREE), signer)
    assert open_checkpoint(signed, [verifier_key(ORIGIN, signer)]).head == EMPTY_TREE


# Key files


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_key_file(tmp_path / "log.pem")
    for mode in (0o640, 0o604, 0o620):
        (tmp_path / "log.pem").chmod(mode)
        with pytest.raises(KeyUnsafe, match="read by others"):
            FileSigner(tmp_path / "log.pem")


def test_a_key_file_is_created_for_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "log.pem"
    created = create_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_key_file(path)
    assert FileSigner(path).public_key == created.public_key


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.pem"
    path.touch(mode=0o600)
    ec_key = generate_ec_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"not a key", ec_key):
        path.write_bytes(content)
        with pytest.raises(KeyUnsafe):
            FileSigner(path)
