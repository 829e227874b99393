"""Golden events of loans: what is stored stays readable, to the byte. The files are never edited; a new shape gets a new version."""

from pathlib import Path

import pytest

from services.loans.events import Event
from services.loans.events.upcasts import UPCASTERS
from shared.journal.codec import Codec, type_of
from shared.journal.record import canonical

FILES = sorted((Path(__file__).parent / "loans").glob("*.json"))
CODEC = Codec(Event, UPCASTERS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_stored_event_still_reads_and_is_written_the_same(file: Path):
    stored = file.read_bytes().strip()
    event = CODEC.decode(file.stem, stored)
    if file.stem in UPCASTERS:
        assert type_of(type(event)) in CODEC.classes and type_of(type(event)) not in UPCASTERS
    else:
        assert canonical(event) == stored


def test_every_event_has_a_stored_one():
    assert {file.stem for file in FILES} == CODEC.classes.keys() | UPCASTERS.keys()
