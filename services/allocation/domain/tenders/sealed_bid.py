"""A sealed bid: its canonical document, the commitment to it, and the prices in it.

commitment = SHA-256(salt || canonical bid). The salt is 16 random bytes that the bidder keeps: a bid of few possible values could be
guessed.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from services.allocation.events import BidStep, PartnerCode, TenderId
from shared.journal.record import canonical

MAX_STEPS = 20
SALT = "^[0-9a-f]{32}$"
PRICE = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{0,5}[1-9])?$"  # one spelling a price: a commitment is to bytes
_PRICE = re.compile(PRICE)
_MILLIONTHS = 1_000_000


class SealedBid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`steps`: the highest price first, each price once; so many units more at each."""

    format: Literal["reserve.bid.v1"] = "reserve.bid.v1"
    tender: TenderId
    bidder: PartnerCode
    steps: tuple[BidStep, ...]


class BidFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bidder keeps until the bid is revealed, and shows nobody before."""

    bid: SealedBid
    salt: Annotated[str, msgspec.Meta(pattern=SALT)]
    commitment: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


def seal(bid: SealedBid, salt: str) -> str:
    """The commitment, hex."""
    return sha256(bytes.fromhex(salt) + canonical(bid)).hexdigest()


def price_of(text: str) -> Fraction:
    """Raises ValueError."""
    if _PRICE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no price (accepted: a decimal with up to 6 places and no zeroes at its end, such as 2550.5)")
    return Fraction(text)


def decimal_text(price: Fraction) -> str:
    """The spelling of a price that came from `price_of`."""
    whole, millionths = divmod(int(price * _MILLIONTHS), _MILLIONTHS)
    return f"{whole}.{millionths:06}".rstrip("0").rstrip(".")


def fault_of_steps(steps: Sequence[BidStep]) -> str | None:
    """What is wrong with a bid's steps by themselves."""
    if not 1 <= len(steps) <= MAX_STEPS:
        return f"a bid has 1 to {MAX_STEPS} steps"
    try:
        prices = [price_of(step.price) for step in steps]
    except ValueError as error:
        return str(error)
    if any(step.units < 1 for step in steps):
        return "a step is of 1 unit or more"
    if any(lower >= higher for higher, lower in pairwise(prices)):
        return "each step is at a lower price than the one before"
    return None
