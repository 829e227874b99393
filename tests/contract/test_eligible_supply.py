"""Who may have of which lots, over HTTP and on to inventory: a partner that excludes an origin is released from other lots, and from these
alone."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.inventory.domain.draws import DrawStock
from services.inventory.domain.holds import HoldPartner
from services.inventory.domain.state import Stockpile
from services.inventory.events import DrawId, HoldId, LotId
from shared.engines.engines import Engines
from tests.contract.allocation_stage import PRODUCT, TODAY, Reserve, a_reserve
from tests.kernel.stage import context, until
from tests.stories.countersigned import approve
from tests.stories.stockpile import UNIT_G, hold, lot

CHINESE = LotId("lot_cn")


@pytest.fixture(scope="module")
async def reserve(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reserve]:
    """400 Australian units, of which 100 are protected, and 6 Chinese ones."""
    async with a_reserve(servers, tmp_path_factory.mktemp("supply")) as reserve:
        await reserve.happen(lot(CHINESE, 6, origin="CN"))
        await until(lambda: knows(reserve, "SELECT 1 FROM lots WHERE lot = $1", CHINESE))
        yield reserve


async def knows(reserve: Reserve, query: str, *given: Any) -> bool:
    return await reserve.allocation.kernel.pool.fetchval(query, *given) is not None


async def a_round(reserve: Reserve, *requests: str) -> str:
    opened = await reserve.post("operator-1", "/v1/rounds", {"product": PRODUCT, "requests": list(requests), "policy": "standing"})
    round: str = opened["round"]
    return round


async def stockpile(reserve: Reserve) -> Stockpile:
    state, _ = await reserve.inventory.kernel.writer.state(f"stockpile/{PRODUCT}")
    assert isinstance(state, Stockpile)
    return state


async def test_a_partner_that_excludes_an_origin_is_released_from_other_lots_and_draws_no_others(reserve: Reserve):
    choosy = await reserve.accepted_request("partner-jp", 8, excluded_origins=["CN"])
    other = await reserve.accepted_request("partner-us", 8)
    round = await a_round(reserve, choosy, other)
    await reserve.propose(round, 12)
    file = await reserve.get("auditor-1", f"/v1/rounds/{round}/decision")
    pools = {pool["pool"]: pool for pool in file["decision"]["terms"]["pools"]}
    assert pools["lots"]["restricted"] == "of origin CN"
    [barred] = file["holdings"]["content"]["barred"]
    assert (barred["sources"], barred["why"]) == ([CHINESE], "origin CN excluded")
    assert "lot_" not in msgspec.json.encode(await reserve.get("operator-1", f"/v1/rounds/{round}")).decode()
    await reserve.approve(round)
    await reserve.certify(round)
    seen = await reserve.status(round, "released")
    assert sorted((award["partner"], award["mass_g"] // UNIT_G) for award in seen["awards"]) == [("JP", 6), ("US", 6)]

    releases = {release.partner: (name, release) for name, release in (await stockpile(reserve)).releases.items()}
    assert [pin.lot for pin in releases["JP"][1].pins] == ["lot_1"]
    assert {pin.lot: pin.units for pin in releases["US"][1].pins} == {CHINESE: 6}
    draw = DrawStock(draw=DrawId("drw_1"), release=releases["JP"][0], partner="JP", mass_g=2 * UNIT_G, on=releases["JP"][1].expires_on)
    await reserve.happen(draw)
    drawn = (await stockpile(reserve)).draws[DrawId("drw_1")]
    assert {parcel.lot for parcel in drawn.parcels} == {"lot_1"}
    await until(lambda: knows(reserve, "SELECT 1 FROM lots WHERE lot = 'lot_1' AND (units, pinned_units) = (398, 4)"))


async def test_what_is_on_hold_is_offered_to_nobody(reserve: Reserve):
    await reserve.happen(hold("lot", CHINESE, name="hld_cn"))
    await until(lambda: knows(reserve, "SELECT 1 FROM stops WHERE hold = 'hld_cn'"))
    round = await a_round(reserve, await reserve.accepted_request("partner-us", 5))
    await reserve.propose(round, 5)
    file = await reserve.get("auditor-1", f"/v1/rounds/{round}/decision")
    held = {each["source"]: each.get("pool") for each in file["holdings"]["content"]["held"]}
    assert held["lot_1"] == "lots" and held.get(CHINESE) is None


async def test_a_hold_on_a_partner_stops_a_product_that_is_registered_later_and_a_suspension_does_not(reserve: Reserve):
    name = reserve.inventory.kernel.service.name
    async with reserve.stage.client(reserve.stage.urls[name], "operator-1") as inventory:

        async def ask(path: str, body: Any) -> Any:
            answer = await inventory.post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
            assert answer.is_success, answer.text
            return answer.json()

        suspended = HoldPartner(hold=HoldId("hld_suspended"), partner="US", agreement="agr_1", reason="dispute")
        await reserve.happen(suspended)
        put = await ask("/v1/holds", {"scope": "depot", "target": "Fremantle", "reason": "fire", "authority": "Minister"})
        told = {
            "name": "Gallium",
            "contents": {"Ga": "0.9999"},
            "form": "metal",
            "unit": "can",
            "nominal_unit_g": 1000,
            "specification": "4N",
        }
        proposed = await ask("/v1/products", {"product": "gallium", "nominal_unit_g": 1000} | told)
    writer = reserve.inventory.kernel.writer
    signed = approve(TODAY, proposal=proposed["proposal"], document=proposed["document"])
    assert hasattr(await writer.submit("stockpile/gallium", signed, context()), "facts")
    state, _ = await writer.state("stockpile/gallium")
    assert isinstance(state, Stockpile)
    assert {name: held.stops for name, held in state.holds.items()} == {put["hold"]: "depot/Fremantle"}
