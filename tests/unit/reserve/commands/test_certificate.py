"""`reserve certificate verify`: a certificate holds, or the first thing that does not is named; what it cannot show is never passed."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve_partner.proofs import check_certificate
from services.allocation.api.decisions.certificate_page import page_of
from services.allocation.domain.decisions.certificate import Certificate, CertifiedApproval, Missing, Proof
from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import Claimant, DecisionFile, DecisionTerms, Opened, canonical_document
from services.allocation.domain.decisions.holdings import Holdings, Units
from services.allocation.domain.decisions.sealed import View, decision_hash
from services.allocation.events import (
    Approval,
    ApproverKeyEnrolled,
    ApproverKeyRestored,
    ApproverKeyRevoked,
    RoundApproved,
    RoundCertified,
    RoundProposed,
)
from services.allocation.events.rounds import Reads
from services.ledger.keys import seed_key
from services.ledger.receipt import Opening, make_receipt
from services.ledger.signers import FileSigner
from shared.journal.codec import type_of
from shared.journal.record import canonical as canonical_event
from shared.journal.record import event_hash
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.merkle import hash_leaf, hash_node
from shared.proofs.signed_note import parse_verifier_key
from shared.terms.acting import approval_of
from shared.terms.approval import approve, key_id, public_key_hex
from tests.stories.composed import partner_view

TODAY = date(2026, 1, 6)
KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(name * 32) for name in (b"k", b"o"))
NO_EVENT = hash_leaf(b"of somebody else")


def decided() -> DecisionFile:
    terms = DecisionTerms(
        round="rnd_1",
        product="antimony-metal",
        rule="talmud",
        policy="standing",
        policy_version=1,
        disruption=None,
        offered=(Units(unit_g=1, units=100),),
    )
    claimants = [
        Opened(
            salt=f"{number:032x}",
            content=Claimant(request=f"req_{partner}", partner=partner, agreement=None, agreement_version=None, asked_g=80, accepted_g=80),
        )
        for number, partner in enumerate(["JP", "US"])
    ]
    return compose(terms, Opened(salt="00" * 16, content=Holdings(available_g=100, protected_g=0)), claimants)


FILE = decided()
NAME: Any = decision_hash(FILE)


def approval(key: Ed25519PrivateKey = KEY, subject: str = "sub_approver", **said: Any) -> Approval:
    return approval_of(approve(NAME, key, approver=subject, **said), TODAY)


def history() -> dict[str, Any]:
    """What the journal has, in its order."""
    ids: Any = {"round": "rnd_1", "product": "antimony-metal", "decision": NAME}
    key: Any = {"subject": "sub_approver", "key": key_id(public_key_hex(KEY))}
    reads = Reads(agreements={}, carries_g={}, disruption_version=None, protected_g=0)
    proposed: dict[str, Any] = {"proposed_by": "sub_operator", "carries_g": {}, "awarded_g": {}}
    return {
        "enrolled": ApproverKeyEnrolled(public_key=public_key_hex(KEY), **key),
        "proposed": RoundProposed(file="f" * 64, release_order=None, supply_g=100, left_g=0, awards=2, reads=reads, **ids, **proposed),
        "approved": RoundApproved(approval=approval(), **ids),
        "certified": RoundCertified(release_order=None, awards=(), expires_on=TODAY, approvals=(approval(),), **ids),
    }


class Log:
    """A ledger of these events, one a leaf."""

    def __init__(self, folder: Path, events: dict[str, Any]) -> None:
        self._folder = folder
        self.openings = {kind: self._opening(place, event) for place, (kind, event) in enumerate(events.items(), start=1)}
        self._leaves = [hash_leaf(opening.leaf) for opening in self.openings.values()]
        self._leaves += [NO_EVENT] * (8 - len(self._leaves))

    def _opening(self, position: int, event: Any) -> Opening:
        columns = {
            "actor": "sub_operator",
            "causation_id": "",
            "command_id": f"{position:064x}",
            "correlation_id": "",
            "data": msgspec.Raw(canonical_event(event)),
            "effective_on": str(TODAY),
            "partner": None,
            "partner_seq": None,
            "position": position,
            "recorded_at": f"{TODAY}T00:00:00.000000Z",
            "shard": 0,
            "stream": "book/antimony-metal",
            "type": type_of(type(event)),
            "version": position,
        }
        hashed, salt = canonical_event(columns), b"s" * 16
        return Opening(f"allocation/0/{position}", salt, event_hash(salt, hashed), hashed)

    def proof(self, kind: str) -> Proof:
        opening = self.openings[kind]
        index = self._leaves.index(hash_leaf(opening.leaf))
        level, at, path = self._leaves, index, []
        while len(level) > 1:
            path.append(level[at ^ 1])
            level, at = [hash_node(left, right) for left, right in zip(level[::2], level[1::2], strict=True)], at // 2
        key = parse_verifier_key((self._folder / "keys" / "ledger.vkey").read_text().strip())
        note = sign_checkpoint(Checkpoint(key.name, TreeHead(8, level[0])), FileSigner(self._folder / "keys" / "ledger.pem"))
        return Proof(kind=kind, place=opening.place, receipt=make_receipt(opening, index, path, note))  # type: ignore[arg-type]


def certificate_of(folder: Path, file: View = FILE, events: dict[str, Any] | None = None, **changes: Any) -> Certificate:
    log = Log(folder, events or history())
    given = approval()
    told: dict[str, Any] = {
        "decision": NAME,
        "round": "rnd_1",
        "product": "antimony-metal",
        "expires_on": TODAY,
        "file": msgspec.Raw(canonical_document(file)),
        "approvals": (
            CertifiedApproval(
                subject=given.subject, key=given.key, public_key=public_key_hex(KEY), signature=given.signature, approved_on=TODAY
            ),
        ),
        "proofs": tuple(log.proof(kind) for kind in log.openings),
    }
    return Certificate(**(told | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    seed_key(tmp_path)
    return tmp_path


def verify(folder: Path, content: bytes | Certificate, *more: object) -> Result:
    file = folder / "certificate.json"
    file.write_bytes(canonical_document(content) if isinstance(content, Certificate) else content)
    return CliRunner().invoke(app, ["certificate", "verify", str(file), "--data", str(folder), *map(str, more)])


def found(folder: Path, certificate: Certificate, *more: object) -> dict[str, Any]:
    """A partner's own check finds the same, but for what is in a whole file, which it does not decide again."""
    result = verify(folder, certificate, "--json", *more)
    said = json.loads(result.stdout)
    given, pinned = [str(key) for key in more[1::2]], folder / "keys" / "ledger.vkey"
    partners = check_certificate(canonical_document(certificate), *(given or [pinned.read_text()] if given or pinned.exists() else []))
    own = "lines" in json.loads(bytes(certificate.file)) and "holdings" not in json.loads(bytes(certificate.file))
    of_file = ("file", "decision", "round", "product") if not own else ()
    for mine, theirs in ((partners.passed, names(said["passed"])), (list(partners.failed), names(said["failed"]))):
        assert _beside_file(mine, of_file) == _beside_file(theirs, of_file)
    if own:
        assert partners.holds == (result.exit_code == 0)
    return said | {"exit_code": result.exit_code}


