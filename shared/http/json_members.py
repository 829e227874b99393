"""JSON members: RFC 8259 leaves open what an object means that has two of one name. Here it is refused."""

import json
from collections.abc import Iterator
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
        try:
            _LOOKING.decode(text)
        except _Repeated:
            return _first(_READING.decode(text))
    except (ValueError, RecursionError):
        pass  # who reads it says so: it may be no JSON, too deep, or have a number of very many digits
    return None


def _once(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) != len(members):
        raise _Repeated


# Made once, as each costs more than a small body does.
_LOOKING = json.JSONDecoder(object_pairs_hook=_once)
_READING = json.JSONDecoder(object_pairs_hook=_Members)


def _first(value: Any) -> str | None:
    """Without recursion: a body is as deep as its sender likes."""
    steps: list[object] = [None]
    levels = [_inside(value)]
    while levels:
        if (found := next(levels[-1], None)) is None:
            levels.pop()
            steps.pop()
            continue
        steps[-1], each, again = found
        if again:
            return json_pointer(steps)
        levels.append(_inside(each))
        steps.append(None)
    return None


def _inside(value: Any) -> Iterator[tuple[object, Any, bool]]:
    """Each step into an object or list, what is there, and whether that name was there before."""
    if isinstance(value, _Members):
        seen: set[str] = set()
        for name, each in value:
            yield name, each, name in seen
            seen.add(name)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield place, each, False
