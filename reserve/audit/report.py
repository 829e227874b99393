"""What an audit finds: a list of checks, how much each has looked at, and each failure with its place."""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum
from typing import Self

import msgspec

from shared.proofs.fork import ForkProof

KEPT_FAILURES = 100  # of a check, with their places; more are only counted


class Check(StrEnum):
    """Each value says what holds if the check passes."""

    POSITIONS = "positions are gapless from 1"
    SHAPES = "every event reads as its type says"
    ORDER = "whatever answers, goes on with or ends something follows it, and says the same of it"
    EVENT_HASHES = "every event hash covers its event"
    CHAINS = "every chain hash follows from the one before"
    TIMES = "recorded times never go backwards"
    STREAMS = "versions of a stream are gapless"
    PARTNER_SEQUENCES = "each partner's numbers are gapless"
    EVENTS_IN_LOG = "every event has its leaf"
    LEAVES_HAVE_EVENTS = "every leaf has its event"
    FORKS = "no journal has left the history that the log holds"
    ENTRIES = "the ledger's entries are the events"
    ROOTS = "the leaves give the signed roots"
    SIGNATURES = "the pinned key signed every checkpoint"
    WITNESSED = "what is witnessed was signed before, and enough of the pinned witnesses vouch for it"
    WITNESSED_TIMES = "nothing was recorded later than the pinned witnesses had seen it"
    DATED = "what counts for another day than it was recorded on says why"
    COVERED = "every checkpoint covers what it says"
    POSTINGS = "the ledger posted what the events say"
    SUMS = "postings sum to zero on each side"
    OVERDRAFTS = "no account that holds goods, or what is owed, is below zero"
    BALANCES = "the ledger's balances are the sums of the postings"
    RELEASES = "every release is under a certified decision"
    DRAWS = "every draw is within a release of its partner"
    RIGHTS = "rights are exercised, delivered under, and ended as their terms say"
    LAPSES = "nothing is drawn after its release's last day, and nothing lapses while the Reserve holds it"
    DISPATCHES = "nothing left without a receipt before, unweighed, or with another mass than was weighed"
    STOPPED = "nothing is drawn or leaves under a hold, or out of a lot that its assay bars"
    FIGURES = "arrears, covenants, provisions, carries and clocks follow from what was said before"
    DECISIONS = "every certified decision recomputes"
    BIDS = "every bid is the one that was sealed, and came in time"
    HEADROOM = "no commitment is beyond a limit of its facility"
    ADVANCES = "every advance is within its commitment, and its conditions are met or waived"
    MONEY = "what events change in a loan's books sums to zero, and to what the loan says"
    LENT = "material that was lent is out, returned, paid for or replaced"
    AUTHORITY = "everything done under an authority cites one that covers it, by a person without an interest in it"
    GIVEN_BACK = "what counts against a quota, and is carried, is what was decided, less what was given back"
    POLICIES = "every round was opened under the active version of an approved policy, and is held as that says"
    CONSIGNEES = "goods left for a consignee that was named and cleared, and were not delivered before they were drawn"
    SCREENING = "nobody is given anything while a party is on a list, and nobody reviews what they had a part in"
    TALLIES = "each partner was told, of each day, of all of its events"
    HISTORIES = "each history goes on from what is known of the one before it"
    ANCHORS = "what was seen of this log before still stands in it"
    PARTNERS_SIGN = "partners' keys are theirs by an agreement or another key, and what they signed is what was done"
    PINNED_KEYS = "every key of a partner, and of an approver, is one that is pinned"
    APPROVALS = "approvers other than the proposer signed it"
    CONTROL = "nothing that moves value was done by one person"
    READ_TABLES = "every table that is read is what the events make anew"
    KEPT_TABLES = "what services keep beside their events is what these give"
    TILES = "every tile of the log is its leaves'"
    DOCUMENTS = "each document that an event names, and that is there, is that one"
    TEXTS = "what people typed is what events hold commitments to, and what was erased is gone"


IN_THE_DATABASE = (Check.READ_TABLES, Check.KEPT_TABLES, Check.TILES)  # by who has it, and the folder: nobody else is shown all of that
IN_A_BUNDLE = (Check.DOCUMENTS,)  # where all of them are: a running system is asked for those of decisions
OVER_HTTP = tuple(check for check in Check if check not in IN_THE_DATABASE + IN_A_BUNDLE)


