"""The lines of a kept decision file, as far as answers show them: to take all of a large one apart holds up everybody."""

from collections.abc import Collection

import msgspec


class WrittenClaimant(msgspec.Struct, frozen=True):
    request: str
    partner: str
    accepted_g: int
    daily_consumption_g: int | None


class WrittenLine(msgspec.Struct, frozen=True):
    """What answers show of a line, with rationals as they are written: no need to take the rest of it apart."""

    claimant: WrittenClaimant
    entitlement_g: str
    award_g: int
    carry_out_g: str


class _Opened(msgspec.Struct):
    content: WrittenLine


class _File(msgspec.Struct):
    decision: msgspec.Raw
    lines: list[msgspec.Raw]


def first_lines(file: bytes, most: int) -> list[WrittenLine]:
    """By request."""
    return [_read(line) for line in msgspec.json.decode(file, type=_File).lines[:most]]


def own_part(file: bytes, requests: Collection[str]) -> bytes:
    """The canonical file with only the lines of these requests opened: `own_view`, of bytes."""
    whole = msgspec.json.decode(file, type=_File)
    own = [line for line in whole.lines if _read(line).claimant.request in requests]
    return msgspec.json.encode({"decision": whole.decision, "holdings": None, "lines": own})


def _read(line: msgspec.Raw) -> WrittenLine:
    return msgspec.json.decode(line, type=_Opened).content
