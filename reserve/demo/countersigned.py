"""What moves value, as two people do it over HTTP: one proposes it, another signs what they have read with a key of their own."""

from typing import Any

import msgspec

from reserve.client import Client, ProblemAnswer
from reserve.commands.approve import Signer, sign_document
from reserve.demo.parties import until

_NOT_HEARD = frozenset({"approver_key_not_found", "authority_missing"})  # keys and instruments reach a service by events


async def countersigned(proposer: Client, path: str, body: Any, approver: Client, signer: Signer) -> Any:
    """The proposal, done. Raises ProblemAnswer for what is refused."""
    proposed = await proposer.post(path, body)
    return await sign_proposal(path.split("/")[1], proposed["proposal"], approver, signer)


def followed(signed: Any, event: str) -> Any:
    """The event of this type that stands after a signature."""
    return next(each for each in signed["followed"] if each["type"] == event)


async def sign_proposal(service: str, proposal: str, approver: Client, signer: Signer) -> Any:
    """As whoever signs does it: the document is fetched, read, signed on their machine, and the signature sent."""
    path = f"/{service}/v1/proposals/{proposal}"
    document = signer.key_file.with_name(f"{proposal}.json")
    document.write_bytes((await approver.request("GET", f"{path}/document")).content)
    signed = msgspec.json.decode(sign_document(document, signer))

    async def heard() -> Any:
        try:
            return await approver.post(f"{path}/approvals", signed)
        except ProblemAnswer as problem:
            if problem.code not in _NOT_HEARD:
                raise
            return None

    return await until(f"{service} to know who signs", heard)
