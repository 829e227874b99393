"""The stock that everyone draws from: products of a small unit, one lot of each, and one release of each by a real round."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reserve.client import Client
from reserve.commands.approve import Signer, sign, sign_document, to_be_signed
from reserve.commands.approver_key import new_key
from reserve.demo.countersigned import countersigned
from reserve.demo.instruments import empower
from reserve.demo.parties import Parties, all_rows, subject_of, until
from reserve.demo.registrar import WITNESS, Registrar
from services.allocation.domain.book.state import ATTESTATION
from shared.terms.approval import read_private_key

PARTNER = "JP"
POLICY = "bench"
UNIT_G = 1_000  # one draw
SUPPLY_G = 1_000_000_000 * UNIT_G


async def release_stock(parties: Parties, folder: Path, log_key: str, products: list[str]) -> list[str]:
    """The release of each product. Raises what the calls raise."""
    signer = await empowered_approver(parties, folder, log_key)
    await agree_on_stock(parties, products, signer)
    for product in products:
        await _round(parties, parties.approvers[0], signer, product)
    releases = await until("the releases", lambda: _released(parties, products))
    return [releases[product] for product in products]


async def empowered_approver(parties: Parties, folder: Path, log_key: str) -> Signer:
    """The first approver, who may approve, and has approved a policy."""
    registrar = Registrar.of(parties.admin, log_key)
    subject, key_file = await subject_of(parties.approvers[0]), folder / "bench-approver.pem"
    new_key(key_file)
    await registrar.enrol(WITNESS, Ed25519PrivateKey.generate())
    await registrar.enrol(subject, read_private_key(key_file.read_bytes()))
    new_key(certifiers_key(key_file))
    await registrar.enrol(await subject_of(parties.operator), read_private_key(certifiers_key(key_file).read_bytes()))
    [authority] = await empower(registrar.register, {subject: "Bench"})
    signer = Signer(approver=subject, key_file=key_file, origin=registrar.origin, authority=authority)
    await _policy(parties, parties.approvers[0], signer)
    return signer


def certifiers_key(approvers_key: Path) -> Path:
    return approvers_key.with_name("bench-operator.pem")


async def attested(parties: Parties, signer: Signer, decision: Path) -> dict[str, Any]:
    """What the operator certifies a round with. `signer`: who approved it; `decision`: its file."""
    certifier = Signer(
        approver=await subject_of(parties.operator), key_file=certifiers_key(signer.key_file), origin=signer.origin, authority=None
    )
    return {"attestation": msgspec.json.decode(sign(to_be_signed(decision, ATTESTATION), certifier))}


async def agree_on_stock(parties: Parties, products: list[str], signer: Signer) -> None:
    """The products have stock, and the partner an agreement on them."""
    await parties.admin.post("/allocation/v1/partners", {"partner": PARTNER, "name": "Japan"})
    await asyncio.gather(*(_stock(parties, product, signer) for product in products))
    await until("the books to know the stock", lambda: _known(parties, products))
    terms = [{"product": product, "yearly_quota_g": SUPPLY_G, "share": "1"} for product in products]
    validity = {"valid_from": "2025-07-01", "valid_until": "2099-06-30"}
    agreement = {"partner": PARTNER, "products": terms, "priority_class": 0, **validity}
    await countersigned(parties.operator, "/allocation/v1/agreements", agreement, parties.approvers[0], signer)


async def _known(parties: Parties, products: list[str]) -> bool | None:
    free = {row["product"] for row in await parties.operator.get("/allocation/v1/stock") if row["free_g"]}
    return True if free >= set(products) else None


async def _released(parties: Parties, products: list[str]) -> dict[str, str] | None:
    found = {row["product"]: row["release"] for row in await all_rows(parties.auditor, "/inventory/v1/releases")}
    return found if found.keys() >= set(products) else None


async def _stock(parties: Parties, product: str, signer: Signer) -> None:
    await countersigned(
        parties.depot_operator,
        "/inventory/v1/products",
        {
            "product": product,
            "name": "An oxide for measuring",
            "contents": {"Dy": "0.87"},
            "form": "oxide",
            "unit": "1 kg can",
            "nominal_unit_g": UNIT_G,
            "specification": "none",
        },
        parties.approvers[0],
        signer,
    )
    await countersigned(
        parties.depot_operator,
        "/inventory/v1/lots",
        {
            "product": product,
            "depot": "Port Selby SA",
            "units": 2 * SUPPLY_G // UNIT_G,
            "nominal_unit_g": UNIT_G,
            "origin": "AU",
            "custody_model": "mass_balance",
            "assay": {
                "report": "B-1",
                "laboratory": "none",
                "assayed_on": "2026-01-05",
                "contents": {"Dy": "0.87"},
                "in_specification": True,
            },
        },
        parties.approvers[0],
        signer,
    )


async def _policy(parties: Parties, approver: Client, signer: Signer) -> None:
    versions = f"/allocation/v1/policies/{POLICY}/versions"
    await parties.operator.post(versions, {"terms": {}})
    await parties.operator.post(f"{versions}/1/submit")
    document = signer.key_file.with_name("bench-policy.json")
    document.write_bytes((await approver.request("GET", f"{versions}/1/document")).content)
    await approver.post(f"{versions}/1/approvals", msgspec.json.decode(sign_document(document, signer)))


async def _round(parties: Parties, approver: Client, signer: Signer, product: str) -> None:
    operator = parties.operator
    asked = {"product": product, "mass_g": SUPPLY_G, "daily_consumption_g": UNIT_G, "needed_by": "2099-06-30"}
    named = {"nominee": "none", "consignee": "none", "end_user": "none", "end_use": "measuring"}
    request = await parties.partners[PARTNER].post("/allocation/v1/requests", {**asked, **named})
    await operator.post(f"/allocation/v1/requests/{request['request']}/accept", {"accepted_g": SUPPLY_G, "reasons": ["all of it"]})
    opened = await operator.post("/allocation/v1/rounds", {"product": product, "requests": [request["request"]], "policy": POLICY})
    path = f"/allocation/v1/rounds/{opened['round']}"
    await operator.post(f"{path}/propose", {"supply_g": SUPPLY_G})
    decision = signer.key_file.with_name("bench-decision.json")
    decision.write_bytes((await approver.request("GET", f"{path}/decision")).content)
    await approver.post(f"{path}/approvals", msgspec.json.decode(sign_document(decision, signer)))
    await operator.post(f"{path}/certify", await attested(parties, signer, decision))
