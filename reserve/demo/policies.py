"""Policies: how the rounds of the story are held, drafted by an operator and approved by another person."""

from typing import Any

from reserve.demo.approving import approve
from reserve.demo.scenario import PRODUCTS, Product
from reserve.demo.screen import mass
from reserve.demo.stage import Stage

LENDING = "lending-of-metal"
SCENARIO = "antimony-2024"


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


async def compare(stage: Stage, product: Product) -> None:
    """Before the round: what another policy would have given, by a scenario of the library. It is looked at, and withdrawn."""
    operator, policy = stage.parties.operator, product.product
    other = terms_of(product) | {"method": {"rule": "equal_awards", "cap": "1/2"}}
    drafted = await operator.post(f"/allocation/v1/policies/{policy}/versions", {"terms": other})
    path = f"/allocation/v1/policies/{policy}/versions/{drafted['version']}"
    diff = await stage.parties.approvers[0].post(f"{path}/diff", {"scenarios": [SCENARIO], "rounds": 0})
    stage.screen.say(
        "Two policies are compared before anything is decided: in proportion, as now, or the same for each and at most half for one."
    )
    for case in diff["cases"]:
        rows = [
            (line["partner"], mass(line["claim_g"]), *_got(line, "before"), *_got(line, "after"))
            for line in sorted(case["lines"], key=lambda line: -line["claim_g"])
        ]
        sides = [case["before"], case["after"]]
        least = ("least", "", "", f"{sides[0]['days_least']} days", "", f"{sides[1]['days_least']} days")
        unused = ("unused", "", mass(sides[0]["unused_g"]), "", mass(sides[1]["unused_g"]), "")
        columns = ("partner", "asks for", "in proportion", "buys", "the same for each", "buys")
        stage.screen.table(f"{case['case']}, {case['product']}: {mass(case['offered_g'])}", columns, [rows, [least, unused]])
    await operator.post(f"{path}/withdraw", {"reason": "the first stays: it leaves nobody without"})
    stage.screen.say("The first stays: what is decided next is decided under it.")


def _got(line: Any, side: str) -> tuple[str, str]:
    return mass(line[f"{side}_g"]), f"{line[f'{side}_days']} days"


def terms_of(product: Product) -> dict[str, Any]:
    return {
        "method": {"rule": product.rule},
        "quorum": [{"above_g": 0, "approvals": product.approvals_needed}],
        "release_days": product.release_days,
    }
