"""No sequence of acts by one person takes from others for longer than 72 hours what they have signed, or for good.

The deciders are the services' own, under their controls; what a service looks up for a command is looked up here in the same way.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from hypothesis import given, settings
from msgspec.structs import replace

from services.allocation.domain import controls as allocation
from services.allocation.domain.partners import agreement
from services.allocation.domain.partners.agreement import Agreement, ResumeAgreement, SignAgreement, SuspendAgreement
from services.allocation.events import (
    AgreementId,
    AgreementResumed,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    PartnerCode,
    ProductTerms,
)
from services.inventory.domain import controls as inventory
from services.inventory.domain import stockpile
from services.inventory.domain.holds import LiftHold
from services.inventory.domain.moves import RatifyMove
from services.inventory.events import HoldConfirmed, HoldId, HoldPutOn, LotId, MoveId, ReleaseId
from services.inventory.reactions import react_to_allocation
from shared.terms.countersigning import countersigned
from shared.terms.protecting import Word
from shared.zone import ZONE
from tests.stories import stockpile as goods
from tests.stories.powers import may
from tests.stories.stockpile import ANTIMONY, DAY_AFTER, TODAY, UNIT_G
from tests.stories.stockpile_facts import fact
from tests.stories.town import BEGINS, STEPS, THIEF, Act, Town, go, never_for_longer

DEPOTS = ("Fremantle", "Kwinana")
LASTS = datetime.combine(DAY_AFTER, time(), ZONE) - BEGINS  # a release that nobody stops


# Goods


def a_store() -> Town:
    """Two lots in two depots. Japan may draw of either, by a release pinned to each, and has drawn of both, by a third."""
    agreements = {f"agreement/{name}": agreement.DECIDER for name in ("agr_1", "agr_2")}
    controlled = {name: countersigned(each, allocation.CONTROLS, allocation.EVENTS) for name, each in agreements.items()}
    controlled["stockpile"] = countersigned(stockpile.DECIDER, inventory.CONTROLS, inventory.EVENTS)
    deciders = agreements | {"stockpile": stockpile.DECIDER}
    town = Town(BEGINS, deciders, controlled, _stops_of_an_agreement)
    takes = {name: goods.taking(goods.award(name, "JP", 4), *pools) for name, pools in _TAKES.items()}
    pools = (goods.pool("p1", "lot_1"), goods.pool("p2", "lot_2"))
    lots = (goods.lot("lot_1"), goods.lot("lot_2", depot="Kwinana"))
    town.given("stockpile", goods.register(), *lots, goods.a_round(*takes.values(), pools=pools))
    town.given("stockpile", goods.draw("drw_1", "rel_c", 4), goods.weigh("drw_1", 4 * UNIT_G, by="sub_scale"))
    for name in ("agr_1", "agr_2"):
        town.given(f"agreement/{name}", _agreement(name))
    town.free = {"the goods of lot_1": _draws("a"), "the goods of lot_2": _draws("b"), "what is drawn of both": _dispatches}
    return town


_TAKES = {"a": (("p1", UNIT_G, 4),), "b": (("p2", UNIT_G, 4),), "c": (("p1", UNIT_G, 2), ("p2", UNIT_G, 2))}


def _agreement(name: str) -> SignAgreement:
    terms = ProductTerms(product=ANTIMONY, yearly_quota_g=100 * UNIT_G, share="1")
    return SignAgreement(
        agreement=AgreementId(name),
        partner=PartnerCode("JP"),
        products=(terms,),
        priority_class=0,
        valid_from=TODAY,
        valid_until=TODAY + timedelta(days=365),
        on=TODAY,
    )


def _stops_of_an_agreement(event: Any, on: date) -> list[tuple[str, Any]]:
    if not isinstance(event, AgreementSuspended | AgreementResumed | AgreementSuspensionConfirmed):
        return []
    told = fact(event)
    told = replace(told, record=replace(told.record, effective_on=on.isoformat()))
    return [("stockpile", each.command) for each in react_to_allocation(told, {})]


def _draws(name: str) -> Callable[[Town], bool]:
    """Or it has lapsed."""
    release = ReleaseId(f"rel_{name}")

    def free(town: Town) -> bool:
        if release not in town.states["stockpile"].releases:
            return True
        return town.can("stockpile", goods.draw("drw_9", release, 1, on=town.today))

    return free


def _dispatches(town: Town) -> bool:
    return town.can("stockpile", goods.dispatch("drw_1", on=town.today))


def held(scope: Any, target: str | None = None, **changes: Any) -> Act:
    def act(town: Town) -> bool:
        asked = goods.hold(scope, target, name=f"hld_{next(town.numbers)}")
        told = {"on": town.today, "at": town.now, "by": THIEF, "accounts": frozenset({THIEF}), "own_depots": DEPOTS} | changes
        if "expires_on" in changes:
            told["expires_on"] = town.today + timedelta(days=changes["expires_on"])
        return town.alone("stockpile", replace(asked, **told))

    return act


def suspended(name: str) -> Act:
    def act(town: Town) -> bool:
        by = town.by_one(THIEF, *_words_beside(town, name))
        command = SuspendAgreement(hold=f"hld_{next(town.numbers)}", reason="a tip", by=by)
        return town.alone(f"agreement/{name}", command)

    return act


def _words_beside(town: Town, name: str) -> list[Word]:
    """As allocation looks them up: holds on the partner or any of the product, and what was suspended by another agreement."""
    holds = {event.hold: event for event in town.events if isinstance(event, HoldPutOn)}
    for event in town.events:
        if isinstance(event, HoldConfirmed):
            holds.pop(event.hold, None)
    words = [Word(each.put_on_by, each.lapses_at, "hold") for each in holds.values() if each.put_on_by and each.lapses_at]
    [other] = {"agr_1", "agr_2"} - {name}
    state: Agreement = town.states[f"agreement/{other}"]
    return [*words, *(replace(word, what="another agreement") for word in state.words)]


def moved(lot: str, to_depot: str) -> Act:
    """Another ratifies it at once."""

    def act(town: Town) -> bool:
        move = MoveId(f"mov_{next(town.numbers)}")
        command = goods.move(move=move, lot=LotId(lot), to_depot=to_depot, own_depots=DEPOTS, by=THIEF, on=town.today, at=town.now)
        if done := town.alone("stockpile", command):
            town.given("stockpile", RatifyMove(move=move, by="sub_other", accounts=frozenset({"sub_other"}), on=town.today))
        return done

    return act


def lifted_by_two(town: Town) -> None:
    for hold in sorted(town.states["stockpile"].holds):
        town.by_two("stockpile", LiftHold(hold=HoldId(hold), reason="nothing is wrong", capacity=may("sub_other", town.today)))


def resumed_by_two(town: Town) -> None:
    for name in ("agr_1", "agr_2"):
        town.by_two(f"agreement/{name}", ResumeAgreement(reason="nothing is wrong"))


GOODS: list[Act] = [
    *(held(scope, target) for scope, target in (("all", None), ("product", None), ("partner", "JP"))),
    *(held("lot", lot) for lot in ("lot_1", "lot_2")),
    *(held("depot", depot) for depot in DEPOTS),
    held("partner", "JP", expires_on=1),
    suspended("agr_1"),
    suspended("agr_2"),
    *(moved(lot, depot) for lot in ("lot_1", "lot_2") for depot in DEPOTS),
    lifted_by_two,
    resumed_by_two,
]


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_nobody_keeps_a_partner_from_its_goods_for_longer(steps: list[tuple[int, int]]) -> None:
    town = a_store()
    go(town, GOODS, steps)
    never_for_longer(town)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_a_release_is_late_and_never_lost_by_one_person(steps: list[tuple[int, int]]) -> None:
    """It lapses, and has been free for as long as it was to be, but for the day on which a stop begins."""
    town = a_store()
    for name in ("a", "b"):
        town.free[f"release {name}"] = partial(_is_there, name)
    go(town, GOODS, steps)
    town.passes(24 * 40)
    for name, goods_of in (("a", "the goods of lot_1"), ("b", "the goods of lot_2")):
        lapsed = town.since(f"release {name}")
        assert lapsed is not None, "nobody holds it for ever"
        spans = [(begin, end) for begin, end in town.stopped.get(goods_of, ()) if begin < lapsed]
        free = lapsed - BEGINS - sum((end - begin for begin, end in spans), timedelta())
        assert free >= LASTS - timedelta(days=len(spans)), f"release {name} was free for {free}, and stopped {spans}"


def _is_there(name: str, town: Town) -> bool:
    return ReleaseId(f"rel_{name}") in town.states["stockpile"].releases
