"""Faults: nobody hears the words of the libraries that read a request."""

import re
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from shared.http.faults import InputFault, fault_of, fault_of_file

PYTHONS = re.compile(r"Input|should|valid|Value error|\bint\b|\bstr\b|dict|datetime|NoneType|regex|`|\{|Expected|pydantic|msgspec")


def test_every_kind_of_fault_that_pydantic_knows_is_said_in_plain_english() -> None:
    for each in list_all_errors():
        kind: Any = each["type"]
        if kind in ("value_error", "assertion_error"):
            continue  # the words of a validator of ours
        fault = fault_of({"type": kind, "loc": ("body", "a"), "msg": each["message_template_python"], "ctx": each["example_context"] or {}})
        assert fault.detail and (fault.accepted or kind in ("enum", "literal_error", "union_tag_invalid")), (
            kind
        )  # of which the example has no values
        assert not PYTHONS.search(fault.detail), (kind, fault)
        if kind not in ("enum", "literal_error", "union_tag_invalid", "string_pattern_mismatch"):  # which name what a model accepts
            assert not PYTHONS.search(fault.accepted), (kind, fault)


class Gift(BaseModel):
    type: Literal["gift"]
    to: str


class Sale(BaseModel):
    type: Literal["sale"]
    price: Annotated[int, Field(le=9)]


class Order(BaseModel):
    model_config = ConfigDict(strict=True)
    lines: list[Annotated[Gift | Sale, Field(discriminator="type")]] = []
    mass_g: int = 1
    ends: date | Literal["never"] = "never"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"mass_g": "1"}, InputFault("/mass_g", "This is no whole number", "a whole number")),
        ({"mass_g": None}, InputFault("/mass_g", "This is no whole number", "a whole number")),
        ([], InputFault("", "This is no object", "an object")),
        ({"lines": {}}, InputFault("/lines", "This is no list", "a list")),
        ({"lines": [{"type": "gift"}]}, InputFault("/lines/0/to", "This is required and missing", "a value")),
        ({"lines": [{"type": "sale", "price": 10}]}, InputFault("/lines/0/price", "This is too large", "at most 9")),
        ({"lines": [{"type": "loan"}]}, InputFault("/lines/0", "There is no such kind", "gift, sale")),
        ({"lines": [{}]}, InputFault("/lines/0", "It does not say of which kind it is", "a member type")),
        ({"ends": "ever"}, InputFault("/ends", "This is no day of the calendar", "a day such as 2026-01-31")),
    ],
    ids=str,
)
def test_the_field_is_one_of_the_body_whatever_alternatives_a_type_has(body: Any, fault: InputFault) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Order).validate_python(body)
    first = refused.value.errors()[0]
    assert fault_of({**first, "loc": ("body", *first["loc"])}, body) == fault


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=3)]
    listed_on: date = date.max


class File(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]
    entries: list[Entry]


OTHERWISE = "This is not what the API accepts here"
ANYTHING_ELSE = "There is no such member", "only the members that the API describes"
NO_DAY = "This is no day of the calendar", "a day such as 2026-01-31"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"name": 1, "entries": []}, InputFault("/name", OTHERWISE, "a text")),
        ({"name": "A", "entries": []}, InputFault("/name", OTHERWISE, "a text of the form ^[a-z]+$")),
        ({"name": "a"}, InputFault("/entries", "This is required and missing", "a value")),
        ({"name": "a", "entries": [{"name": "abcd"}]}, InputFault("/entries/0/name", OTHERWISE, "a text of at most 3 characters")),
        ({"name": "a", "entries": [{"name": "a", "a": 1}]}, InputFault("/entries/0/a", *ANYTHING_ELSE)),
        ({"name": "a", "entries": [{"name": "a", "listed_on": "2026-02-30"}]}, InputFault("/entries/0/listed_on", *NO_DAY)),
    ],
    ids=str,
)
def test_a_file_that_is_read_otherwise_is_faulted_in_the_same_words(content: Any, fault: InputFault) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(msgspec.json.encode(content), type=File)
    assert fault_of_file(refused.value) == fault
