"""Dating: what counts for another day than the one on which it is recorded says why, by a code."""

from datetime import date
from enum import StrEnum

import msgspec

from shared.journal.decider import Reasons, Refused


class Dated(StrEnum):
    """Why it was not recorded on its day."""

    REPORTED_LATE = "reported_late"  # whoever knew of it said so later
    PAPER_LATE = "paper_late"  # the bank's or the carrier's paper came later
    NOT_RECORDABLE = "not_recordable"  # the system, or whoever records it, was away


# As an event says it. None: it counts for the day on which it was recorded; unset: an earlier build did not ask.
type DatedBecause = Dated | msgspec.UnsetType | None


class DatingReason(Reasons):
    WITHOUT_REASON = "dated_without_reason", 422, "A back-dated entry needs a reason"


def undated(day: date, on: date, because: Dated | None) -> Refused[DatingReason] | None:
    """What is recorded `on` one day and counts for another needs a reason. What another signs is recorded when it is proposed.
    None: nothing is wrong."""
    if day == on or because is not None:
        return None
    accepted = f"dated_because: one of {', '.join(Dated)}; or {on}"
    return Refused(DatingReason.WITHOUT_REASON, f"it counts for {day}, and is recorded on {on}", "/dated_because", accepted)
