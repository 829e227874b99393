"""`reserve certificate verify`: a certificate of allocation checked with nothing but the file and the log's key. No network.

What can be recomputed is recomputed; what was signed is compared with keys that the ledger saw before; what the file cannot tell is said to
be not checkable, and never counts as passed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import typer

from reserve.commands.failure import fail
from reserve.commands.receipt import log_keys
from services.allocation.domain.book.state import ATTESTATION
from services.allocation.domain.decisions.certificate import Certificate, CertifiedApproval, UnreadableCertificate, read_certificate
from services.allocation.domain.decisions.check import recompute, recompute_own
from services.allocation.domain.decisions.contradictions import contradictions, not_compared
from services.allocation.domain.decisions.decision import DecisionFile, UnreadableDecision
from services.allocation.domain.decisions.difference import Difference
from services.allocation.domain.decisions.sealed import View, decision_hash, read_view
from services.ledger.receipt import ReceiptInvalid, verify_receipt
from shared.journal.places import history_of_origin
from shared.proofs.signed_note import VerifierKey
from shared.terms.approval import SignedApproval, key_id, verify_approval

PURPOSE = "decision"


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at. `detail`: why it failed, or why it cannot be checked."""

    name: str
    detail: str = ""
    code: str = ""  # of what a decision file says in two ways


