"""The audit of uses: what was split into several acts under one instrument was within its limit together."""

from datetime import UTC, datetime, timedelta
from typing import Any

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.uses import Uses
from services.allocation import events as allocation
from services.inventory import events as inventory
from shared.journal.codec import type_of
from shared.terms.authority import Cited, Link
from tests.stories.audit import an_instrument

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
PRODUCT: Any = "antimony-metal"


class History:
    """Acts under `ins_1`, which may do up to 100 g; each a day after the one before."""

    def __init__(self, window_days: int | None = 30, **changes: Any) -> None:
        self.findings = Findings()
        self._uses = Uses(self.findings)
        self._at = NOON
        self._see("allocation", "instrument", an_instrument(**({"limit_g": 100, "window_days": window_days} | changes)))

    def signs(self, place: str, mass_g: int, *, days_later: int = 1, under: tuple[Link, ...] = (), authority: str = "ins_1") -> "History":
        """Stock, in inventory."""
        cited = self._cited("adjust_stock", mass_g, authority, under)
        return self._later(days_later, "inventory", place, inventory.AuthorityCited(product=PRODUCT, matter="prp_1", cited=cited))

    def approves(self, place: str, mass_g: int, round: str = "rnd_1", act: str = "approve_decision") -> "History":
        cited = self._cited(act, mass_g, "ins_1", ())
        return self._later(1, "allocation", place, allocation.AuthorityCited(matter=round, cited=cited))

    def cancels(self, round: Any) -> "History":
        return self._later(1, "allocation", "cancel", allocation.RoundCancelled(round=round, product=PRODUCT, reason="not wanted"))

    def _cited(self, act: str, mass_g: int, authority: str, under: tuple[Link, ...]) -> Cited:
        about: dict[str, Any] = {"product": PRODUCT, "mass_g": mass_g, "amount_minor": None, "currency": None}
        return Cited(authority=authority, version=1, under=under, act=act, by="sub_approver", **about)

    def _later(self, days: int, service: str, place: str, event: Any) -> "History":
        self._at += timedelta(days=days)
        self._see(service, place, event)
        return self

    def _see(self, service: str, place: str, event: Any) -> None:
        record: dict[str, Any] = {"effective_on": str(self._at.date()), "recorded_at": self._at.isoformat(), "type": type_of(type(event))}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._uses.see(service, place, Recorded(**told), event)

    def found(self) -> list[str]:
        self._uses.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.AUTHORITY.name.lower()]
        return [each.place for each in result.failures]


def test_what_is_split_into_two_acts_is_found():
    assert History().signs("first", 60).signs("second", 40).found() == []
    assert History().signs("first", 60).signs("second", 41).found() == ["second"]


def test_an_instrument_of_an_earlier_build_limits_each_act():
    assert History(window_days=None).signs("first", 60).signs("second", 60).found() == []


def test_what_is_longer_ago_does_not_count():
    assert History().signs("first", 60).signs("second", 60, days_later=30).found() == []
    assert History().signs("first", 60).signs("second", 60, days_later=29).found() == ["second"]


def test_what_is_done_under_a_lower_instrument_counts_for_the_higher():
    above = (Link(authority="ins_1", version=1),)
    history = History().signs("first", 60).signs("second", 60, authority="ins_2", under=above)
    assert history.found() == ["second"]


def test_a_decision_counts_once_however_often_it_is_approved_and_not_once_it_is_cancelled():
    twice = History().approves("first", 60).approves("again", 60).approves("ratified", 60, act="ratify")
    assert twice.approves("other", 40, "rnd_2").found() == []
    assert History().approves("first", 60).approves("other", 60, "rnd_2").found() == ["other"]
    assert History().approves("first", 60).cancels("rnd_1").approves("other", 60, "rnd_2").found() == []


def test_services_are_not_summed():
    assert History().signs("first", 60).approves("second", 60).found() == []
