"""The stock that everyone draws from: one product of a small unit, one lot of it, and one release by a real round."""

from pathlib import Path

import msgspec

from services.client import Client
from services.commands.approve import sign_decision
from services.commands.approver_key import new_key
from services.demo.parties import Parties, all_rows, subject_of, until

PRODUCT = "bench-oxide"
PARTNER = "JP"
UNIT_G = 1_000  # one draw
SUPPLY_G = 1_000_000_000 * UNIT_G


async def release_stock(parties: Parties, folder: Path) -> str:
    """The release. Raises what the calls raise."""
    await _stock(parties)
    approver = parties.approvers[0]
    subject, key_file = await subject_of(approver), folder / "bench-approver.pem"
    public_key, _ = new_key(key_file)
    await parties.admin.post("/allocation/v1/approver-keys", {"subject": subject, "public_key": public_key})
    certified = await _round(parties, approver, subject, key_file)

    async def released() -> str | None:
        rows = await all_rows(parties.auditor, "/inventory/v1/releases", product=PRODUCT)
        return rows[0]["release"] if rows else None

    return await until(f"the release of {certified}", released)


async def _stock(parties: Parties) -> None:
    operator = parties.depot_operator
    await parties.admin.post("/allocation/v1/partners", {"partner": PARTNER, "name": "Japan"})
    await operator.post(
        "/inventory/v1/products",
        {
            "product": PRODUCT,
            "name": "An oxide for measuring",
            "contents": {"Dy": "0.87"},
            "form": "oxide",
            "unit": "1 kg can",
            "nominal_unit_g": UNIT_G,
            "specification": "none",
        },
    )
    await operator.post(
        "/inventory/v1/lots",
        {
            "product": PRODUCT,
            "depot": "Port Selby SA",
            "units": 2 * SUPPLY_G // UNIT_G,
            "nominal_unit_g": UNIT_G,
            "origin": "Australia",
            "custody_model": "mass_balance",
            "assay": {
                "report": "B-1",
                "laboratory": "none",
                "assayed_on": "2026-01-05",
                "contents": {"Dy": "0.87"},
                "in_specification": True,
            },
        },
    )

    async def known() -> bool | None:
        rows = await parties.operator.get("/allocation/v1/stock")
        return True if any(row["product"] == PRODUCT and row["free_g"] for row in rows) else None

    await until("the book to know the stock", known)


async def _round(parties: Parties, approver: Client, subject: str, key_file: Path) -> str:
    operator = parties.operator
    terms = {"product": PRODUCT, "yearly_quota_g": SUPPLY_G, "share": "1"}
    validity = {"valid_from": "2025-07-01", "valid_until": "2099-06-30"}
    await operator.post("/allocation/v1/agreements", {"partner": PARTNER, "products": [terms], "priority_class": 0, **validity})
    asked = {"product": PRODUCT, "mass_g": SUPPLY_G, "daily_consumption_g": UNIT_G, "needed_by": "2099-06-30"}
    request = await parties.partners[PARTNER].post("/allocation/v1/requests", {**asked, "nominee": "none", "end_use": "measuring"})
    await operator.post(f"/allocation/v1/requests/{request['request']}/accept", {"accepted_g": SUPPLY_G, "reasons": ["all of it"]})
    opened = await operator.post("/allocation/v1/rounds", {"product": PRODUCT, "requests": [request["request"]]})
    path = f"/allocation/v1/rounds/{opened['round']}"
    await operator.post(f"{path}/propose", {"supply_g": SUPPLY_G})
    decision = key_file.with_name("bench-decision.json")
    decision.write_bytes((await approver.request("GET", f"{path}/decision")).content)
    await approver.post(f"{path}/approvals", msgspec.json.decode(sign_decision(decision, key_file, subject)))
    await operator.post(f"{path}/certify")
    return str(opened["round"])
