"""Material loans as they are served: allocation, inventory and loans on the real PostgreSQL and Kafka, from a request to the last gram."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.demo.instruments import empower
from reserve.demo.registrar import WITNESS
from services.allocation.main import SERVICE as ALLOCATION
from services.inventory.domain.dispatch import ReturnDraw
from services.inventory.events import ReleaseId
from services.inventory.main import SERVICE as INVENTORY
from services.loans.domain.papers import DeferralPaper, MaterialTermsPaper
from services.loans.main import SERVICE as LOANS
from shared.engines.engines import Engines
from tests.contract.allocation_stage import POLICY, PRODUCT, TODAY, Reserve, renamed
from tests.contract.any_order import assert_no_order_matters
from tests.contract.loans_stage import followed
from tests.contract.policy_stage import an_active_policy
from tests.kernel.stage import Running, Stage, a_stage, free_port, until
from tests.stories.stockpile import UNIT_G, lot, register

UNKNOWN = "01jh7qmxw4e0aayfkn3d1a2b3c"
DUE = TODAY + timedelta(days=180)
RETURN_ON = TODAY + timedelta(days=360)
PARTIES = ("operator-1", "approver-1", "admin-1", "auditor-1", "partner-jp", "partner-us")
ASSAY = {"report": "R-1", "laboratory": "AmLab", "assayed_on": str(TODAY), "contents": {"Sb": "0.9965"}, "in_specification": True}
RULING = ASSAY | {"laboratory": "sgs"}
TERMS = {
    "due_on": str(DUE),
    "return_place": "Kwinana",
    "premium": {"base_pct": "1", "step_pct": "0.5", "step_days": 30},
    "splitting_limit": "0.002",
    "security": {"kind": "letter_of_credit", "value_minor": 500_000_000, "haircut": "1/10", "required_cover": "1.1"},
    "deferral_conditions": ["supply_disruption"],
    "cash_basis": "Fastmarkets MB-SB-0001",
}
GOODS = {
    "product": PRODUCT,
    "depot": "Kwinana",
    "units": 1,
    "nominal_unit_g": UNIT_G,
    "origin": "JP",
    "custody_model": "segregated",
    "assay": ASSAY,
    "received_on": str(TODAY),
}


class Lending:
    """The Reserve, with loans beside allocation and inventory."""

    def __init__(self, reserve: Reserve, loans: Running, clients: dict[str, httpx.AsyncClient]) -> None:
        self.reserve = reserve
        self.loans = loans
        self.clients = clients

    async def post(self, path: str, body: Any = None, who: str = "operator-1") -> Any:
        answer = await self.clients[who].post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
        assert answer.is_success, answer.text
        return answer.json()

    async def refused(self, path: str, body: Any = None, who: str = "operator-1") -> tuple[int, str]:
        answer = await self.clients[who].post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
        return answer.status_code, answer.json()["code"]

    async def get(self, path: str, who: str = "operator-1") -> Any:
        answer = await self.clients[who].get(path)
        assert answer.is_success, answer.text
        return answer.json()

    async def loan(self, loan: str, **wanted: Any) -> Any:
        """The loan, once it stands so."""

        async def reached() -> Any:
            answer = await self.clients["operator-1"].get(f"/v1/material-loans/{loan}")
            found = answer.json()
            return found if answer.is_success and wanted.items() <= found.items() else None

        return await until(reached)

    async def awarded(self, units: int) -> str:
        """A loan of so many units to JP: requested, awarded and offered."""
        reserve = self.reserve
        body = {
            "product": PRODUCT,
            "mass_g": units * UNIT_G,
            "daily_consumption_g": UNIT_G,
            "needed_by": str(TODAY + timedelta(days=60)),
            "nominee": "Sojitz",
            "consignee": "Toyo Logistics",
            "end_user": "Kyushu Smelting",
            "end_use": "flame retardants",
            "kind": "loan",
            "return_on": str(RETURN_ON),
        }
        request: str = (await reserve.post("partner-jp", "/v1/requests", body))["request"]
        await reserve.post("operator-1", f"/v1/requests/{request}/accept", {"accepted_g": units * UNIT_G, "reasons": ["a disruption"]})
        round: str = (await reserve.post("operator-1", "/v1/rounds", {"product": PRODUCT, "requests": [request], "policy": POLICY}))[
            "round"
        ]
        await reserve.propose(round, units)
        await reserve.approve(round)
        await reserve.certify(round)
        await reserve.status(round, "released")
        loan = f"mln_{request.removeprefix('req_')}"
        await self.loan(loan, status="offered")
        return loan

    async def sign(self, path: str, document: str, purpose: str = MaterialTermsPaper.purpose) -> Any:
        return await self.post(path, self.reserve.signed(document, purpose), "approver-1")

    async def by_two(self, path: str, body: Any, who: str = "operator-1") -> Any:
        """What one person proposes, and the approver signs."""
        proposed = await self.post(path, body, who)
        return await self.sign(f"/v1/proposals/{proposed['proposal']}/approvals", proposed["document"], "command")

    async def agree(self, loan: str, **changes: Any) -> None:
        proposed = await self.post(f"/v1/material-loans/{loan}/terms", TERMS | changes)
        await self.sign(f"/v1/material-loans/{loan}/approvals", proposed["document"])

    async def draw(self, loan: str, units: int) -> httpx.Response:
        """As inventory answers."""
        return await self.reserve.inventory.post(f"/v1/releases/{_release(loan)}/draws", {"mass_g": units * UNIT_G})

    async def drawn(self, loan: str, units: int) -> str:
        """Once its gate is open."""

        async def done() -> Any:
            answer = await self.draw(loan, units)
            return answer.json() if answer.is_success else None

        draw: str = (await until(done))["draw"]
        return draw

    async def lent(self, units: int) -> tuple[str, str]:
        """A loan that is drawn, and the draw."""
        loan = await self.awarded(units)
        await self.agree(loan)
        await self.loan(loan, status="committed")
        draw = await self.drawn(loan, units)
        await self.loan(loan, status="lent", undrawn_g=0)
        return loan, draw


def lent_by(loan: str) -> str:
    return f"awd_{loan.removeprefix('mln_')}"


def _release(loan: str) -> ReleaseId:
    return ReleaseId(f"rel_{loan.removeprefix('mln_')}")


@pytest.fixture(scope="module")
async def lending(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lending]:
    async with AsyncExitStack() as stack:
        stage: Stage = await stack.enter_async_context(a_stage(servers, tmp_path_factory.mktemp("material")))
        names = {name: stage.name(name) for name in ("inventory", "allocation", "loans")}
        services = [renamed(service, names) for service in (INVENTORY, ALLOCATION, LOANS)]
        stage.urls |= {name: f"http://127.0.0.1:{free_port()}" for name in names.values()}
        inventory, allocation, loans = [await stack.enter_async_context(stage.serving(service)) for service in services]
        at = {
            name: {who: await stack.enter_async_context(stage.client(stage.urls[names[name]], who)) for who in PARTIES}
            for name in ("allocation", "loans")
        }
        reserve = Reserve(stage, inventory, allocation, at["allocation"])
        lending = Lending(reserve, loans, at["loans"])
        await _begin(lending)
        yield lending


async def _begin(lending: Lending) -> None:
    reserve = lending.reserve
    await reserve.happen(register(), lot(units=400))

    async def stock() -> bool:
        return bool(await reserve.get("operator-1", "/v1/stock"))

    await until(stock)
    await reserve.post("admin-1", "/v1/partners", {"partner": "JP", "name": "Japan"})
    await reserve.registrar.enrol(WITNESS, Ed25519PrivateKey.generate())
    await reserve.registrar.enrol(reserve.subject("approver-1"), reserve.key)
    [delegation] = await empower(reserve.register, {reserve.subject("approver-1"): "approver"})
    await until(lambda: lending.loans.kernel.pool.fetchval("SELECT true FROM authorities WHERE id = $1", delegation))
    await reserve.agree("JP")
    await an_active_policy(reserve, POLICY)
    limits = [
        {"key": "total", "limit_minor": 10**12},
        {"key": "partner/JP", "parent": "total", "limit_minor": 10**9},
    ]
    await lending.by_two("/v1/facilities", {"facility": "lending", "limits": limits, "authority": "a direction"}, "admin-1")
    registered = {"laboratory": "sgs", "name": "SGS", "owner": "independent", "accredited_until": str(DUE)}
    await lending.by_two("/v1/laboratories", registered, "admin-1")
    rate = {"asset": "contained/Sb", "rate": "4.8", "quoted_on": str(TODAY), "source": "Fastmarkets"}
    await lending.by_two("/v1/facilities/lending/rates", rate)


async def test_a_loan_is_drawn_deferred_returned_in_part_rejected_and_closed(lending: Lending):
    loan = await lending.awarded(2)
    path = f"/v1/material-loans/{loan}"
    answer = await lending.draw(loan, 2)
    assert (answer.status_code, answer.json()["code"]) == (409, "loan_not_committed")
    release = (await lending.reserve.inventory.http.get(f"/v1/releases/{_release(loan)}")).json()
    assert release["loan"] == {"award": lent_by(loan), "return_on": str(RETURN_ON), "committed": None}
    await lending.agree(loan)
    committed = await lending.loan(loan, status="committed")
    assert (committed["committed_g"], committed["element"], committed["due_on"]) == (9_965_000, "Sb", str(DUE))
    await lending.drawn(loan, 2)
    release = (await lending.reserve.inventory.http.get(f"/v1/releases/{_release(loan)}")).json()
    assert committed["document"] in release["loan"]["committed"]
    lent = await lending.loan(loan, status="lent", undrawn_g=0)
    assert (lent["lent_g"], lent["out_g"], lent["owed_g"]) == (9_965_000, 9_965_000, 10_064_650)

    premium = await lending.get(f"{path}/premium?on={TODAY + timedelta(days=45)}", "partner-jp")
    assert (premium["principal_g"], premium["owed_g"], premium["tranches"][0]["factor"]) == (9_965_000, 10_164_300, "51/50")
    assert "ceil" in premium["formula"] and "1,020,000" in premium["example"]

    later = str(DUE + timedelta(days=60))
    asked = {"condition": "supply_disruption", "evidence": "notice 7", "due_on": later}
    deferral = await lending.post(f"{path}/deferrals", asked, "partner-jp")
    await lending.sign(f"{path}/deferrals/{deferral['deferral']}/approvals", deferral["document"], DeferralPaper.purpose)
    deferred = await lending.loan(loan, due_on=later)
    assert deferred["owed_g"] == 10_164_300, "a further 1%"

    poor = await lending.post(f"{path}/returns", GOODS)
    bad = await lending.by_two(f"{path}/returns/{poor['returned']}/assays", RULING | {"in_specification": False})
    assert followed(bad, "return_rejected") and (await lending.loan(loan))["pending_g"] == 0

    back = await lending.post(f"{path}/returns", GOODS | {"units": 2})
    assert (await lending.loan(loan))["pending_g"] == back["pending_g"] == 9_965_000
    signed = await lending.by_two(f"{path}/returns/{back['returned']}/assays", RULING | {"contents": {"Sb": "0.9975"}})
    settled = followed(signed, "return_settled")
    assert (settled["basis"], settled["contained_g"]) == ("mean", 9_970_000)
    part = await lending.loan(loan, returned_g=9_970_000)
    assert (part["status"], part["pending_g"], part["premium_g"]) == ("lent", 0, 9_970_000 - 9_970_000 * 50 // 51)

    last = await lending.post(f"{path}/returns", GOODS)
    await lending.by_two(f"{path}/returns/{last['returned']}/assays", RULING)
    closed = await lending.loan(loan, status="closed")
    assert (closed["out_g"], closed["owed_g"]) == (0, 0)
    assert closed["returned_g"] == 9_965_000 + closed["premium_g"] + closed["excess_g"]

    history = (await lending.get(f"{path}/history?limit=200", "partner-jp"))["data"]
    assert [line["kind"] for line in history][:3] == ["material_loan_offered", "material_terms_proposed", "material_terms_approved"]
    assert history[-1]["kind"] == "material_loan_closed"
    taken_in = (await lending.get(f"{path}/returns/{back['returned']}", "partner-jp"))["taken_in_as"]
    stockpile, _ = await lending.reserve.inventory.kernel.writer.state(f"stockpile/{PRODUCT}")
    assert stockpile.lots[taken_in].units == 2

    async def freed() -> bool:
        commitments = (await lending.get("/v1/facilities/lending/commitments"))["data"]
        return loan not in {row["commitment"] for row in commitments}

    await until(freed)


async def test_a_loan_beyond_the_partners_limit_is_refused_and_may_be_withdrawn(lending: Lending):
    loan = await lending.awarded(50)
    await lending.agree(loan)
    refused = await lending.loan(loan, status="offered", approval=None)
    assert refused["reason"].startswith("limit_exceeded")
    path = f"/v1/material-loans/{loan}/withdraw"
    proposed = await lending.post(path, {"reason": "too much"})
    assert (proposed["act"], proposed["status"]) == ("cancel_release", "proposed")
    assert (await lending.loan(loan))["status"] == "offered", "two have signed the award: one takes nothing back"
    await lending.sign(f"/v1/proposals/{proposed['proposal']}/approvals", proposed["document"], "command")

    async def gone() -> bool:
        state, _ = await lending.reserve.inventory.kernel.writer.state(f"stockpile/{PRODUCT}")
        return _release(loan) not in state.releases

    await until(gone)
    assert (await lending.loan(loan, status="withdrawn"))["reason"] == "too much"


async def test_a_draw_that_never_left_is_not_owed(lending: Lending):
    loan, draw = await lending.lent(1)
    await lending.reserve.happen(ReturnDraw(draw=draw, reason="no truck"))
    closed = await lending.loan(loan, status="closed")
    assert (closed["lent_g"], closed["out_g"], closed["reason"]) == (0, 0, "never_drawn")


async def test_a_partner_finds_its_own_loans_only(lending: Lending):
    loan = await lending.awarded(1)
    own = {row["loan"] for row in (await lending.get("/v1/material-loans?limit=200", "partner-jp"))["data"]}
    assert loan in own
    assert (await lending.get("/v1/material-loans", "partner-us"))["data"] == []
    for path in ("", "/history", "/premium", "/terms", "/returns", f"/returns/mrt_{UNKNOWN}", "/deferrals"):
        answer = await lending.clients["partner-us"].get(f"/v1/material-loans/{loan}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "material_loan_not_found"), path
    asked = {"condition": "supply_disruption", "evidence": "x", "due_on": str(RETURN_ON)}
    assert await lending.refused(f"/v1/material-loans/{loan}/deferrals", asked, "partner-us") == (404, "material_loan_not_found")
    assert await lending.refused(f"/v1/material-loans/{loan}/terms", TERMS, "partner-jp") == (403, "forbidden")


async def test_a_return_that_never_came_is_taken_back_by_two(lending: Lending):
    loan, _ = await lending.lent(1)
    returned = (await lending.post(f"/v1/material-loans/{loan}/returns", GOODS | {"units": 2}))["returned"]
    assert await lending.refused(f"/v1/material-loans/{loan}/returns", GOODS) == (422, "return_exceeds_owed")
    done = await lending.by_two(f"/v1/material-loans/{loan}/returns/{returned}/withdraw", {"reason": "no truck came"})
    assert done["status"] == "approved"
    [row] = (await lending.get(f"/v1/material-loans/{loan}/returns", "partner-jp"))["data"]
    assert (row["status"], row["reason"]) == ("turned_back", "never_came: two people have taken it back")
    await lending.post(f"/v1/material-loans/{loan}/returns", GOODS)


async def test_what_settles_a_return_is_registered_and_neither_partys(lending: Lending):
    loan, _ = await lending.lent(1)
    returned = (await lending.post(f"/v1/material-loans/{loan}/returns", GOODS))["returned"]
    assays = f"/v1/material-loans/{loan}/returns/{returned}/assays"
    assert await lending.refused(assays, ASSAY) == (422, "laboratory_not_registered")
    other = {"laboratory": "harbour", "name": "Harbour", "owner": "partner/JP", "accredited_until": str(DUE)}
    proposed = await lending.post("/v1/laboratories", other, "admin-1")
    assert await lending.refused(assays, RULING | {"laboratory": "harbour"}) == (422, "laboratory_not_registered"), "it waits for another"
    await lending.sign(f"/v1/proposals/{proposed['proposal']}/approvals", proposed["document"], "command")
    assert await lending.refused(assays, RULING | {"laboratory": "harbour"}) == (422, "laboratory_of_a_party")
    await lending.by_two("/v1/laboratories", other | {"owner": "reserve"}, "admin-1")
    assert await lending.refused(assays, RULING | {"laboratory": "harbour"}) == (422, "laboratory_of_a_party")
    sisters = {"group": "mines", "members": ["borrower/sister", "partner/JP"], "facilities": ["lending"], "reason": "one holds the other"}
    await lending.by_two("/v1/groups", sisters, "admin-1")
    await lending.by_two("/v1/laboratories", other | {"owner": "borrower/sister"}, "admin-1")
    assert await lending.refused(assays, RULING | {"laboratory": "harbour"}) == (422, "laboratory_of_a_party"), (
        "connected with the borrower"
    )
    await lending.by_two("/v1/laboratories", other | {"owner": "independent", "name": "AmLab"}, "admin-1")
    assert await lending.refused(assays, RULING | {"laboratory": "harbour"}) == (422, "laboratory_asked_before")

    await lending.by_two("/v1/laboratories", other | {"owner": "independent"}, "admin-1")
    proposed = await lending.post(assays, RULING | {"laboratory": "harbour"})
    ended = await lending.post("/v1/laboratories/harbour/end", {"reason": "its accreditation is suspended"})
    assert (ended["ended_on"], ended["ended_because"]) == (str(TODAY), "its accreditation is suspended")
    assert (await lending.get("/v1/laboratories/harbour", "partner-jp")) == ended
    signed = lending.reserve.signed(proposed["document"], "command")
    refused = await lending.refused(f"/v1/proposals/{proposed['proposal']}/approvals", signed, "approver-1")
    assert refused == (409, "laboratory_changed"), "what was in force when it was proposed counts no longer"
    assert (await lending.get(f"/v1/material-loans/{loan}/returns/{returned}"))["status"] == "received"
    assert {"sgs", "harbour"} == {row["laboratory"] for row in (await lending.get("/v1/laboratories"))["data"]}


async def test_what_cannot_be_is_refused_and_changes_nothing(lending: Lending):
    loan, _ = await lending.lent(1)
    path = f"/v1/material-loans/{loan}"
    before = await lending.loan(loan)
    cases: list[tuple[str, Any, tuple[int, str]]] = [
        (f"{path}/terms", TERMS, (409, "material_terms_agreed_already")),
        (f"{path}/withdraw", {"reason": "x"}, (409, "material_loan_is_committed")),
        (f"{path}/returns", GOODS | {"product": "gallium-7n"}, (422, "return_of_another_product")),
        (f"{path}/returns", GOODS | {"depot": "Townsville"}, (422, "return_at_another_place")),
        (f"{path}/returns", GOODS | {"units": 3}, (422, "return_exceeds_owed")),
        (f"{path}/returns", GOODS | {"received_on": str(TODAY + timedelta(days=1))}, (422, "date_in_future")),
        (f"{path}/returns", GOODS | {"received_on": str(TODAY - timedelta(days=1))}, (422, "date_before_loan")),
        (f"{path}/returns", GOODS | {"units": 0}, (422, "invalid_request")),
        (f"{path}/returns", GOODS | {"assay": ASSAY | {"contents": {"Ga": "1"}}}, (422, "element_not_assayed")),
        (f"{path}/returns/mrt_{UNKNOWN}/assays", ASSAY, (404, "return_not_found")),
        (f"{path}/deferrals", {"condition": "whim", "evidence": "x", "due_on": str(RETURN_ON)}, (422, "deferral_condition_unknown")),
        (f"{path}/security/marks", {"price_minor": "0", "quoted_on": str(TODAY), "source": "x"}, (422, "invalid_request")),
        (f"{path}/default", {"reason": "x"}, (409, "material_loan_not_overdue")),
        (f"{path}/replacements", {"bought_g": 1, "cost_minor": 1, "source": "x"}, (409, "material_loan_not_defaulted")),
        (f"/v1/material-loans/mln_{UNKNOWN}/terms", TERMS, (404, "material_loan_not_found")),
        (f"/v1/material-loans/mln_{UNKNOWN}/cash-settlement", CASH, (404, "material_loan_not_found")),
    ]
    for where, body, expected in cases:
        assert await lending.refused(where, body) == expected, (where, body)
    assert await lending.loan(loan) == before
    key = Ed25519PrivateKey.generate()
    offered = await lending.awarded(1)
    proposed = await lending.post(f"/v1/material-loans/{offered}/terms", TERMS)
    forged = lending.reserve.signed(proposed["document"], MaterialTermsPaper.purpose, key=key)
    assert await lending.refused(f"/v1/material-loans/{offered}/approvals", forged, "approver-1") == (404, "approver_key_not_found")


async def test_a_request_for_a_loan_says_when_it_comes_back_and_a_sale_does_not(lending: Lending):
    body = {
        "product": PRODUCT,
        "mass_g": UNIT_G,
        "daily_consumption_g": UNIT_G,
        "needed_by": str(TODAY + timedelta(days=60)),
        "nominee": "Sojitz",
        "consignee": "Toyo Logistics",
        "end_user": "Kyushu Smelting",
        "end_use": "flame retardants",
    }
    for wrong in ({"kind": "loan"}, {"return_on": str(RETURN_ON)}, {"kind": "loan", "return_on": str(TODAY + timedelta(days=60))}):
        assert await lending.reserve.refused("partner-jp", "/v1/requests", body | wrong) == (422, "return_day_invalid"), wrong
    asked = await lending.reserve.post("partner-jp", "/v1/requests", body | {"kind": "loan", "return_on": str(RETURN_ON)})
    assert (asked["kind"], asked["return_on"]) == ("loan", str(RETURN_ON))
    seen = await lending.reserve.get("partner-jp", f"/v1/requests/{asked['request']}")
    assert seen == asked | {"clock": None}  # it was not accepted yet


CASH = {"price_minor": "100", "source": "Fastmarkets MB-SB-0001", "reference": "wire 12"}


async def test_security_is_called_and_cash_settles(lending: Lending):
    loan, _ = await lending.lent(1)
    path = f"/v1/material-loans/{loan}"
    mark = {"price_minor": "100", "quoted_on": str(TODAY), "source": "Fastmarkets"}
    called = followed(await lending.by_two(f"{path}/security/marks", mark), "security_marked")
    assert called["call_minor"] == called["required_minor"] - 450_000_000 > 0
    more = {"amount_minor": 200_000_000, "reference": "LC 2"}
    topped = followed(await lending.by_two(f"{path}/security/top-ups", more), "security_topped_up")
    assert topped["call_minor"] == max(0, called["call_minor"] - 180_000_000)
    settlement, before = f"{path}/cash-settlement", await lending.loan(loan)
    assert await lending.refused(settlement, CASH | {"source": "my own"}) == (409, "cash_basis_of_the_terms")
    assert await lending.refused(settlement, CASH | {"price_minor": "0.0001"}) == (422, "price_implausible")
    assert await lending.loan(loan) == before
    paid = followed(await lending.by_two(settlement, CASH), "material_cash_settled")
    assert paid["amount_minor"] == (paid["principal_g"] + paid["premium_g"]) * 100
    assert (await lending.loan(loan, status="closed"))["reason"] == "cash_settled"


async def test_whichever_shard_is_read_first_the_tables_are_the_same(lending: Lending):
    await assert_no_order_matters(lending.reserve.stage, lending.loans, lending.reserve.allocation, lending.reserve.inventory)
