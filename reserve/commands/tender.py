"""`reserve tender bid`: a bid sealed on the bidder's own machine. Nobody is asked, and nothing is sent."""

import os
import re
import secrets
from pathlib import Path

import msgspec

from reserve.commands.failure import fail
from services.allocation.domain.tenders.sealed_bid import BidFile, SealedBid, fault_of_steps, seal
from services.allocation.events import BidStep, PartnerCode, TenderId
from shared.http.fields import TYPEID
from shared.journal.record import canonical


def seal_bid(file: Path, tender: str, bidder: str, steps: str) -> str:
    """The commitment of a bid, which is written to a new file with its salt, for its owner alone. A bid is never overwritten."""
    if re.fullmatch(f"tnd_{TYPEID}", tender) is None:
        fail(f"--tender: {tender!r} is no tender (accepted: tnd_01j...)")
    if re.fullmatch("[A-Z]{2,3}", bidder) is None:
        fail(f"--bidder: {bidder!r} is no partner (accepted: a code such as JP)")
    bid = SealedBid(tender=TenderId(tender), bidder=PartnerCode(bidder), steps=_steps(steps))
    if fault := fault_of_steps(bid.steps):
        fail(f"--steps: {fault}")
    salt = secrets.token_hex(16)
    sealed = BidFile(bid=bid, salt=salt, commitment=seal(bid, salt))
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(msgspec.json.format(canonical(sealed), indent=2) + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    return sealed.commitment


def _steps(text: str) -> tuple[BidStep, ...]:
    steps = []
    for part in text.split(","):
        price, colon, units = part.strip().partition(":")
        if not colon or re.fullmatch("[1-9][0-9]{0,8}", units) is None:
            fail(f"--steps: {part.strip()!r} is no step (accepted: price:units, such as 2600:4,2500.5:4)")
        steps.append(BidStep(price=price, units=int(units)))
    return tuple(steps)
