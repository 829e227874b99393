"""Clients at work: second thoughts about what is decided already. Awards are given back, decisions superseded, agreements suspended."""

from collections.abc import Iterator
from typing import Any

import msgspec

from services.allocation.domain.decisions.renouncing import RenounceAward
from services.allocation.domain.decisions.superseding import SupersedeDecision
from services.allocation.domain.partners.agreement import ResumeAgreement, SuspendAgreement
from tests.simulation.client import Client
from tests.simulation.two_people import by_two


async def give_back(client: Client, product: Any) -> None:
    """An award of which something may be left; perhaps one that is given back already."""
    granted = [data for data in _told(client, product, "award_granted.v1") if _is_released(client, data["round"])]
    if not granted:
        return
    award = client.dice.choice(granted)
    renounce = RenounceAward(
        award=award["award"],
        round=award["round"],
        request=award["request"],
        product=product,
        partner=award["partner"],
        decision=award["decision"],
        status="released",
        reason="met elsewhere",
    )
    await client.do("allocation", f"award/{award['award']}", renounce)


async def supersede(client: Client, product: Any) -> None:
    certified = [data for data in _told(client, product, "round_certified.v2") if _is_released(client, data["round"])]
    others = [round for round, (its, status) in client.allocation.rounds.items() if its == product and status in ("open", "proposed")]
    if not certified or not others:
        return
    old = client.dice.choice(certified)
    command = SupersedeDecision(
        round=old["round"],
        product=product,
        decision=old["decision"],
        awarded_g=0,
        by_round=client.dice.choice(others),
        other=product,
        partners=(),
        companies=(),
        capacity=None,
        reason="an error was found",
    )
    await by_two(client, f"allocation/superseded/{old['round']}", command)


async def suspend_or_resume(client: Client, partner: Any) -> None:
    agreement = f"agr_{partner}"
    if agreement in client.allocation.suspended:
        await by_two(client, f"allocation/agreement/{agreement}", ResumeAgreement(reason="settled"))
    elif client.dice.random() < 0.3:
        await client.do("allocation", f"agreement/{agreement}", SuspendAgreement(hold=client.new_id("hld"), reason="unpaid"))


def _is_released(client: Client, round: str) -> bool:
    return client.allocation.rounds.get(round, ("", ""))[1] == "released"  # type: ignore[call-overload]


def _told(client: Client, product: str, kind: str) -> Iterator[dict[str, Any]]:
    for record in client.world.stores["allocation"].by_stream.get(f"book/{product}", []):
        if record.type == f"allocation.{kind}":
            yield msgspec.json.decode(record.data)
