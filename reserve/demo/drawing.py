"""What follows a release: draws and their refusals, a hold, receipts, a weighing and a dispatch, an assignment of rights, a lapse."""

from datetime import date, timedelta
from typing import Any

from reserve.client import ProblemAnswer
from reserve.demo.approving import in_stock
from reserve.demo.parties import all_rows, refusal_of, until
from reserve.demo.scenario import ANTIMONY, DYSPROSIUM, GALLIUM, KARRAK_FLAT, KG, NDPR, PARTNERS, PRODUCTS, Product, T
from reserve.demo.screen import mass, written_day
from reserve.demo.stage import Stage
from services.allocation.domain.rules.cover import days_of_cover

WEIGHED_LESS_G = 37_700  # than nominal


async def draw_antimony(stage: Stage) -> None:
    for partner, mass_g in (("JP", 50 * T), ("JP", 35 * T), ("US", 60 * T), ("EU", 60 * T), ("AU", 5 * T)):
        await _draw(stage, ANTIMONY, partner, mass_g)
    release = stage.releases[ANTIMONY.product, "US"]
    left_g = release["mass_g"] - 60 * T
    problem = await refusal_of(_asked(stage, ANTIMONY, "US", left_g + 3 * ANTIMONY.unit_g))
    stage.screen.refused(f"The United States draws {mass(left_g + 3 * ANTIMONY.unit_g)} where {mass(left_g)} are left", problem)
    foreign = await refusal_of(stage.parties.partners["US"].get(f"/inventory/v1/draws/{stage.draws[0]['draw']}"))
    stage.screen.refused("The United States looks up Japan's draw", foreign)


async def hold_gallium(stage: Stage) -> None:
    """Gallium melts at 29.76 C. The hold is on a depot; the only gallium stands there."""
    operator = stage.parties.depot_operator
    hold = await operator.post(
        "/inventory/v1/holds",
        {"scope": "depot", "target": KARRAK_FLAT, "reason": "31 C in the store: gallium melts at 29.76 C", "authority": "depot keeper"},
    )
    stage.screen.say(f"A hold on {KARRAK_FLAT}: 31 C in the store, and gallium melts at 29.76 C.")
    jp_g = stage.releases[GALLIUM.product, "JP"]["mass_g"]
    stage.screen.refused(f"Japan draws {mass(jp_g)} of gallium", await refusal_of(_asked(stage, GALLIUM, "JP", jp_g)))
    await in_stock(stage, f"holds/{hold['hold']}/lift", {"reason": "cooled to 18 C, drums opened and sound"})
    stage.screen.say("The store is cooled, the drums are sound, and the hold is lifted.")
    for partner, mass_g in (("JP", jp_g), ("US", stage.releases[GALLIUM.product, "US"]["mass_g"]), ("EU", 200 * KG)):
        await _draw(stage, GALLIUM, partner, mass_g)


async def draw_oxides(stage: Stage) -> None:
    """What the rounds gave beyond the lots comes from rights: the partner gets the claim on the project, and nothing leaves a depot."""
    stage.screen.say("NdPr oxide was released from lots first, in the decision's order, and then from rights to future production.")
    for product in (NDPR, DYSPROSIUM):
        for ask in product.asks:
            await _draw(stage, product, ask.partner, stage.releases[product.product, ask.partner]["mass_g"])


async def dispatch(stage: Stage) -> None:
    """Japan's first antimony: refused until it is weighed, then on its way."""
    drawn, operator = stage.draws[0], stage.parties.depot_operator
    path = f"/inventory/v1/draws/{drawn['draw']}"
    carriage = {"carrier": "Southern Cross Lines (invented)", "consignee": PARTNERS["JP"].nominee}

    async def refused_for_its_weight() -> ProblemAnswer | None:
        problem = await refusal_of(operator.post(f"{path}/dispatch", carriage))
        return None if problem.code == "receipt_missing" else problem  # the first gate: a signed checkpoint covers the draw

    with stage.screen.waiting("the ledger's receipt of the draw"):
        problem = await until("the draw's receipt to be known", refused_for_its_weight)
    stage.screen.refused(f"Dispatching {mass(drawn['mass_g'])} of antimony, receipt in hand, not weighed", problem)
    elsewhere = carriage | {"consignee": "Osaka bonded warehouse (invented)"}
    stage.screen.refused(
        "Dispatching it to a warehouse that its request does not name", await refusal_of(operator.post(f"{path}/dispatch", elsewhere))
    )
    weighed = await stage.parties.operator.post(f"{path}/weighing", {"weighed_g": drawn["mass_g"] - WEIGHED_LESS_G})
    stage.screen.say(
        f"Weighed by another than dispatches it: {mass(weighed['weighed_g'])}, {mass(-weighed['difference_g'])} less than nominal; "
        "the books show the difference."
    )
    gone = await operator.post(f"{path}/dispatch", carriage)
    gates = ", ".join(gate["gate"].replace("_", " ") for gate in gone["gates"])
    stage.screen.say(f"Dispatched with {gone['carrier']} to {gone['consignee']}. Gates: {gates}.")