def _beside_file(names: list[str], of_file: tuple[str, ...]) -> list[str]:
    return [name for name in names if not of_file or (name not in of_file and not name.startswith("file/"))]


def names(items: list[dict[str, str]]) -> list[str]:
    return [item["name"] for item in items]


APPROVAL = f"approval of sub_approver by key {key_id(public_key_hex(KEY))}"


# --- what holds


def test_a_whole_certificate_holds_and_says_what_it_cannot_show(folder: Path) -> None:
    checked = found(folder, certificate_of(folder))
    assert (checked["exit_code"], checked["failed"]) == (0, [])
    assert {"file", "decision", f"{APPROVAL}/signature", f"{APPROVAL}/enrolled", "certified/approvals", "proposer"} <= set(
        names(checked["passed"])
    )
    not_of_the_file = [name for name in names(checked["not_checkable"]) if not name.startswith("file/")]
    assert not_of_the_file == ["certified/stands", f"{APPROVAL}/revoked", "attestation"]
    assert {"file/terms/rule", "file/holdings/protected_g", "file/lines/*/claimant/asked_g"} <= set(names(checked["not_checkable"]))
    assert "file/terms/round" not in names(checked["not_checkable"]), "the certificate says it, too"


def test_a_printed_certificate_shows_what_is_reckoned_with_by_hand_and_keeps_long_rationals_on_the_paper(folder: Path) -> None:
    [step, *others] = FILE.decision.steps
    long = f"{10**60 + 1}/{10**60}"
    steps = (msgspec.structs.replace(step, parameter=long, cutoff=long, branch="losses", ties_won=3), *others)
    file = msgspec.structs.replace(FILE, decision=msgspec.structs.replace(FILE.decision, steps=steps))
    page = page_of(certificate_of(folder, file))
    assert page.count(f"<td>{long}</td>") == 2  # a cell of the class amount is never broken
    assert "<td>losses</td>" in page
    assert '<td class="amount">3</td>' in page


