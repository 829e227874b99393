"""Approver: a person's own Ed25519 keys, by their public halves. No service holds the private ones."""

from typing import assert_never

import immutables
import msgspec

from services.allocation.events import ApproverEvent, ApproverKeyEnrolled, ApproverKeyRevoked, KeyId, ProductId, SubjectId
from shared.journal.decider import Decider, Reasons, Refused


class EnrolKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    subject: SubjectId
    key: KeyId
    public_key: str  # 64 hex digits


class RevokeKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    subject: SubjectId
    key: KeyId
    products: tuple[ProductId, ...]  # whose books hold approvals by this key, as looked up
    reason: str


type Command = EnrolKey | RevokeKey


class Reason(Reasons):
    """Why an approver's keys stay as they are."""

    ALREADY_ENROLLED = "approver_key_already_enrolled", 409, "The key was enrolled before"
    NOT_FOUND = "approver_key_not_found", 404, "There is no such key"
    ALREADY_REVOKED = "approver_key_already_revoked", 409, "The key is revoked already"


class ApproverKey(msgspec.Struct, frozen=True):
    public_key: str
    revoked: bool = False


class Approver(msgspec.Struct, frozen=True):
    keys: immutables.Map[KeyId, ApproverKey] = immutables.Map()


def decide(command: Command, approver: Approver) -> list[ApproverEvent] | Refused[Reason]:
    key = approver.keys.get(command.key)
    match command:
        case EnrolKey():
            if key is not None:  # also a revoked one: it stays revoked for ever
                return Refused(Reason.ALREADY_ENROLLED, f"{command.key} was enrolled before", field="/public_key", accepted="another key")
            return [ApproverKeyEnrolled(subject=command.subject, key=command.key, public_key=command.public_key)]
        case RevokeKey():
            if key is None:
                return Refused(Reason.NOT_FOUND, f"there is no key {command.key}")
            if key.revoked:
                return Refused(Reason.ALREADY_REVOKED, f"key {command.key} is revoked already")
            return [ApproverKeyRevoked(subject=command.subject, key=command.key, products=command.products, reason=command.reason)]
        case _:
            assert_never(command)


def evolve(approver: Approver, event: ApproverEvent) -> Approver:
    match event:
        case ApproverKeyEnrolled():
            return Approver(approver.keys.set(event.key, ApproverKey(event.public_key)))
        case ApproverKeyRevoked():
            revoked = msgspec.structs.replace(approver.keys[event.key], revoked=True)
            return Approver(approver.keys.set(event.key, revoked))
        case _:
            assert_never(event)


DECIDER = Decider(kind="approver", initial=Approver(), commands=Command, decide=decide, evolve=evolve)
