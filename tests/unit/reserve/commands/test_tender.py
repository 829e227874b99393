"""`reserve tender bid` and `reserve approve` of a tender: what is sealed opens, and what is signed was cleared again first."""

import stat
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from reserve.__main__ import app
from reserve.commands.signable import NotSignable, read_signable
from services.allocation.domain.tenders.decision import own_lines, read_tender_file, tender_decision_hash
from services.allocation.domain.tenders.sealed_bid import BidFile, SealedBid, seal
from shared.journal.record import canonical
from tests.stories.audit_tenders import cleared
from tests.stories.endorsing import read_approval
from tests.unit.reserve.commands.approving import approve

TENDER = "tnd_01jh7qmxw4e0aayfkn3d1a2b3c"
PUBLISHED, FILE, _ORDER = cleared("JP", "US").documents


def bid(file: Path, steps: str = "2600:4,2500.5:4", tender: str = TENDER, bidder: str = "JP") -> Result:
    return CliRunner().invoke(app, ["tender", "bid", str(file), "--tender", tender, "--bidder", bidder, "--steps", steps])


def test_a_bid_is_sealed_in_a_file_of_its_bidders_own(tmp_path: Path):
    file = tmp_path / "bid.json"
    commitment = bid(file).stdout.strip()
    sealed = msgspec.json.decode(file.read_bytes(), type=BidFile)
    assert commitment == sealed.commitment == seal(sealed.bid, sealed.salt)
    assert [(step.price, step.units) for step in sealed.bid.steps] == [("2600", 4), ("2500.5", 4)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert bid(file).exit_code == 2, "a bid is never overwritten"
    assert bid(tmp_path / "again.json").stdout.strip() != commitment, "each has a salt of its own"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"steps": "2500"}, "--steps: '2500' is no step"),
        ({"steps": "2500:0"}, "--steps: '2500:0' is no step"),
        ({"steps": "2500.50:1"}, "--steps: '2500.50' is no price"),
        ({"steps": "2500:1,2500:1"}, "each step is at a lower price"),
        ({"tender": "rnd_1"}, "--tender: 'rnd_1' is no tender"),
        ({"bidder": "jp"}, "--bidder: 'jp' is no partner"),
    ],
)
def test_what_is_no_bid_is_not_sealed(tmp_path: Path, changed: dict[str, str], words: str):
    result = bid(tmp_path / "bid.json", **changed)
    assert (result.exit_code, (tmp_path / "bid.json").exists()) == (2, False)
    assert words in result.stderr


def test_a_tenders_decision_is_shown_cleared_again_and_signed(tmp_path: Path):
    result = approve(tmp_path, FILE)
    signed = read_approval(result.stdout.encode())
    assert (signed.purpose, signed.document) == ("tender", cleared("JP", "US").cleared.decision)
    for words in (
        "tnd_1",
        "uniform, accepted down to 1100",
        "JP 10 g for 0.11 AUD, US 10 g for 0.11 AUD",
        "not checkable",
        "terms/reserve_price",
    ):
        assert words in result.stderr, words
    assert "not checkable" in result.stderr and "terms/reserve_price" in result.stderr


def test_a_tenders_decision_that_does_not_clear_so_is_not_signed(tmp_path: Path):
    for old, new in ((b'"left_units":0', b'"left_units":1'), (b'"amount_minor":11', b'"amount_minor":12')):
        assert old in FILE
        assert approve(tmp_path, FILE.replace(old, new, 1)).exit_code == 1
    result = approve(tmp_path, FILE.replace(b'"cap_units":2', b'"cap_units":3', 1))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "terms/cap_units: tender_cap_invalid" in result.stderr
    own = canonical(own_lines(read_tender_file(FILE), "JP"))
    assert approve(tmp_path, own).exit_code == 1, "an approver sees every bid"


def test_a_file_that_says_more_than_a_tenders_decision_is_none():
    with pytest.raises(NotSignable, match="looks like a tender's decision"):
        read_signable(FILE.replace(b'"left_units":0', b'"left_units":0,"more":1', 1))


def verify(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["tender", "verify", str(file), *options])


def test_a_bidder_works_its_own_award_out_again_and_is_told_what_it_cannot_check(tmp_path: Path):
    view = own_lines(read_tender_file(FILE), "JP")
    name, file, own = tender_decision_hash(view), tmp_path / "decision.json", tmp_path / "bid.json"
    file.write_bytes(canonical(view))
    revealed = view.lines[0].content.revealed
    sealed = SealedBid(tender=view.decision.tender, bidder=revealed.partner, steps=revealed.steps)
    own.write_bytes(canonical(BidFile(bid=sealed, salt=revealed.salt, commitment=seal(sealed, revealed.salt))))

    result = verify(file, "--bid", str(own), "--decision", name)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("passed ") == 6
    assert "not checkable" in result.stdout and "place" in result.stdout
    assert verify(file).exit_code == 3, "anybody may have written it"
    other = verify(file, "--decision", "0" * 64)
    assert (other.exit_code, name in other.stderr) == (1, True)

    own.write_bytes(canonical(BidFile(bid=sealed, salt="0" * 32, commitment=seal(sealed, "0" * 32))))
    of_another = verify(file, "--bid", str(own), "--decision", name)
    assert (of_another.exit_code, "bid: " in of_another.stderr) == (1, True)
    old = b'"amount_minor":11'
    assert old in canonical(view)
    file.write_bytes(canonical(view).replace(old, b'"amount_minor":10', 1))
    assert verify(file, "--decision", name).exit_code == 1


def test_what_is_no_decision_or_no_bid_is_said(tmp_path: Path):
    (file := tmp_path / "decision.json").write_text("{}")
    assert "is no tender's decision" in verify(file).stderr
    file.write_bytes(FILE)
    assert "--bid" in verify(file, "--bid", str(file)).stderr
    assert verify(tmp_path / "none").exit_code == 2
