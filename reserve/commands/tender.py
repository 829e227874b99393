"""`reserve tender bid` and `verify`: a bid sealed on the bidder's own machine, and what came of it worked out there. Nobody is asked, and
nothing is sent."""

import os
import re
import secrets
from pathlib import Path

import msgspec
import typer

from reserve.commands.failure import fail
from services.allocation.domain.decisions.check import Checked
from services.allocation.domain.decisions.difference import Difference
from services.allocation.domain.tenders.decision import UnreadableTender, read_tender_file, recompute_own_bid, tender_decision_hash
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


class OwnBid(msgspec.Struct, frozen=True):
    """`decision`: the SHA-256 that names it, and that its approvals and the event of its certification name."""

    decision: str
    checked: Checked


def verified(file: Path, bid: Path | None) -> OwnBid:
    """A bidder's own part of a tender's decision, worked out again. With `bid`: the one line is of the bid that this file seals."""
    try:
        view = read_tender_file(file.read_bytes())
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    except UnreadableTender as error:
        fail(f"FILE: {file} is no tender's decision: {error}")
    checked = recompute_own_bid(view)
    if bid is not None:
        sealed = _sealed(bid)
        revealed = [(line.content.revealed.partner, line.content.revealed.salt, line.content.revealed.steps) for line in view.lines]
        if (view.decision.tender, revealed) == (sealed.bid.tender, [(sealed.bid.bidder, sealed.salt, sealed.bid.steps)]):
            checked = msgspec.structs.replace(checked, passed=(*checked.passed, "bid"))
        else:
            stated = f"{view.decision.tender}: {len(revealed)} lines"
            checked = msgspec.structs.replace(
                checked, failed=(*checked.failed, Difference("bid", stated, "the line of the bid that was sealed"))
            )
    return OwnBid(tender_decision_hash(view), checked)


def show(found: OwnBid) -> None:
    typer.echo(f"{'decision':<14} {found.decision}")
    for name in found.checked.passed:
        typer.echo(f"{'passed':<14} {name}")
    for failed in found.checked.failed:
        typer.echo(f"{'FAILED':<14} {failed.where}: {failed.words}")
    for text in found.checked.not_checkable:
        typer.echo(f"{'not checkable':<14} {text}")


def _sealed(file: Path) -> BidFile:
    try:
        return msgspec.json.decode(file.read_bytes(), type=BidFile)
    except OSError as error:
        fail(f"--bid: {file}: {error.strerror}")
    except msgspec.DecodeError as error:
        fail(f"--bid: {file} is no bid: {error}")


def _steps(text: str) -> tuple[BidStep, ...]:
    steps = []
    for part in text.split(","):
        price, colon, units = part.strip().partition(":")
        if not colon or re.fullmatch("[1-9][0-9]{0,8}", units) is None:
            fail(f"--steps: {part.strip()!r} is no step (accepted: price:units, such as 2600:4,2500.5:4)")
        steps.append(BidStep(price=price, units=int(units)))
    return tuple(steps)
