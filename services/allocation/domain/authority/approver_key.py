"""Approver's key: whose it is. Whoever claims it first has it for ever."""

from enum import StrEnum

import msgspec

from services.allocation.events import ApproverKeyClaimed, KeyId, SubjectId
from shared.journal.decider import Decider, Refused


class ClaimKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    subject: SubjectId
    key: KeyId


class Reason(StrEnum):
    ANOTHERS = "approver_key_already_enrolled"


class KeyClaim(msgspec.Struct, frozen=True):
    subject: SubjectId | None = None


def decide(command: ClaimKey, claim: KeyClaim) -> list[ApproverKeyClaimed] | Refused[Reason]:
    if claim.subject is None:
        return [ApproverKeyClaimed(subject=command.subject, key=command.key)]
    if claim.subject != command.subject:
        return Refused(Reason.ANOTHERS, "a key is one person's own", field="/public_key", accepted="another key")
    return []


def evolve(claim: KeyClaim, event: ApproverKeyClaimed) -> KeyClaim:
    return KeyClaim(event.subject)


DECIDER = Decider(kind="approver_key", initial=KeyClaim(), commands=ClaimKey, decide=decide, evolve=evolve)
