"""Clients at work: an officer who acts for another on some days, with a key of her own, and who may have an interest in what is decided."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.allocation.domain.authority.approver_key import ClaimKey
from services.allocation.domain.authority.instrument import NameActingOfficer
from services.allocation.domain.authority.official import DeclareConflict, WithdrawConflict
from tests.simulation.client import Client
from tests.simulation.clients import Approver, enrol
from tests.simulation.two_people import by_two
from tests.stories.barring import barring
from tests.stories.endorsing import CEREMONY


async def stand_in(client: Client, deputy: Approver, holder: Approver, until_s: float) -> None:
    await client.do("allocation", f"approver_key/{deputy.key_id}", ClaimKey(subject=deputy.subject, key=deputy.key_id))
    await enrol(client, deputy)
    while client.world.loop.time() < until_s:
        await client.pause(1.5)
        held = client.allocation.held_by(holder.subject)
        if held and client.dice.random() < 0.2:
            today = client.world.today()
            until = today + timedelta(days=client.dice.choice((0, 1, 3)))
            naming = NameActingOfficer(officer=deputy.subject, valid_from=today, valid_until=until, endorsing=CEREMONY)
            await client.do("allocation", f"instrument/{client.dice.choice(held)[0].id}", naming)


async def declare_interests(client: Client, deputy: Approver, products: Sequence[Any], partners: Sequence[Any], until_s: float) -> None:
    """What she declares, another withdraws; she cannot."""
    stream = f"official/{deputy.subject}"
    while client.world.loop.time() < until_s:
        await client.pause(4.0)
        about, names = client.dice.choice((("product", products), ("partner", partners)))
        name = client.dice.choice(names)
        declared = DeclareConflict(official=deputy.subject, about=about, name=name, reason="shares", barring=barring(deputy.subject))  # type: ignore[arg-type]
        await client.do("allocation", stream, declared)
        await client.pause(4.0)
        by = client.dice.choice(("administrator", "administrator", deputy.subject))
        withdraw = WithdrawConflict(official=deputy.subject, about=about, name=name, reason="sold", by=by)  # type: ignore[arg-type]
        await by_two(client, f"allocation/{stream}", withdraw)
