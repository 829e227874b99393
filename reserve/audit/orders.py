"""Orders: what follows what, a line a rule. `order.py` holds the history against it.

Each type that `says` something comes after one of `after` with the same `key`, of which nothing in `until` has come since; what it says of
`same` is what the last of those said, where both say it. `anywhere`: in another stream or service, so in any order, and for good.
What has something left of it (`remaining_g`), or lapses (`lapses_at`), ends nothing yet. `from_the_first`: earlier builds recorded none of
`after`, so the rule is in force of each thing from the first one that is of it. `sooner`: a field, a day: after an end one more is fine
that is of an earlier day.
The key "cause" is the place of what comes before, and of what a service says by itself what has caused it, unless a timer has.
"""

import msgspec


class Follows(msgspec.Struct, frozen=True):
    key: tuple[str, ...]
    after: tuple[str, ...]
    says: tuple[str, ...]
    until: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    anywhere: bool = False
    from_the_first: bool = False
    sooner: str = ""


def _follows(key: str, after: str, says: str, *, until: str = "", same: str = "") -> Follows:
    return Follows(tuple(key.split()), tuple(after.split()), tuple(says.split()), tuple(until.split()), tuple(same.split()))


def _anywhere(key: str, after: str, says: str, *, same: str = "") -> Follows:
    return Follows(tuple(key.split()), tuple(after.split()), tuple(says.split()), same=tuple(same.split()), anywhere=True)


def _caused(after: str, says: str) -> Follows:
    """It counts for the same day."""
    return _anywhere("cause", after, says, same="day")


def _ended(key: str, after: str, ends: str, *, says: str = "", same: str = "") -> Follows:
    """Each of `ends` is such an end, and so there is one."""
    return _follows(key, after, f"{says} {ends}", until=ends, same=same)


_PROPOSALS = _ended("stream proposal", "command_proposed", "command_approved command_lapsed command_withdrawn")

