"""Approving, as `reserve approve` does it: a document is fetched, read and signed on the approver's own machine."""

from pathlib import Path
from typing import Any

import msgspec

from reserve.client import Client
from reserve.commands.approve import Signer, sign, sign_document, to_be_signed
from reserve.demo.countersigned import countersigned
from reserve.demo.parties import subject_of
from reserve.demo.stage import Stage
from services.allocation.domain.book.state import ATTESTATION


async def approve(stage: Stage, approver: Client, document: str, approvals: str) -> Any:
    """`document`, `approvals`: the paths of what is proposed, and of its approvals."""
    subject = await subject_of(approver)
    file = await kept_document(stage, approver, document)
    return await approver.post(approvals, msgspec.json.decode(sign_document(file, signer_of(stage, subject))))


async def certify(stage: Stage, path: str) -> Any:
    """`path`: the round's. The operator attests with a key of their own what partners cannot see of each other."""
    operator = stage.parties.operator
    file = await kept_document(stage, operator, f"{path}/decision")
    signed = sign(to_be_signed(file, ATTESTATION), signer_of(stage, await subject_of(operator)))
    return await operator.post(f"{path}/certify", {"attestation": msgspec.json.decode(signed)})


def signer_of(stage: Stage, subject: str, key_file: Path | None = None) -> Signer:
    """`key_file`: another one than their own."""
    registrar = stage.registrar
    return Signer(
        approver=subject,
        key_file=key_file or stage.key_files[subject],
        origin=registrar.origin,
        authority=registrar.instruments.get(subject),
    )


async def in_stock(stage: Stage, path: str, body: Any) -> Any:
    """What the depot's operator proposes in inventory, and the first approver signs."""
    return await by_two(stage, stage.parties.depot_operator, f"/inventory/v1/{path}", body)


async def by_two(stage: Stage, proposer: Client, path: str, body: Any) -> Any:
    """What somebody proposes, and the first approver signs: the proposal, done."""
    approver = stage.parties.approvers[0]
    return await countersigned(proposer, path, body, approver, signer_of(stage, await subject_of(approver)))


async def kept_document(stage: Stage, reader: Client, document: str) -> Path:
    answer = await reader.request("GET", document)
    file = stage.folder / f"{'-'.join(document.split('/')[3:])}.json"
    file.write_bytes(answer.content)
    return file
