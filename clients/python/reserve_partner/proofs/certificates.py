"""Certificates: what a round awarded the partner, by its certificate alone and the log's pinned key. Source: docs/certificates.md.

What a file cannot show is listed as not checkable, and never as passed. A decision of the third form is checked, as a partner is given it;
an older one, or an auditor's whole file, is decided again by `reserve certificate verify`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reserve_partner.proofs.awards import check_own_lines
from reserve_partner.proofs.notes import read_key
from reserve_partner.proofs.receipts import Receipt, ReceiptInvalid, canonical, check_receipt, read_json

type Outcome = Literal["passed", "failed", "not_checkable"]
type Looked = tuple[Outcome, str, str]  # what was looked at, and why it failed or cannot be checked

_PARTS = {"format", "decision", "round", "product", "expires_on", "file", "approvals", "attestation", "proofs", "missing"}
_APPROVAL = {
    "subject": r"[!-~]{1,200}",
    "key": r"[0-9a-f]{16}",
    "public_key": r"[0-9a-f]{64}",
    "signature": r"[0-9a-f]{128}",
    "approved_on": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "origin": r"[!-*,-~]{1,200}",
    "authority": r"[a-z0-9_]{1,60}",
}
_TYPES = {
    "enrolled": "approver_key_enrolled",
    "revoked": "approver_key_revoked",
    "restored": "approver_key_restored",
    "proposed": "round_proposed",
    "approved": "round_approved",
    "certified": "round_certified",
    "cited": "authority_cited",
}


class CertificateUnreadable(ValueError):
    """The bytes are no certificate."""


@dataclass
class Checked:
    """What was looked at, by its name; why it failed, or cannot be checked."""

    decision: str
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    not_checkable: dict[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Nothing failed, the decision has its name, and a receipt under a pinned key shows that it was certified. Without that anybody may
        have written the file."""
        return not self.failed and {"decision", "certified/decision"} <= set(self.passed)


@dataclass(frozen=True)
class _Recorded:
    """An event that a receipt has proven. `at`: (the history of its log, the leaf)."""

    kind: str
    place: str
    at: tuple[int, int]
    command: Any
    data: dict[str, Any]


def check_certificate(content: bytes, *log_keys: str) -> Checked:
    """`log_keys`: as you have pinned them. Raises CertificateUnreadable, and ValueError for a key that is none."""
    origins = [read_key(key).name for key in log_keys]
    certificate = _read(content)
    checked = Checked(certificate["decision"])
    for outcome, name, why in _all(certificate, log_keys, origins):
        if outcome == "passed":
            checked.passed.append(name)
        else:
            (checked.failed if outcome == "failed" else checked.not_checkable)[name] = why
    return checked


def _read(content: bytes) -> dict[str, Any]:
    try:
        found = read_json(content)
        if not isinstance(found, dict) or found.get("format") != "reserve.certificate.v1" or not set(found) <= _PARTS:
            raise ValueError("not of the form reserve.certificate.v1")
        for given in (*found["approvals"], *([found["attestation"]] if found.get("attestation") else [])):
            if not set(given) <= set(_APPROVAL):
                raise ValueError("an approval with other members")
            for name, pattern in _APPROVAL.items():
                value = given.get(name)
                if not (value is None and name in ("origin", "authority")) and not re.fullmatch(pattern, value):
                    raise ValueError(f"an approval with another {name}")
        if not re.fullmatch("[0-9a-f]{64}", found["decision"]):
            raise ValueError("a decision's name is a SHA-256")
        for proof in found["proofs"]:
            if set(proof) != {"kind", "place", "receipt"} or proof["kind"] not in _TYPES:
                raise ValueError("a proof with other members")
        return found | {name: found[name] for name in ("round", "product", "expires_on", "file")}
    except (ValueError, TypeError, KeyError) as error:
        raise CertificateUnreadable(f"no certificate: {error!r}") from error


def _all(certificate: dict[str, Any], log_keys: Sequence[str], origins: Sequence[str]) -> Iterator[Looked]:
    """In an order in which the first thing that fails says most."""
    yield from _decision(certificate)
    recorded: list[_Recorded] = []
    for proof in certificate["proofs"]:
        yield _receipt(proof, log_keys, recorded)
    certified = _one(recorded, "certified")
    yield from _certified(certificate, certified)
    for given in certificate["approvals"]:
        name = f"approval of {given['subject']} by key {given['key']}"
        yield from _signature(name, "decision", certificate["decision"], given, origins)
        yield from _approval(name, certificate, given, recorded, certified)
    yield from _attestation(certificate, recorded, certified, origins)
    yield from _others(certificate, recorded)
    yield from (("not_checkable", missing["part"], missing["why"]) for missing in certificate.get("missing", ()))


