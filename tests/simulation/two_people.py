"""Two people at work: what one client proposes, another person signs."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.registry import service
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.acting import Signing
from shared.terms.approval import approve
from shared.terms.countersigning import ApproveCommand, CommandPaper, Countersigned, ProposeCommand, WithdrawCommand
from shared.terms.protecting import ByOne
from shared.writer.commands import Accepted
from tests.simulation.authority_clients import KEEPER, OFFICER, capacity
from tests.simulation.client import Client

if TYPE_CHECKING:
    from tests.simulation.world import Running

SIGNERS = {"inventory": KEEPER, "allocation": KEEPER, "loans": OFFICER}
KEYS = {who: Ed25519PrivateKey.from_private_bytes(sha256(who.encode()).digest()) for who in SIGNERS.values()}


def by_one(client: Client) -> ByOne:
    """Who stops something by themselves."""
    return ByOne(by=client.name, accounts=frozenset({client.name}), at=client.world.now())


async def give(client: Client, name: str, stream: str, command: Any, *documents: Document, surely: bool = False) -> Any:
    """Done by one, or by two where it must be."""
    if not isinstance(service(name).controls.get(type(command)), Countersigned):
        return await client.do(name, stream, command)
    return await by_two(client, f"{name}/{stream}", command, documents=documents, surely=surely)


async def by_two(
    client: Client, at: str, command: Any, *, surely: bool = False, hopeless: bool = False, documents: Sequence[Document] = ()
) -> Any:
    """Proposed, and mostly (or `surely`) signed; the last answer. `at`: a service's stream, as "inventory/stockpile/tin". `documents`:
    those that its events stand on."""
    name, _, stream = at.partition("/")
    proposal, control, who = client.new_id("prp"), service(name).controls[type(command)], SIGNERS[name]
    assert isinstance(control, Countersigned)

    async def propose(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        said = msgspec.to_builtins(msgspec.structs.replace(command, on=on) if "on" in command.__struct_fields__ else command)
        paper = CommandPaper(
            proposal=proposal,
            service=name,
            streams=(stream,),
            act=control.act,
            command=said,
            proposed_by=client.name,
            proposed_on=on,
        )
        document = Document(canonical(paper))
        asked = ProposeCommand(proposal=proposal, streams=(stream,), command=said, document=document.name, by=client.name, on=on)
        return asked, (document, *documents)

    proposed = await client.do(name, stream, propose)
    if not isinstance(proposed, Accepted):
        return proposed
    if not surely and (chance := client.dice.random()) < 0.1:
        withdraw = WithdrawCommand(proposal=proposal, reason="second thoughts")
        return await client.do(name, stream, withdraw) if chance < 0.05 else None  # else nobody signs it
    document = proposed.facts[0].event.document

    async def countersign(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        signed = approve(document, KEYS[who], approver=who, purpose=CommandPaper.purpose)
        signing = Signing(approval=signed, key="enrolled", signature_valid=True, capacity=capacity(client, who))
        return ApproveCommand(proposal=proposal, signing=signing, on=on), ()

    return await client.do(name, stream, countersign, tries=3 if hopeless else 12, hopeless=hopeless)


async def surely(client: Client, at: str, command: Any) -> None:
    """Once who signs there may."""
    signer = SIGNERS[at.partition("/")[0]]
    await client.until(lambda: client.allocation.held_by(signer))
    while not isinstance(answer := await by_two(client, at, command, surely=True), Accepted):
        if answer is not None:
            break  # an attempt without an answer had done it