ORDERS: dict[str, tuple[Follows, ...]] = {
    "allocation": (
        _PROPOSALS,
        # requests
        _ended(
            "request",
            "request_submitted",
            "request_declined request_decline_confirmed request_expired request_withdrawn",
            says="loan_requested request_accepted request_expiry_postponed request_screened request_screening_due request_screening_late"
            " parties_screened screening_hit_decided",
            same="product partner needed_by screen_by",
        ),
        _follows(
            "request",
            "request_declined",
            "request_decline_confirmed request_decline_lapsed",
            until="request_decline_confirmed request_decline_lapsed request_expired request_withdrawn",
            same="product partner",
        ),
        _follows("request", "request_accepted", "clock_set objection_raised", same="product partner accepted_g"),
        _follows("request", "loan_requested", "loan_awarded", same="product partner return_on"),
        _ended("objection", "objection_raised", "objection_answered", same="request product partner"),
        _anywhere("request product partner clock", "clock_set", "clock_started"),
        # rounds
        _ended(
            "round",
            "round_opened",
            "round_cancelled round_released",
            says="award_granted award_withdrawn round_certified round_extended round_proposed round_reopened",
            same="product",
        ),
        _follows(
            "round",
            "round_proposed",
            "approvals_lapsed round_approved round_certified",
            until="round_cancelled round_released",
            same="decision",
        ),
        _ended("round", "round_certified", "round_released round_reopened", says="award_withdrawn", same="decision"),
        _anywhere("round decision", "round_certified", "award_renounced report_sent review_requested"),
        _ended("review", "review_requested", "review_concluded review_lapsed", says="review_assigned", same="partner"),
        # tenders
        _ended(
            "tender",
            "tender_opened",
            "tender_cancelled tender_released",
            says="bidding_closed tender_award_withdrawn tender_certified tender_proposed tender_reopened",
        ),
        _follows(
            "tender", "tender_proposed", "tender_approved tender_certified", until="tender_cancelled tender_released", same="decision"
        ),
        _ended("tender", "tender_certified", "tender_released tender_reopened", says="tender_award_withdrawn", same="decision"),
        _follows("tender", "tender_opened", "bidding_closed", until="bidding_closed tender_cancelled"),
        _ended("bid", "bid_committed", "bid_revealed bid_voided", same="tender partner"),
        _anywhere("tender", "tender_opened", "bid_committed"),
        # agreements, and what is ready for them
        _ended(
            "agreement",
            "agreement_signed",
            "agreement_ended",
            says="agreement_amended agreement_resumed agreement_suspended",
            same="partner",
        ),
        _ended("agreement", "agreement_suspended", "agreement_resumed", says="agreement_suspension_confirmed", same="partner hold"),
        _ended(
            "agreement product item",
            "readiness_cleared",
            "readiness_withdrawn",
            says="readiness_expired readiness_expiring readiness_renewed",
            same="partner kind name",
        ),
        _follows("item", "readiness_cleared readiness_renewed", "readiness_expired readiness_expiring", same="until"),
        Follows(
            ("product", "agreement"),
            ("carry_set",),
            ("carry_expired",),
            until=("carry_expired",),
            same=("partner", "carry_g"),
            from_the_first=True,
        ),
        _follows("partner", "partner_registered", "partner_key_registered"),
        _ended("partner key", "partner_key_registered", "partner_key_revoked"),
        _ended("disruption", "disruption_declared", "disruption_ended", says="disruption_revised", same="products"),
        # policies
        _ended("policy version", "policy_drafted", "policy_withdrawn"),
        _follows(
            "policy version", "policy_drafted policy_revised", "policy_revised policy_submitted", until="policy_submitted policy_withdrawn"
        ),
        _follows("policy version", "policy_drafted policy_revised", "policy_submitted policy_approved", same="document"),
        _follows("policy version", "policy_submitted", "policy_approved", until="policy_approved policy_withdrawn"),
        _follows("policy version", "policy_approved", "policy_activated", until="policy_withdrawn"),
        _follows("policy", "policy_drafted", "policy_used"),
        # people, and their powers
        _follows("instrument", "instrument_registered", "acting_officer_named instrument_ended"),
        _anywhere("instrument", "instrument_registered", "ceremony_entered"),
        _anywhere("subject", "approver_key_enrolled", "ceremony_entered"),
        _anywhere("subject key", "approver_key_enrolled", "approver_key_claimed"),
        _ended("official about name", "conflict_declared", "conflict_withdrawn conflict_lapsed", says="conflict_confirmed"),
        # lists, and consignees
        _ended("list", "screening_list_put_in_force", "screening_list_withdrawn", same="version"),
        _ended("change", "consignee_change_asked", "consignee_change_approved consignee_change_refused", same="award partner consignee"),
        _anywhere("award", "award_granted tender_award_granted", "consignee_change_asked"),
        # clocks
        _follows("request", "clock_started", "clock_breached clock_paused clock_warned", until="clock_ended", same="product partner"),
        _ended("request", "clock_started clock_advanced clock_set_back", "clock_ended", same="product partner"),
        _ended("request", "clock_paused", "clock_resumed", says="clock_pause_confirmed", same="product partner"),
    ),
    "inventory": (
        _PROPOSALS,
        _follows("product", "product_registered", "lot_taken_in protected_stock_set receipt_grade_set right_added weighing_tolerance_set"),
        _follows("product lot", "lot_taken_in", "assay_recorded lot_moved stock_adjusted", same="nominal_unit_g"),
        _ended("product lot", "lot_taken_in", "return_taken_in", same="mass_g"),
        _ended("product hold", "hold_put_on", "hold_lifted", says="hold_confirmed"),
        _ended("product round decision", "round_held", "round_freed"),
        _ended("move", "lot_moved", "move_ratified", says="move_ratification_missed", same="product lot ratify_by"),
        # releases, and what is drawn
        _follows(
            "release",
            "stock_released",
            "stock_pinned release_extended",
            until="release_lapsed release_cancelled stock_drawn right_assigned",
            same="product partner",
        ),
        _ended(
            "draw",
            "stock_drawn",
            "draw_dispatched draw_returned",
            says="draw_moved draw_weighed draw_weighed_again material_lent",
            same="product partner mass_g release remaining_g",
        ),
        _ended("draw", "draw_weighed draw_weighed_again draw_dispatched draw_returned", "award_forwarded", same="product partner mass_g"),
        _ended("draw", "draw_dispatched", "draw_delivered", says="dispatch_corrected", same="product partner mass_g weighed_g"),
        _ended("draw", "draw_weighed_again", "difference_settled", says="difference_overdue", same="product partner sign_by"),
        # loans of goods
        _follows(
            "release",
            "loan_announced",
            "material_lent",
            until="release_lapsed release_cancelled",
            same="product award partner",
        ),
        _follows("release", "loan_gate_opened", "material_lent", until="release_lapsed release_cancelled", same="product partner"),
        _follows(
            "draw", "material_lent", "lent_draw_returned", until="lent_draw_returned draw_dispatched", same="release award partner mass_g"
        ),
        # what other services have caused
        _anywhere("award decision partner return_on", "allocation.loan_awarded", "loan_announced"),
        _anywhere("release decision partner", "loans.material_loan_committed", "loan_gate_opened"),
        _anywhere("decision", "allocation.round_certified allocation.tender_certified", "round_held round_release_refused"),
        _anywhere("loan returned partner", "loans.return_settled", "return_refused return_taken_in"),
        _caused("loans.return_settled", "lot_taken_in"),
        _caused("allocation.award_renounced allocation.decision_superseded loans.material_loan_withdrawn", "release_cancelled"),
        _caused("allocation.round_certified allocation.tender_certified", "stock_released"),
        _caused("allocation.agreement_resumed", "hold_lifted"),
    ),
    "loans": (
        _PROPOSALS,
        # loans of money
        _ended("loan", "loan_proposed loan_imported", "loan_withdrawn loan_closed", says="loan_approved loan_committed"),
        _ended("loan", "loan_approved loan_imported", "loan_committed commitment_refused"),
        _ended(
            "loan",
            "loan_committed",
            "loan_closed",
            says="act_proposed advance_requested arrears_changed commitment_cancelled default_cured fee_charged"
            " loan_defaulted loan_repaid period_closed rate_reset ratio_reported regraded subsequent_missed",
            same="currency",
        ),
        _follows("loan", "loan_committed", "conditions_evaluated cross_default_noted"),
        _follows("loan act", "act_proposed", "act_withdrawn", until="act_approved act_withdrawn"),
        _ended("loan advance", "advance_requested", "advance_paid advance_withdrawn", says="advance_cleared", same="amount_minor"),
        _ended("loan", "loan_defaulted", "default_cured", says="acceleration_notified default_confirmed", same="facility"),
        # facilities
        _follows(
            "facility",
            "facility_opened",
            "borrower_defaulted group_set headroom_released headroom_reserved limits_set rate_recorded",
        ),
        _follows("facility commitment", "headroom_reserved", "borrower_defaulted headroom_released"),
        _anywhere(
            "commitment|loan|holding",
            "loan_approved loan_imported holding_approved material_terms_approved",
            "headroom_refused",
        ),
        _anywhere("commitment|loan|holding", "headroom_refused", "commitment_refused holding_refused material_commitment_refused"),
        _anywhere("commitment|loan|holding", "headroom_reserved", "loan_committed holding_committed material_loan_committed"),
        # holdings
        _ended("holding", "holding_proposed", "holding_withdrawn", says="holding_approved"),
        _ended("holding", "holding_approved", "holding_committed holding_refused"),
        _follows(
            "holding",
            "holding_committed",
            "holding_valued shares_subscribed uncalled_cancelled write_down_proposed",
            until="holding_closed",
            same="currency facility",
        ),
        _follows(
            "holding flow",
            "write_down_proposed",
            "write_down_withdrawn",
            until="write_down_withdrawn holding_written_down holding_written_off",
        ),
        # loans of metal
        _ended(
            "loan",
            "material_loan_offered",
            "material_loan_withdrawn material_loan_closed",
            says="material_terms_proposed",
            same="partner product release decision",
        ),
        _follows("loan", "material_terms_proposed", "material_terms_approved", same="partner document"),
        _ended("loan", "material_terms_approved", "material_loan_committed material_commitment_refused", same="partner facility element"),
        _follows(
            "loan",
            "material_loan_committed",
            "deferral_proposed drawing_ended material_defaulted material_overdue security_marked security_topped_up",
            same="partner facility element",
        ),
        _ended("loan", "material_defaulted", "material_default_cured", says="material_default_confirmed material_replaced", same="partner"),
        _ended(
            "loan returned",
            "return_received",
            "return_rejected return_credited return_turned_back",
            says="return_assayed return_settled",
            same="partner element pending_g",
        ),
        _anywhere("award decision partner mass_g return_on", "allocation.loan_awarded", "material_loan_offered"),
        # what repays in kind, who is paid, who assays, what becomes known, what is published
        Follows(
            ("offtake",),
            ("offtake_agreed",),
            ("offtake_ended",),
            until=("offtake_ended",),
            same=("right", "loan"),
            sooner="on",  # two persons may have proposed two days, and sign the later one first
        ),
        _follows("offtake", "offtake_agreed", "delivery_not_valued", same="right loan"),
        _follows("lot", "delivery_quarantined", "delivery_accepted", same="right product"),
        _anywhere("lot product", "inventory.lot_taken_in", "delivery_quarantined"),
        _follows("borrower payee", "payee_registered", "payee_ended"),
        _follows("laboratory", "laboratory_registered", "laboratory_ended"),
        _ended("project fact|known.fact", "project_fact_recorded", "project_fact_withdrawn", same="kind|known.kind"),
        _anywhere("loan", "loan_proposed loan_imported", "project_watched"),
        _follows("rate", "reference_rate_registered", "reference_rate_followed reference_rate_published"),
        _ended("rate loan", "reference_rate_followed", "reference_rate_left"),
        _caused("reference_rate_followed reference_rate_published", "rate_reset"),
        _caused("inventory.right_terminated", "project_fact_withdrawn"),
    ),
}
