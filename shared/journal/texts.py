"""Texts: what a person types freely (a reason, a note, who has signed for goods) is no part of an event, since events are kept for ever.

An event holds a commitment, `text:` and the hex of SHA-256(0x04 || salt || UTF-8). The text and its salt are a row of the service's table
`texts`, written in the same transaction, from which they can be erased: without the salt, nothing leads from the commitment to the text.
`decide` and `evolve` see the commitment alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, NewType

import msgspec

# In an event, and in the command before it: a commitment. Of an event of before there were any, or where the service itself says why
# ("expired"): the words.
TypedText = NewType("TypedText", str)

PREFIX = "text:"
COMMITMENT = re.compile(PREFIX + r"[0-9a-f]{64}")


class ErasureCode(StrEnum):
    """Why a text is erased."""

    SUBJECT_REQUEST = "subject_request"  # the person whom it is about has asked for it, and is right
    COURT_ORDER = "court_order"
    TYPED_IN_ERROR = "typed_in_error"  # it should never have been there
    NO_LONGER_NEEDED = "no_longer_needed"


class SaltedText(msgspec.Struct, frozen=True):
    """A text as a command brings it along, beside itself."""

    commitment: TypedText
    salt: bytes
    content: str


class KeptText(msgspec.Struct, frozen=True):
    """A text, with the place of the first event that holds its commitment."""

    text: SaltedText
    shard: int
    position: int


class TextErased(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A text is gone from the service: whoever had read it may have kept it. Each service has its own of these."""

    text: str  # the hex of its commitment
    code: ErasureCode

    @property
    def commitment(self) -> str:
        return f"{PREFIX}{self.text}"


class ErasableText(msgspec.Struct, frozen=True):
    """A row of `texts`. `content` None: it is erased; then `wiped_at` says when no page of the table had its bytes any more."""

    commitment: str
    content: str | None
    salt: bytes | None
    shard: int | None  # of the first event that holds it; None: it was erased before it was ever here
    position: int | None
    erased_at: datetime | None
    wiped_at: datetime | None


def salted(salt: bytes, content: str) -> SaltedText:
    """`salt`: 16 random bytes, drawn for this text alone."""
    return SaltedText(commitment_to(salt, content), salt, content)


def commitment_to(salt: bytes, content: str) -> TypedText:
    return TypedText(f"{PREFIX}{sha256(b'\x04' + salt + content.encode()).hexdigest()}")


def held_by(texts: Sequence[SaltedText], encoded: Sequence[bytes]) -> list[tuple[SaltedText, int]]:
    """Of the texts that came with a command, those that its events hold, each with the number of the first event that does."""
    found = []
    for text in texts:
        number = next((number for number, data in enumerate(encoded) if text.commitment.encode() in data), None)
        if number is not None:
            found.append((text, number))
    return found


def commitments_in(data: bytes) -> set[str]:
    """Those that an event's JSON holds."""
    return set(COMMITMENT.findall(data.decode())) if b'"text:' in data else set()


def plain_before(events: Mapping[str, str], version: int = 1) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """Upcasters from `version` to the next one, of events whose fields held the words themselves and now hold commitments.

    `events`: {name without version: fields, separated by spaces; `statement.impact` is within another, `findings.*.finding` within each
    of several, and `reasons` may be a list}.
    """
    return {f"{name}.v{version}": _plain(f"{name}.v{version + 1}", fields.split()) for name, fields in events.items()}


def _plain(newer: str, fields: Sequence[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def upcast(shape: dict[str, Any]) -> dict[str, Any]:
        for field in fields:
            shape = _mapped(shape, field.split("."))
        return {**shape, "type": newer}

    return upcast


def _mapped(shape: Any, path: Sequence[str]) -> Any:
    if isinstance(shape, list):
        return [_mapped(each, path) for each in shape]
    if not path:
        return f"plain {shape}" if isinstance(shape, str) and COMMITMENT.fullmatch(shape) else shape  # whoever typed that
    if isinstance(shape, dict) and path[0] == "*":
        return {name: _mapped(each, path[1:]) for name, each in shape.items()}
    if not isinstance(shape, dict) or path[0] not in shape:
        return shape
    return {**shape, path[0]: _mapped(shape[path[0]], path[1:])}
