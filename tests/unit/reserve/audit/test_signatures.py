"""The audit of what partners sign: whose their keys are, and their draws."""

from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.allocation import events as allocation
from services.inventory.events import DrawId, DrawPaper, LotId, Parcel, ProductId, ReleaseId, SignedDraw, StockDrawn
from shared.journal.record import canonical, name_of
from shared.terms.approval import approve
from tests.stories.audit import TODAY, Step, Story, Told, failures
from tests.stories.audit_ceremony import origin_of
from tests.stories.partner_keys import GONE, KEYS, registered, signed_by, story, vouched
from tests.stories.stockpile import UNIT_G


async def found_in(folder: Path, steps: Story) -> dict[str, list[str]]:
    history = Told(steps, folder)
    names = {place: name for name, place in history.places.items()}
    # that nobody has signed the agreement is not what is looked at here
    return {check: [names[place] for place in places] for check, places in failures(await history.audited()).items() if check != "control"}


async def test_a_key_of_the_agreement_and_one_that_it_signs_for_are_fine(tmp_path: Path) -> None:
    assert await found_in(tmp_path, story(tmp_path, one=registered(tmp_path, "one"), two=vouched(tmp_path, "one", "two"))) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"possession": ("two", "one", {})},
        {"possession": ("one", "two", {})},
        {"possession": ("one", "one", {"origin": "reserve/ledger/a-drill"})},
        {"possession": ("one", "one", {"approver": "US"})},
        {"agreement": None},
        {"agreement": allocation.AgreementId("agr_other")},
    ],
)
async def test_a_key_that_did_not_sign_or_that_no_agreement_names_is_found(tmp_path: Path, changes: dict[str, Any]) -> None:
    made = {name: signed_by(tmp_path, said[0], said[1], **said[2]) if isinstance(said, tuple) else said for name, said in changes.items()}
    found = await found_in(tmp_path, story(tmp_path, one=registered(tmp_path, "one", **made)))
    assert found["partners_sign"] == ["one"]


async def test_a_key_that_the_agreement_does_not_name_is_found(tmp_path: Path) -> None:
    assert await found_in(tmp_path, story(tmp_path, other=registered(tmp_path, "other"))) == {"partners_sign": ["other"]}


async def test_a_key_that_was_revoked_or_never_was_there_signs_for_none(tmp_path: Path) -> None:
    later = Step(event=vouched(tmp_path, "one", "two"), stream="partner/JP", on=TODAY + timedelta(days=1))
    steps = story(tmp_path, one=registered(tmp_path, "one"), gone=GONE, two=later, never=vouched(tmp_path, "other", "other"))
    assert set((await found_in(tmp_path, steps))["partners_sign"]) == {"two", "never"}


async def test_a_key_has_one_life(tmp_path: Path) -> None:
    steps = story(tmp_path, one=registered(tmp_path, "one"), again=registered(tmp_path, "one"))
    assert await found_in(tmp_path, steps) == {"partners_sign": ["again"]}


# Draws


def command_of(key: str, release: str = "rel_jp") -> str:
    named = ["partner-jp", "sub_jp", "POST", "inventory", "/v1/releases/{release}/draws", [("release", release)], key]
    return sha256(canonical(named)).hexdigest()


def paper_of(**changes: Any) -> DrawPaper:
    asked: dict[str, Any] = {"partner": "JP", "release": "rel_jp", "mass_g": UNIT_G, "lots": (), "assign_rights": False}
    return DrawPaper(**(asked | {"client": "partner-jp", "subject": "sub_jp", "idempotency_key": "first"} | changes))


def signed_draw(folder: Path, paper: DrawPaper, by: str = "one", **said: Any) -> SignedDraw:
    whole = {"approver": "JP", "purpose": "draw", "origin": origin_of(folder)} | said
    signed = approve(name_of(paper), KEYS[by], **whole)
    return SignedDraw(key=signed.key_id, signature=signed.signature, paper=paper)


