"""Opening a round, before a service that takes down what it is sent."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from tests.unit.console.setting import Setting, a_setting, text_of
from tests.unit.edge.setting import serving

ONE, TWO, BUSY = (f"req_01kb000000000000000000000{each}" for each in range(3))
ROUND = "rnd_01kb0000000000000000000000"


def accepted(request: str, product: str, round: str | None) -> dict[str, Any]:
    figures = {"mass_g": 2_500_000, "accepted_g": 1_500_000, "needed_by": "2027-03-01"}
    return {"request": request, "product": product, "partner": "JP", "round": round} | figures


def taking(taken: list[tuple[Any, str]], refused: dict[str, str] | None) -> FastAPI:
    app = FastAPI()
    requests = [accepted(ONE, "gallium-4n", None), accepted(TWO, "gallium-4n", None), accepted(BUSY, "gallium-4n", ROUND)]
    rows: dict[str, list[dict[str, Any]]] = {
        "requests": requests,
        "policies": [{"policy": "gallium-4n", "active": 3}, {"policy": "drafted", "active": None}],
        "disruptions": [],
    }
    app.get("/v1/{what}")(lambda what: {"data": rows[what], "next": None})

    @app.post("/v1/rounds")
    async def take(request: Request) -> Response:
        taken.append((await request.json(), request.headers["idempotency-key"]))
        return JSONResponse({"round": ROUND}, 201) if refused is None else JSONResponse(refused, 409)

    return app


async def post(setting: Setting, requests: list[str], **typed: str) -> Any:
    headers = {"origin": "http://localhost:8000"}
    form = {"product": "gallium-4n", "policy": "gallium-4n", "disruption": ""} | typed
    return await setting.browser.post("/console/rounds/open", data=form | {"request": requests}, headers=headers)


async def test_a_round_is_opened_over_what_was_chosen_once_it_was_shown(folder: Path) -> None:
    taken: list[tuple[Any, str]] = []
    async with serving(taking(taken, None)) as url, a_setting(folder, url) as setting:
        await setting.sign_in("operator-1")
        choosing = await setting.get("/rounds/open")
        assert ONE in choosing.text and TWO in choosing.text and BUSY not in choosing.text and "drafted" not in choosing.text
        shown = await post(setting, [ONE])
        said = text_of(shown)
        assert shown.status_code == 200 and taken == []
        assert "over 1 request:" in said and "JP, 1,500 kg of 2,500 kg" in said and "gallium-4n, version 3" in said and TWO not in said
        done = await post(setting, [ONE], step="record", key="key_01kb0000000000000000000000")
        assert done.headers["location"].endswith(f"/console/rounds/{ROUND}")
    body = {"product": "gallium-4n", "requests": [ONE], "policy": "gallium-4n", "emergency": False}
    assert taken == [(body, "key_01kb0000000000000000000000")]


async def test_what_was_chosen_is_there_again_when_it_is_refused(folder: Path) -> None:
    taken: list[tuple[Any, str]] = []
    refusal = {"code": "request_in_round", "title": "It is in a round", "detail": "already"}
    async with serving(taking(taken, refusal)) as url, a_setting(folder, url) as setting:
        await setting.sign_in("operator-1")
        refused = await post(setting, [TWO], step="record", key="key_01kb0000000000000000000000", emergency="yes")
        assert refused.status_code == 409 and "It is in a round" in text_of(refused) and len(taken) == 1
        assert f'value="{TWO}" checked' in refused.text and f'value="{ONE}">' in refused.text and 'value="yes" checked' in refused.text
        none = await post(setting, [])
        assert none.status_code == 422 and "No request is chosen" in text_of(none)


async def test_nobody_but_an_operator_is_offered_it(folder: Path) -> None:
    async with serving(taking([], None)) as url, a_setting(folder, url) as setting:
        await setting.sign_in("auditor-1")
        page = await setting.get("/rounds/open")
        assert page.status_code == 200 and '<form method="post" action="/console/rounds/open"' not in page.text
        assert "Open a round" not in text_of(await setting.get("/rounds"))
