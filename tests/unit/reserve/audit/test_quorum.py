"""The audit of quorum: what was split over several rounds had the approvals that all of it needs; what earlier builds did is listed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.quorum import Quorums
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from shared.terms.acting import Approval

ANTIMONY: Any = "antimony-metal"
NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
TONNE = 1_000_000
STEPS = (allocation.QuorumStep(above_g=0, approvals=1), allocation.QuorumStep(above_g=10 * TONNE, approvals=2))


class History:
    """Rounds of one book, each on the day after the one before."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._quorums = Quorums(self.findings, Approvers(self.findings, frozenset()))
        self._rounds = 0

    def round(
        self, *approvers: str, tonnes: int = 10, days_later: int = 1, needed: int | None = None, emergency: int | None = None
    ) -> "History":
        self._rounds += 1
        name: Any = f"rnd_{self._rounds}"
        self._at = NOON + timedelta(days=self._rounds * days_later)
        path = None if emergency is None else allocation.EmergencyPath(ratify_within_hours=1, max_g=emergency * TONNE)
        opened = allocation.RoundOpened(
            round=name,
            product=ANTIMONY,
            requests=(),
            disruption=None,
            method=allocation.RoundMethod(rule="pro_rata"),
            positions=(),
            policy="standing",
            policy_version=1,
            quorum=STEPS,
            emergency=path,
            release_days=30,
        )
        proposed = allocation.RoundProposed(
            round=name,
            product=ANTIMONY,
            decision=allocation.DecisionHash("0" * 64),
            file="",
            release_order=None,
            proposed_by=allocation.SubjectId("operator"),
            supply_g=tonnes * TONNE,
            left_g=0,
            awards=1,
            awarded_g={allocation.PartnerCode("JP"): tonnes * TONNE},
            carries_g={},
            reads=allocation.Reads(agreements={}, carries_g={}, disruption_version=None, protected_g=0),
            approvals_needed=needed,
        )
        certified = allocation.RoundCertified(
            round=name,
            product=ANTIMONY,
            decision=proposed.decision,
            release_order=None,
            awards=(),
            expires_on=date(2026, 12, 31),
            approvals=tuple(Approval(subject=each, key=each, signature="", approved_on=self._at.date()) for each in approvers),
        )
        for event in (opened, proposed, certified):
            self._see(name, event)
        return self

    def back(self, round: str, tonnes: int) -> "History":
        given = allocation.QuotaBack(agreement=allocation.AgreementId("agr_JP"), year_from=date(2026, 1, 1), mass_g=tonnes * TONNE)
        told: Any = {"round": round, "product": ANTIMONY, "decision": "0" * 64, "whole": True, "given": {"JP": given}, "reason": ""}
        self._see(round, allocation.DecisionGivenBack(**told))
        return self

    def _see(self, place: str, event: Any) -> None:
        record: dict[str, Any] = {"effective_on": str(self._at.date()), "recorded_at": self._at.isoformat(), "stream": f"book/{ANTIMONY}"}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._quorums.see(place, Recorded(**told), event)

    def found(self) -> dict[str, list[str]]:
        """Where something fails, and where it is listed."""
        self._quorums.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.APPROVALS.name.lower()]
        return {"failed": [each.place for each in result.failures], "listed": [each.place for each in result.listed]}


def test_what_is_split_is_found_once_a_proposal_has_said_the_sum():
    assert History().round("a", needed=1).round("a", needed=1).found() == {"failed": ["rnd_2"], "listed": []}
    assert History().round("a", needed=1).round("a").found() == {"failed": ["rnd_2"], "listed": []}
    assert History().round("a", needed=1).round("a", "b", needed=2).found() == {"failed": [], "listed": []}


def test_what_an_earlier_build_certified_is_listed():
    assert History().round("a").round("a").round("a", "b", needed=2).found() == {"failed": [], "listed": ["rnd_2"]}


def test_a_decision_with_fewer_approvals_than_its_proposal_says_is_found():
    assert History().round("a", needed=2).found() == {"failed": ["rnd_1"], "listed": []}


def test_emergencies_count_for_others_and_together():
    split = History().round("a", needed=1).round("a", needed=1, emergency=10).round("a", needed=1, emergency=10)
    assert split.found() == {"failed": ["rnd_3"], "listed": []}
    assert History().round("a", needed=1, emergency=10).round("a", needed=1).found()["failed"] == ["rnd_2"]


def test_what_is_longer_ago_or_was_given_back_does_not_count():
    assert History().round("a", needed=1).round("a", needed=1, days_later=30).found()["failed"] == []
    assert History().round("a", needed=1).back("rnd_1", 10).round("a", needed=1).found()["failed"] == []
