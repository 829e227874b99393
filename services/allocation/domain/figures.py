"""Figures by which the rules decide. They are part of the build, and no setting changes them: nobody changes a rule by a restart. Who needs
other clocks names a policy, which two people sign."""

import msgspec

from services.allocation.domain.policies.terms import EMERGENCY, STANDARD, STANDARD_CLOCKS
from services.allocation.events.clocks import Milestone

# To delivery, where no policy is named: the last day of each milestone by class, counted from the submission. Korea delivers in 8 days in
# an emergency, and in 30 otherwise; the milestones between are this reserve's own.
CLOCKS: dict[str, dict[Milestone, int]] = msgspec.to_builtins(STANDARD_CLOCKS)
_CLOCK_WARN_DAYS = {EMERGENCY: 1, STANDARD: 3}  # before a limit

OBJECTION_DAYS = 10  # after an acceptance, in which its partner may object to it
# By when it is somebody's task to have done it, in days.
HIT_DAYS = 2
OBJECTION_ANSWER_DAYS = 10
REVIEW_DAYS = 30
CORRECTION_DAYS = 10
READINESS_WARN_DAYS = 30  # before an item expires


def warn_days_of(clock: str) -> int:
    return _CLOCK_WARN_DAYS.get(clock, 3)
