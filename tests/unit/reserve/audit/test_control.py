"""The audit of control: what moves value was proposed by one person and signed by another, from the first event on that shows the rule."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.events.policies import PolicyActivated, PolicyApproved, PolicyWithdrawn
from services.inventory import events as inventory
from services.loans.events.facility import FacilityId, FacilityOpened, Limit, LimitsSet
from services.loans.events.loan import LoanId, Regraded
from services.loans.events.project import ProjectFact, ProjectFactId, ProjectFactRecorded, ProjectFactWithdrawn
from services.loans.events.terms import ProjectCode
from shared.journal.record import canonical
from shared.terms.acting import Approval
from shared.terms.apart import Apart
from shared.terms.approval import approve
from shared.terms.authority import Cited
from shared.terms.countersigning import CommandPaper
from tests.stories.audit import ANTIMONY, APPROVER_KEY, DAY_AFTER, DAY_BEFORE, OTHER_KEY, Step, Story, audited, failures, stock, told

COMMAND: dict[str, Any] = {"type": "AdjustStock", "lot": "lot_1", "change_units": -1, "cause": "loss", "reason": "cannot be found"}
STREAMS = (f"stockpile/{ANTIMONY}",)
PAPER = CommandPaper(
    proposal="prp_1",
    service="inventory",
    streams=STREAMS,
    act="adjust_stock",
    command=COMMAND,
    proposed_by="sub_operator",
    proposed_on=DAY_AFTER,
)
DOCUMENT = sha256(canonical(PAPER)).hexdigest()
ABOUT: dict[str, Any] = {"proposal": "prp_1", "act": "adjust_stock", "document": DOCUMENT, "proposed_by": "sub_operator"}
CITED = Cited(
    authority="ins_1",
    version=1,
    under=(),
    act="adjust_stock",
    by="sub_approver",
    product=ANTIMONY,
    mass_g=10,
    amount_minor=None,
    currency=None,
)
LOSS = inventory.StockAdjusted(
    product=ANTIMONY,
    lot="lot_1",  # type: ignore[arg-type]
    depot="Fremantle",
    status="available",
    nominal_unit_g=10,
    change_units=-1,
    change_g=-10,
    cause="loss",
    reason="cannot be found",
)


def proposed(**changes: Any) -> Step:
    return stock(
        inventory.CommandProposed(**({**ABOUT, "command": COMMAND, "streams": STREAMS, "lapses_on": DAY_AFTER} | changes)),
        DAY_AFTER,
    )


def signed(document: str = DOCUMENT, key: Any = APPROVER_KEY, **changes: Any) -> Step:
    made = approve(document, key, approver="sub_approver", purpose=CommandPaper.purpose)
    approval = Approval(subject=made.approver, key=made.key_id, signature=made.signature, approved_on=DAY_AFTER)
    return with_it(inventory.CommandApproved(**(ABOUT | {"approval": approval} | changes)))


def with_it(event: Any) -> Step:
    return replace(stock(event, DAY_AFTER), command="ab" * 32)


def covered(story: Story) -> Story:
    """The ledger signs over all of it."""
    return {**story, "checkpoint_of_all": Step()}


def by_two(**changes: Step) -> Story:
    steps: dict[str, Step] = {
        "propose_loss": proposed(),
        "sign_loss": signed(),
        "lose": with_it(LOSS),
        "cite_loss": with_it(inventory.AuthorityCited(product=ANTIMONY, matter="prp_1", cited=CITED)),
    }
    return covered({**told(), **steps, **changes})


async def test_what_two_people_did_holds(tmp_path: Path):
    assert failures(await audited(tmp_path, by_two())) == {}


async def test_what_one_person_did_after_two_were_asked_is_found(tmp_path: Path):
    assert failures(await audited(tmp_path, by_two(lose=stock(LOSS, DAY_AFTER)))).keys() == {"control"}


async def test_what_one_person_did_in_an_older_build_is_listed_and_fails_nothing(tmp_path: Path):
    report = await audited(tmp_path, covered({**told(), "lose": stock(LOSS, DAY_AFTER)}))
    [control] = [result for result in report.checks if result.check == "control"]
    assert report.ok and len(control.listed) >= 5  # the product, its lot, its right, the loss, and the dispatch
    dispatched = f"sub_operator is {Apart.DISPATCHES.than}: {Apart.DISPATCHES}"
    listed = {f"{what} (before its rule was in force)" for what in ("one person did this", dispatched)}
    assert {each.what for each in control.listed} == listed


WROTE_OFF = inventory.AssignmentDelivered(
    product=ANTIMONY,
    draw="drw_1",  # type: ignore[arg-type]
    right="rgt_1",  # type: ignore[arg-type]
    partner="JP",
    mass_g=10,
    remaining_g=0,
    delivered_on=DAY_AFTER,
    evidence="CMR",
    reported_by="reserve",
)
REPORTED = replace(WROTE_OFF, reported_by="partner")


async def alone(tmp_path: Path, *events: Any) -> list[list[str]]:
    """Each alone, after something was signed: those that fail, and those that are listed."""
    steps = {f"step_{number}": stock(event, DAY_AFTER) for number, event in enumerate(events)}
    [control] = [each for each in (await audited(tmp_path, by_two(**steps))).checks if each.check == "control"]
    return [[each.what for each in found] for found in (control.failures, control.listed)]


async def test_a_delivery_of_what_a_partner_is_owed_is_its_own_report_or_two_peoples(tmp_path: Path):
    assert await alone(tmp_path / "own", REPORTED) == [[], await only_listed(tmp_path / "none")]
    failed, _ = await alone(tmp_path / "one", WROTE_OFF)
    assert failed == ["one person did this"]
    failed, _ = await alone(tmp_path / "after", REPORTED, replace(WROTE_OFF, reported_by=None))
    assert failed == ["one person did this"]
    failed, listed = await alone(tmp_path / "before", replace(WROTE_OFF, reported_by=None))  # by a build under which one did
    assert failed == [] and len(listed) == 1 + len(await only_listed(tmp_path / "none_again"))


async def only_listed(tmp_path: Path) -> list[str]:
    return (await alone(tmp_path))[1]


def weighed(draw: Any, out_g: int) -> Any:
    mass_g = 1_000_000
    parcels = (inventory.Parcel(lot=inventory.LotId("lot_1"), depot="Fremantle", nominal_unit_g=10, units=100_000, mass_g=mass_g),)
    of: dict[str, Any] = {"product": ANTIMONY, "partner": "JP", "parcels": parcels, "mass_g": mass_g, "weighed_by": "sub_depot"}
    return inventory.DrawWeighed(draw=draw, weighed_g=mass_g + out_g, difference_g=out_g, **of)


async def test_what_one_person_weighed_was_within_the_tolerance_in_force_at_its_leaf(tmp_path: Path):
    fine = inventory.WeighingToleranceSet(product=ANTIMONY, partner="JP", tolerance="1/1000", reason="")
    within = weighed("drw_2", -5000), fine, weighed("drw_3", 1000)
    assert (await alone(tmp_path / "within", *within))[0] == ["one person did this"]  # who has set it
    assert (await alone(tmp_path / "beyond", *within, weighed("drw_4", -1001)))[0] == ["one person did this"] * 2


def agreed(**changes: Any) -> Step:
    """Of before: by one person."""
    terms = allocation.ProductTerms(product=ANTIMONY, yearly_quota_g=100, share="1/4")
    days: Any = {"valid_from": DAY_BEFORE, "valid_until": DAY_AFTER}
    signed: Any = {"agreement": "agr_1", "partner": "JP", "products": (terms,), "priority_class": 0, **days}
    return Step(event=allocation.AgreementSigned(**signed), stream="agreement/agr_1", on=DAY_AFTER, **changes)


DOUBLE: dict[str, Any] = {
    "type": "AmendAgreement",
    "products": [{"product": ANTIMONY, "yearly_quota_g": 200, "share": "1/4"}],
    "priority_class": 0,
    "valid_until": DAY_AFTER.isoformat(),
    "reason": "more",
    "on": DAY_AFTER.isoformat(),
}
DOUBLING = replace(PAPER, service="allocation", streams=("agreement/agr_1",), act="sign_agreement", command=DOUBLE)
ABOUT_QUOTA = ABOUT | {"act": "sign_agreement", "document": sha256(canonical(DOUBLING)).hexdigest()}
DOUBLED = allocation.AgreementAmended(
    agreement="agr_1",  # type: ignore[arg-type]
    partner="JP",  # type: ignore[arg-type]
    products=(allocation.ProductTerms(product=ANTIMONY, yearly_quota_g=200, share="1/4"),),
    dropped=(),
    priority_class=0,
    valid_until=DAY_AFTER,
    reason="more",
)


def on_agreement(event: Any, command: str = "ab" * 32) -> Step:
    return Step(event=event, stream="agreement/agr_1", on=DAY_AFTER, command=command)


def a_quota_doubled(**changes: Step) -> Story:
    made = approve(ABOUT_QUOTA["document"], APPROVER_KEY, approver="sub_approver", purpose=CommandPaper.purpose)
    approval = Approval(subject=made.approver, key=made.key_id, signature=made.signature, approved_on=DAY_AFTER)
    asked = {"command": DOUBLE, "streams": DOUBLING.streams, "lapses_on": DAY_AFTER}
    steps: dict[str, Step] = {
        "agree": agreed(),
        "propose_quota": on_agreement(allocation.CommandProposed(**(ABOUT_QUOTA | asked)), "c0" * 32),
        "sign_quota": on_agreement(allocation.CommandApproved(**(ABOUT_QUOTA | {"approval": approval}))),
        "double_quota": on_agreement(DOUBLED),
        "cite_quota": on_agreement(allocation.AuthorityCited(matter="prp_1", cited=replace(CITED, act="sign_agreement", mass_g=200))),
    }
    return covered({**told(), **steps, **changes})


async def test_in_allocation_it_is_in_force_from_its_own_first_proposal_on(tmp_path: Path):
    """Whatever inventory has done before."""
    report = await audited(tmp_path, a_quota_doubled())
    assert set(failures(report)) == {"decisions"}, "its round has read none of the agreements that there are"
    [control] = [result for result in report.checks if result.check == "control"]
    assert any(each.place.startswith("allocation/") for each in control.listed)  # the agreement of before


@pytest.mark.parametrize(
    "act",
    [
        DOUBLED,
        allocation.ScreeningHitDecided(
            request="req_jp",  # type: ignore[arg-type]
            product=ANTIMONY,
            hit="hit_1",  # type: ignore[arg-type]
            outcome="cleared",
            reason="another",
            decided_by="sub_operator",  # type: ignore[arg-type]
        ),
        allocation.ScreeningListWithdrawn(list="entities", version=1, reason="old", withdrawn_by="sub_operator"),  # type: ignore[arg-type]
        allocation.DisruptionEnded(disruption="dis_1", products=(ANTIMONY,), ends_on=DAY_AFTER, reason="over"),  # type: ignore[arg-type]
        allocation.ConflictWithdrawn(official="sub_approver", about="partner", name="JP", reason="sold"),  # type: ignore[arg-type]
    ],
    ids=lambda act: type(act).__name__,
)
async def test_what_one_person_did_in_allocation_after_two_were_asked_is_found(tmp_path: Path, act: Any):
    alone = {"alone": on_agreement(act, "c1" * 32)}
    assert "control" in failures(await audited(tmp_path, a_quota_doubled(**alone)))


def a_list(name: str, command: str) -> Step:
    put = allocation.ScreeningListPutInForce(list=name, version=1, document="cd" * 32, entries=1, reason="x", put_by="sub_operator")  # type: ignore[arg-type]
    return Step(event=put, stream=f"screening_list/{name}", on=DAY_AFTER, command=command)


SIGNED, ALONE = "ab" * 32, "c1" * 32  # as the quota's command, or as nobody's


async def control_of(tmp_path: Path, **steps: Step) -> tuple[list[str], int]:
    """What fails, and how much is listed."""
    report = await audited(tmp_path, a_quota_doubled(**steps))
    [control] = [result for result in report.checks if result.check == "control"]
    return [each.what for each in control.failures], len(control.listed)


async def test_the_first_version_of_a_list_is_put_in_force_by_two_from_the_first_that_was(tmp_path: Path):
    _, before = await control_of(tmp_path / "none")
    old = {"first": a_list("old", ALONE)}
    assert await control_of(tmp_path / "old", **old) == ([], before + 1), "by a build under which one did"
    assert await control_of(tmp_path / "new", **old, second=a_list("new", SIGNED)) == ([], before + 1)
    failed, _ = await control_of(tmp_path / "alone", **old, second=a_list("new", SIGNED), third=a_list("mine", ALONE))
    assert failed == ["one person did this"]


def a_round(event: Any, command: str = ALONE) -> Step:
    return Step(event=event, stream=f"book/{ANTIMONY}", on=DAY_AFTER, command=command)


def cancelled(round: str, command: str) -> Step:
    return a_round(allocation.RoundCancelled(round=round, product=ANTIMONY, reason="not wanted"), command)  # type: ignore[arg-type]


def approved_round(round: str) -> Step:
    approval = Approval(subject="sub_approver", key="k1", signature="00" * 64, approved_on=DAY_AFTER)
    return a_round(allocation.RoundApproved(round=round, product=ANTIMONY, decision="ab" * 32, approval=approval))  # type: ignore[arg-type]


def lapsed_round(round: str, keys: tuple[Any, ...], *, stands: bool) -> Step:
    told: dict[str, Any] = {"round": round, "product": ANTIMONY, "decision": "ab" * 32, "cause": "x"}
    return a_round(allocation.ApprovalsLapsed(**told, keys=keys, decision_stands=stands))


async def test_a_round_that_somebody_has_approved_is_cancelled_by_two(tmp_path: Path):
    by_two_first = {"approve_1": approved_round("rnd_1"), "cancel_1": cancelled("rnd_1", SIGNED)}

    async def by_one(name: str, **steps: Step) -> list[str]:
        failed, _ = await control_of(tmp_path / name, **by_two_first, **steps, cancel_2=cancelled("rnd_2", ALONE))
        return failed

    assert await by_one("never approved") == []
    assert await by_one("approved", approve_2=approved_round("rnd_2")) == ["one person did this"]
    approved = {"approve_2": approved_round("rnd_2")}
    assert await by_one("fallen", **approved, fall_2=lapsed_round("rnd_2", ("k1",), stands=False)) == []
    assert await by_one("key revoked", **approved, fall_2=lapsed_round("rnd_2", ("k1",), stands=True)) == []
    assert await by_one("another's", **approved, fall_2=lapsed_round("rnd_2", ("k2",), stands=True)) == ["one person did this"]


def of_policy(event: Any, command: str = ALONE) -> Step:
    return Step(event=event, stream="policy/standing", on=DAY_AFTER, command=command)


def withdrawn(version: int, command: str) -> Step:
    gone = PolicyWithdrawn(policy="standing", version=version, active=None, products=(), withdrawn_by="sub_operator", reason="x")  # type: ignore[arg-type]
    return of_policy(gone, command)


def approved_version(version: int) -> Step:
    approval = Approval(subject="sub_approver", key="k1", signature="00" * 64, approved_on=DAY_AFTER)
    return of_policy(PolicyApproved(policy="standing", version=version, document="ab" * 32, active_from=DAY_AFTER, approval=approval))


async def test_a_version_of_a_policy_that_is_approved_is_withdrawn_by_two(tmp_path: Path):
    by_two_first = {"approve_1": approved_version(1), "withdraw_1": withdrawn(1, SIGNED)}

    async def by_one(name: str, first: dict[str, Step], **steps: Step) -> list[str]:
        failed, _ = await control_of(tmp_path / name, **first, **steps, withdraw_2=withdrawn(2, ALONE))
        return failed

    approved = {"approve_2": approved_version(2)}
    assert await by_one("a draft", by_two_first) == []
    assert await by_one("approved", by_two_first, **approved) == ["one person did this"]
    assert await by_one("by an earlier build", {}, **approved) == []
    superseded = of_policy(PolicyActivated(policy="standing", version=3, products=()))
    assert await by_one("superseded", by_two_first, **approved, activate_3=superseded) == []


def of_tender(event: Any, command: str = ALONE) -> Step:
    return Step(event=event, stream="tender/tnd_1", on=DAY_AFTER, command=command)


def cancelled_tender(tender: str, command: str) -> Step:
    return of_tender(allocation.TenderCancelled(tender=tender, reason="not wanted"), command)  # type: ignore[arg-type]


def approved_tender(tender: str) -> Step:
    approval = Approval(subject="sub_approver", key="k1", signature="00" * 64, approved_on=DAY_AFTER)
    return of_tender(allocation.TenderApproved(tender=tender, decision="ab" * 32, approval=approval))  # type: ignore[arg-type]


async def test_a_tender_that_somebody_has_approved_is_cancelled_by_two(tmp_path: Path):
    by_two_first = {"approve_1": approved_tender("tnd_1"), "cancel_1": cancelled_tender("tnd_1", SIGNED)}

    async def by_one(name: str, **steps: Step) -> list[str]:
        failed, _ = await control_of(tmp_path / name, **by_two_first, **steps, cancel_2=cancelled_tender("tnd_2", ALONE))
        return failed

    assert await by_one("never approved") == []
    assert await by_one("approved", approve_2=approved_tender("tnd_2")) == ["one person did this"]
    reopened = of_tender(allocation.TenderReopened(tender="tnd_2", decision="ab" * 32, reason="x"))  # type: ignore[arg-type]
    assert await by_one("reopened", approve_2=approved_tender("tnd_2"), reopen_2=reopened) == []


@pytest.mark.parametrize(
    ("changes", "checks"),
    [
        ({"propose_loss": proposed(command=COMMAND | {"change_units": -9})}, {"control"}),
        ({"propose_loss": proposed(document="ab" * 32)}, {"control"}),
        ({"sign_loss": signed(act="rule_assay")}, {"control", "authority"}),
        ({"sign_loss": signed(key=OTHER_KEY)}, {"approvals"}),
        ({"sign_loss": signed(document="ab" * 32)}, {"approvals"}),
        ({"propose_loss": proposed(proposed_by="sub_approver"), "sign_loss": signed(proposed_by="sub_approver")}, {"control", "approvals"}),
        ({"cite_loss": with_it(inventory.AuthorityCited(product=ANTIMONY, matter="prp_1", cited=replace(CITED, by="x")))}, {"authority"}),
    ],
)
async def test_a_signature_that_is_not_of_this_by_another_is_found(tmp_path: Path, changes: dict[str, Step], checks: set[str]):
    assert failures(await audited(tmp_path, by_two(**changes))).keys() == checks


async def test_a_proposal_is_signed_once(tmp_path: Path):
    again = {"sign_again": replace(signed(), command="cd" * 32), "lose_again": replace(with_it(LOSS), command="cd" * 32)}
    found = failures(await audited(tmp_path, by_two(**again)))
    assert "control" in found


async def test_what_one_person_corrected_is_listed_with_the_reason(tmp_path: Path):
    corrected = inventory.DispatchCorrected(
        product=ANTIMONY,
        draw="drw_1",  # type: ignore[arg-type]
        partner="JP",
        carrier="Linfox",
        reason="misspelt",
        corrected_by="sub_operator",
    )
    report = await audited(tmp_path, by_two(correct=stock(corrected, DAY_AFTER)))
    [control] = [result for result in report.checks if result.check == "control"]
    assert report.ok
    assert "sub_operator corrected drw_1: misspelt" in {each.what for each in control.listed}


def limits_of(minor: int, command: str, kind: Any = LimitsSet, **more: Any) -> Step:
    limit = Limit(key="total", parent=None, limit_minor=minor)
    said = {"facility": FacilityId("cmf"), "limits": (limit,), "authority": "an Act", **more}
    return Step(event=kind(**said), stream="facility/cmf", on=DAY_AFTER, command=command)


def provided(minor: int, change_minor: int, command: str) -> Step:
    graded = Regraded(
        loan=LoanId("lon_1"), grade="B", stage=2, currency="AUD", provision_minor=minor, change_minor=change_minor, reason="a look"
    )
    return Step(event=graded, stream="loan/lon_1", on=DAY_AFTER, command=command)


def protected(mass_g: int, command: str) -> Step:
    return replace(
        stock(inventory.ProtectedStockSet(product=ANTIMONY, mass_g=mass_g, authority="x", reason="x"), DAY_AFTER), command=command
    )


def disproved(number: int, command: str) -> Step:
    told: dict[str, Any] = {"project": "hillgrove", "kind": "permit", "by": "sub_operator", "reason": "x", "loans": ()}
    gone = ProjectFactWithdrawn(**told, fact=ProjectFactId(f"fct_{number}"))
    return Step(event=gone, stream="project/hillgrove", on=DAY_AFTER, command=command)


def counted(number: int, command: str) -> Step:
    """Of another subject than those before, and for all days."""
    told: dict[str, Any] = {"kind": "output", "product": None, "unit": "g", "binding": None, "by": "sub_operator", "until": None}
    known = ProjectFact(**told, fact=ProjectFactId(f"fct_{number}"), subject=str(number), quantity=10, since=DAY_AFTER)
    fact = ProjectFactRecorded(project=ProjectCode("hillgrove"), known=known, evidence=(), document=None, loans=())
    return Step(event=fact, stream="project/hillgrove", on=DAY_AFTER, command=command)


STAYS: dict[str, tuple[Step, Step, Step]] = {  # what one person did in an older build, two did, and one did then
    "narrower limits": (limits_of(90, ALONE, reason="x"), limits_of(80, SIGNED, reason="x"), limits_of(70, ALONE, reason="x")),
    "a larger provision": (provided(10, 10, ALONE), provided(20, 10, SIGNED), provided(30, 10, ALONE)),
    "evidence withdrawn": (disproved(1, ALONE), disproved(2, SIGNED), disproved(3, ALONE)),
    "evidence that lowers a share": (counted(1, ALONE), counted(2, SIGNED), counted(3, ALONE)),
    "more protected stock": (protected(10, ALONE), protected(20, SIGNED), protected(30, ALONE)),
}


@pytest.mark.parametrize("what", STAYS)
async def test_what_stays_until_two_take_it_back_is_done_by_two_from_the_first_that_was(tmp_path: Path, what: str):
    old, two, one = STAYS[what]
    began = {"opened": limits_of(100, ALONE, FacilityOpened, currency="AUD"), "counted": counted(0, ALONE)}
    assert await control_of(tmp_path / "old", **began, first=old, then=one) == ([], (await control_of(tmp_path / "none", **began))[1] + 2)
    assert (await control_of(tmp_path / "two", **began, first=old, second=two))[0] == []
    assert (await control_of(tmp_path / "one", **began, first=old, second=two, third=one))[0] == ["one person did this"]
