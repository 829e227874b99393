"""Who may see what: a partner its own, the reserve's own people and services all."""

from shared.auth import Caller
from shared.problems import Problem

PARTNER = "partner"


def only_of(caller: Caller) -> str | None:
    """The partner whose things the caller may see; None: all. Raises Problem `forbidden` for a partner's token that names no partner."""
    if caller.partner is not None:
        return caller.partner
    if caller.roles <= {PARTNER}:
        raise Problem("forbidden", "The token names no partner")
    return None