def _decision(certificate: dict[str, Any]) -> Iterator[Looked]:
    file = certificate["file"]
    try:
        sealed = set(file) == {"decision", "lines"} and file["decision"]["terms"]["format"] == "reserve.decision.v3"
    except (TypeError, KeyError) as error:
        yield "failed", "file", f"it is no decision file: {error!r}"
        return
    if not sealed:
        yield "not_checkable", "file", "an older decision, or a whole one: `reserve certificate verify` decides it again"
        return
    try:
        looked = list(check_own_lines(file))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield "failed", "file", f"it is no decision file: {error!r}"
        return
    yield _same("decision", certificate["decision"], sha256(canonical(file["decision"])).hexdigest())
    terms = file["decision"]["terms"]
    yield from (_same(name, certificate[name], terms[name]) for name in ("round", "product"))
    yield from looked


def _receipt(proof: dict[str, Any], log_keys: Sequence[str], recorded: list[_Recorded]) -> Looked:
    """Adds to `recorded` what it proves."""
    name = f"receipt of {proof['kind']} {proof['place']}"
    if not log_keys:
        return "not_checkable", name, "no key of the log is pinned"
    try:
        proven: Receipt = check_receipt(proof["receipt"], *log_keys)
    except ReceiptInvalid as error:
        return "failed", name, str(error)
    if proven.place != proof["place"]:
        return _same(f"{name}/place", proof["place"], proven.place)
    if proven.event is None:
        return "not_checkable", name, "it does not show the event"
    if (found := proven.event["type"].rpartition(".v")[0]) != (kind := f"allocation.{_TYPES[proof['kind']]}"):
        return _same(f"{name}/kind", kind, found)
    history = re.fullmatch(r"(?:.*/)?[a-z][a-z_]*~([0-9]+)/[^/]*", proven.origin)
    at = int(history[1]) if history else 1, proven.index
    recorded.append(_Recorded(proof["kind"], proof["place"], at, proven.event["command_id"], proven.event["data"]))
    return "passed", name, ""


def _certified(certificate: dict[str, Any], certified: _Recorded | None) -> Iterator[Looked]:
    if certified is None:
        yield "not_checkable", "certified", "no receipt proves that the decision was certified"
        return
    for name in ("decision", "round", "product", "expires_on"):
        yield _same(f"certified/{name}", certificate[name], certified.data.get(name))
    parts = ("subject", "key", "signature", "approved_on")
    shown, told = ([[each[part] for part in parts] for each in some] for some in (certificate["approvals"], certified.data["approvals"]))
    yield _same("certified/approvals", sorted(shown), sorted(told))
    yield "not_checkable", "certified/stands", "whether inventory refused it, or another decision took its place, is said later"


def _signature(name: str, purpose: str, decision: str, given: dict[str, Any], origins: Sequence[str]) -> Iterator[Looked]:
    public, origin = given["public_key"], given.get("origin")
    yield _same(f"{name}/public_key", given["key"], sha256(bytes.fromhex(public)).hexdigest()[:16])
    lines = ["reserve.approval.v1", purpose, decision, given["subject"], given["key"]]
    if origin is not None:
        lines = ["reserve.approval.v2", origin, *lines[1:], given.get("authority") or "-"]
    try:
        if origin is None and given.get("authority") is not None:
            raise InvalidSignature  # the first version of the statement names no instrument
        statement = "".join(f"{line}\n" for line in lines).encode()
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(given["signature"]), statement)
        yield "passed", f"{name}/signature", ""
    except InvalidSignature:
        yield "failed", f"{name}/signature", "the key did not sign this decision"
    if origin is not None and origins:
        yield _same(f"{name}/log", origin, origin if origin in origins else origins[0])


def _approval(
    name: str, certificate: dict[str, Any], given: dict[str, Any], recorded: Sequence[_Recorded], certified: _Recorded | None
) -> Iterator[Looked]:
    enrolled = _of_key(recorded, "enrolled", given)
    if enrolled is None or certified is None:
        yield "not_checkable", f"{name}/enrolled", "no receipts prove that its key was enrolled before"
        return
    yield _same(f"{name}/enrolled/public_key", given["public_key"], enrolled.data.get("public_key"))
    approved = next((each for each in recorded if each.kind == "approved" and _is_of(each.data["approval"], given)), None)
    yield _before(f"{name}/enrolled", enrolled, approved or certified)
    if approved is None:
        yield "not_checkable", f"{name}/approved", "no receipt proves when it was given"
    else:
        yield _same(f"{name}/approved/decision", certificate["decision"], approved.data.get("decision"))
        yield _same(f"{name}/approved/signature", given["signature"], approved.data["approval"].get("signature"))
        yield _before(f"{name}/approved", approved, certified)
    yield _revoked(name, certified, recorded, given) or ("not_checkable", f"{name}/revoked", "that a key was not revoked no file shows")


