"""Changes: who changed the rules, the keys, and who may do what; in the order in which it was recorded, each as a sentence."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from reserve.audit.evidence import JOURNALED, Evidence, Recorded
from reserve.audit.life import events_of, read_event, texts_in
from reserve.audit.telling import printable, sentence_of
from shared.journal.codec import without_version

_RULES = """
    inventory.product_registered inventory.protected_stock_set inventory.receipt_grade_set inventory.weighing_tolerance_set
    allocation.agreement_signed allocation.agreement_amended allocation.agreement_ended allocation.agreement_suspended
    allocation.agreement_suspension_confirmed allocation.agreement_resumed
    allocation.disruption_declared allocation.disruption_revised allocation.disruption_ended
    allocation.policy_drafted allocation.policy_revised allocation.policy_submitted allocation.policy_approved
    allocation.policy_activated allocation.policy_withdrawn
    allocation.screening_list_put_in_force allocation.screening_list_withdrawn
    loans.facility_opened loans.limits_set loans.group_set loans.rate_recorded
    loans.reference_rate_registered loans.reference_rate_published loans.reference_rate_followed loans.reference_rate_left"""
_KEYS = """
    allocation.approver_key_claimed allocation.approver_key_enrolled allocation.approver_key_revoked allocation.approver_key_restored
    allocation.approver_key_revocation_confirmed allocation.partner_key_registered allocation.partner_key_revoked
    ledger.webhook_secret_rotated"""
_ACCESS = """
    allocation.ceremony_entered allocation.instrument_registered allocation.instrument_ended allocation.instrument_end_confirmed
    allocation.instrument_restored allocation.acting_officer_named allocation.person_named allocation.partner_registered
    allocation.conflict_declared allocation.conflict_confirmed allocation.conflict_lapsed allocation.conflict_withdrawn
    loans.payee_registered loans.payee_ended loans.payee_end_confirmed loans.payee_end_lapsed
    loans.laboratory_registered loans.laboratory_ended loans.laboratory_end_confirmed loans.laboratory_end_lapsed"""
_RECORDS = """
    inventory.text_erased allocation.text_erased loans.text_erased
    inventory.message_parked inventory.parking_confirmed inventory.parking_lapsed inventory.messages_unparked
    allocation.message_parked allocation.parking_confirmed allocation.parking_lapsed allocation.messages_unparked
    loans.message_parked loans.parking_confirmed loans.parking_lapsed loans.messages_unparked"""
KINDS: Mapping[str, frozenset[str]] = {
    "rules": frozenset(_RULES.split()),
    "keys": frozenset(_KEYS.split()),
    "access": frozenset(_ACCESS.split()),
    "records": frozenset(_RECORDS.split()),
}
_KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """`by`: the subject whose command it was, or a service. `said`: what people typed in quotes, as far as it is kept."""

    kind: str
    recorded_at: str
    effective_on: str
    place: str
    type: str
    by: str
    said: str


async def changes(evidence: Evidence, kinds: Collection[str] = KINDS, after: str = "", until: str | None = None) -> tuple[Changed, ...]:
    """What was recorded after an instant, up to another one, as journals write them."""
    found: list[tuple[str, Recorded, Any]] = []
    for service in JOURNALED:
        for shard in sorted(await evidence.heads(service)):
            async for record in events_of(evidence, service, shard):
                if _KIND_OF.get(without_version(record.type)) not in kinds or record.recorded_at <= after:
                    continue
                if until is None or record.recorded_at <= until:
                    found.append((service, record, read_event(service, record)))
    texts = await texts_in(evidence, [(service, event) for service, _, event in found])
    told = [_told(texts.get(service, {}), service, record, event) for service, record, event in found]
    return tuple(sorted(told, key=lambda each: each.recorded_at))


def _told(texts: Mapping[str, str], service: str, record: Recorded, event: Any) -> Changed:
    return Changed(
        kind=_KIND_OF[without_version(record.type)],
        recorded_at=record.recorded_at,
        effective_on=record.effective_on,
        place=record.place(service),
        type=record.type,
        by=printable(record.actor),
        said=printable("it does not read" if event is None else sentence_of(event, texts)),
    )
