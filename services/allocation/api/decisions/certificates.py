"""Certificates: everything by which an allocation can be checked with no network, as far as its reader may see."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Path, Query, Response
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.decisions.certificate_page import page_of
from services.allocation.api.decisions.decisions import read_content
from services.allocation.api.fields import READERS, sight_of
from services.allocation.api.lookups import find_round, own_requests
from services.allocation.domain.decisions.certificate import Certificate, CertifiedApproval, Missing, Proof
from services.allocation.domain.decisions.decision import canonical_document
from services.allocation.domain.decisions.written_lines import own_part
from services.allocation.tables.authority import ApproverKeyRow
from services.allocation.tables.book import RoundRow
from services.allocation.tables.certificates import ProofRow
from shared.delivery.sources import Unanswered
from shared.http.auth import Caller, allow
from shared.http.handlers import Reading, Reads
from shared.http.openapi import answers
from shared.http.print_page import PAGE_HEADERS, Format, wants_page
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/certificates", tags=["decisions"])

DecisionPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="the SHA-256 of the decision")]
CERTIFICATE = answers(Certificate)
CERTIFICATE[200]["content"]["text/html"] = {"schema": {"type": "string"}}


@router.get("/{decision}", response_class=Response, responses=CERTIFICATE)
async def show_certificate(
    decision: DecisionPath,
    caller: Annotated[Caller, allow(*READERS, "partner", "nominee")],
    reads: Reading,
    format: Annotated[Format | None, Query(description="left out: as Accept says, and JSON if it says nothing")] = None,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Of a decision that was certified, also if another has taken its place since. A partner's, or a nominee's, opens its own lines. What
    the ledger has not covered yet is missing, and is said to be (`Retry-After`)."""
    sight = sight_of(caller)
    async with reads.session() as session:
        certified, others = await _proofs_of(session, decision)
        row = await find_round(session, str(certified.matter))
        own = None if sight.partner is None else await own_requests(session, row.requests, sight)
        if own == []:  # a round of others is not even named
            raise _not_found(decision)
        approvals = await _signatures(session, certified.detail["approvals"])
        attested = await _signatures(session, _attestations(certified))
    proposed = next(each for each in others if each.kind == "proposed")
    content = await read_content(reads, proposed.detail["file"])
    if own is not None:
        content = own_part(await read_content(reads, decision), content, set(own))
    everything = [certified, *others]
    withheld = [each for each in everything if own is not None and _tells_of_others(each)]
    shown = [each for each in everything if each not in withheld]
    proofs, missing = await _receipts(reads, shown)
    missing += [Missing(part=f"{each.kind} {each.place}", why="it tells of other partners") for each in withheld]
    certificate = _certificate(row, certified, content, approvals, proofs, missing)
    certificate = msgspec.structs.replace(certificate, attestation=next(iter(attested), None))
    headers = {"ETag": f'"{decision}"', "Vary": "Accept"} | ({"Retry-After": "1"} if len(proofs) < len(shown) else {})
    if wants_page(format, accept):
        return Response(page_of(certificate), media_type="text/html", headers=headers | PAGE_HEADERS)
    return Response(canonical_document(certificate), media_type="application/json", headers=headers)


def _certificate(
    row: RoundRow, certified: ProofRow, file: bytes, approvals: list[CertifiedApproval], proofs: list[Proof], missing: list[Missing]
) -> Certificate:
    assert certified.decision is not None
    return Certificate(
        decision=certified.decision,
        round=row.round,
        product=row.product,
        expires_on=certified.detail["expires_on"],
        file=msgspec.Raw(file),
        approvals=tuple(approvals),
        proofs=tuple(proofs),
        missing=tuple(missing),
    )


async def _proofs_of(session: AsyncSession, decision: str) -> tuple[ProofRow, list[ProofRow]]:
    """(that it was certified, all else that it stands on). Raises Problem `certificate_not_found`."""
    of_decision = list(await session.exec(select(ProofRow).where(ProofRow.decision == decision).order_by(col(ProofRow.place))))
    certified = next((each for each in of_decision if each.kind == "certified"), None)
    if certified is None:
        raise _not_found(decision)
    signed = {f"{approval['subject']}/{approval['key']}" for approval in certified.detail["approvals"]}
    signers = signed | {f"{each['subject']}/{each['key']}" for each in _attestations(certified)}
    of_keys = select(ProofRow).where(col(ProofRow.approver).in_(signers), col(ProofRow.kind).in_(["enrolled", "revoked", "restored"]))
    cited = select(ProofRow).where(
        ProofRow.matter == certified.matter, ProofRow.kind == "cited", col(ProofRow.command).in_([each.command for each in of_decision])
    )
    others = [each for each in of_decision if each.kind == "proposed" or (each.kind == "approved" and each.approver in signed)]
    for query in (of_keys, cited):
        others += list(await session.exec(query.order_by(col(ProofRow.place))))
    return certified, others


def _not_found(decision: str) -> Problem:
    return Problem("certificate_not_found", f"no certified decision has the name {decision}", field="path:decision")


def _attestations(certified: ProofRow) -> list[dict[str, Any]]:
    """One, or none."""
    return [attestation] if (attestation := certified.detail.get("attestation")) is not None else []


async def _signatures(session: AsyncSession, given: list[dict[str, Any]]) -> list[CertifiedApproval]:
    """With their public keys, by key."""
    signed = {f"{approval['subject']}/{approval['key']}": approval for approval in given}
    keys = await session.exec(select(ApproverKeyRow).where(col(ApproverKeyRow.id).in_(signed)).order_by(col(ApproverKeyRow.key)))
    return [msgspec.convert(signed[key.id] | {"public_key": key.public_key}, CertifiedApproval) for key in keys]


def _tells_of_others(proof: ProofRow) -> bool:
    """A proposal names what each partner would get, and so did a certified round at first; an authority is cited for all of it together."""
    return proof.kind in ("proposed", "cited") or bool(proof.detail.get("names_awards"))


async def _receipts(reads: Reads, wanted: list[ProofRow]) -> tuple[list[Proof], list[Missing]]:
    proofs, missing = list[Proof](), list[Missing]()
    sources = reads.kernel.sources
    for each in wanted:
        receipt, why = None, "the ledger does not answer"
        try:
            if "ledger" in sources.urls:
                receipt, why = await sources.get("ledger", f"/v1/receipts/{each.place}"), "no checkpoint covers it yet"
        except Unanswered:
            pass
        if receipt is None:
            missing.append(Missing(part=f"{each.kind} {each.place}", why=why))
        else:
            proofs.append(Proof(kind=each.kind, place=each.place, receipt=receipt.decode()))  # type: ignore[arg-type]
    return proofs, missing
