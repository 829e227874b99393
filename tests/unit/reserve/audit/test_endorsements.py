"""The audit of who may act: a key signed its enrolment, and another approver signed what came after the ceremony."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from reserve.audit.report import Report
from services.allocation import events as allocation
from services.allocation.events.authority import PersonId, PersonNamed
from services.allocation.events.papers import paper_of
from services.ledger.keys import seed_key
from shared.journal.record import name_of
from shared.proofs.signed_note import parse_verifier_key
from shared.terms.acting import approval_of
from shared.terms.approval import approve, key_id, public_key_hex
from tests.stories.audit import DAY_BEFORE, TODAY, Step, Story, Told, an_instrument, failures

KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number, name in enumerate(("ann", "ben", "cy"), 1)}
ADMIN = "sub_operator"  # who sends every command of a story


def origin_of(folder: Path) -> str:
    return parse_verifier_key(seed_key(folder)).name


def enrolled(folder: Path, subject: str, *, signed_by: str | None = None, by: str | None = None, key_of: str | None = None) -> Any:
    """`signed_by`: whose key shows possession; `by`: who endorses it; `key_of`: whose key it is, if it is another's."""
    public_key = public_key_hex(KEYS[key_of or subject])
    event = allocation.ApproverKeyEnrolled(subject=subject, key=key_id(public_key), public_key=public_key)  # type: ignore[arg-type]
    said = {"approver": subject, "purpose": "enrolment", "origin": origin_of(folder)}
    possession = approval_of(approve(name_of(paper_of(event)), KEYS[signed_by or key_of or subject], **said), TODAY)
    return endorsed(folder, replace(event, possession=possession), by)


def endorsed(folder: Path, event: Any, by: str | None) -> Any:
    if by is None:
        return event
    paper = paper_of(event)
    signed = approve(name_of(paper), KEYS[by], approver=by, purpose=paper.purpose, origin=origin_of(folder))
    return replace(event, endorsement=approval_of(signed, TODAY))


def instrument(folder: Path, name: str, by: str | None = None, holder: str = "sub_holder") -> Any:
    return endorsed(folder, an_instrument(instrument=name, holder=holder), by)


def story(folder: Path, **more: Any) -> Story:
    """A ceremony; then each step is a day later."""
    begun = {"ann": enrolled(folder, "ann"), "ben": enrolled(folder, "ben"), "act": instrument(folder, "ins_1")}
    steps: Story = {name: step(event, DAY_BEFORE) for name, event in begun.items()}
    steps |= {name: step(event, TODAY) for name, event in more.items()}
    return steps | {"close": Step()}


def step(event: Any, on: date) -> Step:
    return Step(event=event, stream=f"{type(event).__name__}/{id(event)}", shard=0, on=on)


async def report_of(folder: Path, steps: Story) -> tuple[Report, dict[str, list[str]]]:
    history = Told(steps, folder)
    report = await history.audited()
    names = {place: name for name, place in history.places.items()}
    return report, {check: [names[place] for place in places] for check, places in failures(report).items()}


async def test_a_ceremony_and_what_another_approver_signed_after_it_is_fine(tmp_path: Path):
    more = {"cy": enrolled(tmp_path, "cy", by="ann"), "second": instrument(tmp_path, "ins_2", by="ben")}
    _, found = await report_of(tmp_path, story(tmp_path, **more))
    assert found == {}


@pytest.mark.parametrize("by", [None, "cy"])
async def test_a_third_person_whose_key_nobody_else_signed_is_found(tmp_path: Path, by: str | None):
    _, found = await report_of(tmp_path, story(tmp_path, cy=enrolled(tmp_path, "cy", by=by)))
    assert set(found["approvals"]) == {"cy"}


async def test_a_key_that_its_person_did_not_sign_with_is_found(tmp_path: Path):
    _, found = await report_of(tmp_path, story(tmp_path, cy=enrolled(tmp_path, "cy", signed_by="ben", by="ann")))
    assert found == {"approvals": ["cy"]}


