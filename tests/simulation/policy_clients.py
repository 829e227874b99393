"""Clients at work: an author of the standing policy, and whoever approves what others wrote. Rounds are held by what comes of it."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from services.allocation.domain.policies.policy import (
    ApproveVersion,
    DraftVersion,
    Policy,
    ReviseVersion,
    SubmitVersion,
    WithdrawVersion,
    document_of,
)
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.events import QuorumStep
from services.allocation.events.policies import PolicyDocument
from shared.journal.decider import Refused
from shared.journal.protocol import Document
from shared.terms.approval import approve
from shared.terms.countersigning import ControlReason
from tests.simulation.client import Answer, Client, Prepare
from tests.simulation.clients import Approver, signing_of
from tests.simulation.two_people import by_two

if TYPE_CHECKING:
    from tests.simulation.world import Running

NAME = "standing"
STREAM = f"policy/{NAME}"
AUTHOR: Any = "author"


async def write_policy(client: Client, approvers: Sequence[Approver], until_s: float) -> None:
    while client.world.loop.time() < until_s:
        policy = client.allocation.people.policies.get(NAME, Policy())
        await client.pause(3.0 if policy.active_on(client.world.today()) else 0.5)
        version = policy.latest
        match policy.versions[version].status if version else None:
            case "draft" if client.dice.random() < 0.3:
                await client.do("allocation", STREAM, _written(client, version, revised=True))
            case "draft":
                await client.do("allocation", STREAM, SubmitVersion(version=version, by=_author(client)))
            case "submitted":
                answer = await _approve(client, version, policy.versions[version].document, approvers[0])
                if isinstance(answer, Refused) and client.dice.random() < 0.3:
                    withdraw = WithdrawVersion(version=version, by=AUTHOR, accounts=frozenset({AUTHOR}), reason="stands still", on=date.min)
                    answer = await client.do("allocation", STREAM, withdraw)
                    if getattr(answer, "code", None) == ControlReason.NEEDED:  # somebody else wrote it
                        await by_two(client, f"allocation/{STREAM}", withdraw)
            case "approved" if client.dice.random() < 0.2:
                await by_two(client, f"allocation/{STREAM}", WithdrawVersion(version=version, by=AUTHOR, reason="no good", on=date.min))
            case _:
                await client.do("allocation", STREAM, _written(client, version + 1))


def _author(client: Client) -> Any:
    """Sometimes one who then cannot approve it."""
    return "approver1" if client.dice.random() < 0.1 else AUTHOR


def _written(client: Client, version: int, *, revised: bool = False) -> Prepare:
    by, days = _author(client), client.dice.choice((0, 0, 0, 1, 2))
    terms = msgspec.structs.replace(
        STANDARD_TERMS,
        quorum=(QuorumStep(above_g=0, approvals=client.dice.randrange(1, 3)),),
        release_days=client.dice.choice((1, 4, 30)),
    )

    async def write(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        active_from = on + timedelta(days=days)
        document = Document(document_of(NAME, version, active_from, terms))
        if revised:
            return ReviseVersion(version=version, active_from=active_from, terms=terms, by=by, on=on), (document,)
        return DraftVersion(policy=NAME, version=version, active_from=active_from, terms=terms, by=by, on=on), (document,)

    return write


async def _approve(client: Client, version: int, document: str, approver: Approver) -> Answer | None:
    signed = approve(document, approver.key, approver=approver.subject, purpose=PolicyDocument.purpose)

    async def command(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        return ApproveVersion(version=version, signing=signing_of(client, signed, approver, on)), ()

    return await client.do("allocation", STREAM, command)
