"""Whether the log takes what is recorded here."""

from shared.terms import reach


class LogReachReported(reach.LogReachReported, frozen=True, kw_only=True, tag="loans.log_reach_reported.v1"):
    pass