class Checked(msgspec.Struct, frozen=True):
    decision: str
    passed: list[Found]
    failed: list[Found]
    not_checkable: list[Found]

    @property
    def certified(self) -> bool:
        """Whether a receipt under a pinned key proves that this decision was certified. Without it anybody may have made the file."""
        return any(each.name == "certified/decision" for each in self.passed)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a receipt has proven: at `index` of the log."""

    kind: str
    place: str
    index: tuple[int, int]  # (the history of the log, the leaf)
    command: str
    data: dict[str, Any]


type Outcome = Literal["passed", "failed", "not_checkable"]
type Looked = tuple[Outcome, Found]


def checked(file: Path, keys: Sequence[str], folder: Path) -> Checked:
    """Ends the command for a file that is no certificate, and for a key that is none. Without a key, receipts cannot be checked."""
    try:
        certificate = read_certificate(file.read_bytes())
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    except UnreadableCertificate as error:
        fail(f"FILE: {file} is no certificate: {error}")
    pinned = bool(keys) or (folder / "keys" / "ledger.vkey").exists()
    looked = list(check(certificate, log_keys(keys, folder, "--log-key") if pinned else []))
    by_outcome: dict[Outcome, list[Found]] = {"passed": [], "failed": [], "not_checkable": []}
    for outcome, found in looked:
        by_outcome[outcome].append(found)
    return Checked(certificate.decision, **by_outcome)


def check(certificate: Certificate, pinned: Sequence[VerifierKey]) -> Iterator[Looked]:
    """All that can be looked at, in an order in which the first thing that fails says most."""
    yield from _decision(certificate)
    recorded: list[Recorded] = []
    for proof in certificate.proofs:
        yield from _receipt(proof.kind, proof.place, proof.receipt, pinned, recorded)
    yield from _certified(certificate, recorded)
    for approval in certificate.approvals:
        yield from _approval(certificate, approval, recorded, pinned)
    yield from _attestation(certificate, recorded, pinned)
    yield from _others(certificate, recorded)
    for missing in certificate.missing:
        yield "not_checkable", Found(missing.part, missing.why)


def show(found: Checked) -> None:
    for outcome, items in (("passed", found.passed), ("FAILED", found.failed), ("not checkable", found.not_checkable)):
        for item in items:
            typer.echo(f"{outcome:<14} {item.name}{f': {item.detail}' if item.detail else ''}")


def _decision(certificate: Certificate) -> Iterator[Looked]:
    try:
        file = read_view(bytes(certificate.file))
    except UnreadableDecision as error:
        yield "failed", Found("file", f"it is no decision file: {error}")
        return
    yield _same("decision", certificate.decision, decision_hash(file))
    yield _same("round", certificate.round, file.decision.terms.round)
    yield _same("product", certificate.product, file.decision.terms.product)
    yield from _recomputed(file)
    yield from (_difference(found) for found in contradictions(file))
    for each in not_compared(file):
        if each.where not in ("terms/round", "terms/product"):  # which the certificate has, too
            yield "not_checkable", Found(f"file/{each.where}", each.why)


def _recomputed(file: View) -> Iterator[Looked]:
    if isinstance(file, DecisionFile) and file.holdings is not None:
        differences = recompute(file)
        yield from (_difference(found) for found in differences)
        if not differences:
            yield "passed", Found("file", f"{len(file.lines)} lines decided again, with the same outcome")
        return
    own = recompute_own(file)
    yield from (_difference(found) for found in own.failed)
    yield from (("passed", Found(f"file/{name}")) for name in own.passed)
    for text in own.not_checkable:
        name, _, why = text.partition(":")
        yield "not_checkable", Found(f"file/{name}", why.strip())


def _difference(found: Difference) -> Looked:
    return "failed", Found(f"file/{found.where}", found.words, found.code)


def _receipt(kind: str, place: str, text: str, pinned: Sequence[VerifierKey], recorded: list[Recorded]) -> Iterator[Looked]:
    """Adds to `recorded` what it proves."""
    name = f"receipt of {kind} {place}"
    if not pinned:
        yield "not_checkable", Found(name, "no key of the log is pinned")
        return
    try:
        proven = verify_receipt(text, pinned)
    except ReceiptInvalid as error:
        yield "failed", Found(name, f"{error.code} ({error.check}): {error.detail}")
        return
    if proven.opening.place != place:
        yield _same(f"{name}/place", place, proven.opening.place)
        return
    if proven.opening.event is None:
        yield "not_checkable", Found(name, "it does not show the event")
        return
    event = msgspec.json.decode(proven.opening.event)
    if event["type"].rpartition(".v")[0] != _TYPES[kind]:
        yield _same(f"{name}/kind", _TYPES[kind], event["type"])
        return
    index = history_of_origin(proven.checkpoint.origin), proven.index
    recorded.append(Recorded(kind=kind, place=place, index=index, command=event["command_id"], data=event["data"]))
    yield "passed", Found(name)


_TYPES = {
    "enrolled": "allocation.approver_key_enrolled",
    "revoked": "allocation.approver_key_revoked",
    "restored": "allocation.approver_key_restored",
    "proposed": "allocation.round_proposed",
    "approved": "allocation.round_approved",
    "certified": "allocation.round_certified",
    "cited": "allocation.authority_cited",
}


def _certified(certificate: Certificate, recorded: Sequence[Recorded]) -> Iterator[Looked]:
    certified = _one(recorded, "certified")
    if certified is None:
        yield "not_checkable", Found("certified", "no receipt proves that the decision was certified")
        return
    data = certified.data
    for name, stated in (("decision", certificate.decision), ("round", certificate.round), ("product", certificate.product)):
        yield _same(f"certified/{name}", stated, data.get(name))
    yield _same("certified/expires_on", str(certificate.expires_on), data.get("expires_on"))
    shown = sorted((each.subject, each.key, each.signature, str(each.approved_on)) for each in certificate.approvals)
    told = sorted(tuple(each[name] for name in ("subject", "key", "signature", "approved_on")) for each in data.get("approvals", []))
    yield _same("certified/approvals", shown, told)
    yield "not_checkable", Found("certified/stands", "whether inventory refused it, or another decision took its place, is told later")


def _approval(
    certificate: Certificate, approval: CertifiedApproval, recorded: Sequence[Recorded], pinned: Sequence[VerifierKey]
) -> Iterator[Looked]:
    name = f"approval of {approval.subject} by key {approval.key}"
    yield from _signature(name, PURPOSE, certificate.decision, approval, pinned)
    certified = _one(recorded, "certified")
    enrolled = _of_key(recorded, "enrolled", approval)
    if enrolled is None or certified is None:
        yield "not_checkable", Found(f"{name}/enrolled", "no receipts prove that its key was enrolled before")
        return
    yield _same(f"{name}/enrolled/public_key", approval.public_key, enrolled.data.get("public_key"))
    given = next((each for each in recorded if each.kind == "approved" and _is_of(each.data.get("approval", {}), approval)), None)
    until = certified if given is None else given
    yield _before(f"{name}/enrolled", enrolled, until)
    if given is None:
        yield "not_checkable", Found(f"{name}/approved", "no receipt proves when it was given")
    else:
        yield _same(f"{name}/approved/decision", certificate.decision, given.data.get("decision"))
        yield _same(f"{name}/approved/signature", approval.signature, given.data["approval"].get("signature"))
        yield _before(f"{name}/approved", given, certified)
    revoked = _revoked(name, certified, recorded, approval)
    yield revoked or ("not_checkable", Found(f"{name}/revoked", "that a key was not revoked cannot be seen from a file"))


def _signature(name: str, purpose: str, decision: str, given: CertifiedApproval, pinned: Sequence[VerifierKey]) -> Iterator[Looked]:
    signed = SignedApproval(
        purpose=purpose,
        document=decision,
        approver=given.subject,
        key_id=given.key,
        signature=given.signature,
        origin=given.origin,
        authority=given.authority,
    )
    yield _same(f"{name}/public_key", given.key, key_id(given.public_key))
    if verify_approval(signed, given.public_key):
        yield "passed", Found(f"{name}/signature")
    else:
        yield "failed", Found(f"{name}/signature", "the key did not sign this decision")
    if given.origin is not None and pinned:
        own = next((key.name for key in pinned if key.name == given.origin), pinned[0].name)
        yield _same(f"{name}/log", given.origin, own)


def _attestation(certificate: Certificate, recorded: Sequence[Recorded], pinned: Sequence[VerifierKey]) -> Iterator[Looked]:
    """That who certified it signed that its lines are all, by one parameter, and no more than was offered: what a partner cannot see."""
    certified, given = _one(recorded, "certified"), certificate.attestation
    told = None if certified is None else certified.data.get("attestation")
    if given is None:
        if told is not None:
            yield "failed", Found("attestation", "the journal has one")
            return
        yield "not_checkable", Found("attestation", "who certified it signed nowhere that all lines are by one parameter, within the offer")
        return
    name = f"attestation of {given.subject} by key {given.key}"
    yield from _signature(name, ATTESTATION, certificate.decision, given, pinned)
    enrolled = _of_key(recorded, "enrolled", given)
    if enrolled is None or certified is None:
        yield "not_checkable", Found(f"{name}/enrolled", "no receipts prove that its key was enrolled before")
        return
    yield _same(f"{name}/certified", given.signature, None if told is None else told.get("signature"))
    yield _same(f"{name}/enrolled/public_key", given.public_key, enrolled.data.get("public_key"))
    yield _before(f"{name}/enrolled", enrolled, certified)
    if (revoked := _revoked(name, certified, recorded, given)) is not None:
        yield revoked


def _others(certificate: Certificate, recorded: Sequence[Recorded]) -> Iterator[Looked]:
    """Who proposed it, and under what authority it was approved."""
    proposed = _one(recorded, "proposed")
    if proposed is None:
        yield "not_checkable", Found("proposer", "no receipt proves who proposed it, and so that nobody approved their own")
    else:
        yield _same("proposed/decision", certificate.decision, proposed.data.get("decision"))
        own = [approval.subject for approval in certificate.approvals if approval.subject == proposed.data.get("proposed_by")]
        yield ("failed", Found("proposer", f"{own[0]} approved what they proposed")) if own else ("passed", Found("proposer"))
    commands = {each.command for each in recorded if each.kind in ("approved", "certified", "proposed")}
    signed_under = {approval.subject: approval.authority for approval in certificate.approvals}
    for cited in (each for each in recorded if each.kind == "cited"):
        name = f"authority cited in {cited.place}"
        yield _same(f"{name}/matter", certificate.round, cited.data.get("matter"))
        if cited.command not in commands:
            yield "failed", Found(name, "it was cited for something else")
        if (stated := signed_under.get(cited.data["cited"]["by"])) is not None:
            yield _same(f"{name}/instrument", stated, cited.data["cited"]["authority"])
        yield "not_checkable", Found(f"{name}/validity", "the instrument is not in the file")


def _one(recorded: Sequence[Recorded], kind: str) -> Recorded | None:
    return next((each for each in recorded if each.kind == kind), None)


def _of_key(recorded: Sequence[Recorded], kind: str, approval: CertifiedApproval) -> Recorded | None:
    return next((each for each in recorded if each.kind == kind and _is_of(each.data, approval)), None)


def _revoked(name: str, certified: Recorded, recorded: Sequence[Recorded], approval: CertifiedApproval) -> Looked | None:
    """Whether it was revoked when the decision was certified: a revocation that nobody had confirmed is over. None: no receipt tells."""
    told = sorted(
        (each for each in recorded if each.kind in ("revoked", "restored") and _is_of(each.data, approval)), key=lambda each: each.index
    )
    if not told:
        return None
    before = [each for each in told if each.index < certified.index]
    if before and before[-1].kind == "restored":
        return "passed", Found(f"{name}/revoked")
    return _before(f"{name}/revoked", certified, before[-1] if before else told[0])


def _is_of(data: dict[str, Any], approval: CertifiedApproval) -> bool:
    return (data.get("subject"), data.get("key")) == (approval.subject, approval.key)


def _before(name: str, first: Recorded, then: Recorded) -> Looked:
    if first.index < then.index:
        return "passed", Found(name)
    return "failed", Found(name, f"{first.kind} is number {first.index[1]} of the log, and {then.kind} number {then.index[1]}")


def _same(name: str, stated: object, found: object) -> Looked:
    return ("passed", Found(name)) if stated == found else ("failed", Found(name, f"it says {stated}, found {found}"))
