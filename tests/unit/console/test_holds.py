"""Holds: one press, and a lift that is asked for twice, before a service that takes down what it is sent."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from services.console.pages.holds import AUTHORITY, REASON
from tests.unit.console.setting import a_setting, sent_by, text_of
from tests.unit.edge.setting import serving

HOLD, LOT, PROPOSAL = "hld_01kb0000000000000000000000", "lot_01kb0000000000000000000000", "prp_01kb0000000000000000000000"
HELD: dict[str, Any] = {
    **{"hold": HOLD, "product": "gallium-4n", "scope": "lot", "target": LOT, "reason": "a leak", "authority": "the office"},
    **{"put_on_on": "2027-01-06", "put_on_by": "sub_1", "lapses_at": "2027-01-09T00:00:00Z", "confirmed_by": None, "expires_on": None},
    **{"lifted_on": None, "lifted_reason": None},
}
LOTS = [
    {"lot": lot, "product": "gallium-4n", "depot": "Fremantle", "units": units, "nominal_unit_g": 100_000}
    for lot, units in ((LOT, 5), ("lot_01kb0000000000000000000001", 7))
]
DRAWS = [
    {"draw": f"drw_{lot}", "product": "gallium-4n", "partner": "JP", "mass_g": 300_000, "parcels": [{"lot": lot, "depot": "Fremantle"}]}
    for lot in (LOT, "lot_01kb0000000000000000000001")
]


async def test_a_press_says_what_it_is_and_a_lift_is_recorded_by_who_has_said_that_they_read_what_moves(folder: Path) -> None:
    taken: list[tuple[str, Any]] = []
    app = FastAPI()
    rows = {"holds": [HELD], "releases": [], "draws": DRAWS, "lots": LOTS, "proposals": []}

    @app.get("/v1/{name}")
    async def listed(name: str) -> Any:
        return {"data": rows[name], "next": None}

    @app.post("/v1/{path:path}")
    async def take(request: Request, path: str) -> Response:
        taken.append((path, await request.json()))
        return JSONResponse({"hold": HOLD, "products": ["gallium-4n"], "proposal": PROPOSAL})

    async with serving(app) as url, a_setting(folder, url) as setting:
        await setting.sign_in("operator-1")
        pressed = await setting.post("/holds", scope="lot", target=LOT, key="key_1")
        assert pressed.headers["location"].endswith(f"/console/holds/{HOLD}")
        assert taken == [("holds", {"scope": "lot", "target": LOT, "reason": REASON, "authority": AUTHORITY})]
        held = text_of(await setting.get(f"/holds/{HOLD}"))
        assert "1 draw that waits for dispatch, 300 kg" in held and "500 kg of gallium-4n in Fremantle" in held and "700 kg" not in held
        shown = await setting.post(f"/holds/{HOLD}/lift", reason="it is dry")
        assert "500 kg of gallium-4n in Fremantle" in text_of(shown) and len(taken) == 1
        form = sent_by(shown)[1]
        unread = await setting.post(f"/holds/{HOLD}/lift", **{name: form[name] for name in ("reason", "key")}, step="record")
        assert "I have read what will move" in text_of(unread) and len(taken) == 1
        done = await setting.post(f"/holds/{HOLD}/lift", **form | {"step": "record", "sure": "yes"})
        assert done.headers["location"].endswith(f"/console/proposals/inventory/{PROPOSAL}")
        assert taken[1:] == [(f"holds/{HOLD}/lift", {"reason": "it is dry"})]


async def test_nothing_is_lifted_while_what_would_move_is_not_known(folder: Path) -> None:
    app = FastAPI()

    @app.get("/v1/holds")
    async def listed() -> Any:
        return {"data": [HELD], "next": None}

    async with serving(app) as url, a_setting(folder, url) as setting:
        await setting.sign_in("operator-1")
        assert "Lift" in text_of(await setting.get(f"/holds/{HOLD}"))  # the hold is there; the panel says what is not
        shown = await setting.post(f"/holds/{HOLD}/lift", reason="it is dry")
        assert shown.status_code == 404 and "I have read" not in text_of(shown)
