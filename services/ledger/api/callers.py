"""Who may see what: a partner its own, the reserve's own people and services all."""

from shared.http.auth import Caller, whose

PARTNER = "partner"
READERS = ("operator", "approver", "auditor", "administrator", "service")  # see everything


def only_of(caller: Caller) -> str | None:
    """The one partner whose things the caller may see; None: all partners'. Raises Problem `forbidden`."""
    return whose(caller, "partner", READERS)
