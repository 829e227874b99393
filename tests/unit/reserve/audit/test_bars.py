"""The audit of who keeps others from acting: a second person confirmed it, or it was over in time, and nobody did so again soon."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reserve.audit.approvers import Approvers
from reserve.audit.bars import Bars
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.allocation.events.authority import ConflictConfirmed, ConflictLapsed, InstrumentEndConfirmed, InstrumentRestored, PersonNamed
from shared.terms.protecting import lapses_at

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
WEEK = 7 * 24
CONFLICT: dict[str, Any] = {"official": "cy", "about": "partner", "name": "JP"}
KEY: dict[str, Any] = {"subject": "cy", "key": "key_cy"}
INSTRUMENT: dict[str, Any] = {"instrument": "ins_1"}
KINDS = ("conflict", "key", "instrument")


class History:
    """`ann` is an administrator, with two accounts that are known to be hers; `bob` and `cy` are approvers."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._approvers = Approvers(self.findings, frozenset())
        self._bars = Bars(self.findings, self._approvers)
        for account in ("ann", "ann-2"):
            self._see("named", -24, PersonNamed(official=account, person="p_ann"))  # type: ignore[arg-type]
        for approver in ("bob", "cy"):
            enrolled = allocation.ApproverKeyEnrolled(subject=approver, key=f"key_{approver}", public_key="")  # type: ignore[arg-type]
            self._see("enrolled", -24, enrolled)

    def bars(self, hours: int, kind: str = "conflict", by: Any = "ann", *, for_good: bool = False, of: str = "JP") -> "History":
        lapses = None if by is None or for_good else lapses_at(NOON + timedelta(hours=hours))
        event: Any
        match kind:
            case "conflict":
                event = allocation.ConflictDeclared(**(CONFLICT | {"name": of}), reason="", declared_by=by, lapses_at=lapses)  # type: ignore[arg-type]
            case "key":
                event = allocation.ApproverKeyRevoked(**KEY, products=(), reason="", revoked_by=by, lapses_at=lapses)  # type: ignore[arg-type]
            case _:
                told: dict[str, Any] = {"ended_on": NOON.date(), "products": (), "reason": ""}
                event = allocation.InstrumentEnded(**INSTRUMENT, **told, ended_by=by, lapses_at=lapses)
        return self._see(f"bar {kind} {hours}", hours, event)

    def confirms(self, hours: int, by: Any, kind: str = "conflict") -> "History":
        event: Any
        match kind:
            case "conflict":
                event = ConflictConfirmed(**CONFLICT, confirmed_by=by)
            case "key":
                event = allocation.ApproverKeyRevocationConfirmed(**KEY, confirmed_by=by)
            case _:
                event = InstrumentEndConfirmed(**INSTRUMENT, ended_on=NOON.date(), confirmed_by=by)
        return self._see("confirm", hours, event)

    def lapses(self, hours: int, kind: str = "conflict") -> "History":
        event: Any = {
            "conflict": lambda: ConflictLapsed(**CONFLICT),
            "key": lambda: allocation.ApproverKeyRestored(**KEY),
            "instrument": lambda: InstrumentRestored(**INSTRUMENT),
        }[kind]()
        return self._see("lapse", hours, event)

    def withdraws(self, hours: int) -> "History":
        return self._see("withdraw", hours, allocation.ConflictWithdrawn(**CONFLICT, reason=""))  # type: ignore[arg-type]

    def _see(self, place: str, hours: int, event: Any) -> "History":
        at = NOON + timedelta(hours=hours)
        record: dict[str, Any] = {"recorded_at": at.isoformat()}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._approvers.see(place, Recorded(**told), event)
        self._bars.see(place, Recorded(**told), event)
        return self

    def found(self, hours: int) -> list[str]:
        """After so many, when something else is recorded."""
        self._see("", hours, None)
        self._bars.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in result.failures]


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_confirms_is_over_in_time_and_not_before(kind: str):
    assert History().bars(0, kind).found(72) == []
    assert History().bars(0, kind).found(74) == [f"bar {kind} 0"]
    assert History().bars(0, kind).lapses(72, kind).found(1000) == []
    assert History().bars(0, kind).lapses(71, kind).found(1000) == ["lapse"]
    assert History().lapses(72, kind).found(1000) == ["lapse"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_second_person_with_a_key_confirms_stands(kind: str):
    assert History().bars(0, kind).confirms(1, "bob", kind).found(1000) == []
    assert History().bars(0, kind).confirms(1, "ann", kind).found(2) == ["confirm", "confirm"]  # the same, and without a key
    assert History().bars(0, kind).confirms(1, "ann-2", kind).found(2) == ["confirm", "confirm"]
    assert History().bars(0, kind).confirms(1, "another-administrator", kind).found(2) == ["confirm"]
    assert History().confirms(1, "bob", kind).found(2) == ["confirm"]


def test_a_key_that_is_revoked_confirms_nothing():
    story = History().bars(0, "key").bars(1, "conflict", of="US")
    assert story.bars(2, "instrument").confirms(3, "cy", "instrument").found(4) == ["confirm"]


def test_what_somebody_says_of_themselves_stands_for_good_and_nothing_else():
    for kind, by, found in (("conflict", "cy", False), ("key", "cy", False), ("instrument", "cy", True), ("conflict", "ann", True)):
        assert History().bars(0, kind, by, for_good=True).found(1000) == ([f"bar {kind} 0"] if found else [])


def test_whoever_bars_again_soon_after_theirs_lapsed_is_found_whatever_it_is():
    assert History().bars(0).lapses(72).bars(80, "key").found(81) == ["bar key 80"]
    assert History().bars(0).lapses(72).bars(80, "instrument", "ann-2").found(81) == ["bar instrument 80"]
    assert History().bars(0).lapses(72).bars(80, "key", "bob").found(81) == []
    assert History().bars(0).lapses(72).bars(72 + WEEK, "key").found(72 + WEEK) == []
    assert History().bars(0).bars(1, "key").found(2) == []  # both at once
    assert History().bars(0).confirms(1, "bob").bars(80, "key").found(81) == []
    assert History().bars(0).withdraws(1).bars(80, "key").found(81) == []


def test_what_an_earlier_build_began_stands_by_itself_and_nothing_does_after_the_rule():
    assert History().bars(0, by=None).bars(1, "key", by=None).withdraws(50).found(1000) == []
    story = History().bars(0, "key", "cy", for_good=True)
    assert story.bars(1, "conflict", by=None).found(1000) == ["bar conflict 1"]
