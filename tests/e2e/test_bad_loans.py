"""Bad input about loans: a problem with its stable code, its field and what would be accepted, and nothing changed."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from tests.documented import listed
from tests.e2e.lending import (
    HOLDINGS,
    LOANS,
    MATERIAL,
    a_project,
    advanced_loan,
    assay_body,
    committed_loan,
    committed_material,
    holding_body,
    lent_material,
    loan_body,
    material_terms,
    open_facilities,
    paid,
    payee_of,
    payment_body,
    proposed_loan,
    requested_advance,
    return_body,
    schedule_body,
    subscribed_holding,
)
from tests.e2e.world import UNIT_G, World
from tests.waiting import HANGS_AFTER_S

MAX_INTEGER = 2**53 - 1
NOBODY = "01jdqz5b7ze3wr1ah7v2v9kxyq"  # an id's second half that nothing has
FACTS = "/loans/v1/projects/hillgrove/facts"
RATES = "/loans/v1/facilities/cmf/rates"
PAYEES = "/loans/v1/payees"
PAYMENTS = LOANS + "/{paid_out}/payments"
RETURNS = MATERIAL + "/{lent}/returns"
UNMET = {
    "name": "offtake",
    "text": "80% sold",
    "condition": {"type": "share_at_least", "part": "offtake", "whole": "output", "share": "4/5"},
}


class Ground(msgspec.Struct, frozen=True):
    """What bad input is thrown at. Each loan is of A$1,200.00."""

    world: World
    http: httpx.AsyncClient
    proposed: str  # waits for its approval
    document: str  # of that proposal
    waiting: str  # a loan whose condition precedent is unmet
    advance: str  # that it waits with
    paid_out: str  # a loan that is advanced in full, with a payment of 20,000
    payment: str
    reference: str  # of that payment
    lent: str  # JP's material loan: two units are out
    product: str  # of that
    undrawn: str  # JP's material loan: nothing of it is out
    holding: str  # 400 of 1,000 shares, for 200,000 of 500,000
    flow: str
    payee: str  # of the loans' borrower

    def fill(self, text: str) -> str:
        return text.format_map({name: getattr(self, name) for name in self.__struct_fields__ if isinstance(getattr(self, name), str)})

    async def sends(self, who: str, path: str, body: Any, **headers: str) -> httpx.Response:
        sent = {
            "Authorization": f"Bearer {await self.world.clients[who].token()}",
            "Idempotency-Key": secrets.token_hex(8),
            "Content-Type": "application/json",
        }
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.http.post(self.fill(path), content=content, headers=sent | headers)


@pytest.fixture(scope="module")
async def ground(world: World) -> AsyncIterator[Ground]:
    await open_facilities(world)
    proposed, document = await proposed_loan(world)
    waiting = await committed_loan(world, precedents=[UNMET])
    advance = await requested_advance(world, waiting, 100_000)
    paid_out, _ = await advanced_loan(world)
    reference = f"bank-{secrets.token_hex(4)}"
    payment = await paid(world, paid_out, 20_000, reference=reference)
    lent, product = await lent_material(world, "JP", 2)
    undrawn, _ = await committed_material(world, "JP", 2)
    holding, flow = await subscribed_holding(world)
    await world.at_rest()
    hooks, base = {"response": [listed]}, world.running.endpoints.base_url
    async with httpx.AsyncClient(base_url=base, timeout=HANGS_AFTER_S, event_hooks=hooks) as http:
        loans = (proposed, document, waiting, advance, paid_out, payment, reference)
        payee = await payee_of(world, "hillgrove-mines")
        yield Ground(world, http, *loans, lent, product, undrawn, holding, flow, payee)


class Bad(msgspec.Struct, frozen=True):
    """`body`: of the ground, or as it is."""

    name: str
    path: str
    body: Callable[[Ground], Any] | Any
    status: int
    code: str
    field: str | None
    who: str = "operator-1"


def a_loan(name: str, code: str, field: str | None, status: int = 422, **changed: Any) -> Bad:
    return Bad(f"a loan {name}", LOANS, lambda ground: loan_body(ground.world, **changed), status, code, field)


def a_schedule(name: str, field: str, code: str = "schedule_invalid", **changed: Any) -> Bad:
    def body(ground: Ground) -> Any:
        return loan_body(ground.world, schedule=schedule_body(ground.world, **changed))

    return Bad(f"a schedule {name}", LOANS, body, 422, code, field)


def a_payment(name: str, code: str, field: str | None, status: int = 422, amount: Any = 1, days: int = 0) -> Bad:
    def body(ground: Ground) -> Any:
        return payment_body(ground.world, amount, received_on=ground.world.in_days(days))

    return Bad(f"a payment {name}", PAYMENTS, body, status, code, field)


def a_return(name: str, code: str, field: str | None, units: int = 1, days: int = 0, **changed: Any) -> Bad:
    def body(ground: Ground) -> Any:
        return return_body(ground.world, ground.product, units, received_on=ground.world.in_days(days)) | changed

    return Bad(f"a return {name}", RETURNS, body, 422, code, field)


def an_act(name: str, content: Callable[[World], Any], status: int, code: str, field: str | None) -> Bad:
    def body(ground: Ground) -> Any:
        return {"content": content(ground.world), "reason": "agreed"}

    return Bad(f"an act {name}", LOANS + "/{waiting}/acts", body, status, code, field)


LOAN_TERMS = [
    a_loan("at a rate below zero", "loan_rate_invalid", "/base_pct", base_pct="-3"),
    a_loan("at 1,000 per cent", "loan_rate_invalid", "/base_pct", base_pct="1000"),
    a_loan("at a rate that is no number", "invalid_request", "/base_pct", base_pct="ten"),
    a_loan("at a rate of JSON's numbers", "invalid_request", "/base_pct", base_pct=10.5),
    a_loan("at a rate over zero", "invalid_request", "/base_pct", base_pct="1/0"),
    a_loan("of nothing", "invalid_request", "/commitment_minor", commitment_minor=0),
    a_loan("of less than nothing", "invalid_request", "/commitment_minor", commitment_minor=-1),
    a_loan("of half a cent", "invalid_request", "/commitment_minor", commitment_minor=0.5),
    a_loan("of more than JSON's integers", "invalid_request", "/commitment_minor", commitment_minor=MAX_INTEGER + 1),
    a_loan("beyond the facility", "limit_exceeded", "/commitment_minor", status=409, commitment_minor=400_000_000_001),
    a_loan("of a facility that there is not", "facility_not_found", "/facility", status=404, facility="nowhere"),
    a_loan("in a currency without a rate", "rate_missing", "/currency", status=409, currency="CHF"),
    a_loan("in what is no currency", "invalid_request", "/currency", currency="francs"),
    a_loan("for no element", "invalid_request", "/elements", elements=[]),
    a_loan("that is available before it may be", "loan_terms_invalid", "/available_until", available_until="2020-01-01"),
    a_loan("with two conditions of one name", "condition_invalid", "/precedents", precedents=[UNMET, UNMET]),
    a_loan(
        "with a condition of a type that there is not",
        "invalid_request",
        "/precedents/0/condition",
        precedents=[UNMET | {"condition": {"type": "ticked"}}],
    ),
]

SCHEDULES = [
    a_schedule("whose balloon is all that was lent", "/schedule/balloon_minor", kind="balloon", balloon_minor=120_001),
    a_schedule("that only ever pays interest", "/schedule/interest_only_periods", interest_only_periods=12),
    a_schedule("whose interest is never paid", "/schedule/capitalised_periods", capitalised_periods=12),
    a_schedule("of no periods", "/schedule/periods", code="invalid_request", periods=0),
    a_schedule("of more periods than there may be", "/schedule/periods", code="invalid_request", periods=1201),
    a_schedule("that steps down to nothing", "/schedule/step", code="invalid_request", kind="step", step="0"),
    a_schedule("by a calendar that there is not", "/schedule", calendar="Atlantis"),
    a_schedule("by an unknown day count", "/schedule/day_count", code="invalid_request", day_count="30E/365"),
    a_schedule("of a kind that there is not", "/schedule/kind", code="invalid_request", kind="whenever"),
]

ADVANCES = [
    Bad(
        "an advance above the commitment",
        LOANS + "/{waiting}/advances",
        {"amount_minor": 120_001, "purpose": "p"},
        409,
        "advance_beyond_commitment",
        "/amount_minor",
    ),
    Bad(
        "an advance above what is left of it",
        LOANS + "/{waiting}/advances",
        {"amount_minor": 20_001, "purpose": "p"},
        409,
        "advance_beyond_commitment",
        "/amount_minor",
    ),
    Bad(
        "an advance of nothing", LOANS + "/{waiting}/advances", {"amount_minor": 0, "purpose": "p"}, 422, "invalid_request", "/amount_minor"
    ),
    Bad(
        "an advance whose condition is unmet",
        LOANS + "/{waiting}/advances/{advance}/pay",
        lambda ground: {"payee": ground.payee, "paid_on": ground.world.in_days(0)},
        409,
        "conditions_unmet",
        None,
    ),
    Bad(
        "an advance that nobody asked for",
        LOANS + f"/{{waiting}}/advances/adv_{NOBODY}/pay",
        lambda ground: {"payee": ground.payee, "paid_on": ground.world.in_days(0)},
        404,
        "advance_not_found",
        "path:advance",
    ),
    Bad(
        "an advance on a payee that nobody has registered",
        LOANS + "/{waiting}/advances/{advance}/pay",
        lambda ground: {"payee": f"pye_{NOBODY}", "paid_on": ground.world.in_days(0)},
        404,
        "payee_not_found",
        "/payee",
    ),
    Bad(
        "an advance on no payee",
        LOANS + "/{waiting}/advances/{advance}/pay",
        lambda ground: {"paid_on": ground.world.in_days(0)},
        422,
        "invalid_request",
        "/payee",
    ),
    Bad(
        "a payee that nobody has registered, ended",
        f"{PAYEES}/pye_{NOBODY}/end",
        {"reason": "not theirs"},
        404,
        "payee_not_found",
        "path:payee",
    ),
    Bad("a payee without an account", PAYEES, {"borrower": "b", "holder": "b", "bank": "b"}, 422, "invalid_request", "/account"),
    Bad(
        "a payee whose account is no number",
        PAYEES,
        {"borrower": "b", "holder": "b", "bank": "b", "account": "the usual one"},
        422,
        "invalid_request",
        "/account",
    ),
    Bad(
        "an advance of a loan that is only proposed",
        LOANS + "/{proposed}/advances",
        {"amount_minor": 1, "purpose": "p"},
        409,
        "loan_status",
        None,
    ),
    Bad(
        "an advance that its borrower pays out",
        LOANS + "/{waiting}/advances/{advance}/pay",
        lambda ground: {"payee": ground.payee, "paid_on": ground.world.in_days(0)},
        403,
        "forbidden",
        None,
        who="borrower-hillgrove",
    ),
]

MONEY = [
    a_payment("of nothing", "invalid_request", "/amount_minor", amount=0),
    a_payment("of less than nothing", "invalid_request", "/amount_minor", amount=-20_000),
    a_payment("of half a cent", "invalid_request", "/amount_minor", amount=0.5),
    a_payment("of more than JSON's integers", "invalid_request", "/amount_minor", amount=MAX_INTEGER + 1),
    a_payment("from before the loan", "date_before_loan", "/received_on", days=-1),
    a_payment("of tomorrow", "date_in_future", "/received_on", days=1),
    Bad(
        "a reference twice",
        PAYMENTS,
        lambda ground: payment_body(ground.world, 20_000, reference=ground.reference),
        409,
        "payment_reference_used",
        "/reference",
    ),
    Bad(
        "a payment that is reconciled by who has recorded it",
        PAYMENTS + "/{payment}/reconcile",
        {"statement": "2026/1"},
        403,
        "payment_reconciled_by_same_person",
        None,
    ),
    Bad("a payment that is in no statement", PAYMENTS + "/{payment}/reconcile", {}, 422, "invalid_request", "/statement"),
    Bad(
        "a payment of no loan",
        f"{LOANS}/lon_{NOBODY}/payments",
        lambda ground: payment_body(ground.world, 1),
        404,
        "loan_not_found",
        "path:loan",
    ),
    Bad(
        "a payment of a loan that is only proposed",
        LOANS + "/{proposed}/payments",
        lambda ground: payment_body(ground.world, 1),
        409,
        "loan_status",
        None,
    ),
    Bad(
        "a payment that its borrower records",
        PAYMENTS,
        lambda ground: payment_body(ground.world, 1),
        403,
        "forbidden",
        None,
        who="borrower-hillgrove",
    ),
    Bad("a reversal of no payment", PAYMENTS + f"/pay_{NOBODY}/reverse", {"reason": "r"}, 404, "payment_not_found", "path:payment"),
    Bad(
        "a recovery of a loan that is not in default",
        LOANS + "/{paid_out}/recoveries",
        lambda ground: {name: value for name, value in payment_body(ground.world, 1).items() if name != "prepays"},
        409,
        "loan_status",
        None,
    ),
    Bad(
        "a rate below zero from today",
        LOANS + "/{paid_out}/rates",
        lambda ground: {"base_pct": "-20", "source": "s", "from_on": ground.world.in_days(0)},
        422,
        "loan_rate_invalid",
        "/base_pct",
    ),
    Bad(
        "a rate from before the loan",
        LOANS + "/{paid_out}/rates",
        lambda ground: {"base_pct": "5", "source": "s", "from_on": ground.world.in_days(-1)},
        422,
        "date_before_loan",
        "/from_on",
    ),
    Bad(
        "another rate for one that is fixed",
        LOANS + "/{paid_out}/rates",
        lambda ground: {"base_pct": "4", "source": "s", "from_on": ground.world.in_days(0)},
        409,
        "loan_rate_fixed",
        "/base_pct",
    ),
    Bad(
        "a fee from before the loan",
        LOANS + "/{paid_out}/fees",
        lambda ground: {"text": "t", "amount_minor": 1, "due_on": ground.world.in_days(-1)},
        422,
        "date_before_loan",
        "/due_on",
    ),
    Bad("the close of a loan that is owed", LOANS + "/{paid_out}/close", {"reason": "r"}, 409, "loan_still_owed", None),
    Bad(
        "a ratio that no covenant asks for",
        LOANS + "/{paid_out}/ratios",
        lambda ground: {"kind": "dscr", "ratio": "1.4", "for_on": ground.world.in_days(0), "source": "s"},
        404,
        "covenant_not_found",
        "/kind",
    ),
    Bad(
        "more cancelled than is left",
        LOANS + "/{paid_out}/cancel-commitment",
        {"amount_minor": 1, "reason": "r"},
        409,
        "nothing_to_cancel",
        "/amount_minor",
    ),
]

ACTS = [
    an_act("waives no condition of it", lambda world: {"type": "waive_condition", "name": "weather"}, 404, "condition_not_found", "/name"),
    an_act(
        "waives no covenant of it",
        lambda world: {"type": "waive_covenant", "kind": "llcr", "until": world.in_days(9)},
        404,
        "covenant_not_found",
        "/kind",
    ),
    an_act(
        "writes off what is not owed",
        lambda world: {"type": "write_off", "amount_minor": 1, "on": world.in_days(0)},
        409,
        "write_off_beyond_owed",
        "/amount_minor",
    ),
    an_act(
        "sets a rate below zero",
        lambda world: {"type": "restructure", "schedule": schedule_body(world), "rate_pct": "-1"},
        422,
        "loan_rate_invalid",
        "/rate_pct",
    ),
    an_act(
        "sets a schedule that never amortises",
        lambda world: {"type": "restructure", "schedule": schedule_body(world, interest_only_periods=12)},
        422,
        "schedule_invalid",
        "/schedule/interest_only_periods",
    ),
]

RETURNED = [
    a_return("of another product", "return_of_another_product", "/product", product="antimony-oxide"),
    a_return("at another place", "return_at_another_place", "/depot", depot="Rotterdam"),
    a_return("of more than was lent", "return_exceeds_owed", "/units", units=4),
    a_return("of no units", "invalid_request", "/units", units=0),
    a_return("from before it was lent", "date_before_loan", "/received_on", days=-1),
    a_return("of tomorrow", "date_in_future", "/received_on", days=1),
    a_return("with fewer serials than units", "serials_do_not_match_units", "/serials", units=2, serials=["S-1"]),
    Bad(
        "a return whose assay does not say what is owed",
        RETURNS,
        lambda ground: return_body(ground.world, ground.product, 1, assay=assay_body(ground.world, contents={"As": "0.001"})),
        422,
        "element_not_assayed",
        "/assay/contents",
    ),
    Bad(
        "a return of what was not drawn",
        MATERIAL + "/{undrawn}/returns",
        lambda ground: return_body(ground.world, ground.product, 1),
        409,
        "nothing_lent",
        None,
    ),
    Bad(
        "an assay of no return",
        RETURNS + f"/mrt_{NOBODY}/assays",
        lambda ground: assay_body(ground.world),
        404,
        "return_not_found",
        "path:returned",
    ),
    Bad(
        "a deferral on a condition that the terms do not name",
        MATERIAL + "/{lent}/deferrals",
        lambda ground: {"condition": "bad_weather", "evidence": "e", "due_on": ground.world.in_days(300)},
        422,
        "deferral_condition_unknown",
        "/condition",
    ),
    Bad(
        "a deferral to an earlier day",
        MATERIAL + "/{lent}/deferrals",
        lambda ground: {"condition": "supply_disruption", "evidence": "e", "due_on": ground.world.in_days(10)},
        422,
        "deferral_not_later",
        "/due_on",
    ),
    Bad(
        "terms for what is lent already",
        MATERIAL + "/{lent}/terms",
        lambda ground: material_terms(ground.world),
        409,
        "material_terms_agreed_already",
        None,
    ),
    Bad(
        "a mark at a price of tomorrow",
        MATERIAL + "/{lent}/security/marks",
        lambda ground: {"price_minor": "50", "quoted_on": ground.world.in_days(1), "source": "s"},
        422,
        "date_in_future",
        "/quoted_on",
    ),
    Bad(
        "a settlement at a price of nothing",
        MATERIAL + "/{lent}/cash-settlement",
        {"price_minor": "0", "source": "s", "reference": "r"},
        422,
        "invalid_request",
        "/price_minor",
    ),
    Bad("a default before the day", MATERIAL + "/{lent}/default", {"reason": "r"}, 409, "material_loan_not_overdue", None),
    Bad(
        "a settlement at a price of one's own",
        MATERIAL + "/{lent}/cash-settlement",
        {"price_minor": "50", "source": "s", "reference": "r"},
        409,
        "cash_basis_of_the_terms",
        "/source",
    ),
    Bad(
        "a replacement without a default",
        MATERIAL + "/{lent}/replacements",
        {"bought_g": 1, "cost_minor": 1, "source": "s"},
        409,
        "material_loan_not_defaulted",
        None,
    ),
    Bad(
        "another partner's deferral",
        MATERIAL + "/{lent}/deferrals",
        lambda ground: {"condition": "supply_disruption", "evidence": "e", "due_on": ground.world.in_days(300)},
        404,
        "material_loan_not_found",
        "path:loan",
        who="partner-us",
    ),
]

IN_KIND = [
    Bad(
        "an offtake for a loan that is only proposed",
        LOANS + "/{proposed}/offtakes",
        lambda ground: offtake_body(ground),
        409,
        "loan_status",
        "path:loan",
    ),
    Bad(
        "an offtake at a price of nothing",
        LOANS + "/{paid_out}/offtakes",
        lambda ground: offtake_body(ground, price="0"),
        422,
        "invalid_request",
        "/price",
    ),
    Bad(
        "an offtake of more than is delivered",
        LOANS + "/{paid_out}/offtakes",
        lambda ground: offtake_body(ground, share="3/2"),
        422,
        "offtake_share_invalid",
        "/share",
    ),
    Bad(
        "the end of no offtake",
        LOANS + f"/{{paid_out}}/offtakes/oft_{NOBODY}/end",
        {"reason": "r"},
        404,
        "offtake_not_found",
        "path:offtake",
    ),
]


def offtake_body(ground: Ground, **changed: Any) -> Any:
    body = {
        "right": f"rgt_{NOBODY}",
        "product": ground.product,
        "element": "Sb",
        "price": "2",
        "since": ground.world.in_days(0),
        "until": ground.world.in_days(9),
        "authority": "a",
    }
    return body | changed


EQUITY = [
    Bad("a holding of no shares", HOLDINGS, holding_body(units=0), 422, "invalid_request", "/units"),
    Bad(
        "a holding dearer than its commitment",
        HOLDINGS,
        holding_body(unit_price_minor="501"),
        422,
        "holding_terms_invalid",
        "/unit_price_minor",
    ),
    Bad("a holding in a currency without a rate", HOLDINGS, holding_body(currency="CHF"), 409, "rate_missing", "/currency"),
    Bad(
        "more shares than were agreed",
        HOLDINGS + "/{holding}/subscriptions",
        lambda ground: {"reference": "n", "units": 601, "amount_minor": 1, "paid_on": ground.world.in_days(0)},
        422,
        "units_invalid",
        "/units",
    ),
    Bad(
        "shares beyond the commitment",
        HOLDINGS + "/{holding}/subscriptions",
        lambda ground: {"reference": "n", "units": 1, "amount_minor": 300_001, "paid_on": ground.world.in_days(0)},
        409,
        "subscription_beyond_commitment",
        "/amount_minor",
    ),
    Bad(
        "more shares sold than are held",
        HOLDINGS + "/{holding}/divestments",
        lambda ground: {"reference": "n", "units": 401, "amount_minor": 1, "received_on": ground.world.in_days(0)},
        422,
        "units_invalid",
        "/units",
    ),
    Bad(
        "a dividend of tomorrow",
        HOLDINGS + "/{holding}/dividends",
        lambda ground: {"reference": "n", "amount_minor": 1, "received_on": ground.world.in_days(1)},
        422,
        "date_in_future",
        "/received_on",
    ),
    Bad(
        "a dividend from before the shares",
        HOLDINGS + "/{holding}/dividends",
        lambda ground: {"reference": "n", "amount_minor": 1, "received_on": ground.world.in_days(-1)},
        422,
        "date_before_holding",
        "/received_on",
    ),
    Bad(
        "a reversal of what is no dividend",
        HOLDINGS + "/{holding}/dividends/{flow}/reverse",
        {"reason": "r"},
        404,
        "dividend_not_found",
        "path:flow",
    ),
]


def a_rate(name: str, code: str, field: str, days: int = 0, **changed: Any) -> Bad:
    def body(ground: Ground) -> Any:
        return {"asset": "USD", "rate": "1.5", "quoted_on": ground.world.in_days(days), "source": "RBA"} | changed

    return Bad(f"a rate {name}", RATES, body, 422, code, field)


def a_fact(name: str, code: str, field: str, **changed: Any) -> Bad:
    def body(ground: Ground) -> Any:
        return {"kind": "permit", "since": ground.world.in_days(0), "evidence": ["paper 7"]} | changed

    return Bad(f"a fact {name}", FACTS, body, 422, code, field)


KNOWN = [
    a_rate("of nothing", "invalid_request", "/rate", rate="0"),
    a_rate("below zero", "invalid_request", "/rate", rate="-1.5"),
    a_rate("of tomorrow", "date_in_future", "/quoted_on", days=1),
    a_rate("of the facility's own currency", "rate_of_own_currency", "/asset", asset="AUD"),
    Bad(
        "a facility that is open",
        "/loans/v1/facilities",
        {"facility": "cmf", "limits": [{"key": "total", "limit_minor": 1}], "authority": "a"},
        409,
        "facility_already_open",
        "/facility",
        who="admin-1",
    ),
    Bad(
        "limits without a root",
        "/loans/v1/facilities/cmf/limits",
        {"limits": [{"key": "element/Sb", "parent": "total", "limit_minor": 1}], "authority": "a", "reason": "r"},
        422,
        "limits_invalid",
        "/limits",
        who="admin-1",
    ),
    a_fact("without evidence", "invalid_request", "/evidence", evidence=[]),
    a_fact("of an output of no quantity", "project_fact_quantity_invalid", "/quantity", kind="output"),
    a_fact("of a quantity in nothing", "project_fact_unit_missing", "/unit", kind="output", quantity=1),
    a_fact("that may bind or not", "project_fact_binding_missing", "/binding", kind="offtake", subject="b", quantity=1, unit="g"),
    a_fact("that ends before it begins", "project_fact_dates_reversed", "/until", until="2020-01-01"),
    Bad("a what-if of nothing", "/loans/v1/exposure/what-if", {"scenarios": []}, 422, "invalid_request", "/scenarios"),
]

SPEAK_FOR_THEMSELVES = ("forbidden", "invalid_request", "facility_already_open")
ALL = [*LOAN_TERMS, *SCHEDULES, *ADVANCES, *MONEY, *ACTS, *RETURNED, *IN_KIND, *EQUITY, *KNOWN]


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
async def test_it_is_refused_with_its_code_and_changes_nothing(ground: Ground, bad: Bad) -> None:
    before = await ground.world.heads()
    body = bad.body(ground) if callable(bad.body) else bad.body
    answer = await ground.sends(bad.who, bad.path, body)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (bad.status, bad.code, bad.field), problem
    assert problem["title"] and problem["detail"]
    assert "accepted" in problem or bad.code in SPEAK_FOR_THEMSELVES or bad.status == 404, problem
    assert no_more_than(before, await ground.world.heads())


def no_more_than(before: Any, after: Any) -> bool:
    """The ledger's own journal goes on by itself, when it signs what it has recorded."""
    return all(after[name] == before[name] for name in before if name != "ledger")


