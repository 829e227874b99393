"""Faults: what is wrong with a request, in plain English, in place of the words of the library that found it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


class InputFault(msgspec.Struct, frozen=True):
    field: str
    detail: str
    accepted: str | None


# By pydantic's name of it: what is wrong, and what would be accepted. Names in braces are those of its context.
_NUMBER = "This is no number of the kind that is needed here", "a number"
_INTEGER = "This is no whole number", "a whole number"
_BOOLEAN = "This is neither true nor false", "true or false"
_TEXT = "This is no text", "a text"
_LIST = "This is no list", "a list"
_OBJECT = "This is no object", "an object"
_DAY = "This is no day of the calendar", "a day such as 2026-01-31"
_INSTANT = "This is no instant", "an instant such as 2026-01-31T09:30:00Z"
_NONE_OF = "This is none of the values that are known here", "{expected}"
_SAYS: dict[str, tuple[str, str | None]] = {
    "missing": ("This is required and missing", "a value"),
    "extra_forbidden": ("There is no such member", "only the members that the API describes"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _INTEGER),
    "int_parsing_size": ("This number is too large", "a whole number of fewer digits"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number", "decimal_type", "decimal_parsing"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _BOOLEAN),
    **dict.fromkeys(("string_type", "string_unicode", "string_sub_type"), _TEXT),
    "string_too_short": ("This text is too short", "at least {min_length} characters"),
    "string_too_long": ("This text is too long", "at most {max_length} characters"),
    "string_pattern_mismatch": ("This text does not have the form that is needed here", "a text of the form {pattern}"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "iterable_type"), _LIST),
    "too_short": ("There are too few of these", "at least {min_length} items"),
    "too_long": ("There are too many of these", "at most {max_length} items"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"), _OBJECT),
    "greater_than": ("This is too small", "more than {gt}"),
    "greater_than_equal": ("This is too small", "at least {ge}"),
    "less_than": ("This is too large", "less than {lt}"),
    "less_than_equal": ("This is too large", "at most {le}"),
    "multiple_of": ("This is no multiple of what is needed here", "a multiple of {multiple_of}"),
    **dict.fromkeys(("literal_error", "enum"), _NONE_OF),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), _DAY),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"), _INSTANT),
    **dict.fromkeys(("timezone_aware", "timezone_naive", "timezone_offset"), _INSTANT),
    "none_required": ("Nothing may stand here", "null"),
    "union_tag_not_found": ("It does not say of which kind it is", "a member {discriminator}"),
    "union_tag_invalid": ("There is no such kind", "{expected_tags}"),
}
_BOUND = re.compile(r"datetime\.date(?:time)?\((\d+), (\d+), (\d+)[^()]*\)")  # how it writes a day or an instant
_OTHERWISE = "This is not what the API accepts here", "what its document describes"


def fault_of(error: Mapping[str, Any], body: Any = None) -> InputFault:
    """Of one of pydantic's errors, without its `input`, which may be a secret. `body`: as it was sent, to find the field in."""
    where, *steps = error["loc"]
    kind = str(error["type"])
    if kind == "json_invalid":
        return InputFault("", f"The body is not JSON: it breaks at character {steps[0] if steps else 0}", "a JSON document")
    if steps and steps[-1] == "[key]":  # pydantic's word for a member's name
        steps.pop()
    missing = kind == "missing"
    field = json_pointer(_members(steps, body, missing)) if where == "body" else ":".join(str(part) for part in (where, *steps))
    if kind in ("value_error", "assertion_error"):  # the words of a validator of ours
        return InputFault(field, str(error["msg"]).partition(", ")[2], None)
    detail, accepted = _SAYS.get(kind, _OTHERWISE)
    context = {name: _written(name, value) for name, value in error.get("ctx", {}).items()}
    return InputFault(field, detail, None if accepted is None else accepted.format_map(context))


_PLACE = re.compile(r"\.(\w+)|\[(\d+)\]")
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(\w+)`")
_KIND = re.compile(r"Expected `(\w+)`(?: matching regex '(.*)'| of length (>=|<=) (\d+))?")
_KINDS = {"str": "a text", "int": "a whole number", "array": "a list", "object": "an object"}


def fault_of_file(error: msgspec.ValidationError) -> InputFault:
    """Of a document that msgspec reads: it says one fault, in words such as "Expected `str`, got `int` - at `$.entries[0].name`"."""
    words, _, place = str(error).partition(" - at `")
    steps = [name or int(number) for name, number in _PLACE.findall(place)]
    if (named := _FIELD.match(words)) is not None:
        detail, accepted = _SAYS["missing" if named[1].startswith("missing") else "extra_forbidden"]
        return InputFault(json_pointer((*steps, named[2])), detail, accepted)
    detail, accepted = _OTHERWISE
    if (wanted := _KIND.match(words)) is not None:
        kind, pattern, bound, length = wanted.groups()
        accepted = _KINDS.get(kind, accepted)
        if pattern is not None:
            accepted = f"{accepted} of the form {pattern}"
        elif length is not None:
            accepted = f"{accepted} of at {'least' if bound == '>=' else 'most'} {length} {'characters' if kind == 'str' else 'items'}"
    elif "date" in words:
        detail, accepted = _DAY
    return InputFault(json_pointer(steps), detail, accepted)


def json_pointer(steps: Iterable[object]) -> str:
    """RFC 6901: `["lines", 0, "a/b"]` is `/lines/0/a~1b`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _members(steps: list[Any], body: Any, missing: bool) -> list[Any]:
    """The steps that the body has: pydantic names the alternatives of a type between them."""
    found, here = [], body
    for number, step in enumerate(steps):
        if (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int) and step < len(here)):
            here = here[step]
        elif not (missing and number == len(steps) - 1):
            continue
        found.append(step)
    return found


def _written(name: str, value: Any) -> str:
    if name == "pattern":
        return str(value)
    return _BOUND.sub(lambda bound: "{:0>4}-{:0>2}-{:0>2}".format(*bound.groups()), str(value)).replace("'", "")  # it quotes what it lists
