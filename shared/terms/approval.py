"""Approvals: an Ed25519 signature (RFC 8032) over a statement of who approves what, as what, in which deployment and under what instrument.

A deployment is named by the origin of its ledger's log, so that nothing which was signed in a drill counts anywhere else. The first version
of the statement named neither that nor the instrument: what it signed then is still verified, and nothing new is signed so.

The key belongs to the approver: a PKCS #8 PEM file (mode 0600) that `reserve approve FILE --key KEY` reads and no service ever holds.
Services keep the public half, 32 bytes in hex, from its enrolment. Who may approve, whether the key still counts, and whether the document
is the one meant, is for the service to decide; here it is only whether this key signed this statement.
"""

import hashlib
import re
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

# Each part is one line of the statement, so none may hold a line break: no two approvals have one statement.
_PURPOSE = r"^[a-z][a-z0-9_]{0,39}\Z"
_SHA256 = r"^[0-9a-f]{64}\Z"
_APPROVER = r"^[!-~]{1,200}\Z"
_KEY_ID = r"^[0-9a-f]{16}\Z"
_SIGNATURE = r"^[0-9a-f]{128}\Z"
_ORIGIN = r"^[!-*,-~]{1,200}\Z"  # no space and no plus, as the name of a log's key
_AUTHORITY = r"^[a-z0-9_]{1,60}\Z"
_NONE = "-"  # in the place of an instrument, for what is under none


class SignedApproval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed approval, as in the file that `reserve approve` writes. `document`: SHA-256 in hex; `approver`: an opaque subject id."""

    purpose: Annotated[str, msgspec.Meta(pattern=_PURPOSE)]
    document: Annotated[str, msgspec.Meta(pattern=_SHA256)]
    approver: Annotated[str, msgspec.Meta(pattern=_APPROVER)]
    key_id: Annotated[str, msgspec.Meta(pattern=_KEY_ID)]
    signature: Annotated[str, msgspec.Meta(pattern=_SIGNATURE)]
    origin: Annotated[str, msgspec.Meta(pattern=_ORIGIN)] | None = None  # of the deployment's log; None: signed by the first version
    authority: Annotated[str, msgspec.Meta(pattern=_AUTHORITY)] | None = None  # the instrument that the approver acts under


class ApprovalError(ValueError):
    """A key or an approval that cannot be used. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def approve(
    document: str,
    private_key: Ed25519PrivateKey,
    *,
    approver: str,
    origin: str | None = None,
    purpose: str = "decision",
    authority: str | None = None,
) -> SignedApproval:
    """Sign the SHA-256 (hex) of a document. `purpose`: what kind of thing is approved; `origin`: of the log of the deployment in which it
    is. The signature counts for no other. Raises `ApprovalError`."""
    unsigned = SignedApproval(
        purpose=purpose,
        document=document,
        approver=approver,
        key_id=key_id(public_key_hex(private_key)),
        signature="",
        origin=origin,
        authority=authority,
    )
    return msgspec.structs.replace(unsigned, signature=private_key.sign(statement(unsigned)).hex())


def verify_approval(approval: SignedApproval, public_key: str) -> bool:
    """Whether the owner of this public key (hex) signed this approval. The caller compares origin, purpose, document, approver and
    instrument with what it expects, and looks the key up by its approver."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(approval.signature), statement(approval))
    except (ValueError, InvalidSignature):
        return False
    return approval.key_id == key_id(public_key)


def statement(approval: SignedApproval) -> bytes:
    """The bytes that are signed. Raises `ApprovalError` for a part that does not fit in a line of its own."""
    said = {
        "purpose": (_PURPOSE, approval.purpose),
        "document": (_SHA256, approval.document),
        "approver": (_APPROVER, approval.approver),
        "key": (_KEY_ID, approval.key_id),
    }
    if approval.origin is not None:
        said = {"origin": (_ORIGIN, approval.origin), **said, "authority": (f"{_AUTHORITY}|^-\\Z", approval.authority or _NONE)}
    elif approval.authority is not None:
        raise ApprovalError("approval_malformed", "the first version of a statement names no instrument")
    for name, (pattern, part) in said.items():
        if not re.match(pattern, part):
            raise ApprovalError("approval_malformed", f"{name} must match {pattern}")
    version = "v1" if approval.origin is None else "v2"
    return "".join(f"{line}\n" for line in (f"reserve.approval.{version}", *(part for _, part in said.values()))).encode()


def key_id(public_key: str) -> str:
    """A label for a public key (hex): the first 16 digits of its fingerprint. Signatures are checked with the whole key."""
    return fingerprint(public_key)[:16]


def fingerprint(public_key: str) -> str:
    """SHA-256 (hex) of the 32 bytes of a public key (hex): what an agreement names it by."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()


def public_key_hex(private_key: Ed25519PrivateKey) -> str:
    """What an approver enrols: the 32 bytes of its public key, in hex."""
    return private_key.public_key().public_bytes_raw().hex()


def private_key_pem(private_key: Ed25519PrivateKey) -> bytes:
    """The content of a key file. Whoever writes it creates it with mode 0600."""
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_private_key(pem: bytes, password: bytes | None = None) -> Ed25519PrivateKey:
    """The key in a key file. Raises `ApprovalError`."""
    try:
        key = load_pem_private_key(pem, password)
    except TypeError as error:  # a password is missing, or given for a key that has none
        raise ApprovalError("key_password", str(error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ApprovalError("key_malformed", "the file holds no private key that can be read") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ApprovalError("key_not_ed25519", "approvals are signed with Ed25519 keys only")
    return key


def approval_bytes(approval: SignedApproval) -> bytes:
    """The approval as a JSON file."""
    return msgspec.json.encode(approval, order="sorted")
