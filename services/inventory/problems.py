"""Why inventory's API refuses by itself; its streams have their own reasons, in `domain`."""

from shared.journal.decider import Reasons


class ApiReason(Reasons):
    PARTNER_NOT_FOUND = "partner_not_found", 404, "There is no such partner"
    SIGNATURE_INVALID = "partner_signature_invalid", 422, "No key of the partner's has signed this"
    NOT_ON_CALL = "not_on_call", 403, "This is for somebody on call"
    RELEASE_CANCELLED = "release_cancelled", 409, "The release was cancelled"