def test_a_partner_checks_its_own_award_and_passes_nothing_that_it_cannot_see(folder: Path) -> None:
    own = certificate_of(folder, partner_view(FILE, "JP"), missing=(Missing(part="proposed allocation/0/2", why="it tells of others"),))
    checked = found(folder, msgspec.structs.replace(own, proofs=tuple(proof for proof in own.proofs if proof.kind != "proposed")))
    assert (checked["exit_code"], checked["failed"]) == (0, [])
    assert {"file/lines/req_JP/commitment", "file/lines/req_JP/bounds"} <= set(names(checked["passed"]))
    sealed = {"file/working", "file/holdings", "file/lines/req_JP/award_g", "attestation"}
    assert {*sealed, "proposer", "proposed allocation/0/2"} <= set(names(checked["not_checkable"]))
    assert "proposer" not in names(checked["passed"])


OPERATOR = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
ATTESTS = f"attestation of sub_operator by key {key_id(public_key_hex(OPERATOR))}"


def attested(folder: Path, purpose: str = "attestation", *, journal: bool = True, file: View = FILE) -> Certificate:
    """Certified by an operator whose own key signed so, for some purpose."""
    origin = parse_verifier_key((folder / "keys" / "ledger.vkey").read_text().strip()).name
    signed = approve(NAME, OPERATOR, approver="sub_operator", origin=origin, purpose=purpose)
    given = approval_of(signed, TODAY)
    events = history()
    if journal:
        events["certified"] = msgspec.structs.replace(events["certified"], attestation=given)
    key: Any = {"subject": "sub_operator", "key": given.key}
    events = {"operator": ApproverKeyEnrolled(public_key=public_key_hex(OPERATOR), **key)} | events
    log = Log(folder, events)
    own = certificate_of(folder, file, events=events)
    proofs = tuple(msgspec.structs.replace(log.proof(kind), kind="enrolled" if kind == "operator" else kind) for kind in log.openings)
    told = {"subject": given.subject, "key": given.key, "signature": given.signature, "origin": given.origin}
    attestation = CertifiedApproval(public_key=public_key_hex(OPERATOR), approved_on=TODAY, **told)  # type: ignore[arg-type]
    return msgspec.structs.replace(own, proofs=proofs, attestation=attestation)


def test_a_partner_sees_that_who_certified_it_attests_what_the_partner_cannot_see(folder: Path) -> None:
    checked = found(folder, attested(folder, file=partner_view(FILE, "JP")))
    assert checked["failed"] == []
    assert {f"{ATTESTS}/{part}" for part in ("signature", "log", "certified", "enrolled")} <= set(names(checked["passed"]))
    assert "attestation" not in names(checked["not_checkable"])


def test_an_attestation_for_another_purpose_or_that_the_journal_does_not_have_fails(folder: Path) -> None:
    assert f"{ATTESTS}/signature" in names(found(folder, attested(folder, "decision"))["failed"])
    assert f"{ATTESTS}/certified" in names(found(folder, attested(folder, journal=False))["failed"])
    left_out = msgspec.structs.replace(attested(folder), attestation=None)
    assert names(found(folder, left_out)["failed"]) == ["attestation"]


def test_without_the_logs_key_no_receipt_is_passed(folder: Path) -> None:
    certificate = certificate_of(folder)
    (folder / "keys" / "ledger.vkey").unlink()
    checked = found(folder, certificate)
    assert (checked["exit_code"], checked["failed"]) == (3, [])
    assert {"receipt of certified allocation/0/4", "certified", f"{APPROVAL}/enrolled"} <= set(names(checked["not_checkable"]))
    assert not any(name.startswith(("receipt", "certified")) for name in names(checked["passed"]))


