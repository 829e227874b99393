"""Policies: how the rounds of the story are held, drafted by an operator and approved by another person."""

from typing import Any

from services.demo.approving import approve
from services.demo.scenario import PRODUCTS, Product
from services.demo.stage import Stage

LENDING = "lending-of-metal"


async def adopt_policies(stage: Stage) -> None:
    """One a product, and one for the round of a material loan."""
    for product in PRODUCTS:
        await adopt(stage, product.product, terms_of(product))
    await adopt(stage, LENDING, {"release_days": 30})
    stage.screen.say("How rounds are held stands in policies: written by an operator, approved by another person, active from today.")


async def adopt(stage: Stage, policy: str, terms: dict[str, Any]) -> None:
    drafted = await stage.parties.operator.post(f"/allocation/v1/policies/{policy}/versions", {"terms": terms})
    path = f"/allocation/v1/policies/{policy}/versions/{drafted['version']}"
    await stage.parties.operator.post(f"{path}/submit")
    await approve(stage, stage.parties.approvers[0], f"{path}/document", f"{path}/approvals")


def terms_of(product: Product) -> dict[str, Any]:
    return {
        "method": {"rule": product.rule},
        "quorum": [{"above_g": 0, "approvals": product.approvals_needed}],
        "release_days": product.release_days,
    }
