"""Golden events of the ledger: what is stored stays readable, to the byte. The files are never edited; a new shape gets a new version."""

from pathlib import Path

import pytest

from services.ledger.events import Event
from shared.journal.codec import Codec
from shared.journal.record import canonical

FILES = sorted((Path(__file__).parent / "ledger").glob("*.json"))
CODEC = Codec(Event)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_stored_event_still_reads_and_is_written_the_same(file: Path):
    stored = file.read_bytes().strip()
    assert canonical(CODEC.decode(file.stem, stored)) == stored


def test_every_event_has_a_stored_one():
    assert {file.stem for file in FILES} == set(CODEC.classes)