async def lapse(stage: Stage) -> None:
    """What the European Union left of its gallium goes back when its last day has passed, and nobody has to think of it."""
    release = stage.releases[GALLIUM.product, "EU"]
    last_day = date.fromisoformat(release["expires_on"])
    before = await _available_g(stage, GALLIUM)
    stage.clock.move_to(last_day + timedelta(days=1))
    with stage.screen.waiting("time passes"):
        lapsed = await until("the release to lapse", lambda: _lapsed(stage, release["release"]))
    after = await _available_g(stage, GALLIUM)
    stage.screen.say(
        f"It is {written_day(stage.clock.now.date())}. {mass(lapsed['remaining_g'])} of gallium that the European Union had not drawn by "
        f"{written_day(last_day)} went back: {mass(before)} were available, now {mass(after)}."
    )
    stage.screen.refused("The European Union draws it now", await refusal_of(_asked(stage, GALLIUM, "EU", GALLIUM.unit_g)))


async def show_what_it_bought(stage: Stage) -> None:
    """Who has what, and for how many days, from the stockpile's own record of the draws. Rights buy days when their projects deliver."""
    drawn = await all_rows(stage.parties.auditor, "/inventory/v1/draws")
    groups = []
    for product in PRODUCTS:
        rows = []
        for ask in product.asks:
            own = [draw for draw in drawn if (draw["product"], draw["partner"]) == (product.product, ask.partner)]
            goods_g, rights_g = (sum(draw[name] for draw in own) for name in ("mass_g", "assigned_g"))
            left_g = stage.releases[product.product, ask.partner]["mass_g"] - goods_g - rights_g
            grams = (mass(each) if each else "-" for each in (goods_g, rights_g, left_g))
            days = (days_of_cover(each, ask.daily_g) if each else "-" for each in (goods_g, rights_g))
            rows.append((product.short, PARTNERS[ask.partner].name, *grams, *days))
        groups.append(rows)
    columns = ("product", "partner", "goods", "rights", "not drawn", "days now", "days later")
    stage.screen.table("Who got what, and how many days it lasts at the consumption that each stated", columns, groups, texts=2)
    stage.screen.say("Now: goods that are theirs. Later: rights, once the projects deliver.")


async def _draw(stage: Stage, product: Product, partner: str, mass_g: int) -> None:
    drawn = await _asked(stage, product, partner, mass_g)
    stage.draws.append(drawn)
    parts = []
    if drawn["mass_g"]:
        depots = ", ".join(sorted({parcel["depot"] for parcel in drawn["parcels"]}))
        parts.append(f"{mass(drawn['mass_g'])} from {depots}")
    parts += [f"the right to {mass(each['mass_g'])} of what {each['project']} will produce" for each in drawn["assignments"]]
    stage.screen.say(f"{PARTNERS[partner].name} draws {product.short}: {' and '.join(parts)}.")


async def _asked(stage: Stage, product: Product, partner: str, mass_g: int) -> Any:
    """The partner draws under its release, with its own token."""
    release = stage.releases[product.product, partner]["release"]
    return await stage.parties.partners[partner].post(f"/inventory/v1/releases/{release}/draws", {"mass_g": mass_g})


async def _lapsed(stage: Stage, release: str) -> Any | None:
    found = await stage.parties.partners["EU"].get(f"/inventory/v1/releases/{release}")
    return found if found["status"] == "lapsed" else None


async def _available_g(stage: Stage, product: Product) -> int:
    found = await stage.parties.auditor.get(f"/inventory/v1/products/{product.product}")
    available_g: int = found["balances"]["available_g"]
    return available_g
