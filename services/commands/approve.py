"""`reserve approve`: a decision recomputed, and then signed with the approver's own key, on the approver's own machine."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.decision import DecisionFile, UnreadableDecision, decision_hash, read_file, recompute
from services.commands.failure import CHECK_FAILED, fail
from shared.approval import ApprovalError, approval_bytes, approve, read_private_key


def sign_decision(file: Path, key_file: Path, approver: str) -> bytes:
    """The approval, as the JSON that `POST .../approvals` takes. Ends the command if the decision does not recompute."""
    decision = _read_decision(file)
    if differences := recompute(decision):
        first = differences[0]
        fail(
            f"{file}: not signed: {len(differences)} differences; {first.where} is {first.stated}, recomputed {first.computed}",
            CHECK_FAILED,
        )
    try:
        return approval_bytes(approve(decision_hash(decision), _read_key(key_file), approver=approver))
    except ApprovalError as error:
        fail(f"--approver: {error.detail}")


def _read_decision(file: Path) -> DecisionFile:
    try:
        return read_file(file.read_bytes())
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    except UnreadableDecision as error:
        fail(f"FILE: {file} is no decision: {error}")


def _read_key(file: Path) -> Ed25519PrivateKey:
    try:
        if file.stat().st_mode & 0o077:
            fail(f"--key: {file} can be read by others: chmod 600 it")
        return read_private_key(file.read_bytes())
    except OSError as error:
        fail(f"--key: {file}: {error.strerror}")
    except ApprovalError as error:
        fail(f"--key: {file}: {error.detail}")