async def test_a_key_with_a_second_life_is_found(tmp_path: Path):
    again = enrolled(tmp_path, "ann", by="ben")
    _, found = await report_of(tmp_path, story(tmp_path, again=again))
    assert found == {"approvals": ["again"]}


async def test_one_key_of_two_people_is_found_so_that_no_two_approvals_are_by_it(tmp_path: Path):
    _, found = await report_of(tmp_path, story(tmp_path, cy=enrolled(tmp_path, "cy", by="ben", key_of="ann")))
    assert found == {"approvals": ["cy"]}


async def test_a_second_instrument_of_an_administrator_alone_or_signed_by_its_holder_is_found(tmp_path: Path):
    more = {
        "alone": instrument(tmp_path, "ins_2"),
        "own": instrument(tmp_path, "ins_3", by="ann", holder="ann"),
        "moved": replace(instrument(tmp_path, "ins_4", by="ann"), limit_g=None),
    }
    _, found = await report_of(tmp_path, story(tmp_path, **more))
    assert found == {"approvals": ["alone", "own", "moved"]}


async def test_an_acting_officer_is_signed_by_another_approver(tmp_path: Path):
    days: Any = {"valid_from": TODAY, "valid_until": TODAY}
    named = allocation.ActingOfficerNamed(instrument="ins_1", officer="sub_deputy", **days)  # type: ignore[arg-type]
    _, found = await report_of(tmp_path, story(tmp_path, alone=named, signed=endorsed(tmp_path, named, "ann")))
    assert found == {"approvals": ["alone"]}


async def test_another_account_of_the_same_person_endorses_nothing(tmp_path: Path):
    persons = {who: PersonNamed(official=who, person=PersonId("per_1")) for who in ("ann", "cy")}  # type: ignore[arg-type]
    steps = story(tmp_path, third=enrolled(tmp_path, "cy", by="ann"))
    close = steps.pop("close")
    third = steps.pop("third")
    steps |= {f"person_{who}": step(event, DAY_BEFORE) for who, event in persons.items()}
    _, found = await report_of(tmp_path, steps | {"third": third, "close": close})
    assert found == {"approvals": ["third"]}


async def test_whose_account_it_is_another_approver_signs(tmp_path: Path):
    names = {who: PersonNamed(official=who, person=PersonId("per_1")) for who in ("sub_a", "ann", "cy", "sub_d")}  # type: ignore[arg-type]
    more = {
        "signed": endorsed(tmp_path, names["sub_a"], "ben"),
        "alone": names["cy"],
        "own": endorsed(tmp_path, names["ann"], "ann"),
    }
    _, found = await report_of(tmp_path, story(tmp_path, **more))
    assert found == {"approvals": ["alone", "own"]}


async def test_one_account_of_a_person_does_not_sign_for_the_next(tmp_path: Path):
    first, second = (PersonNamed(official=who, person=PersonId("per_1")) for who in ("ann", "sub_d"))  # type: ignore[arg-type]
    steps = story(tmp_path, first=endorsed(tmp_path, first, "ben"))
    close = steps.pop("close")
    late = step(endorsed(tmp_path, second, "ann"), TODAY + timedelta(days=1))
    _, found = await report_of(tmp_path, steps | {"second": late, "close": close})
    assert found == {"approvals": ["second"]}


async def test_what_an_old_history_entered_without_is_listed_and_no_failure(tmp_path: Path):
    old = {who: replace(enrolled(tmp_path, who), possession=None) for who in KEYS}
    steps: Story = {who: step(event, DAY_BEFORE) for who, event in old.items()} | {
        "act": step(instrument(tmp_path, "ins_1"), DAY_BEFORE),
        "second": step(instrument(tmp_path, "ins_2"), DAY_BEFORE),
        "close": Step(),
    }
    report, found = await report_of(tmp_path, steps)
    assert (report.ok, found) == (True, {})
    [listed] = [each.listed for each in report.checks if each.check == "approvals"]
    assert len(listed) == len(old) + 2  # each key; the third person's, and the second instrument, that nobody else signed
