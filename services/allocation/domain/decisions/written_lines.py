"""The lines of a kept decision file, as far as answers show them: to take all of a large one apart holds up everybody."""

from collections.abc import Collection

import msgspec

from services.allocation.domain.decisions.decision import FORMAT, DecisionLine, Opened, canonical_document, decoder_of
from services.allocation.domain.decisions.sealed import own_line


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
    lines: list[msgspec.Raw]


class _Terms(msgspec.Struct):
    format: str


class _Published(msgspec.Struct):
    terms: _Terms


_LINE = decoder_of(Opened[DecisionLine])


def first_lines(file: bytes, most: int) -> list[WrittenLine]:
    """By request."""
    return [_read(line) for line in msgspec.json.decode(file, type=_File).lines[:most]]


def own_part(published: bytes, file: bytes, requests: Collection[str]) -> bytes:
    """The canonical file with only the lines of these requests opened, as bytes. `published`: what has the decision's name."""
    whole = msgspec.json.decode(file, type=_File)
    own = [line for line in whole.lines if _read(line).claimant.request in requests]
    if msgspec.json.decode(published, type=_Published).terms.format != FORMAT:
        return msgspec.json.encode({"decision": msgspec.Raw(published), "holdings": None, "lines": own})
    sealed = [msgspec.Raw(canonical_document(own_line(_LINE.decode(line)))) for line in own]
    return msgspec.json.encode({"decision": msgspec.Raw(published), "lines": sealed})


def _read(line: msgspec.Raw) -> WrittenLine:
    return msgspec.json.decode(line, type=_Opened).content
