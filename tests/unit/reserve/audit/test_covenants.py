"""The audit of covenants: what was lent under a breach, and what one person's later figure hid."""

from datetime import date
from typing import Any, Self

import pytest

from reserve.audit.covenants import Covenants
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events.defaults import BreachConfirmed, BreachLapsed, DefaultCured
from services.loans.events.loan import AdvancePaid, AdvanceRequested, RatioReported
from services.loans.events.terms import WaiveCovenant
from shared.journal.texts import TypedText
from tests.stories.audit_loans import CMF, LOAN, act_approved


class History:
    """A minute between two; months are days for which a figure is."""

    def __init__(self) -> None:
        self._findings = Findings()
        self._covenants = Covenants(self._findings)
        self._minute = 0

    def reports(self, place: str, standing: Any, month: int, by: str | None = None) -> Self:
        figures: dict[str, Any] = {"kind": "dscr", "ratio": "1", "minimum": "1.3", "for_on": date(2026, month, 1), "source": ""}
        return self.sees(place, RatioReported(**LOAN, **figures, standing=standing, reported_by=by))

    def confirms(self, place: str, month: int) -> Self:
        return self.sees(place, BreachConfirmed(**LOAN, kind="dscr", for_on=date(2026, month, 1), confirmed_by="bob"))

    def lapses(self, place: str, month: int) -> Self:
        return self.sees(place, BreachLapsed(**LOAN, kind="dscr", for_on=date(2026, month, 1)))

    def lends(self, place: str = "lent") -> Self:
        return self.sees(place, AdvanceRequested(**LOAN, advance="adv_1", amount_minor=1, purpose=TypedText("")))

    def sees(self, place: str, event: Any) -> Self:
        self._minute += 1
        record: dict[str, Any] = {"recorded_at": f"2026-06-06T12:{self._minute:02}:00+00:00", "effective_on": "2026-06-06"}
        fields = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._covenants.see(place, Recorded(**fields), event)
        return self

    def found(self) -> tuple[list[str], list[str]]:
        """(failures, listed)."""
        self._covenants.finish()
        [result] = [each for each in self._findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in result.failures], [each.place for each in result.listed]


def test_nothing_is_lent_under_a_breach_until_it_is_cured_waived_or_lapses():
    def breached() -> History:
        return History().reports("breach", "breached", 3, "ann")

    assert breached().lends().found() == (["lent"], [])
    fields: dict[str, Any] = dict.fromkeys(AdvancePaid.__struct_fields__) | LOAN | {"paid_on": date(2026, 6, 6)}
    assert breached().sees("paid", AdvancePaid(**fields)).found() == (["paid"], [])
    assert breached().reports("other", "kept", 2).lends().found() == (["lent"], [])
    assert breached().lapses("over", 3).lends().found() == ([], [])
    assert breached().confirms("two", 3).lends().found() == (["lent"], [])
    assert breached().reports("cured", "cured", 3).lends().found() == ([], [])
    assert breached().reports("early", "cured", 2).found() == (["early"], [])
    waived = act_approved("act_1", WaiveCovenant(kind="dscr", until=date(2026, 6, 6)), "d1" * 32)
    assert breached().sees("waived", waived).lends().found() == ([], [])
    assert History().confirms("nothing", 3).found() == (["nothing"], [])


def test_a_breach_that_a_later_figure_hid_is_listed_and_fails_once_such_ones_count():
    hidden = History().reports("kept", "kept", 4).reports("hidden", "breached", 3).lends()
    assert hidden.found() == ([], ["hidden"])
    counted = History().reports("kept", "kept", 4).reports("late", "breached", 3, "ann")
    assert counted.lends().found() == (["lent"], [])
    since = History().reports("kept", "kept", 4).reports("late", "breached", 3, "ann").reports("cured", "cured", 5)
    assert since.reports("before", "breached", 4).lends().found() == ([], []), "two have cured it since"
    lapsed = History().reports("kept", "kept", 4).reports("late", "breached", 3, "ann").lapses("over", 3)
    assert lapsed.reports("hidden", "breached", 3).found() == (["hidden"], [])


@pytest.mark.parametrize("in_force", [True, False])
def test_no_default_for_a_breach_ends_by_an_older_figure(in_force: bool):
    history = History()
    if in_force:
        history.reports("kept", "kept", 4).reports("late", "breached", 3, "ann")
    else:
        history.reports("breach", "breached", 3)
    cured = DefaultCured(**LOAN, on=date(2026, 6, 6), how="covenant_kept", facility=CMF)
    history.reports("older", "kept", 2).sees("ended", cured)
    assert history.found() == ((["ended"], []) if in_force else ([], ["ended"]))
    assert History().reports("breach", "breached", 3).reports("cured", "cured", 4).sees("ended", cured).found() == ([], [])
