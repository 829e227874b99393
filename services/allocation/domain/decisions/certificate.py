"""Certificate of an allocation: the decision as its reader may see it, the approvals with their keys, and the ledger's receipts of what the
journal has of all that. `reserve certificate verify` checks it with nothing but the file and the log's key.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec

from services.allocation.domain.decisions.decision import Sha256

type Kind = Literal["enrolled", "revoked", "restored", "proposed", "approved", "certified", "cited"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not understood here could be taken for checked."""


class CertifiedApproval(_Part, frozen=True, kw_only=True):
    subject: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,200}\Z")]
    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
    public_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]  # Ed25519
    signature: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]  # over the statement of `reserve approve`
    approved_on: date
    origin: str | None = None  # of the log that the statement names; None: it was signed by its first version
    authority: str | None = None  # the instrument that the statement names


class Proof(_Part, frozen=True, kw_only=True):
    """The ledger's receipt of one event, which it opens: a C2SP tlog-proof."""

    kind: Kind
    place: str  # "allocation/0/123"
    receipt: str


class Missing(_Part, frozen=True, kw_only=True):
    """What belongs into the certificate and is not in it."""

    part: str  # "certified allocation/0/123"
    why: str


class Certificate(_Part, frozen=True, kw_only=True):
    format: Literal["reserve.certificate.v1"] = "reserve.certificate.v1"
    decision: Sha256
    round: str
    product: str
    expires_on: date
    file: msgspec.Raw  # a decision file
    approvals: tuple[CertifiedApproval, ...]
    attestation: CertifiedApproval | None = None  # of the decision, by who certified it
    proofs: tuple[Proof, ...]
    missing: tuple[Missing, ...] = ()


class UnreadableCertificate(ValueError):
    """The bytes are no certificate."""


def read_certificate(data: bytes) -> Certificate:
    """Raises `UnreadableCertificate`."""
    try:
        return msgspec.json.decode(data, type=Certificate)
    except msgspec.DecodeError as error:
        raise UnreadableCertificate(str(error)) from error
