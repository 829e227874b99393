"""The audit of weighing: who alone weighed goods did not dispatch them, and no one person kept a little of each of many draws."""

from datetime import UTC, date, datetime
from typing import Any

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.weighing import Weighing
from services.inventory import events as inventory
from shared.terms.acting import Approval

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
MASS_G = 5_000_000
SKIMMED = 24_500  # 0.49%
OF_DRAW: dict[str, Any] = {"product": "antimony-metal", "partner": "JP", "parcels": (), "mass_g": MASS_G}


class History:
    def __init__(self) -> None:
        self.findings = Findings()
        self._weighing = Weighing(self.findings, Approvers(self.findings, frozenset()))

    def weighs(self, draw: Any = "drw_1", out_g: int = 0, by: str | None = "ann", signed: bool = False, **changes: Any) -> "History":
        """`by`: None for an earlier build, by Ann."""
        told: dict[str, Any] = {"draw": draw, "weighed_g": MASS_G + out_g, "difference_g": out_g}
        if signed:
            approval = Approval(subject="cid", key="k", signature="", approved_on=date(2026, 1, 6))
            about: dict[str, Any] = {"proposal": "prp_1", "act": "accept_weight", "document": "d", "proposed_by": "ann"}
            self._see("signed", inventory.CommandApproved(**about, approval=approval), f"signed {draw}")
        event = inventory.DrawWeighed(**OF_DRAW, **told, weighed_by=by, **changes)
        return self._see(f"weigh {draw}", event, f"signed {draw}" if signed else "", "ann")

    def tolerates(self, tolerance: str, **of: str) -> "History":
        return self._see("set", inventory.WeighingToleranceSet(product="antimony-metal", tolerance=tolerance, reason="", **of), "")  # type: ignore[arg-type]

    def weighs_again(self, by: str = "bob") -> "History":
        told: dict[str, Any] = {"before_g": MASS_G, "first_g": 4_900_000, "first_by": "ann", "weighed_g": 4_900_000, "weighed_by": by}
        event = inventory.DrawWeighedAgain(**OF_DRAW, draw=inventory.DrawId("drw_1"), **told, duty="on_call", sign_by=NOON.date())
        return self._see("again", event, "", by)

    def dispatches(self, by: str) -> "History":
        told: dict[str, Any] = {"draw": "drw_1", "weighed_g": MASS_G, "carrier": "", "consignee": "", "gates": ()}
        return self._see("dispatch", inventory.DrawDispatched(**OF_DRAW, **told), "", by)

    def skims(self, draws: int, out_g: int = -SKIMMED, by: str | None = "ann") -> "History":
        for number in range(draws):
            self.weighs(f"drw_of_{number}", out_g, by)
        return self

    def _see(self, place: str, event: Any, command: str, actor: str = "") -> "History":
        record: dict[str, Any] = {"recorded_at": NOON.isoformat(), "stream": "one", "command_id": command, "actor": actor}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        self._weighing.see(place, Recorded(**told), event)
        return self

    def found(self, *, listed: bool = False) -> list[str]:
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in (result.listed if listed else result.failures)]


def test_who_alone_weighed_goods_did_not_dispatch_them() -> None:
    assert History().weighs().dispatches("ann").found() == ["dispatch"]
    assert History().weighs().dispatches("bob").found() == []
    assert History().weighs().weighs_again().dispatches("ann").found() == []
    assert History().weighs().weighs_again().dispatches("bob").found() == []
    assert History().weighs().weighs(by="bob").dispatches("ann").found() == []


def test_what_an_earlier_build_did_is_listed() -> None:
    before = History().weighs(by=None).dispatches("ann")
    assert (before.found(), before.found(listed=True)) == ([], ["dispatch"])
    skimmed = History().skims(18, by=None)
    assert (skimmed.found(), skimmed.found(listed=True)) == ([], ["weigh drw_of_16", "weigh drw_of_17"])


def test_a_weighing_that_names_nobody_is_none_of_this_build() -> None:
    assert History().weighs().weighs("drw_2", by=None).found() == ["weigh drw_2"]
    assert History().weighs().weighs("drw_2", by=None, signed=True).found() == []  # it was proposed to an earlier build


def test_many_draws_to_one_side_had_another_persons_signature() -> None:
    assert History().skims(16).found() == []
    assert History().skims(17).found() == ["weigh drw_of_16"]
    assert History().skims(17, SKIMMED).found() == ["weigh drw_of_16"]
    assert History().skims(8).skims(8, SKIMMED).skims(16).found() == []
    signed = History().skims(16).weighs(out_g=-SKIMMED, signed=True, together_g=-17 * SKIMMED)
    assert (signed.found(), signed.found(listed=True)) == ([], ["weigh drw_1"])
    assert signed.skims(0).weighs("drw_2", -SKIMMED).found() == []
    assert History().skims(16).weighs(out_g=-SKIMMED, signed=True, together_g=-SKIMMED).found() == ["weigh drw_1"]


def test_a_weighing_names_a_scale_with_a_tolerance_once_one_has_one():
    assert History().weighs(scale="PKL-2").found() == ["weigh drw_1"]
    fine = History().weighs("drw_0").tolerates("1/1000", scale="PKL-2").weighs(scale="PKL-2")
    assert fine.found() == []
    assert fine.weighs("drw_2").weighs("drw_3", scale="PKL-3").weighs_again().found() == ["weigh drw_2", "weigh drw_3", "again"]


def test_a_tolerance_is_of_a_contract_or_a_scale_and_no_wider_than_scales_are_wrong():
    assert History().tolerates("1/100").tolerates("0", partner="JP").found() == []
    assert History().tolerates("11/1000").found() == ["set"]
    assert History().tolerates("1/1000", partner="JP", scale="PKL-2").found() == ["set"]


def test_what_is_summed_is_what_was_within_the_tolerance_of_its_day():
    wide = History().tolerates("1/100").skims(16, -2 * SKIMMED)
    assert wide.found() == []
    assert wide.skims(17, -2 * SKIMMED).found() == ["weigh drw_of_16"]
    assert History().tolerates("1/1000", partner="JP").skims(18).found() == []  # each of these needed a signature of its own
