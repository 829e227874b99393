"""The life of a thing: what came of it and what it came of, in order, and behind each event by what power it was done."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reserve.audit import life
from reserve.audit.life import Life, life_of
from tests.stories.audit import Told, draw, stock, told
from tests.stories.audit_material import told_with_material


async def lived(story: Any, folder: Path, thing: str) -> Life:
    found = await life_of(Told(story, folder), thing)
    assert found is not None
    return found


def kinds(found: Life) -> list[str]:
    return [each.type.split(".")[1] for each in found.happened]


async def test_the_life_of_a_request_is_told_from_its_asking_to_what_left(tmp_path: Path) -> None:
    found = await lived(told(), tmp_path, "req_jp")
    in_order = ["request_submitted", "request_accepted", "round_opened", "round_approved", "award_granted"]
    assert [kind for kind in kinds(found) if kind in in_order] == in_order
    assert {"stock_released", "stock_drawn", "draw_dispatched", "round_certified"} <= set(kinds(found))
    assert {"awd_jp", "rel_jp", "drw_1", "rnd_1"} <= set(found.things)
    assert not [each.said for each in found.happened if "awd_us" in each.said or "rel_us" in each.said], "another's award"


async def test_a_draw_is_told_with_what_it_came_of_and_without_its_sister(tmp_path: Path) -> None:
    found = await lived(told() | {"late_draw": stock(draw(10, 20, draw="drw_3"))}, tmp_path, "drw_3")
    assert [each.said for each in found.happened if "drw_3" in each.said]
    assert {"request_submitted", "award_granted", "stock_released"} <= set(kinds(found))
    assert not [each.said for each in found.happened if "drw_1" in each.said]


async def test_a_loan_of_metal_is_told_across_services(tmp_path: Path) -> None:
    found = await lived(told_with_material(), tmp_path, "mln_01jh7qmxw4e0aayfkn3d1a2b3c")
    assert {"loan_awarded", "material_terms_approved", "material_lent", "return_settled", "material_replaced"} <= set(kinds(found))


async def test_behind_a_decision_stand_its_document_its_policy_and_the_instrument_of_who_signed(tmp_path: Path) -> None:
    found = await lived(told(), tmp_path, "rnd_1")
    by_kind = dict(zip(kinds(found), found.happened, strict=True))
    assert by_kind["round_opened"].policy == "standing v1, pro_rata"
    decision = by_kind["round_approved"].documents["decision"]
    assert (await lived(told(), tmp_path / "again", decision)).happened
    powers = [(each.by, each.authority, each.title, each.office) for each in by_kind["round_approved"].behind]
    assert ("sub_approver", "ins_1", "Reserve Act", "Minister") in powers
    assert by_kind["round_approved"].place.startswith("allocation/0/")


async def test_what_is_cited_in_another_command_or_of_another_matter_stands_behind_nothing(tmp_path: Path) -> None:
    story = told()
    for name, step in story.items():
        if not callable(step) and step.service == "allocation":
            story[name] = replace(step, command=("a0" if name == "cite" else "b0") * 32)
    found = await lived(story, tmp_path, "req_jp")
    assert not [each for happened in found.happened for each in happened.behind if "signed" not in each.act]


async def test_an_event_is_told_by_its_place_and_nothing_else_is(tmp_path: Path) -> None:
    found = await lived(told(), tmp_path, "inventory/0/3")
    assert [each.place for each in found.happened] == ["inventory/0/3"]


@pytest.mark.parametrize("thing", ["req_j", "drw_99", "inventory/9/1", "req_jp_2"])
async def test_what_no_event_names_has_no_life(thing: str, tmp_path: Path) -> None:
    assert await life_of(Told(told(), tmp_path), thing) is None


async def test_no_more_is_held_than_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await lived(told(), tmp_path / "whole", "antimony-metal")
    monkeypatch.setattr(life, "MOST_TOLD", 3)
    part = await lived(told(), tmp_path / "part", "antimony-metal")
    assert part.happened == whole.happened[:3] and part.left_out == len(whole.happened) - 3


async def test_what_came_of_it_is_followed_up_to_a_number_of_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "MOST_FOLLOWED", 2)
    found = await lived(told(), tmp_path, "req_jp")
    assert found.cut_short and found.things.count("awd_jp") == 1


async def test_an_event_that_does_not_read_is_passed_over(tmp_path: Path) -> None:
    history = Told(told(), tmp_path)
    history.change("draw", data=b'{"draw":"drw_1","type":"inventory.stock_drawn.v1"}')
    found = await life_of(history, "drw_1")
    assert found is not None and "stock_drawn" not in kinds(found) and "draw_weighed" in kinds(found)
