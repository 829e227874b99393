"""Why allocation's API refuses by itself; its streams have their own reasons, in `domain`."""

from shared.journal.decider import Reasons


class ApiReason(Reasons):
    # what does not exist (or is another partner's)
    PARTNER_NOT_FOUND = "partner_not_found", 404, "There is no such partner"
    REQUEST_NOT_FOUND = "request_not_found", 404, "There is no such request"
    ROUND_NOT_FOUND = "round_not_found", 404, "There is no such round"
    AWARD_NOT_FOUND = "award_not_found", 404, "There is no such award"
    DECISION_NOT_FOUND = "decision_not_found", 404, "There is no decision to show"
    CLOCK_NOT_FOUND = "clock_not_found", 404, "There is no such clock"
    CERTIFICATE_NOT_FOUND = "certificate_not_found", 404, "There is no certificate yet"
    REPORT_NOT_FOUND = "report_not_found", 404, "There is no report yet"
    SCENARIO_NOT_FOUND = "scenario_not_found", 404, "The library has no such scenario"
    LIST_NOT_FOUND = "list_not_found", 404, "There is no such screening list in force"
    OBJECTION_NOT_FOUND = "objection_not_found", 404, "There is no such objection"

    # what cannot be asked
    SIGNATURE_INVALID = "partner_signature_invalid", 422, "No key of the partner's has signed this"
    LIST_INVALID = "list_invalid", 422, "The file is not a screening list"
    LIST_TOO_LARGE = "list_too_large", 422, "The screening list has too many entries"
    LIST_ENTRY_TWICE = "list_entry_twice", 422, "The screening list has an entry twice"
    LIST_NAME_EMPTY = "list_name_empty", 422, "A name has no letters"
    CLOCK_UNKNOWN = "clock_unknown", 422, "There is no such kind of clock"

    # what the policy does not allow
    POLICY_NOT_ACTIVE = "policy_not_active", 409, "No version of the policy is active"
    POLICY_WITHOUT_EMERGENCY = "policy_without_emergency", 409, "The policy has no emergency path"