def _attestation(
    certificate: dict[str, Any], recorded: Sequence[_Recorded], certified: _Recorded | None, origins: Sequence[str]
) -> Iterator[Looked]:
    """That who certified it signed what a partner cannot see: its lines are all, by one parameter, and no more than was offered."""
    given, told = certificate.get("attestation"), None if certified is None else certified.data.get("attestation")
    if given is None:
        if told is not None:
            yield "failed", "attestation", "the journal has one"
        else:
            yield "not_checkable", "attestation", "who certified it signed nowhere that all lines are by one parameter, within the offer"
        return
    name = f"attestation of {given['subject']} by key {given['key']}"
    yield from _signature(name, "attestation", certificate["decision"], given, origins)
    enrolled = _of_key(recorded, "enrolled", given)
    if enrolled is None or certified is None:
        yield "not_checkable", f"{name}/enrolled", "no receipts prove that its key was enrolled before"
        return
    yield _same(f"{name}/certified", given["signature"], None if told is None else told.get("signature"))
    yield _same(f"{name}/enrolled/public_key", given["public_key"], enrolled.data.get("public_key"))
    yield _before(f"{name}/enrolled", enrolled, certified)
    if (revoked := _revoked(name, certified, recorded, given)) is not None:
        yield revoked


def _others(certificate: dict[str, Any], recorded: Sequence[_Recorded]) -> Iterator[Looked]:
    """Who proposed it, and under what authority it was approved."""
    proposed = _one(recorded, "proposed")
    if proposed is None:
        yield "not_checkable", "proposer", "no receipt proves who proposed it, and so that nobody approved their own"
    else:
        yield _same("proposed/decision", certificate["decision"], proposed.data.get("decision"))
        own = proposed.data.get("proposed_by") in [each["subject"] for each in certificate["approvals"]]
        yield ("failed", "proposer", "they approved what they proposed") if own else ("passed", "proposer", "")
    commands = [each.command for each in recorded if each.kind in ("approved", "certified", "proposed")]
    signed_under = {each["subject"]: each.get("authority") for each in certificate["approvals"]}
    for cited in (each for each in recorded if each.kind == "cited"):
        name = f"authority cited in {cited.place}"
        yield _same(f"{name}/matter", certificate["round"], cited.data.get("matter"))
        if cited.command not in commands:
            yield "failed", name, "it was cited for something else"
        if (stated := signed_under.get(cited.data["cited"]["by"])) is not None:
            yield _same(f"{name}/instrument", stated, cited.data["cited"]["authority"])
        yield "not_checkable", f"{name}/validity", "the instrument is not in the file"


def _revoked(name: str, certified: _Recorded, recorded: Sequence[_Recorded], given: dict[str, Any]) -> Looked | None:
    """Whether its key was revoked when it was certified: a revocation that nobody had confirmed is over. None: no receipt says."""
    found = sorted(
        (each for each in recorded if each.kind in ("revoked", "restored") and _is_of(each.data, given)), key=lambda each: each.at
    )
    if not found:
        return None
    before = [each for each in found if each.at < certified.at]
    if before and before[-1].kind == "restored":
        return "passed", f"{name}/revoked", ""
    return _before(f"{name}/revoked", certified, before[-1] if before else found[0])


def _one(recorded: Sequence[_Recorded], kind: str) -> _Recorded | None:
    return next((each for each in recorded if each.kind == kind), None)


def _of_key(recorded: Sequence[_Recorded], kind: str, given: dict[str, Any]) -> _Recorded | None:
    return next((each for each in recorded if each.kind == kind and _is_of(each.data, given)), None)


def _is_of(data: dict[str, Any], given: dict[str, Any]) -> bool:
    return (data.get("subject"), data.get("key")) == (given["subject"], given["key"])


def _before(name: str, first: _Recorded, then: _Recorded) -> Looked:
    if first.at < then.at:
        return "passed", name, ""
    return "failed", name, f"{first.kind} is number {first.at[1]} of the log, and {then.kind} number {then.at[1]}"


def _same(name: str, stated: object, found: object) -> Looked:
    return ("passed", name, "") if stated == found else ("failed", name, f"it says {stated}, found {found}")
