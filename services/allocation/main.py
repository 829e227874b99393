"""Allocation: partners' requests become rounds, decisions and awards."""

from services.allocation import events
from services.allocation.api import router
from services.allocation.domain import agreement, approver, book, disruption, partner, policy
from services.allocation.projections import project, take_stock
from services.allocation.reactions import INVENTORY_TYPES, OWN_TYPES, react_to_inventory, react_to_own
from services.allocation.tables import metadata
from services.inventory import events as inventory_events
from shared.service import Service, subscription

PROBLEMS = {
    # what does not exist (or is another partner's)
    "product_not_found": (404, "There is no such product"),
    "partner_not_found": (404, "There is no such partner"),
    "agreement_not_found": (404, "There is no such agreement"),
    "disruption_not_found": (404, "There is no such disruption"),
    "request_not_found": (404, "There is no such request"),
    "round_not_found": (404, "There is no such round"),
    "award_not_found": (404, "There is no such award"),
    "decision_not_found": (404, "There is no decision to be seen"),
    "certificate_not_found": (404, "There is no certificate yet"),
    "approver_key_not_found": (404, "There is no such key"),
    "policy_not_found": (404, "There is no such policy"),
    "policy_version_not_found": (404, "The policy has no such version"),
    # what cannot be asked
    "quantity_invalid": (422, "The quantity is not one that can be"),
    "date_in_past": (422, "The day has passed"),
    "agreement_without_products": (422, "An agreement is about at least one product"),
    "agreement_product_twice": (422, "An agreement names each product once"),
    "agreement_share_invalid": (422, "The share is not one"),
    "agreement_dates_reversed": (422, "An agreement begins before it ends"),
    "disruption_without_products": (422, "A disruption is of at least one product"),
    "disruption_names_twice": (422, "A disruption names each once"),
    "disruption_without_evidence": (422, "A disruption has evidence"),
    "disruption_dates_reversed": (422, "A disruption starts before it ends"),
    "return_day_invalid": (422, "A loan comes back on a day, and a sale does not"),
    "request_minimum_invalid": (422, "The minimum is within what is asked for"),
    "accepted_mass_invalid": (422, "What is accepted is within what is asked for"),
    "reasons_missing": (422, "Screening gives its reasons"),
    "round_without_requests": (422, "A round is over requests"),
    "round_too_large": (422, "A round does not hold so many requests"),
    "round_request_twice": (422, "A round names each request once"),
    "rule_unknown": (422, "There is no such rule"),
    "approvals_needed_invalid": (422, "A round cannot need so many approvals"),
    "release_days_invalid": (422, "Awards cannot be drawn for so long"),
    "policy_inside_invalid": (422, "No such rule can stand inside"),
    "policy_cap_invalid": (422, "A cap is a part of what is offered"),
    "policy_restraint_invalid": (422, "Restraint is a part of base consumption, and goes with the rule iep"),
    "policy_quorum_invalid": (422, "A quorum begins with the first gram, and asks for more only for more"),
    "policy_emergency_invalid": (422, "The emergency path is not one"),
    "policy_clocks_invalid": (422, "The clocks are out of order"),
    "policy_carry_years_invalid": (422, "Rounding cannot be remembered for so long"),
    "policy_minimum_invalid": (422, "The largest minimum is a part of a request"),
    # what the state of things does not allow
    "policy_draft_open": (409, "Another version is not decided yet"),
    "policy_not_draft": (409, "The version is no draft"),
    "policy_not_submitted": (409, "The version is not submitted"),
    "policy_withdrawn": (409, "The version is withdrawn"),
    "approval_of_another_document": (409, "The approval is of something else"),
    "partner_already_registered": (409, "The partner is registered already"),
    "agreement_already_signed": (409, "The agreement is signed already"),
    "agreement_ended": (409, "The agreement has ended"),
    "agreement_missing": (409, "The partner has no valid agreement on the product"),
    "disruption_already_declared": (409, "The disruption is declared already"),
    "disruption_ended": (409, "The disruption has ended"),
    "approver_key_already_enrolled": (409, "The key was enrolled before"),
    "approver_key_already_revoked": (409, "The key is revoked already"),
    "approver_key_revoked": (409, "The key is revoked"),
    "request_closed": (409, "The request is not open"),
    "request_expired": (409, "The request's day has passed"),
    "request_in_certified_round": (409, "The request is in a certified round"),
    "request_not_accepted": (409, "The request has not been accepted"),
    "request_in_another_round": (409, "The request is in a round"),
    "round_closed": (409, "The round is not open"),
    "round_already_certified": (409, "The round is certified already"),
    "round_not_proposed": (409, "The round has no decision"),
    "supply_beyond_stock": (409, "More is offered than may be"),
    "round_awards_nothing": (409, "The decision awards nothing"),
    "decision_unsound": (409, "The decision is not one that a rule can make"),
    "decision_stale": (409, "What the decision was made from has changed"),
    "approval_signature_invalid": (422, "The signature is not the key's"),
    "approval_of_another_approver": (403, "The approval is another approver's"),
    "approval_by_proposer": (403, "Nobody approves their own proposal"),
    "approval_of_another_decision": (409, "The approval is of something else"),
    "approval_duplicate": (409, "The approver has approved already"),
    "approvals_missing": (409, "Approvals are missing"),
    "another_round_awaits_release": (409, "Another round is being released"),
}

SERVICE = Service(
    name="allocation",
    deciders=(partner.DECIDER, agreement.DECIDER, disruption.DECIDER, approver.DECIDER, policy.DECIDER, book.DECIDER),
    event_type=events.Event,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription("inventory", inventory_events.Event, INVENTORY_TYPES, react=react_to_inventory, take=take_stock),
        subscription("allocation", events.Event, OWN_TYPES, react=react_to_own),
    ),
    router=router,
    problems=PROBLEMS,
    documents=events.documents_of,
)
