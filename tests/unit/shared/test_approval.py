"""Approvals: a signature counts for one document, purpose, approver and key, and for nothing else."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from shared.terms.approval import (
    ApprovalError,
    SignedApproval,
    approval_bytes,
    approve,
    key_id,
    private_key_pem,
    public_key_hex,
    read_private_key,
    statement,
    verify_approval,
)
from tests.stories.endorsing import read_approval

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = public_key_hex(KEY)
DOCUMENT = "ab" * 32
ORIGIN = "reserve/ledger/0123456789abcdef"


def approval() -> SignedApproval:
    return approve(DOCUMENT, KEY, approver="sub_minister", origin=ORIGIN, authority="ins_1")


def test_an_approval_is_verified_with_its_approvers_key() -> None:
    assert verify_approval(approval(), PUBLIC)


def test_the_statement_names_its_domain_log_purpose_document_approver_key_and_instrument() -> None:
    said = f"reserve.approval.v2\n{ORIGIN}\ndecision\n{DOCUMENT}\nsub_minister\n{key_id(PUBLIC)}\nins_1\n".encode()
    assert statement(approval()) == said
    KEY.public_key().verify(bytes.fromhex(approval().signature), said)
    assert statement(msgspec.structs.replace(approval(), authority=None)).endswith(b"\n-\n"), "what is under no instrument"


def test_what_was_signed_by_the_first_version_is_still_verified() -> None:
    said = f"reserve.approval.v1\ndecision\n{DOCUMENT}\nsub_minister\n{key_id(PUBLIC)}\n".encode()
    once = approve(DOCUMENT, KEY, approver="sub_minister")
    assert statement(once) == said
    assert verify_approval(once, PUBLIC)
    assert (
        read_approval(
            b'{"approver":"sub_minister","document":"%s","key_id":"%s","purpose":"decision","signature":"%s"}'
            % (DOCUMENT.encode(), key_id(PUBLIC).encode(), once.signature.encode())
        )
        == once
    )
    assert not verify_approval(msgspec.structs.replace(once, authority="ins_1"), PUBLIC), "it names no instrument"
    assert not verify_approval(msgspec.structs.replace(once, origin=ORIGIN), PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"document": "ac" * 32},
        {"purpose": "loan_proposal"},
        {"origin": "reserve/ledger/a-drill"},
        {"origin": None},
        {"origin": "two\nlines"},
        {"authority": "ins_2"},
        {"authority": None},
        {"authority": "-"},
        {"origin": None, "authority": None},
        {"approver": "sub_someone"},
        {"key_id": "0" * 16},
        {"key_id": key_id(public_key_hex(OTHER))},
        {"signature": approve(DOCUMENT, OTHER, approver="sub_minister").signature},
        {"signature": "00" * 64},
        {"signature": ""},
        {"signature": "zz" * 64},
        {"approver": "sub_minister\n"},
        {"purpose": ""},
    ],
)
def test_an_approval_changed_in_any_part_is_not_verified(change: dict[str, str]) -> None:
    assert not verify_approval(msgspec.structs.replace(approval(), **change), PUBLIC)


@pytest.mark.parametrize("key", [public_key_hex(OTHER), "", "zz", "00" * 31, "00" * 33])
def test_an_approval_is_not_verified_with_another_key(key: str) -> None:
    assert not verify_approval(approval(), key)


@pytest.mark.parametrize(
    "part",
    [
        {"document": "AB" * 32},
        {"document": DOCUMENT + "\n"},
        {"purpose": "decision\nloan"},
        {"approver": "two words"},
        {"approver": ""},
        {"origin": "reserve ledger"},
        {"authority": "ins_1\n"},
    ],
)
def test_a_part_that_could_be_read_as_another_is_not_signed(part: dict[str, str]) -> None:
    asked = {"document": DOCUMENT, "purpose": "decision", "approver": "sub_minister", "origin": ORIGIN, "authority": "ins_1", **part}
    document = asked.pop("document")
    with pytest.raises(ApprovalError) as caught:
        approve(document, KEY, **asked)
    assert caught.value.code == "approval_malformed"


def test_an_approval_file_is_read_as_it_was_written() -> None:
    assert read_approval(approval_bytes(approval())) == approval()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        approval_bytes(approval()).replace(b'"decision"', b'"decision\\n"'),
        approval_bytes(approval()).replace(b'"purpose"', b'"note":1,"purpose"'),
        approval_bytes(approval()).replace(b'"abab', b'"ABAB'),
    ],
)
def test_what_is_no_approval_file_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_approval(data)


def test_a_key_file_is_read_as_it_was_written() -> None:
    pem = private_key_pem(KEY)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert public_key_hex(read_private_key(pem)) == PUBLIC


LOCKED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
NIST = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_key_file_with_a_password_needs_it() -> None:
    assert public_key_hex(read_private_key(LOCKED, b"open sesame")) == PUBLIC


@pytest.mark.parametrize(
    ("code", "pem", "password"),
    [
        ("key_password", LOCKED, None),
        ("key_password", private_key_pem(KEY), b"open sesame"),
        ("key_malformed", LOCKED, b"wrong"),
        ("key_malformed", b"", None),
        ("key_malformed", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None),
        ("key_not_ed25519", NIST, None),
    ],
)
def test_a_key_that_cannot_sign_is_refused(code: str, pem: bytes, password: bytes | None) -> None:
    with pytest.raises(ApprovalError) as caught:
        read_private_key(pem, password)
    assert caught.value.code == code