class Failure(msgspec.Struct, frozen=True):
    place: str  # "inventory/0/123", "leaf 17", "title/antimony-metal/reserve/available"
    what: str


class CheckResult(msgspec.Struct, frozen=True):
    check: str  # the name that stays: "event_hashes"
    holds: str  # what holds if it passes
    checked: int
    failed: int
    failures: tuple[Failure, ...]  # the first ones
    listed: tuple[Failure, ...] = ()  # the first corrections, and what breaks a rule which came into force after it: no failures


class Cut(msgspec.Struct, frozen=True):
    """The consistent cut that was audited: the first `size` leaves, which cover this of each shard."""

    size: int
    root: str
    covers: dict[str, int]


class Report(msgspec.Struct, frozen=True):
    """`anchored`: something that was seen of this log before was held against it, or pinned witnesses vouch for it. `fork`: two notes of
    the log's key that cannot both be true, as a proof for anyone."""

    ok: bool
    anchored: bool
    cut: Cut
    beyond: int  # events that were there already, and that the checkpoint does not cover yet: nothing is said of them
    events: int  # looked at
    checks: tuple[CheckResult, ...]
    checkpoint: str | None = None  # the signed note of the cut
    fork: ForkProof | None = None
    witnessed: int = 0  # leaves that the pinned witnesses vouch for; what comes after them, only the log's key says
    witnessed_at: datetime | None = None  # when they last did
    unchecked: int = 0  # events of which nobody vouches for when they were recorded, and no audit has said so before


def joined(report: Report, found: "Findings", checks: Collection[Check]) -> Report:
    """The report, with what else was looked at in the same run."""
    ok = report.ok and not any(found.failed[check] for check in checks)
    return msgspec.structs.replace(report, ok=ok, anchored=ok and report.anchored, checks=report.checks + found.results(checks))


class Findings:
    """Collects what the checks find."""

    def __init__(self) -> None:
        self.checked = dict.fromkeys(Check, 0)  # a Counter takes twice as long, for each thing that is looked at
        self.failed: Counter[Check] = Counter()
        self._failures: dict[Check, list[Failure]] = {check: [] for check in Check}
        self._listed: dict[Check, list[Failure]] = {check: [] for check in Check}

    def look(self, check: Check, fine: bool, place: str, what: str | Callable[[], str]) -> bool:
        """One more thing checked. `what` says, or works out, what is wrong if it is not fine."""
        self.checked[check] += 1
        if not fine:
            self.fail(check, place, what if isinstance(what, str) else what())
        return fine

    def fail(self, check: Check, place: str, what: str) -> None:
        self.failed[check] += 1
        if len(self._failures[check]) < KEPT_FAILURES:
            self._failures[check].append(Failure(place, what))

    def under_rule(self, check: Check, in_force: bool, place: str, what: str) -> None:
        """One that breaks a rule: a failure once the rule is in force, and listed before."""
        if in_force:
            self.look(check, False, place, what)
        else:
            self.list_it(check, place, f"{what} (before its rule was in force)")

    def list_it(self, check: Check, place: str, what: str) -> None:
        """One that a reader is to see, and that breaks no rule in force."""
        if len(self._listed[check]) < KEPT_FAILURES:
            self._listed[check].append(Failure(place, what))

    def looked(self, check: Check, times: int) -> None:
        """So many more, all of them fine."""
        self.checked[check] += times

    def add(self, other: Self) -> None:
        """What others have found, who have looked at something else."""
        self.failed += other.failed
        for check in Check:
            self.checked[check] += other.checked[check]
            self._failures[check] = [*self._failures[check], *other._failures[check]][:KEPT_FAILURES]
            self._listed[check] = [*self._listed[check], *other._listed[check]][:KEPT_FAILURES]

    def results(self, checks: Collection[Check] = Check) -> tuple[CheckResult, ...]:
        return tuple(
            CheckResult(
                check.name.lower(),
                check.value,
                self.checked[check],
                self.failed[check],
                tuple(self._failures[check]),
                tuple(self._listed[check]),
            )
            for check in checks
        )
