"""Before the disruption: partners, approvers' keys, products with their stock and rights, and agreements."""

from datetime import date
from typing import Any

import msgspec

from reserve.client import Client
from reserve.commands.approver_key import new_key
from reserve.demo.approving import by_two, in_stock
from reserve.demo.instruments import INVENTORYS, delegate, register_direction
from reserve.demo.parties import subject_of, until
from reserve.demo.scenario import DIRECTION, LABORATORY, PARTNERS, PRODUCTS, Lot, Product, Right
from reserve.demo.screen import mass
from reserve.demo.stage import Stage
from shared.terms.approval import read_private_key

ASSAYED_ON = date(2025, 11, 28)
OFFICES = ("First Assistant Secretary, Reserve", "First Assistant Secretary, Trade")


async def register_people(stage: Stage) -> None:
    """Partners, and approvers' keys: each is made as a file of the approver's own, and only its public half is enrolled."""
    for code, partner in PARTNERS.items():
        await stage.parties.admin.post("/allocation/v1/partners", {"partner": code, "name": partner.name})
    stage.screen.say(f"Partners: {', '.join(partner.name for partner in PARTNERS.values())}.")
    for number, approver in enumerate(stage.parties.approvers, 1):
        await _enrol(stage, approver, f"approver-{number}")
    stage.screen.say("Two approvers made keys on their own machines; the Reserve knows only the public halves.")
    await _enrol(stage, stage.parties.operator, "operator")  # signs what partners cannot see of each other


async def register_instruments(stage: Stage) -> None:
    """The Act, the Minister's direction, and who may decide under them: each by office, and no person's name."""

    register = stage.registrar.register
    direction = await register_direction(register)
    for approver, office in zip(stage.parties.approvers, OFFICES, strict=True):
        await delegate(register, direction, await subject_of(approver), office)
    for operator in (stage.parties.operator, stage.parties.depot_operator):
        await delegate(register, direction, await subject_of(operator), "Reserve Operations", INVENTORYS)
    stage.screen.say(f"Under an Act and [bold]{DIRECTION}[/], power to decide is delegated to the {' and the '.join(OFFICES)}.")


async def _enrol(stage: Stage, person: Client, name: str) -> None:
    subject = await subject_of(person)
    stage.key_files[subject] = stage.folder / f"{name}.pem"
    new_key(stage.key_files[subject])
    await stage.registrar.enrol(subject, read_private_key(stage.key_files[subject].read_bytes()))


async def take_in_stock(stage: Stage) -> None:
    for product in PRODUCTS:
        await in_stock(stage, "products", _product(product))
        for lot in product.lots:
            await in_stock(stage, "lots", _lot(product, lot))
        for right in product.rights_on(stage.clock.now.date()):
            await in_stock(stage, "rights", _right(product, right))
        protected = {"mass_g": product.protected_g, "authority": DIRECTION, "reason": "for Australia's own last need"}
        await in_stock(stage, f"products/{product.product}/protected-stock", protected)
    await _show_stock(stage)


async def _show_stock(stage: Stage) -> None:
    rows = []
    for product in PRODUCTS:
        found = await stage.parties.auditor.get(f"/inventory/v1/products/{product.product}")
        balances = found["balances"]
        rights = product.rights_on(stage.clock.now.date())
        firm_g = sum(right.mass_g for right in rights if right.kind == "firm_offtake")
        other_g = sum(right.mass_g for right in rights) - firm_g
        grams = (balances["available_g"], balances["quarantined_g"], balances["protected_g"], firm_g, other_g)
        rows.append((product.short, mass(product.unit_g), *(mass(each) if each else "-" for each in grams)))
    columns = ("product", "trade unit", "usable", "quarantined", "protected", "firm rights", "options")
    stage.screen.table("Stock and rights (invented)", columns, [rows])
    stage.screen.say("A lot that its assay found out of specification is quarantined: nobody can be given it.")


async def sign_agreements(stage: Stage) -> None:
    """Once the books know the products: they hear of them by event."""
    with stage.screen.waiting("the books hear of the stock"):
        await until("the books to know the stock", lambda: _stock_known(stage))
    today = stage.clock.now.date()
    year = today.year - (today.month < 7)  # in which the financial year began
    for code, partner in PARTNERS.items():
        products = [product for product in PRODUCTS if any(ask.partner == code for ask in product.asks)]
        await by_two(
            stage,
            stage.parties.operator,
            "/allocation/v1/agreements",
            {
                "partner": code,
                "products": [{"product": each.product, "yearly_quota_g": each.offered_g, "share": "1/2"} for each in products],
                "priority_class": partner.priority_class,
                "valid_from": date(year, 7, 1).isoformat(),
                "valid_until": date(year + 2, 6, 30).isoformat(),
            },
        )
    stage.screen.say(
        "Each partner has an agreement: which products, how much a year, and in which class of priority. Two people signed it."
    )


async def _stock_known(stage: Stage) -> bool | None:
    known = {row["product"]: row["free_g"] for row in await stage.parties.operator.get("/allocation/v1/stock")}
    today = stage.clock.now.date()
    return True if known == {product.product: product.free_g(today) for product in PRODUCTS} else None


def _product(product: Product) -> dict[str, Any]:
    return {
        "product": product.product,
        "name": product.name,
        "contents": product.contents,
        "form": product.form,
        "unit": product.unit,
        "nominal_unit_g": product.unit_g,
        "specification": product.specification,
    }


def _lot(product: Product, lot: Lot) -> dict[str, Any]:
    return {
        "product": product.product,
        "depot": lot.depot,
        "units": lot.units,
        "nominal_unit_g": product.unit_g,
        "serials": [f"{lot.serials}{number:04}" for number in range(1, lot.units + 1)],
        "origin": lot.origin,
        "custody_model": lot.custody_model,
        "assay": {
            "report": lot.report,
            "laboratory": LABORATORY,
            "assayed_on": ASSAYED_ON.isoformat(),
            "contents": lot.contents,
            "in_specification": lot.in_specification,
        },
    }


def _right(product: Product, right: Right) -> dict[str, Any]:
    return {"product": product.product, **msgspec.to_builtins(right)}
