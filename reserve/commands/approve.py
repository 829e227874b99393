"""`reserve approve`: what is proposed, read and shown, and then signed with the approver's own key, on the approver's own machine.

A decision is computed anew first, and what it says in two places is compared; what it says in one place alone is shown as not checkable.
The other documents say themselves all that there is to know.
"""

from pathlib import Path

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.audit.telling import printable
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.commands.signable import NotSignable, Signable, read_signable
from services.allocation.domain.book.state import ATTESTATION, RATIFICATION
from services.allocation.domain.decisions.check import recompute
from services.allocation.domain.decisions.contradictions import contradictions
from services.allocation.domain.decisions.decision import DecisionFile
from services.allocation.domain.decisions.difference import Difference
from services.allocation.domain.tenders.contradictions import contradictions_of_tender
from services.allocation.domain.tenders.decision import TenderFile, recompute_tender
from shared.terms.approval import ApprovalError, SignedApproval, approval_bytes, approve, public_key_hex, read_private_key


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs, where, and under what. `origin`: of the log of the deployment, by its pinned key; `authority`: None for what is under no
    instrument."""

    approver: str
    key_file: Path
    origin: str
    authority: str | None


def sign_document(file: Path, signer: Signer) -> bytes:
    """The approval, as the JSON that `POST .../approvals` takes. Ends the command if there is nothing to sign."""
    return sign(to_be_signed(file), signer)


def to_be_signed(file: Path, purpose: str | None = None) -> Signable:
    """The document in a file. `purpose`: what it must be, if the approver insists, or that a decision is to be ratified or attested. Ends
    the command for what is not signed."""
    try:
        document = read_signable(file.read_bytes())
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    except NotSignable as error:
        fail(f"FILE: {file} is {printable(str(error))}")
    if purpose in (RATIFICATION, ATTESTATION) and isinstance(document.decision, DecisionFile):  # the same file, for another purpose
        document = msgspec.structs.replace(document, purpose=purpose, under_instrument=purpose == RATIFICATION)
    elif purpose is not None and purpose != document.purpose:
        fail(f"--purpose: {file} is a {document.purpose} (accepted: {document.purpose})")
    if document.decision is not None and (differences := _differences(document.decision)):
        first = differences[0]
        fail(f"{file}: not signed: {len(differences)} differences; {printable(f'{first.where}: {first.words}')}", CHECK_FAILED)
    return document


def _differences(decision: DecisionFile | TenderFile) -> list[Difference]:
    if isinstance(decision, TenderFile):
        return [*recompute_tender(decision), *contradictions_of_tender(decision)]
    return [*recompute(decision), *contradictions(decision)]


def show(document: Signable, signer: Signer) -> None:
    """On standard error, since the approval may go to standard output."""
    signs = (("signs", document.purpose), ("for the log", signer.origin), ("under", signer.authority or "no instrument"))
    lines = (*signs, *document.words, ("sha256", document.document))
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        typer.echo(f"{printable(name):<{width}}  {printable(text)}", err=True)


def sign(document: Signable, signer: Signer) -> bytes:
    if signer.authority is None and document.under_instrument:
        fail("--authority: name the instrument that you act under (accepted: its id, ins_01j...)")
    return approval_bytes(sign_name(document.document, document.purpose, signer)[0])


def sign_name(document: str, purpose: str, signer: Signer) -> tuple[SignedApproval, str]:
    """(the approval of what has this SHA-256, the public key in hex). Ends the command where the key, or what is to be signed, is none."""
    key = _read_key(signer.key_file)
    try:
        signed = approve(document, key, approver=signer.approver, origin=signer.origin, purpose=purpose, authority=signer.authority)
    except ApprovalError as error:
        fail(f"--{error.detail}")
    return signed, public_key_hex(key)


def _read_key(file: Path) -> Ed25519PrivateKey:
    try:
        if file.stat().st_mode & 0o077:
            fail(f"--key: {file} can be read by others: chmod 600 it")
        return read_private_key(file.read_bytes())
    except OSError as error:
        fail(f"--key: {file}: {error.strerror}")
    except ApprovalError as error:
        fail(f"--key: {file}: {error.detail}")
