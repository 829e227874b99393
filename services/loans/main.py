"""Loans: what the Facility lends and holds, and what the Reserve lends in material."""

from services.allocation import events as allocation
from services.inventory import events as inventory
from services.loans.api import router
from services.loans.domain import delivery, equity, facility, loan, material, offtake
from services.loans.domain import project as projects
from services.loans.events import Event, documents_of
from services.loans.projections import project, take_approver_keys, take_products
from services.loans.reactions import ALLOCATION_TYPES, INVENTORY_TYPES, OWN_TYPES, react_to_allocation, react_to_inventory, react_to_own
from services.loans.tables import metadata
from shared.service import Service, subscription

PROBLEMS = {
    # facilities
    "facility_not_found": (404, "There is no such facility"),
    "facility_already_open": (409, "The facility is open already"),
    "limits_invalid": (422, "The limits are not a tree"),
    "rate_invalid": (422, "The rate is not one"),
    "rate_of_own_currency": (422, "The facility's own currency has no rate"),
    "rate_missing": (409, "No rate is recorded"),
    "date_in_future": (422, "The day has not come yet"),
    "limit_exceeded": (409, "A limit would be exceeded"),
    "committed_already": (409, "It is committed already"),
    # loans
    "loan_not_found": (404, "There is no such loan"),
    "advance_not_found": (404, "There is no such advance"),
    "payment_not_found": (404, "There is no such payment"),
    "act_not_found": (404, "There is no such act"),
    "covenant_not_found": (404, "There is no such covenant"),
    "condition_not_found": (404, "There is no such condition"),
    "loan_already_proposed": (409, "The loan is proposed already"),
    "loan_status": (409, "The loan is not in a state for that"),
    "amount_invalid": (422, "The amount is not one that can be"),
    "loan_rate_invalid": (422, "The rate is not one that is charged"),
    "loan_terms_invalid": (422, "The terms do not go together"),
    "schedule_invalid": (422, "The schedule is not one"),
    "condition_invalid": (422, "Nothing could ever meet the condition"),
    "conditions_unmet": (409, "Conditions precedent are not met"),
    "advance_beyond_commitment": (409, "It is more than is left of the commitment"),
    "covenant_breached": (409, "A covenant is breached"),
    "advance_outside_availability": (409, "The commitment is not available then"),
    "date_before_loan": (422, "The day is before the loan"),
    "payment_reference_used": (409, "The reference is of another payment"),
    "nothing_to_cancel": (409, "There is not so much to cancel"),
    "write_off_beyond_owed": (409, "Not so much is owed"),
    "loan_still_owed": (409, "The loan is not at its end"),
    "statement_dates_reversed": (422, "A statement begins before it ends"),
    # approvals
    "approval_of_another_approver": (403, "The approval is another approver's"),
    "approval_by_proposer": (403, "Nobody approves their own proposal"),
    "approval_of_another_document": (409, "The approval is of something else"),
    "approver_key_not_found": (404, "There is no such key"),
    "approver_key_revoked": (409, "The key is revoked"),
    "approval_signature_invalid": (422, "The signature is not the key's"),
    # projects
    "project_not_found": (404, "Nothing is known of such a project"),
    "project_fact_not_found": (404, "There is no such fact"),
    "project_fact_already_recorded": (409, "The fact is recorded already"),
    "project_fact_without_evidence": (422, "A fact has evidence"),
    "project_fact_quantity_invalid": (422, "The quantity is not one that can be"),
    "project_fact_unit_missing": (422, "A quantity is in a unit"),
    "project_fact_binding_missing": (422, "An offtake binds, or does not"),
    "project_fact_dates_reversed": (422, "A fact begins before it ends"),
    "project_fact_counted_twice": (409, "Another fact says so already"),
    # repayment in kind
    "offtake_not_found": (404, "There is no such agreement"),
    "offtake_agreed_already": (409, "Another agreement has the right"),
    "offtake_share_invalid": (422, "The share is not one"),
    "offtake_dates_reversed": (422, "An agreement begins before it ends"),
    "offtake_ended": (409, "The agreement has ended"),
    # equity
    "holding_not_found": (404, "There is no such holding"),
    "holding_already_proposed": (409, "The holding is proposed already"),
    "holding_status": (409, "The holding does not stand so"),
    "holding_terms_invalid": (422, "The terms are not those of a holding"),
    "units_invalid": (422, "The units are not ones that can be"),
    "subscription_beyond_commitment": (409, "More would be paid than is committed"),
    "nothing_uncalled": (409, "Nothing of the commitment is left to be called"),
    "nothing_held": (409, "No shares are subscribed yet"),
    "date_before_holding": (422, "The day is before the holding's"),
    "dividend_not_found": (404, "There is no such dividend"),
    "write_down_not_found": (404, "There is no such write-down"),
    "write_down_beyond_cost": (422, "The books hold it at less"),
    "too_many_moves": (409, "The holding has too many subscriptions and sales"),
    # material loans
    "material_loan_not_found": (404, "There is no such material loan"),
    "deferral_not_found": (404, "There is no such deferral"),
    "return_not_found": (404, "There is no such return, or it waits no longer"),
    "product_not_found": (404, "There is no such product"),
    "material_terms_invalid": (422, "The terms are not those of a material loan"),
    "date_in_past": (422, "The day has passed"),
    "deferral_condition_unknown": (422, "The terms name no such condition"),
    "deferral_not_later": (422, "A deferral is to a later day"),
    "return_of_another_product": (422, "Another product was lent"),
    "return_at_another_place": (422, "It is not the return place"),
    "return_exceeds_owed": (422, "It is more than is owed"),
    "element_not_assayed": (422, "The assay does not say what is owed"),
    "quantity_invalid": (422, "The quantity is not one that can be"),
    "serials_do_not_match_units": (422, "The serials do not match the units"),
    "price_invalid": (422, "The price is not one"),
    "material_loan_closed": (409, "The material loan is closed"),
    "material_terms_agreed_already": (409, "The terms are agreed already"),
    "material_terms_stale": (409, "What was proposed has changed"),
    "nothing_to_approve": (409, "Nothing waits for an approval"),
    "material_loan_awaits_commitment": (409, "The facility has not answered yet"),
    "material_loan_is_committed": (409, "The material loan is committed"),
    "nothing_lent": (409, "Nothing of it is out"),
    "return_id_taken": (409, "The return is received already"),
    "return_assayed_already": (409, "The assay is there already"),
    "umpire_not_needed": (409, "No umpire is needed"),
    "return_settled_already": (409, "The return is settled already"),
    "returns_pending": (409, "Returns wait to be settled"),
    "material_loan_not_overdue": (409, "The material loan is not overdue"),
    "material_loan_not_defaulted": (409, "The material loan is not in default"),
}

SERVICE = Service(
    name="loans",
    deciders=(facility.DECIDER, projects.DECIDER, loan.DECIDER, offtake.DECIDER, delivery.DECIDER, equity.DECIDER, material.DECIDER),
    event_type=Event,
    project=project,
    tables=metadata,
    subscriptions=(
        subscription("allocation", allocation.Event, ALLOCATION_TYPES, react=react_to_allocation, take=take_approver_keys),
        subscription("inventory", inventory.Event, INVENTORY_TYPES, react=react_to_inventory, take=take_products),
        subscription("loans", Event, OWN_TYPES, react=react_to_own),
    ),
    router=router,
    problems=PROBLEMS,
    documents=documents_of,
)