class TestApprovals:
    """Of a loan's proposal."""

    async def test_an_approval_for_another_purpose_does_not_count(self, ground: Ground) -> None:
        signed = await ground.world.approval(ground.document)
        await self.refused(ground, signed, 409, "approval_of_another_document")

    async def test_an_approval_of_another_proposal_does_not_count(self, ground: Ground) -> None:
        signed = await ground.world.approval("0" * 64, purpose="loan_proposal")
        await self.refused(ground, signed, 409, "approval_of_another_document")

    async def test_anothers_key_does_not_sign(self, ground: Ground) -> None:
        signed = await ground.world.approval(ground.document, purpose="loan_proposal", key=ground.world.keys["approver-2"])
        await self.refused(ground, signed, 404, "approver_key_not_found")

    async def test_an_operator_is_no_approver(self, ground: Ground) -> None:
        signed = await ground.world.approval(ground.document, purpose="loan_proposal")
        await self.refused(ground, signed, 403, "forbidden", who="operator-1")

    async def refused(self, ground: Ground, signed: Any, status: int, code: str, who: str = "approver-1") -> None:
        before = await ground.world.heads()
        answer = await ground.sends(who, f"{LOANS}/{ground.proposed}/approvals", signed)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert no_more_than(before, await ground.world.heads())