def test_what_no_receipt_shows_to_be_certified_proves_nothing(folder: Path) -> None:
    """Whoever makes a file of their own leaves out what they cannot make."""
    whole = certificate_of(folder)
    bare = msgspec.structs.replace(whole, proofs=(), approvals=(), attestation=None)
    for forged in (bare, msgspec.structs.replace(whole, proofs=())):
        result = verify(folder, forged)
        assert (result.exit_code, "anybody may have written it" in result.stderr) == (3, True), result.output


def test_a_key_that_was_revoked_later_still_counts(folder: Path) -> None:
    key: Any = {"subject": "sub_approver", "key": key_id(public_key_hex(KEY))}
    checked = found(folder, certificate_of(folder, events=history() | {"revoked": ApproverKeyRevoked(products=(), reason="left", **key)}))
    assert checked["failed"] == []
    assert f"{APPROVAL}/revoked" in names(checked["passed"])


def test_a_key_whose_revocation_was_over_before_counts(folder: Path) -> None:
    key: Any = {"subject": "sub_approver", "key": key_id(public_key_hex(KEY))}
    revoked, restored = ApproverKeyRevoked(products=(), reason="lost", **key), ApproverKeyRestored(**key)
    checked = found(folder, certificate_of(folder, events={"revoked": revoked, "restored": restored} | history()))
    assert checked["failed"] == []
    assert f"{APPROVAL}/revoked" in names(checked["passed"])
    late = certificate_of(folder, events={"revoked": revoked} | history() | {"restored": restored})
    assert names(found(folder, late)["failed"]) == [f"{APPROVAL}/revoked"]


# --- what does not


def test_a_key_that_was_revoked_before_does_not_count(folder: Path) -> None:
    key: Any = {"subject": "sub_approver", "key": key_id(public_key_hex(KEY))}
    told = history()
    told = {"revoked": ApproverKeyRevoked(products=(), reason="lost", **key)} | told
    checked = found(folder, certificate_of(folder, events=told))
    assert (checked["exit_code"], names(checked["failed"])) == (1, [f"{APPROVAL}/revoked"])


def test_a_key_that_was_enrolled_after_it_signed_does_not_count(folder: Path) -> None:
    told = history()
    late = {kind: told[kind] for kind in ("proposed", "approved", "certified", "enrolled")}
    assert names(found(folder, certificate_of(folder, events=late))["failed"]) == [f"{APPROVAL}/enrolled"]


def test_whoever_proposed_it_may_not_have_approved_it(folder: Path) -> None:
    told = history()
    told["proposed"] = msgspec.structs.replace(told["proposed"], proposed_by="sub_approver")
    assert names(found(folder, certificate_of(folder, events=told))["failed"]) == ["proposer"]


def test_what_is_in_the_log_of_a_history_before_came_before_all_of_this_one(folder: Path, tmp_path: Path) -> None:
    """Its key was enrolled as a late leaf of the old log, and the rest is early in the new one."""
    told = history()
    old = Log(folder, {kind: told[kind] for kind in ("proposed", "approved", "enrolled")})
    seed_key(new := tmp_path / "new", history=2)
    later = Log(new, {kind: told[kind] for kind in ("proposed", "approved", "certified")})
    proofs = (old.proof("enrolled"), *(later.proof(kind) for kind in later.openings))
    keys = [(each / "keys" / "ledger.vkey").read_text().strip() for each in (new, folder)]
    pinned = [word for key in keys for word in ("--log-key", key)]
    checked = found(folder, certificate_of(folder, proofs=proofs), *pinned)
    assert (checked["exit_code"], checked["failed"]) == (0, [])
    assert f"{APPROVAL}/enrolled" in names(checked["passed"])


def change_award(certificate: Certificate) -> Certificate:
    return msgspec.structs.replace(certificate, file=msgspec.Raw(bytes(certificate.file).replace(b'"award_g":50', b'"award_g":51', 1)))


def change_approval(**changes: Any) -> Callable[[Certificate], Certificate]:
    return lambda told: msgspec.structs.replace(told, approvals=(msgspec.structs.replace(told.approvals[0], **changes),))


def change_receipt(kind: str, old: str, new: str) -> Callable[[Certificate], Certificate]:
    def change(told: Certificate) -> Certificate:
        proofs = [
            msgspec.structs.replace(proof, receipt=proof.receipt.replace(old, new, 1)) if proof.kind == kind else proof
            for proof in told.proofs
        ]
        return msgspec.structs.replace(told, proofs=tuple(proofs))

    return change


