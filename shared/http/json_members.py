"""JSON members: RFC 8259 leaves open what an object means that has two of one name. Here it is refused."""

import json
from typing import Any

from shared.http.faults import json_pointer


class _Repeated(Exception):
    """Some object has two members of one name."""


class _Members(list[tuple[str, Any]]):
    """An object, as it was written."""


def repeated_member(body: bytes) -> str | None:
    """The JSON pointer of the first member that its object has twice; None: there is none, or it is no JSON."""
    if body.count(b'"') < 4:  # a draw has one member
        return None
    try:
        text = body.decode("utf-8-sig")
        _LOOKING.decode(text)
    except _Repeated:
        return _first(_READING.decode(text))
    except (ValueError, RecursionError):
        pass  # who reads it says so
    return None


def _once(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) != len(members):
        raise _Repeated


# Made once, as each costs more than a small body does. No number is of interest here.
_LOOKING = json.JSONDecoder(object_pairs_hook=_once, parse_int=float)
_READING = json.JSONDecoder(object_pairs_hook=_Members, parse_int=float)


def _first(value: Any, *steps: object) -> str | None:
    if isinstance(value, _Members):
        seen: set[str] = set()
        for name, each in value:
            if name in seen:
                return json_pointer((*steps, name))
            seen.add(name)
            if (found := _first(each, *steps, name)) is not None:
                return found
    elif isinstance(value, list):
        for place, each in enumerate(value):
            if (found := _first(each, *steps, place)) is not None:
                return found
    return None
