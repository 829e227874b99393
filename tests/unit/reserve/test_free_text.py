"""Free text: every text field of every event and paper is decided, a new one fails, and no line decides what is not there."""

import msgspec

from reserve.free_text import _NAMES, Why, decided, main, texts_in, why
from shared.journal.texts import TypedText


class Noted(msgspec.Struct, frozen=True, tag_field="type", tag="inventory.noted.v1"):
    product: str
    remark: str
    said: tuple[TypedText, ...]
    about: dict[str, int]


def test_every_text_field_of_every_event_and_paper_is_decided(capsys):
    main()
    assert sum(int(line.split()[0]) for line in capsys.readouterr().out.splitlines()) == len(decided())


def test_a_new_text_field_that_nobody_has_decided_is_found_and_a_typed_text_is_not():
    assert [path for path in texts_in(Noted) if why("inventory.noted", path) is None] == ["remark", "about"]


def test_a_reason_is_decided_by_its_event_alone():
    assert why("inventory.round_held", "reason") is Why.OWN_WORDS
    assert why("inventory.noted", "reason") is None


def test_no_line_decides_what_no_event_has():
    fields = [f".{name}.{path}" for name, path, _ in decided()]
    assert [name for name in _NAMES if not any(field.endswith(f".{name}") for field in fields)] == []


def test_what_is_typed_and_still_held_as_it_was_typed_only_shrinks():
    assert [f"{name}.{path}" for name, path, reason in decided() if reason is Why.PLAIN] == ["allocation.round_opened.positions.source"]
