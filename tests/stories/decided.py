"""Decisions as the reserve makes them, over stock of all kinds, and as somebody who controls it would forge them."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import DecisionFile, Opened, canonical_document, read_file
from services.allocation.domain.decisions.eligibility import Lot, Right, Stock, Stop
from services.allocation.domain.decisions.proposal import prepare
from services.allocation.domain.decisions.supply import asked_in, offer_from
from services.allocation.events import IepPosition, RoundMethod
from tests.stories.book import ANTIMONY, EU, JP, ROUND, TODAY, TONNE, UNIT_G, US, a_book, accept, open_round, submit, surroundings, terms

METHODS = {
    "share": RoundMethod(rule="pro_rata", cap="1/2", caps={EU: "1/3"}),
    "quota": RoundMethod(rule="quota_capped", cap="1/2"),
    "class": RoundMethod(rule="priority", inside={"1": "equal_awards"}),
    "class by quota": RoundMethod(rule="priority", inside={"1": "quota_capped"}),
    "right": RoundMethod(rule="iep", restraint="1/2"),
}
POSITIONS = tuple(
    IepPosition(partner=partner, base_g=base * UNIT_G, commitment_g=10 * UNIT_G, production_g=0, imports_g=base // 2 * UNIT_G, source="IEA")
    for partner, base in ((JP, 100), (US, 60), (EU, 40), ("AU", 30))
)
AROUND = surroundings(
    protected=3,
    terms={JP: terms(JP, 20), US: terms(US, 40, priority_class=1), EU: terms(EU, 9, priority_class=1)},
)


def lot(name: str, units: int, unit_g: int = UNIT_G, origin: str = "AU") -> Lot:
    return Lot(lot=name, depot="Darwin", unit_g=unit_g, units=units, origin=origin, contents={"Sb": "0.9965"}, expires_on=None)


STOCK = Stock(
    nominal_unit_g=UNIT_G,
    lots=[lot("lot_1", 20), lot("lot_2", 5, origin="CN"), lot("lot_3", 4, TONNE), lot("lot_4", 6)],
    rights=[Right(right="rgt_1", mass_g=7 * UNIT_G + TONNE, window_from=date(2026, 5, 1), window_to=date(2026, 9, 30))],
    stops=[Stop(scope="lot", target="lot_4", expires_on=None)],
    free_units={UNIT_G: 29, TONNE: 6},
    reserved_rights_g=2 * UNIT_G,
    protected_g=3 * UNIT_G,
)


def decided(kind: str = "share", stock: Stock = STOCK, supply: int = 30, on: date = TODAY) -> DecisionFile:
    """A real one: by the book, over lots of two sizes and a right; some are for some alone, one is on hold."""
    asked = [("jp_1", JP, 12), ("jp_2", JP, 6), ("us", US, 14), ("eu", EU, 8)]
    story = a_book()
    for name, partner, units in asked:
        told = {"excluded_origins": ("CN",)} if partner is US else {"needed_by": date(2026, 6, 1)} if partner is EU else {}
        story = story.given(submit(name, partner, units, **told), accept(name, units))
    positions = POSITIONS if kind == "right" else ()
    story = story.given(open_round(*(name for name, _, _ in asked), method=METHODS[kind], positions=positions))
    found = story.state.rounds[ROUND]
    offer = offer_from(stock, asked_in(story.state, found), supply * UNIT_G, on)
    salts = [f"{place:032x}" for place in range(1, 6)]
    return read_file(prepare(ROUND, ANTIMONY, story.state, found, AROUND, offer, salts).file)


def forged(file: DecisionFile, change: Callable[[Any, Any], None]) -> DecisionFile:
    """By who controls the reserve: inputs are changed, and everything that follows from them is worked out anew."""
    plain = json.loads(canonical_document(file))
    change(plain["holdings"]["content"], [line["content"]["claimant"] for line in plain["lines"]])
    return again(plain)


def again(plain: Any) -> DecisionFile:
    """Raises `RuleInputError` where no rule takes the inputs, `UnreadableDecision` where they are none."""
    file = read_file(json.dumps(plain).encode())
    assert file.holdings is not None
    claimants = [Opened(salt=line.salt, content=line.content.claimant) for line in file.lines]
    return compose(file.decision.terms, file.holdings, claimants)


def put(name: str, value: Any, request: int = 0) -> Callable[[Any, Any], None]:
    return lambda holdings, claimants: claimants[request].__setitem__(name, value)


def put_held(name: str, value: Any, *path: Any) -> Callable[[Any, Any], None]:
    def change(holdings: Any, claimants: Any) -> None:
        for step in path:
            found = [each for each in holdings if each.get("source") == step] if isinstance(holdings, list) else []
            holdings = found[0] if found else holdings[step]
        holdings[name] = value

    return change


WRONG: dict[str, tuple[str, Callable[[Any, Any], None]]] = {
    "more is available than is held": ("available_differs", put_held("available_g", 10**9)),
    "a cap that the method gives otherwise": ("cap_differs", put("cap_g", 14 * UNIT_G, 3)),
    "a claim beyond what is left of its quota": ("quota_exceeded", put_held("quota_left_g", 2 * UNIT_G, "partners", 0)),
    "another partner's agreement": ("agreement_of_another", put("agreement", "agr_US", 0)),
    "another version of an agreement": ("agreement_version_differs", put("agreement_version", 2, 3)),
    "another class than the agreement's": ("priority_class_differs", put("priority_class", 0, 3)),
    "more protected than is left": ("protected_stock_offered", put_held("protected_g", 20 * UNIT_G)),
    "a pool that is barred for the request": ("pool_not_fit", put("pools", ["lots", "lots_2"], 3)),
    "a lot in a pool of others": ("pool_not_fit", put_held("pool", "lots_2", "held", "lot_2")),
    "a lot that is on hold in a pool": ("pool_not_fit", put_held("pool", "lots_2", "held", "lot_4")),
    "rights in a pool of lots": ("pool_of_another_kind", put_held("pool", "lots_2", "held", "rgt_1")),
    "a bar that is taken away": ("pool_not_fit", put_held("profile", "p1", "barred", 0)),
    "a carry that is not the partner's": ("carry_differs", put("carry_in_g", "7", 3)),
    "a carry that comes twice": ("carry_twice", put("carry_in_g", "7", 2)),
    "a request that asks for nothing known": ("profile_missing", put_held("requests", [], "profiles", 0)),
}
