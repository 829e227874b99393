"""By itself: what services record without anybody's command, when a timer fires or another event is taken: their own name is its actor.

Only of these types is no person asked for. A timer is of the stream that it is set in, and fires on its day or later. What moves value
follows from an event of those that `orders.py` names, under "cause".
"""

from datetime import date, timedelta

from reserve.audit.approvers import instant
from reserve.audit.evidence import Recorded
from shared.journal.codec import without_version
from shared.journal.places import parse_place
from shared.terms.reach import STREAM as REACH

_TYPES = {
    "allocation": (
        "agreement_resumed approvals_lapsed approver_key_restored award_withdrawn bid_voided bidding_closed book_opened "
        "carry_expired carry_set clock_advanced clock_breached clock_ended clock_resumed clock_set_back clock_started "
        "clock_warned command_lapsed conflict_lapsed consignee_hit_lapsed consignee_screened decision_given_back "
        "instrument_restored log_reach_reported messages_unparked parking_lapsed parties_screened partner_tallied policy_activated "
        "policy_used ratification_missed readiness_expired readiness_expiring request_decline_lapsed request_expired "
        "request_expiry_postponed request_screening_due request_screening_late review_lapsed review_requested round_released "
        "round_reopened screening_hit_lapsed tender_award_withdrawn tender_released tender_reopened"
    ),
    "inventory": (
        "assignment_closed assignment_failed command_lapsed decision_taken_back difference_overdue hold_confirmed hold_lifted hold_put_on "
        "loan_announced loan_gate_opened log_reach_reported lot_taken_in messages_unparked move_ratification_missed "
        "parking_lapsed release_cancelled release_extended release_lapsed return_refused return_taken_in round_freed "
        "round_held round_release_refused round_released stock_pinned stock_released tranche_closed"
    ),
    "loans": (
        "advance_cleared advance_withdrawn arrears_changed balance_brought_forward borrower_defaulted breach_lapsed "
        "command_lapsed commitment_cancelled commitment_refused conditions_evaluated cross_default_noted default_cured "
        "delivery_accepted delivery_credited delivery_not_valued delivery_quarantined delivery_valued drawing_ended "
        "headroom_refused headroom_released headroom_reserved holding_committed holding_refused laboratory_end_lapsed "
        "loan_accelerated loan_committed loan_repaid log_reach_reported material_commitment_refused material_default_cured "
        "material_defaulted material_lent material_loan_closed material_loan_committed material_loan_offered "
        "material_loan_withdrawn material_overdue material_taken_back messages_unparked parking_lapsed payee_end_lapsed "
        "period_closed project_fact_recorded project_fact_withdrawn project_watched rate_reset reference_rate_followed "
        "reference_rate_left return_credited return_turned_back subsequent_missed"
    ),
}
BY_ITSELF = {service: frozenset(types.split()) for service, types in _TYPES.items()}
PROVOKED = {  # never by a timer
    "inventory.lot_taken_in",
    "inventory.release_cancelled",
    "inventory.stock_released",
    "loans.project_fact_withdrawn",
    "loans.rate_reset",
}
_SCREENING = frozenset({"allocation.approvals_lapsed", "allocation.consignee_screened", "allocation.parties_screened"})


def fault_of(service: str, record: Recorded) -> str | None:
    """Why the service cannot have recorded this by itself. Asked only of what says that it has, as `of_service` tells."""
    kind, cause = without_version(record.type), record.causation_id
    if record.actor != f"service:{service}" or kind.partition(".")[2] not in BY_ITSELF.get(service, ()):
        return f"{record.actor} is said to have recorded this, which is for a person to do"
    if cause.startswith("timer/"):
        soon = date.fromisoformat(record.effective_on) <= instant(record).date() + timedelta(days=1)  # in any zone
        own = cause.startswith(f"timer/{record.stream}/") and kind not in PROVOKED
        return None if own and soon else f"no timer of {record.stream} fires for {record.effective_on} and records this: {cause}"
    if cause.partition("/")[0] == "screening":
        return None if kind in _SCREENING else f"screening records nothing of this: {cause}"
    if cause == REACH:
        return None if kind.endswith(".log_reach_reported") else f"who looks how far the log is records nothing of this: {cause}"
    if kind == "allocation.partner_tallied":
        return None if cause == record.stream else f"a day's tally is caused by nothing but its day: {cause}"
    try:
        parse_place(cause)
    except ValueError:
        return f"nothing has caused it: {cause}"
    return None


def of_service(record: Recorded) -> bool:
    """Whether it says that no person has recorded it."""
    return record.actor.startswith("service:")
