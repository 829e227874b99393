"""Asking: what has happened by the API before a page is opened. What people typed then is hostile."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from reserve.commands.approve import Signer, sign, to_be_signed
from services.allocation.domain.book.state import ATTESTATION
from tests.browser.person import Sandbox
from tests.waiting import until

HOSTILE = "<script>alert('no')</script><img src=x onerror=alert(1)>\"'&amp;{{ 7*7 }}"
GALLIUM = "gallium-4n"


async def asked(sandbox: Sandbox, partner: str, product: str, mass_g: int, daily_g: int) -> str:
    """A request whose free fields hold what no page may run."""
    body = {
        "product": product,
        "mass_g": mass_g,
        "minimum_g": 0,
        "daily_consumption_g": daily_g,
        "needed_by": (datetime.now(UTC).date() + timedelta(days=120)).isoformat(),
        "statement": {"event": HOSTILE, "impact": HOSTILE, "alternatives": HOSTILE, "quality": HOSTILE, "duration_days": 90},
    }
    async with sandbox.client(f"partner-{partner.lower()}") as client:
        typed = dict.fromkeys(("nominee", "end_user", "end_use"), HOSTILE) | {"consignee": "a trading house"}
        return str((await client.post("/allocation/v1/requests", body | typed))["request"])


async def opened(sandbox: Sandbox, product: str, accepted_g: dict[str, int]) -> str:
    """A round for these requests, each accepted with so much."""
    async with sandbox.client("operator-2") as screener, sandbox.client("operator-1") as operator:
        for request, mass_g in accepted_g.items():
            accepted = {"accepted_g": mass_g, "reasons": [f"the rest is in makers' own stock {HOSTILE}"]}
            await screener.post(f"/allocation/v1/requests/{request}/accept", accepted)
        body = {"product": product, "requests": list(accepted_g), "policy": product}
        return str((await operator.post("/allocation/v1/rounds", body))["round"])


async def released(sandbox: Sandbox, folder: Path, partner: str, product: str, mass_g: int) -> str:
    """A release, by a round of one request that two people have signed. `folder`: for the document that they sign."""
    round = await opened(sandbox, product, {await asked(sandbox, partner, product, mass_g, mass_g): mass_g})
    path, file = f"/allocation/v1/rounds/{round}", folder / "decision.json"
    async with sandbox.client("operator-1") as operator, sandbox.client("approver-1") as approver:
        await operator.post(f"{path}/propose", {"supply_g": mass_g})
        file.write_bytes((await operator.request("GET", f"{path}/decision")).content)
        await approver.post(f"{path}/approvals", await _signature(sandbox, file, approver, "approver-1", None))
        await operator.post(f"{path}/certify", {"attestation": await _signature(sandbox, file, operator, "operator", ATTESTATION)})

        async def found() -> str | None:
            rows = (await operator.get("/inventory/v1/releases", limit=200))["data"]
            return next((row["release"] for row in rows if row["round"] == round), None)

        release = await until(found)
    assert release is not None
    return release


async def _signature(sandbox: Sandbox, file: Path, client: Any, key: str, purpose: str | None) -> Any:
    me = await client.get("/allocation/v1/me")
    signer = Signer(
        approver=me["subject"],
        key_file=sandbox.running.folder / "people" / f"{key}.pem",
        origin=sandbox.log_key.name,
        authority=me["powers"][0]["instrument"] if me["powers"] else None,
    )
    return msgspec.json.decode(sign(to_be_signed(file, purpose), signer))
