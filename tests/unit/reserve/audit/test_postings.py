"""The audit's own opinion of what an event posts: it decides every type, agrees with the ledger, and finds a ledger that errs."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from reserve.audit.postings import MOVING, STILL, first_version, posted_by
from reserve.audit.report import Check
from reserve.operate.migrate import ROOT
from services.inventory.events import DrawWeighed, Event, LotTakenIn, Parcel, StockDrawn
from services.ledger.accounts import Posting, Status
from services.ledger.postings import postings
from services.loans.events import Event as LoansEvent
from services.registry import JOURNALED, service
from shared.journal.codec import Codec
from tests.stories.audit import Told
from tests.stories.audit_material import told_with_material
from tests.stories.two_opinions import both_say_the_same

GOLDEN = sorted(path for name in JOURNALED if name != "ledger" for path in (ROOT / "tests/contract" / name).glob("*.json"))


def test_the_audit_has_decided_what_every_event_posts() -> None:
    types = Codec(Event).classes.keys() | Codec(LoansEvent).classes.keys()
    assert {first_version(each) for each in types} == MOVING | STILL
    assert not MOVING & STILL


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_ledger_and_audit_agree_on_every_stored_event(file: Path) -> None:
    event = service(file.parent.name).codec.decode(file.stem, file.read_bytes())
    assert not both_say_the_same(event) or first_version(file.stem) in MOVING


def test_an_event_that_this_build_does_not_know_posts_nothing() -> None:
    assert posted_by(None) == ()


def test_what_several_depots_weigh_together_is_shared_by_their_nominal_mass() -> None:
    parcels = [Parcel(lot=f"lot_{depot}", depot=depot, nominal_unit_g=10, units=1, mass_g=10) for depot in ("C", "A", "B")]  # type: ignore[arg-type]
    event = DrawWeighed(
        product="antimony",  # type: ignore[arg-type]
        draw="drw_1",  # type: ignore[arg-type]
        partner="JP",
        parcels=tuple(parcels),
        mass_g=30,
        weighed_g=29,
        difference_g=-1,
    )
    assert both_say_the_same(event) == {
        ("title", "antimony", "difference/weighing", "posted"): 1,
        ("title", "antimony", "partner/JP", "posted"): -1,
        ("custody", "antimony", "difference/weighing", "posted"): 1,
        ("custody", "antimony", "depot/A", "posted"): -1,  # 29 g in thirds end at 9, 19 and 29
    }


def test_a_depots_name_is_no_pattern() -> None:
    """Whoever names it cannot have the grams booked elsewhere."""
    stored = (ROOT / "tests/contract/inventory/inventory.lot_taken_in.v1.json").read_bytes()
    event = msgspec.structs.replace(Codec(Event).decode("inventory.lot_taken_in.v1", stored), depot="{product}")
    assert ("custody", event.product, "depot/{product}", "posted") in both_say_the_same(event)


def _draws_from_quarantine(lines: list[Posting]) -> list[Posting]:
    return [
        msgspec.structs.replace(line, account="reserve/quarantined")
        if line.status is Status.POSTED and line.account == "reserve/available"
        else line
        for line in lines
    ]


def _forgets_what_was_pending(lines: list[Posting]) -> list[Posting]:
    return [line for line in lines if line.status is Status.POSTED]


def _takes_a_gram(lines: list[Posting]) -> list[Posting]:
    """Of each move, out of one account and into the other: every sum is zero still."""
    return [msgspec.structs.replace(line, amount=line.amount - (1 if line.amount > 0 else -1)) for line in lines]


@pytest.mark.parametrize(
    ("kind", "errs"),
    [
        (StockDrawn, _draws_from_quarantine),
        (StockDrawn, _forgets_what_was_pending),
        (StockDrawn, _takes_a_gram),
        (LotTakenIn, _takes_a_gram),
    ],
)
async def test_a_ledger_that_errs_in_its_own_code_is_found(
    tmp_path: Path, kind: type, errs: Callable[[list[Posting]], list[Posting]]
) -> None:
    """Its entries and its balances agree with each other, so nothing but another opinion can find it."""
    story = told_with_material()
    report = await Told(story, tmp_path, lambda event: errs(postings(event)) if isinstance(event, kind) else postings(event)).audited()
    failed = {Check[result.check.upper()] for result in report.checks if result.failed}
    assert {Check.POSTINGS, Check.BALANCES} <= failed
