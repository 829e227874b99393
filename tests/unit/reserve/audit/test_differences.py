"""The audit of underweight goods: two people weighed them, one on duty, and a third signed for what they lacked, in time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from reserve.audit.approvers import Approvers
from reserve.audit.differences import Differences
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.inventory import events as inventory
from shared.terms.acting import Approval

DAY = date(2026, 1, 6)
MASS_G = 10_000_000
LESS_G = 9_900_000


class History:
    def __init__(self) -> None:
        self.findings = Findings()
        self._differences = Differences(self.findings, Approvers(self.findings, frozenset()))

    def weighs(self, by: str = "ann", weighed_g: int = LESS_G) -> "History":
        command = {"type": "WeighDraw", "draw": "drw_1", "weighed_g": weighed_g}
        told: dict[str, Any] = {"proposal": "prp_1", "streams": ("one",), "act": "accept_weight", "document": "d0", "lapses_on": DAY}
        return self._see("first", 0, inventory.CommandProposed(command=command, proposed_by=by, **told))

    def weighs_otherwise(self, weighed_g: int = MASS_G) -> "History":
        told: dict[str, Any] = {"product": "antimony-metal", "draw": "drw_1", "partner": "JP", "parcels": (), "mass_g": MASS_G}
        return self._see("otherwise", 0, inventory.DrawWeighed(**told, weighed_g=weighed_g, difference_g=0))

    def withdraws(self) -> "History":
        return self._see("withdrawn", 0, inventory.CommandWithdrawn(proposal="prp_1", reason=""))

    def weighs_again(self, by: str = "bob", weighed_g: int = LESS_G, **changes: Any) -> "History":
        told: dict[str, Any] = {
            "product": "antimony-metal",
            "draw": "drw_1",
            "partner": "JP",
            "parcels": (),
            "mass_g": MASS_G,
            "before_g": MASS_G,
            "first_g": LESS_G,
            "first_by": "ann",
            "weighed_g": weighed_g,
            "weighed_by": by,
            "duty": "on_call",
            "sign_by": DAY + timedelta(days=2),
        }
        return self._see("again", 0, inventory.DrawWeighedAgain(**(told | changes)), actor=by)

    def signs(
        self, by: str = "cid", days: int = 1, cause: Any = "loss", mass_g: int = MASS_G - LESS_G, signed_by: str | None = None
    ) -> "History":
        approval = Approval(subject=by, key="k", signature="", approved_on=DAY)
        told: dict[str, Any] = {"proposal": "prp_2", "act": "accept_weight", "document": "d1", "proposed_by": "ann", "approval": approval}
        self._see("signed", days, inventory.CommandApproved(**told), command="settle")
        settled: dict[str, Any] = {"product": "antimony-metal", "draw": "drw_1", "partner": "JP", "mass_g": mass_g, "cause": cause}
        return self._see("settled", days, inventory.DifferenceSettled(**settled, signed_by=signed_by), command="settle")

    def _see(self, place: str, days: int, event: Any, actor: str = "", command: str = "") -> "History":
        at = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC) + timedelta(days=days)
        record: dict[str, Any] = {"effective_on": str(at.date()), "recorded_at": at.isoformat(), "stream": "one", "actor": actor}
        record["command_id"] = command
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._differences.see(place, Recorded(**told), event)
        return self

    def found(self, days: int = 2) -> list[str]:
        """After so many, when something else is recorded."""
        self._see("", days, None)
        self._differences.finish()
        return [each.place for each in self._result().failures]

    def listed(self) -> list[str]:
        return [each.place for each in self._result().listed]

    def _result(self) -> Any:
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return result


def light() -> History:
    return History().weighs().weighs_again()


def test_what_two_have_weighed_and_a_third_has_signed_for_in_time_is_fine():
    assert light().found(2) == []
    story = light().signs()
    assert story.found(30) == [] and story.listed() == []


def test_what_nobody_signs_for_is_found_and_listed_once_somebody_has():
    assert light().found(4) == ["again"]
    late = light().signs(days=4)
    assert late.found(5) == [] and late.listed() == ["settled"]


def test_one_person_is_not_two():
    assert History().weighs().weighs_again("ann").found() == ["again"]
    assert light().signs("ann").found() == ["settled"]
    assert light().signs("bob").found() == ["settled"]


@pytest.mark.parametrize(
    "story",
    [
        lambda: History().weighs_again(),
        lambda: History().weighs("eve").weighs_again(),
        lambda: History().weighs(weighed_g=LESS_G - 1).weighs_again(),
        lambda: History().weighs().weighs_again(weighed_g=LESS_G - MASS_G // 200 - 1),
        lambda: History().weighs(weighed_g=MASS_G).weighs_again(weighed_g=MASS_G, first_g=MASS_G),
        lambda: History().weighs().weighs_again(duty=""),
        lambda: History().weighs().weighs_again(weighed_by="eve"),
        lambda: History().weighs().weighs_again(sign_by=DAY + timedelta(days=11)),
    ],
    ids=["no first", "by another", "another weight", "they differ", "not underweight", "no duty", "sent by another", "for too long"],
)
def test_a_second_weighing_that_was_none_is_found(story: Any):
    assert story().found() == ["again"]


FIRST: dict[str, Any] = {"first_proposal": "prp_1"}


@pytest.mark.parametrize("over", [lambda: History().weighs().weighs_otherwise(), lambda: History().weighs().withdraws()])
def test_a_second_weighing_against_a_first_that_waits_no_longer_is_found(over: Any):
    assert History().weighs().weighs_again(**FIRST).found() == []
    assert over().weighs_again(**FIRST).found() == ["again"]
    by_an_old_build = over().weighs_again()
    assert by_an_old_build.found() == [] and by_an_old_build.listed() == ["again"]
    assert over().weighs().weighs_again(**FIRST).found() == []


def test_a_second_weighing_names_its_first_once_one_has():
    story = History().weighs().weighs_again(**FIRST).signs(cause="weighed_again", signed_by="cid").weighs_otherwise()
    assert story.weighs().weighs_again().found() == ["again"]
    assert light().listed() == []


@pytest.mark.parametrize("cause", ["weighed_again", "returned"])
def test_who_weighed_it_closes_no_suspense_by_another_weighing_or_a_return(cause: Any):
    assert light().signs("cid", cause=cause, signed_by="cid").found() == []
    assert light().signs("bob", cause=cause, signed_by="bob").found() == ["settled"]
    assert light().signs("bob", cause=cause, signed_by="cid").found() == ["settled", "settled"]
    by_an_old_build = light().signs("bob", cause=cause)
    assert by_an_old_build.found() == [] and by_an_old_build.listed() == ["settled"]
    after = light().signs(signed_by="cid").weighs_again().signs("bob", cause=cause)
    assert after.found() == ["settled"]


def test_what_is_settled_is_what_was_in_suspense():
    assert light().signs(mass_g=1).found() == ["settled"]
    assert light().signs().signs().found() == ["settled"]