async def test_a_file_of_loans_may_be_larger_than_other_bodies(ground: Ground) -> None:
    answer = await sends_a_file(ground, 2 << 20)
    assert (answer.status_code, answer.json()["code"]) == (422, "import_header_invalid"), answer.text


async def test_a_file_that_is_too_large_changes_nothing(ground: Ground) -> None:
    """It is refused while it is still being sent, and the connection may end before the answer is read."""
    before = await ground.world.heads()
    with contextlib.suppress(httpx.ReadError, httpx.WriteError):
        answer = await sends_a_file(ground, (10 << 20) + 1)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), answer.text
    assert no_more_than(before, await ground.world.heads())


async def sends_a_file(ground: Ground, size: int) -> httpx.Response:
    return await ground.sends("admin-1", "/loans/v1/loan-imports?dry_run=false", b"x" * size, **{"Content-Type": "text/csv"})


async def test_a_rate_of_zero_is_one(ground: Ground) -> None:
    loan, _ = await advanced_loan(ground.world, base_pct="0", margin_pct="0")
    rows = await ground.world.operator.get(f"{LOANS}/{loan}/schedule")
    assert [row["principal_minor"] for row in rows] == [10_000] * 12
    assert {row["interest_minor"] for row in rows} == {0}


async def test_what_is_paid_beyond_what_is_owed_is_kept_as_credit_and_shown(ground: Ground) -> None:
    loan, _ = await advanced_loan(ground.world, project=a_project())
    recorded = await ground.world.post(ground.world.operator, f"{LOANS}/{loan}/payments", payment_body(ground.world, 150_000))
    figures = recorded["figures"]
    assert figures["credit_minor"] - figures["principal_minor"] == 30_000
    shown = await ground.world.clients["borrower-hillgrove"].get(f"{LOANS}/{loan}/standing")
    assert shown["figures"]["credit_minor"] == figures["credit_minor"] > 0


async def test_a_return_of_failed_assay_is_rejected_and_all_is_owed_as_before(ground: Ground) -> None:
    world = ground.world
    loan, product = await lent_material(world, "JP", 2)
    received = await world.post(world.operator, f"{MATERIAL}/{loan}/returns", return_body(world, product, 2))
    failed = assay_body(world, "0.91", in_specification=False, laboratory="sgs-perth")
    await world.by_two(world.operator, f"{MATERIAL}/{loan}/returns/{received['returned']}/assays", failed)
    shown = await world.partner("JP").get(f"{MATERIAL}/{loan}")
    assert (shown["out_g"], shown["pending_g"], shown["returned_g"]) == (2 * UNIT_G * 9965 // 10000, 0, 0)
