"""The audit of approvals: what a statement names, and that its key was known before it signed."""

from datetime import date
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from reserve.audit.report import Report
from services.ledger.keys import seed_key
from shared.proofs.signed_note import parse_verifier_key
from tests.stories.audit import Step, Story, Told, approval, before, failures, told
from tests.stories.audit_emergency import in_an_emergency, ratification

NEXT_DAY = date(2026, 1, 8)


def origin_of(folder: Path) -> str:
    return parse_verifier_key(seed_key(folder)).name


def signed(story: Story, **said: Any) -> Story:
    """The round's approval names this, in what approved it and in what certified it."""
    given = approval(**said)
    approve, certify = story["approve"], story["certify"]
    assert isinstance(approve, Step)
    assert isinstance(certify, Step)
    return story | {
        "approve": replace(approve, event=replace(approve.event, approval=given)),
        "certify": replace(certify, event=replace(certify.event, approvals=(given,))),
    }


def listed(report: Report) -> list[str]:
    """Where statements of the first version are listed."""
    check = next(each for each in report.checks if each.check == "approvals")
    return [each.place for each in check.listed if "first version" in each.what]


async def test_an_approval_that_names_this_log_and_its_instrument_is_fine(tmp_path: Path):
    story = signed(told(), origin=origin_of(tmp_path), authority="ins_1")
    report = await Told(story, tmp_path).audited()
    assert (failures(report), listed(report)) == ({}, [])


async def test_what_an_old_history_signed_by_the_first_version_is_listed_and_no_failure(tmp_path: Path):
    history = Told(told(), tmp_path)
    report = await history.audited()
    assert report.ok
    assert listed(report) == [history.places["approve"]]


async def test_an_approval_that_was_signed_in_a_drill_is_found(tmp_path: Path):
    history = Told(signed(told(), origin="reserve/ledger/a-drill", authority="ins_1"), tmp_path)
    assert failures(await history.audited()) == {"approvals": [history.places["approve"]]}


async def test_the_first_version_is_found_once_a_service_has_taken_the_second(tmp_path: Path):
    story = signed(in_an_emergency(), origin=origin_of(tmp_path), authority="ins_1")
    ratify = story["ratify"]
    assert isinstance(ratify, Step)
    later = {"ratify": replace(ratify, on=NEXT_DAY)}
    history = Told(story | later, tmp_path)
    report = await history.audited()
    assert history.places["ratify"] in failures(report)["approvals"]
    assert listed(report) == []
    second = replace(ratify.event, approval=ratification(origin=origin_of(tmp_path), authority="ins_2"))
    named = story | later | {"ratify": replace(ratify, event=second, on=NEXT_DAY)}
    assert "approvals" not in failures(await Told(named, tmp_path).audited())


async def test_a_key_that_was_enrolled_after_it_signed_is_found(tmp_path: Path):
    story = signed(told(), origin=origin_of(tmp_path), authority="ins_1")
    key = story.pop("key")
    assert isinstance(key, Step)
    history = Told(before(story, "grant_jp", key=replace(key, on=NEXT_DAY)), tmp_path)
    assert failures(await history.audited()) == {"approvals": [history.places["approve"]]}


async def test_an_approval_under_another_instrument_than_it_cites_is_found(tmp_path: Path):
    history = Told(signed(told(), origin=origin_of(tmp_path), authority="ins_9"), tmp_path)
    assert failures(await history.audited()) == {"authority": [history.places["approve"]]}
