"""Screening worked out again: a hit that is left out, made up or cleared by nobody is found, and so is one whom nobody looked up."""

from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit.report import Check
from services.allocation import events as allocation
from shared.journal.record import canonical
from shared.terms.listed_names import ListedEntity, ListedNames, ScreeningListFile, hits_of
from shared.terms.matching import VERSION
from tests.stories.audit import ANTIMONY, DAY_BEFORE, Step, Story, Told, before, book, changed, failures, told

ENTRY = ListedEntity(entry="E-1", name="Front Company", source="a gazette", listed_on=date(2025, 1, 1))
DOCUMENT = canonical(ScreeningListFile(list="entity", entries=(ENTRY,)))
NAME: Any = sha256(DOCUMENT).hexdigest()
PARTIES = {"nominee": "Trading Co", "consignee": "Front Company Ltd", "end_user": "Smelter"}
LISTED = {"entity": ListedNames([ENTRY])}


def hits(subject: str, parties: dict[str, str]) -> tuple[dict[str, Any], ...]:
    return tuple(hit._asdict() for hit in hits_of(subject, parties, LISTED))


def put_in_force(version: int = 1) -> Step:
    said: dict[str, Any] = {"list": "entity", "version": version, "document": NAME, "entries": 1, "reason": "", "put_by": "sub_operator"}
    return Step(event=allocation.ScreeningListPutInForce(**said), stream="screening_list/entity", shard=1, on=DAY_BEFORE)


def screened(request: str, *found: dict[str, Any], **changes: Any) -> Step:
    said: dict[str, Any] = {"request": request, "product": ANTIMONY, "lists": {"entity": 1}, "beyond": 0}
    return book(allocation.PartiesScreened(**(said | changes), hits=tuple(allocation.Hit(**hit) for hit in found)))


def consignee(*found: dict[str, Any], name: str = "Front Company Ltd", **changes: Any) -> Step:
    told = [{key: value for key, value in hit.items() if key != "role"} for hit in found]
    said: dict[str, Any] = {"consignee": "cns_1", "name": name, "lists": {"entity": 1}, "beyond": 0, "clear": not found}
    event = allocation.ConsigneeScreened(**(said | changes), hits=tuple(allocation.ConsigneeHit(**hit) for hit in told))
    return Step(event=event, stream="consignee/cns_1")


def a_story() -> Story:
    """Nobody who is given something is like the one that is listed; a party of a request that waits is, and so is a consignee."""
    story = before(told(), "key", list=put_in_force())
    ask = story["ask_jp"]
    assert isinstance(ask, Step)
    asked = book(replace(ask.event, request="req_x", consignee=PARTIES["consignee"]))
    story = before(story, "accept_jp", screen_jp=screened("req_jp"), ask_x=asked, screen_x=screened("req_x", *hits("req_x", PARTIES)))
    named = {"consignee": PARTIES["consignee"]}
    return before(story, "accept_us", screen_us=screened("req_us"), screen_cns=consignee(*hits("cns_1", named)))


async def found(folder: Path, story: Story, document: bytes = DOCUMENT) -> dict[str, set[str]]:
    history = Told(story, folder)
    history.documents[NAME] = document
    steps = {place: name for name, place in history.places.items()}
    report = await history.audited()
    listed = {result.check: {steps[each.place] for each in result.listed} for result in report.checks}
    assert listed["screening"] == {
        name for name in steps.values() if getattr(getattr(story[name], "event", None), "matching", 1) != VERSION
    }
    return {check: {steps[place] for place in places} for check, places in failures(report).items() if check != Check.CONTROL.name.lower()}


async def test_what_was_looked_up_as_the_rule_says_has_nothing_to_find(tmp_path: Path) -> None:
    assert await found(tmp_path, a_story()) == {}


async def test_a_hit_that_is_left_out_or_made_up_or_beyond_is_found(tmp_path: Path) -> None:
    made_up = hits("req_jp", PARTIES)
    for name, step in {
        "left out": screened("req_x"),
        "beyond": screened("req_x", *hits("req_x", PARTIES), beyond=1),
        "of another": screened("req_x", *made_up),
        "as another": screened("req_x", *(hit | {"match": "near"} for hit in hits("req_x", PARTIES))),
        "in another": screened("req_x", lists={"entity": 7}),
        "by no list": screened("req_x", *hits("req_x", PARTIES), lists={}),
    }.items():
        assert await found(tmp_path / name, a_story() | {"screen_x": step}) == {"screening": {"screen_x"}}, name
    assert "screen_jp" in (await found(tmp_path / "made up", a_story() | {"screen_jp": screened("req_jp", *made_up)}))["screening"]
    assert await found(tmp_path / "consignee", a_story() | {"screen_cns": consignee()}) == {"consignees": {"screen_cns"}}


async def test_what_is_given_to_one_whom_nobody_has_looked_up_in_the_lists_in_force_is_found(tmp_path: Path) -> None:
    story = a_story()
    del story["screen_us"]
    assert await found(tmp_path / "never", story) == {"screening": {"accept_us", "grant_us"}}
    story = before(a_story(), "key", list_2=put_in_force(2)) | {"screen_jp": screened("req_jp", lists={"entity": 2})}
    assert await found(tmp_path / "before", story) == {"screening": {"accept_us", "grant_us"}}


async def test_a_list_that_has_just_been_withdrawn_may_have_been_looked_up_or_not(tmp_path: Path) -> None:
    gone: Any = {"list": "entity", "version": 1, "reason": "", "withdrawn_by": "sub_operator"}
    withdrawn = Step(event=allocation.ScreeningListWithdrawn(**gone), stream="screening_list/entity", shard=1)
    story = before(a_story() | {"screen_jp": screened("req_jp", lists={})}, "ask_jp", gone=withdrawn)
    assert await found(tmp_path, story) == {}


async def test_a_hit_that_is_said_to_be_cleared_and_that_nobody_cleared_is_found(tmp_path: Path) -> None:
    [hit], [of_request] = hits("cns_1", {"consignee": PARTIES["consignee"]}), hits("req_x", PARTIES)
    step = consignee(hit | {"cleared_as": of_request["hit"]}, clear=True)
    assert await found(tmp_path / "by nobody", a_story() | {"screen_cns": step}) == {"consignees": {"screen_cns"}}
    decided: Any = {"request": "req_x", "hit": of_request["hit"], "outcome": "cleared", "reason": "", "decided_by": "sub_operator"}
    cleared = book(allocation.ScreeningHitDecided(product=ANTIMONY, **decided))
    assert await found(tmp_path / "by two", before(a_story() | {"screen_cns": step}, "screen_cns", cleared=cleared)) == {}


@pytest.mark.parametrize("document", [b"{}", b"\xff", DOCUMENT.replace(b"Front", b"Other")])
async def test_another_list_than_came_into_force_is_found_where_it_was_searched(tmp_path: Path, document: bytes) -> None:
    assert await found(tmp_path, a_story(), document) == {
        "screening": {"screen_jp", "screen_us", "screen_x"},
        "consignees": {"screen_cns"},
    }


async def test_another_version_of_the_rule_is_listed_as_not_checkable(tmp_path: Path) -> None:
    story = a_story()
    changed(story, "screen_x", hits=(), matching=VERSION + 1)
    assert await found(tmp_path, story) == {}
