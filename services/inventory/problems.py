"""Why inventory's API refuses by itself; its streams have their own reasons, in `domain`."""

from shared.journal.decider import Reasons


class ApiReason(Reasons):
    PARTNER_NOT_FOUND = "partner_not_found", 404, "There is no such partner"
    RELEASE_CANCELLED = "release_cancelled", 409, "The release was cancelled"
