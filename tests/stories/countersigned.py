"""What moves value, as two people do it: one proposes it, another signs."""

from datetime import date
from itertools import count
from typing import Any

import msgspec

from shared.terms.acting import Signing
from shared.terms.approval import SignedApproval
from shared.terms.countersigning import ApproveCommand, CommandPaper, Controls, Countersigned, ProposeCommand
from tests.stories.powers import may

PROPOSER, SIGNER = "subject-proposer", "subject-signer"
DOCUMENT = "d0" * 32
_numbers = count(1)


def propose(command: Any, on: date, *, proposal: str = "prp_1", by: str = PROPOSER) -> ProposeCommand:
    return ProposeCommand(
        proposal=proposal, streams=("stockpile/antimony-metal",), command=msgspec.to_builtins(command), document=DOCUMENT, by=by, on=on
    )


def approve(on: date, *, proposal: str = "prp_1", by: str = SIGNER, document: str = DOCUMENT, **changes: Any) -> ApproveCommand:
    """`changes`: of what the signature or its signer says."""
    signed = SignedApproval(purpose=CommandPaper.purpose, document=document, approver=by, key_id="a1" * 8, signature="f0" * 64)
    told: dict[str, Any] = {"approval": signed, "key": "enrolled", "signature_valid": True, "capacity": may(by, on)}
    return ApproveCommand(proposal=proposal, signing=Signing(**(told | changes)), on=on)


def by_two(controls: Controls, command: Any, on: date, *, proposed_on: date | None = None) -> list[Any]:
    """The command itself where one person may give it; else its proposal, and another's signature. `proposed_on`: another day than `on`,
    where a clock goes by another calendar than the story, and would have it lapse."""
    if not isinstance(controls[type(command)], Countersigned):
        return [command]
    proposal = f"prp_{next(_numbers)}"
    return [propose(command, proposed_on or on, proposal=proposal), approve(on, proposal=proposal)]
