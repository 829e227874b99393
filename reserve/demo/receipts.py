"""Receipts: fetched by their owners, kept as files, and verified with nothing but the log's pinned key."""

import msgspec

from reserve.client import Client, ProblemAnswer
from reserve.demo.parties import Unexpected, until
from reserve.demo.scenario import PARTNERS
from reserve.demo.stage import Stage
from services.ledger.receipt import verify_receipt

WAIT_S = 10  # that the ledger may take to answer


async def verify_receipts(stage: Stage) -> int:
    """How many receipts were verified: each partner's of its draws, and an auditor's of each certified round."""
    for draw in stage.draws:
        await _verify(stage, stage.parties.partners[draw["partner"]], draw["place"], draw["draw"])
    for certified in stage.rounds.values():
        await _verify(stage, stage.parties.auditor, certified["certified_in"], certified["round"])
    owners = ", ".join(sorted({PARTNERS[draw["partner"]].name for draw in stage.draws}))
    verified = len(stage.draws) + len(stage.rounds)
    stage.screen.say(f"{owners} and an auditor fetched {verified} receipts and verified each of them offline, with the pinned key alone.")
    return verified


async def _verify(stage: Stage, owner: Client, place: str, subject: str) -> None:
    """Raises ReceiptInvalid, or Unexpected for a sound receipt of something else."""
    text = await until(f"the receipt of {place}", lambda: _fetched(owner, place))
    (stage.folder / f"{subject}.receipt").write_text(text)
    receipt = verify_receipt(text, [stage.log_key])
    event = msgspec.json.decode(receipt.opening.event or b"{}")
    if receipt.opening.place != place or subject not in msgspec.json.encode(event).decode():
        raise Unexpected(f"the receipt of {place} is not about {subject}")


async def _fetched(owner: Client, place: str) -> str | None:
    try:
        return (await owner.request("GET", f"/ledger/v1/receipts/{place}", query={"wait": WAIT_S})).text
    except ProblemAnswer as problem:
        if problem.code != "receipt_not_ready":
            raise
        return None
