"""The audit of control: what moves value was proposed by one person and signed by another, from the first event on that shows the rule."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.inventory import events as inventory
from shared.journal.record import canonical
from shared.terms.acting import Approval
from shared.terms.approval import approve
from shared.terms.authority import Cited
from shared.terms.countersigning import CommandPaper
from tests.stories.audit import ANTIMONY, APPROVER_KEY, DAY_AFTER, OTHER_KEY, Step, Story, audited, failures, stock, told

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
    assert report.ok and len(control.listed) >= 4  # the product, its lot, its right, and the loss
    assert {each.what for each in control.listed} == {"one person did this"}


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
