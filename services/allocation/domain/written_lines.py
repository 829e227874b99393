"""The lines of a kept decision file, as far as answers show them."""

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


class _Lines(msgspec.Struct):
    lines: list[msgspec.Raw]


def first_lines(file: bytes, most: int) -> list[WrittenLine]:
    """By request, of a decision file that this service keeps: the whole of a large one takes long to read."""
    return [msgspec.json.decode(line, type=_Opened).content for line in msgspec.json.decode(file, type=_Lines).lines[:most]]