def drawn(signed: SignedDraw | None, *, on: date = TODAY, units: int = 1, lot: str = "lot_1", **columns: Any) -> Step:
    event = StockDrawn(
        product=ProductId("antimony-metal"),
        draw=DrawId(f"drw_{columns.get('command', 'first')}"),
        release=ReleaseId("rel_jp"),
        partner="JP",
        parcels=(Parcel(lot=LotId(lot), depot="Fremantle", nominal_unit_g=UNIT_G, units=units, mass_g=units * UNIT_G),),
        mass_g=units * UNIT_G,
        remaining_g=0,
        signed=signed,
    )
    return Step(event=event, stream="stockpile/antimony-metal", on=on, **({"command": command_of("first"), "actor": "sub_jp"} | columns))


async def signatures_in(folder: Path, **steps: Any) -> list[str]:
    """The draws that this check finds; what else is wrong with a draw out of nothing is another's."""
    return (await found_in(folder, story(folder, **steps))).get("partners_sign", [])


async def test_a_draw_that_a_key_of_its_partner_has_signed_is_fine(tmp_path: Path) -> None:
    one = registered(tmp_path, "one")
    assert await signatures_in(tmp_path, one=one, draw=drawn(signed_draw(tmp_path, paper_of()))) == []
    assert await signatures_in(tmp_path, draw=drawn(signed_draw(tmp_path, paper_of())), one=one) == []  # shards in any order


async def test_a_draw_that_no_key_has_signed_is_found_an_hour_after_there_was_one(tmp_path: Path) -> None:
    one, later = registered(tmp_path, "one"), TODAY + timedelta(days=1)
    assert await signatures_in(tmp_path, one=one, draw=drawn(None, on=later)) == ["draw"]
    assert await signatures_in(tmp_path, draw=drawn(None, on=later), one=one) == ["draw"]  # whose key the log took later
    assert await signatures_in(tmp_path, one=one, draw=drawn(None)) == []
    assert await signatures_in(tmp_path, draw=drawn(None, on=later)) == []  # it has no keys


@pytest.mark.parametrize(
    ("paper", "draw"),
    [
        ({"mass_g": 2 * UNIT_G}, {}),
        ({}, {"units": 2}),
        ({"release": "rel_other"}, {}),
        ({"partner": "US"}, {}),
        ({"lots": ("lot_2",)}, {}),
        ({"idempotency_key": "second"}, {}),
        ({"client": "operator-1"}, {}),
        ({}, {"actor": "sub_operator"}),
        ({}, {"command": "c0" * 32}),
    ],
)
async def test_a_draw_that_is_not_what_was_signed_is_found(tmp_path: Path, paper: dict[str, Any], draw: dict[str, Any]) -> None:
    signed = signed_draw(tmp_path, paper_of(**paper))
    assert set(await signatures_in(tmp_path, one=registered(tmp_path, "one"), draw=drawn(signed, **draw))) == {"draw"}


@pytest.mark.parametrize("said", [{"by": "two"}, {"approver": "US"}, {"purpose": "partner_key"}, {"origin": "reserve/ledger/a-drill"}])
async def test_a_draw_with_a_signature_that_is_none_is_found(tmp_path: Path, said: dict[str, Any]) -> None:
    signed = signed_draw(tmp_path, paper_of(), **said)
    assert await signatures_in(tmp_path, one=registered(tmp_path, "one"), draw=drawn(signed)) == ["draw"]
    forged = replace(signed_draw(tmp_path, paper_of()), signature="ab" * 64)
    assert await signatures_in(tmp_path, one=registered(tmp_path, "one"), draw=drawn(forged)) == ["draw"]


async def test_a_draw_by_a_key_that_was_revoked_before_is_found(tmp_path: Path) -> None:
    later = drawn(signed_draw(tmp_path, paper_of()), on=TODAY + timedelta(days=1))
    assert await signatures_in(tmp_path, one=registered(tmp_path, "one"), gone=GONE, draw=later) == ["draw"]
