"""The disruption, what partners ask for, and the rounds that decide: proposed by one person, approved by others, certified, released."""

from datetime import date
from typing import Any

import msgspec

from reserve.commands.approve import sign_document
from reserve.demo.approving import approve, by_two, certify, kept_document, signer_of
from reserve.demo.parties import all_rows, refusal_of, subject_of, until
from reserve.demo.scenario import DISRUPTION, GALLIUM, PARTNERS, PRODUCTS, Product
from reserve.demo.screen import mass, written_day
from reserve.demo.stage import Stage

RULES = {"pro_rata": "in proportion to what was accepted", "priority": "class by class of priority, in proportion within a class"}


async def declare_disruption(stage: Stage) -> None:
    told = {**DISRUPTION, "products": [product.product for product in PRODUCTS]}
    declared = (await by_two(stage, stage.parties.operator, "/allocation/v1/disruptions", told))["followed"][0]
    stage.disruption = declared["disruption"]
    stage.screen.say(f"[bold]{declared['instrument']}[/] hits {', '.join(PARTNERS[code].name for code in declared['partners'])}.")
    stage.screen.say(f"What it declares: {declared['declared_scope']}.")
    stage.screen.say(f"What is observed: {declared['observed_scope']}.")


async def ask(stage: Stage) -> None:
    """Each partner asks with its own token; an operator accepts a quantity, with reasons."""
    for product in PRODUCTS:
        rows = []
        for asked in product.asks:
            request = await stage.parties.partners[asked.partner].post(
                "/allocation/v1/requests",
                {
                    "product": product.product,
                    "mass_g": asked.asked_g,
                    "minimum_g": product.unit_g,
                    "daily_consumption_g": asked.daily_g,
                    "needed_by": "2026-06-30",
                    "nominee": PARTNERS[asked.partner].nominee,
                    "consignee": PARTNERS[asked.partner].nominee,
                    "end_user": f"smelters of {asked.partner}",
                    "end_use": asked.end_use,
                },
            )
            await stage.parties.depot_operator.post(
                f"/allocation/v1/requests/{request['request']}/accept", {"accepted_g": asked.accepted_g, "reasons": [asked.reason]}
            )
            stage.requests[product.product, asked.partner] = request
            grams = (asked.asked_g, asked.daily_g, asked.accepted_g)
            rows.append((PARTNERS[asked.partner].name, *(mass(each) for each in grams), asked.reason))
        accepted_g = sum(asked.accepted_g for asked in product.asks)
        title = f"{product.name}: {mass(accepted_g)} accepted, {mass(product.offered_g)} may go"
        stage.screen.table(title, ("partner", "asks for", "uses a day", "accepted", "because"), [rows])


async def hold_rounds(stage: Stage) -> None:
    for product in PRODUCTS:
        stage.rounds[product.product] = await _hold_round(stage, product)
    with stage.screen.waiting("inventory releases what was certified"):
        for product in PRODUCTS:
            for release in await until(f"the releases of {product.name}", lambda product=product: _all_released(stage, product)):  # type: ignore[misc]
                stage.releases[product.product, release["partner"]] = release
    stage.screen.say(f"{len(stage.releases)} releases: stock is reserved for each partner, and still here.")


async def _hold_round(stage: Stage, product: Product) -> Any:
    operator = stage.parties.operator
    opened = await operator.post(
        "/allocation/v1/rounds",
        {
            "product": product.product,
            "requests": [stage.requests[product.product, asked.partner]["request"] for asked in product.asks],
            "policy": product.product,
            "disruption": stage.disruption,
        },
    )
    path = f"/allocation/v1/rounds/{opened['round']}"
    if product is GALLIUM:
        beyond_g = product.free_g(stage.clock.now.date()) + product.rights[0].mass_g
        problem = await refusal_of(operator.post(f"{path}/propose", {"supply_g": beyond_g}))
        stage.screen.refused(f"Offering {mass(beyond_g)} of gallium, the {product.rights[0].kind} included", problem)
    proposed = await operator.post(f"{path}/propose", {"supply_g": product.offered_g})
    if product is PRODUCTS[0]:
        await _show_nobody_approves_their_own(stage, path, proposed["decision"])
    for approver in stage.parties.approvers[: product.approvals_needed]:
        await approve(stage, approver, f"{path}/decision", f"{path}/approvals")
    certified = await certify(stage, path)
    _show_round(stage, product, proposed, certified)
    return certified


async def _show_nobody_approves_their_own(stage: Stage, path: str, decision: str) -> None:
    """The proposer sends an approval that an approver's key has signed, in the proposer's own name."""
    proposer, key_file = await subject_of(stage.parties.operator), next(iter(stage.key_files.values()))
    file = await kept_document(stage, stage.parties.operator, f"{path}/decision")
    signed = msgspec.json.decode(sign_document(file, signer_of(stage, proposer, key_file)))
    problem = await refusal_of(stage.parties.operator.post(f"{path}/approvals", signed))
    stage.screen.refused("The operator who proposed it approves it too", problem)
    missing = await refusal_of(stage.parties.operator.post(f"{path}/certify"))
    stage.screen.refused(f"Certifying decision {decision[:12]} without approvals", missing)


def _show_round(stage: Stage, product: Product, proposed: Any, certified: Any) -> None:
    asked = {stage.requests[product.product, ask.partner]["request"]: ask for ask in product.asks}
    rows = []
    for line in sorted(proposed["awards"], key=lambda line: -line["award_g"]):
        ask = asked[line["request"]]
        units = f"{line['award_g'] // product.unit_g}"
        rows.append((PARTNERS[line["partner"]].name, mass(ask.accepted_g), mass(line["award_g"]), units, f"{line['days_of_cover']} days"))
    columns = ("partner", "accepted", "gets", product.units, "which buys")
    stage.screen.table(f"{product.name}: {mass(proposed['supply_g'])} {RULES[product.rule]}", columns, [rows])
    people = "two people's own keys" if product.approvals_needed == 2 else "another person's own key"
    until_day = written_day(date.fromisoformat(certified["expires_on"]))
    stage.screen.say(f"Decision [bold]{certified['decision'][:12]}[/], approved by {people}, certified. To be drawn by {until_day}.")


async def _all_released(stage: Stage, product: Product) -> list[Any] | None:
    released = await all_rows(stage.parties.auditor, "/inventory/v1/releases", product=product.product)
    return released if len(released) == len(stage.rounds[product.product]["awards"]) else None
