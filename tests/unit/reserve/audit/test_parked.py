"""The audit of parked messages: by one person for 72 hours, by two for longer, and all of it listed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.parked import ParkedMessages
from reserve.audit.report import Check, Findings
from services.inventory.events.parking import MessageParked, MessagesUnparked, ParkingConfirmed, ParkingLapsed
from shared.terms.protecting import lapses_at

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
ABOUT: dict[str, Any] = {"line": "allocation/1", "stream": "book/antimony-metal"}


class History:
    def __init__(self) -> None:
        self.findings = Findings()
        self._parked = ParkedMessages(self.findings, Approvers(self.findings, frozenset()))

    def parks(self, hours: int, by: str = "ann", place: str = "allocation/1/7", since: int | None = None, named: str = "park") -> "History":
        """`since`: the hour with which it lapses, as builds say that hold what one person parks against what they parked before."""
        told: dict[str, Any] = {"place": place, "event": "allocation.round_certified.v3", "reason": "", "by": by}
        began = NOON + timedelta(hours=hours if since is None else since)
        said = {"lapses_at": lapses_at(began), "alone_since": None if since is None else began}
        return self._see(named, hours, MessageParked(**ABOUT, **told, **said))

    def confirms(self, hours: int, by: str) -> "History":
        return self._see("confirm", hours, ParkingConfirmed(**ABOUT, by=by))

    def lapses(self, hours: int) -> "History":
        return self._see("lapse", hours, ParkingLapsed(**ABOUT))

    def unparks(self, hours: int) -> "History":
        return self._see("unpark", hours, MessagesUnparked(**ABOUT, messages=1, by="ann"))

    def _see(self, place: str, hours: int, event: Any) -> "History":
        at = NOON + timedelta(hours=hours)
        record: dict[str, Any] = {"effective_on": str(at.date()), "recorded_at": at.isoformat(), "stream": "parking/main"}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._parked.see("inventory", place, Recorded(**told), event)
        return self

    def found(self, hours: int) -> tuple[list[str], list[str]]:
        """(places of failures, what is listed) after so many, when something else is recorded."""
        self._see("", hours, None)
        self._parked.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in result.failures], [each.what.partition(": ")[2] for each in result.listed]


def test_one_person_parks_for_72_hours():
    assert History().parks(0).found(72) == ([], ["not taken for 72 h, confirmed by nobody yet"])
    assert History().parks(0).found(74) == (["park"], ["not taken for 74 h, confirmed by nobody yet"])
    assert History().parks(0).unparks(80).found(81) == (["park"], ["taken after 80 h, asked for by ann"])
    assert History().parks(0).parks(80, place="allocation/1/9").found(81)[0] == ["park"]


def test_two_park_for_as_long_as_it_takes_and_it_is_listed():
    assert History().parks(0).confirms(1, "bob").found(1000) == ([], ["not taken for 1000 h, confirmed by bob"])
    assert History().parks(0).confirms(1, "ann").found(2)[0] == ["confirm"]
    assert History().parks(0).confirms(90, "bob").found(91)[0] == ["park"]


def test_what_lapsed_in_time_is_no_fault():
    assert History().parks(0).lapses(72).found(1000) == ([], ["not taken for 1000 h, confirmed by nobody, so it is tried again"])
    assert History().parks(0).lapses(72).confirms(90, "bob").found(91)[0] == []
    assert History().parks(0).lapses(90).found(91)[0] == ["park"]


def test_what_was_never_parked_is_neither_confirmed_nor_lapsed():
    assert History().confirms(0, "bob").found(1)[0] == ["confirm"]
    assert History().unparks(0).found(1) == ([], [])  # an earlier build had parked it


def test_nobody_renews_their_own_by_the_next_message_of_the_stream():
    next_one: dict[str, Any] = {"place": "allocation/1/9", "named": "next"}

    def renewed(history: History) -> tuple[list[str], bool]:
        failures, listed = history.found(141)
        return [each for each in failures if each == "next"], any("must be another person" in each for each in listed)

    assert renewed(History().parks(0).parks(70, **next_one)) == ([], True), "by an earlier build"
    assert renewed(History().parks(0, since=0).parks(70, since=70, **next_one)) == (["next"], False)
    assert renewed(History().parks(0, since=0).parks(70, since=0, **next_one).lapses(72)) == ([], False)
    assert renewed(History().parks(0, since=0).lapses(72).unparks(73).parks(80, since=80, **next_one)) == (["next"], False)
    assert renewed(History().parks(0, since=0).unparks(71).parks(80, since=80, **next_one)) == ([], False)
    assert renewed(History().parks(0, since=0).confirms(1, "bob").parks(80, since=80, **next_one)) == ([], False)
    assert renewed(History().parks(0, since=0).lapses(72).parks(80, "bob", since=80, **next_one)) == ([], False)
