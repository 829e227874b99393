"""Each type of event has one sentence, which says what the event says, and nothing that could harm who reads it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from reserve.audit.journals import CODECS
from reserve.audit.sentences import SENTENCES
from reserve.audit.telling import sentence_of
from reserve.statements import types
from services.allocation import events as allocation
from services.inventory import events as inventory
from tests.stories.audit import release

STORED = Path(__file__).parents[3] / "contract"
GOLDEN = [(service, file) for service in CODECS for file in sorted((STORED / service).glob("*.json"))]
TEXT = f"text:{'ab' * 32}"


def test_each_type_of_event_has_a_sentence_and_there_is_no_other() -> None:
    assert types() ^ SENTENCES.keys() == set()


@pytest.mark.parametrize("service", CODECS)
def test_each_stored_event_is_told_to_the_end(service: str) -> None:
    for _, file in (each for each in GOLDEN if each[0] == service):
        said = sentence_of(CODECS[service].decode(file.stem, file.read_bytes().strip()), {})
        assert said[0].isalnum() and not set(said) & set("{}[]"), f"{file.stem}: {said}"


def declined(*reasons: str) -> Any:
    named = {"request": "req_1", "product": "antimony-metal", "partner": "JP", "reasons": reasons}
    return msgspec.convert(named | {"type": "allocation.request_declined.v2"}, allocation.RequestDeclined)


def test_what_people_typed_is_quoted_and_what_is_erased_is_said_to_be() -> None:
    assert sentence_of(declined(TEXT), {TEXT: "others exist"}) == "JP's request req_1 was declined: “others exist”"
    assert "erased" in sentence_of(declined(TEXT), {})


def test_what_people_typed_does_nothing_to_a_terminal() -> None:
    said = sentence_of(declined(TEXT, "\x1b[2Jold"), {TEXT: "a\x07b"})
    assert said.isprintable() and "[2Jold" in said


def test_figures_have_their_units_and_what_says_nothing_is_left_out() -> None:
    assert sentence_of(release("jp", "JP", 12_345), {}).startswith("12,345 g of antimony-metal were released to JP")
    hold = {"product": "p", "hold": "hld_1", "scope": "all", "target": None, "reason": "fire", "authority": "s 12", "expires_on": None}
    event = msgspec.convert(hold | {"type": "inventory.hold_put_on.v2"}, inventory.HoldPutOn)
    assert sentence_of(event, {}) == "Hold hld_1 was put on all: fire"


def test_a_long_list_is_named_in_part() -> None:
    said = sentence_of(declined(*(f"reason {number}" for number in range(20))), {})
    assert "reason 7" in said and "reason 8" not in said and said.endswith("and 12 more")