def swap_receipts(told: Certificate) -> Certificate:
    first, second, *rest = told.proofs
    swapped = (msgspec.structs.replace(first, receipt=second.receipt), msgspec.structs.replace(second, receipt=first.receipt))
    return msgspec.structs.replace(told, proofs=(*swapped, *rest))


def relabel(told: Certificate) -> Certificate:
    enrolled, *rest = told.proofs
    return msgspec.structs.replace(told, proofs=(msgspec.structs.replace(enrolled, kind="revoked"), *rest))


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda told: msgspec.structs.replace(told, decision="0" * 64), "decision"),
        (lambda told: msgspec.structs.replace(told, round="rnd_2"), "round"),
        (lambda told: msgspec.structs.replace(told, product="gallium-7n"), "product"),
        (lambda told: msgspec.structs.replace(told, expires_on=date(2027, 1, 1)), "certified/expires_on"),
        (lambda told: msgspec.structs.replace(told, file=msgspec.Raw(b"{}")), "file"),
        (lambda told: msgspec.structs.replace(told, approvals=()), "certified/approvals"),
        (change_award, "file/lines/0/content/award_g"),
        (change_approval(signature="0" * 128), "certified/approvals"),
        (change_approval(subject="sub_another"), "certified/approvals"),
        (change_approval(approved_on=date(2026, 1, 7)), "certified/approvals"),
        (change_approval(public_key=public_key_hex(OTHER)), f"{APPROVAL}/public_key"),
        (change_receipt("certified", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v9"), "receipt of certified allocation/0/4"),
        (change_receipt("approved", "index 2", "index 3"), "receipt of approved allocation/0/3"),
        (change_receipt("enrolled", "\n8\n", "\n9\n"), "receipt of enrolled allocation/0/1"),
        (swap_receipts, "receipt of enrolled allocation/0/1/place"),
        (relabel, "receipt of revoked allocation/0/1/kind"),
    ],
)
def test_a_certificate_with_one_thing_changed_fails_and_names_it_first(
    folder: Path, change: Callable[[Certificate], Certificate], first: str
) -> None:
    told = certificate_of(folder)
    changed = change(told)
    assert changed != told
    checked = found(folder, changed)
    assert (checked["exit_code"], names(checked["failed"])[:1]) == (1, [first])


@pytest.mark.parametrize(
    "signature",
    [
        "0" * 128,
        approve(NAME, OTHER, approver="sub_approver").signature,
        approve("0" * 64, KEY, approver="sub_approver").signature,
        approve(NAME, KEY, approver="sub_another").signature,
        approve(NAME, KEY, approver="sub_approver", purpose="tender").signature,
    ],
)
def test_a_signature_by_another_key_or_over_something_else_is_found_without_any_receipt(folder: Path, signature: str) -> None:
    certificate = change_approval(signature=signature)(certificate_of(folder))
    (folder / "keys" / "ledger.vkey").unlink()
    assert names(found(folder, certificate)["failed"]) == [f"{APPROVAL}/signature"]


def test_an_approval_that_was_signed_for_another_log_is_found(folder: Path) -> None:
    def signed_for(origin: str) -> Certificate:
        given = approval(origin=origin, authority="ins_1")
        events = history()
        for kind, change in {"approved": {"approval": given}, "certified": {"approvals": (given,)}}.items():
            events[kind] = msgspec.structs.replace(events[kind], **change)
        told = msgspec.to_builtins(given) | {"public_key": public_key_hex(KEY)}
        return certificate_of(folder, events=events, approvals=(msgspec.convert(told, CertifiedApproval),))

    own = parse_verifier_key((folder / "keys" / "ledger.vkey").read_text().strip()).name
    assert found(folder, signed_for(own))["failed"] == []
    assert names(found(folder, signed_for("reserve/ledger/a-drill"))["failed"]) == [f"{APPROVAL}/log"]


def test_the_first_difference_is_told_in_one_line(folder: Path) -> None:
    result = verify(folder, change_award(certificate_of(folder)))
    assert result.exit_code == 1
    assert "does not hold: file/lines/0/content/award_g: it says 51, worked out 50" in result.stderr


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff"])
def test_what_is_no_certificate_is_refused(folder: Path, data: bytes) -> None:
    result = verify(folder, data)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no certificate" in result.stderr
