"""The books: what the ledger has on a loan's accounts, beside what the loan itself says. The two are kept by two services."""

from typing import Any

from reserve.client import Client
from reserve.demo.parties import all_rows, until
from reserve.demo.stage import Stage

_OWED = ("principal", "interest", "default_interest", "fees")


async def tie_out(stage: Stage) -> int:
    """How many figures of all loans are equal in the ledger, which takes events a moment later. Raises Unexpected if they never are."""

    async def equal() -> int | None:
        compared = [figure for figures in await compare(stage) for figure in figures]
        return len(compared) if all(said == booked for _, said, booked in compared) else None

    with stage.screen.waiting("the ledger hears of it"):
        return await until("the ledger's books to be those of the loans", equal)


type Figure = tuple[str, int, int]  # what it is, as the loan says, as the ledger has it


async def compare(stage: Stage) -> list[list[Figure]]:
    """Of each loan that the story has made."""
    auditor = stage.parties.auditor
    found = [await of_loan(auditor, loan) for loan in stage.loans]
    return found + [await of_material_loan(auditor, loan) for loan in stage.material_loans]


async def of_loan(auditor: Client, loan: str) -> list[Figure]:
    stated = await auditor.get(f"/loans/v1/loans/{loan}")
    booked = await _balances(auditor, stated["currency"], f"loan/{loan}/")
    figures = stated["figures"] or dict.fromkeys((f"{name}_minor" for name in (*_OWED, "credit")), 0)
    committed = stated["undrawn_minor"] if stated["status"] == "committed" else 0
    return [
        ("committed and not advanced", committed, booked.get("commitment", (0, 0))[1]),
        *((name.replace("_", " "), figures[f"{name}_minor"], booked.get(name, (0, 0))[0]) for name in _OWED),
        ("credit", figures["credit_minor"], -booked.get("credit", (0, 0))[0]),
    ]


async def of_material_loan(auditor: Client, loan: str) -> list[Figure]:
    stated = await auditor.get(f"/loans/v1/material-loans/{loan}")
    asset, partner = f"contained/{stated['element']}", f"partner/{stated['partner']}/loan/{loan}/"
    booked = await _balances(auditor, asset, partner) | await _balances(auditor, asset, f"lending/{loan}/")
    return [
        ("lent and still out", stated["out_g"], booked.get("lent", (0, 0))[0]),
        ("on the way back", stated["pending_g"], -booked.get("returning", (0, 0))[1]),
        ("premium earned", stated["premium_g"], -booked.get("premium", (0, 0))[0]),
        ("returned too much", stated["excess_g"], -booked.get("excess", (0, 0))[0]),
    ]


async def _balances(auditor: Client, asset: str, owner: str) -> dict[str, tuple[int, int]]:
    """Of the owner's accounts in that asset: posted and pending."""
    rows: list[Any] = await all_rows(auditor, "/ledger/v1/balances", asset=asset)
    return {row["account"].removeprefix(owner): (row["posted"], row["pending"]) for row in rows if row["account"].startswith(owner)}
