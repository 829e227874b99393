"""A difference between two places of a file, or between a file and what follows from it; and what can be compared with nothing."""

from typing import Any

import msgspec


class Difference(msgspec.Struct, frozen=True):
    """`computed`: what is right, or what another place says. None: there is nothing there. `code` is stable."""

    where: str
    stated: str | None
    computed: str | None
    code: str = "outcome_differs"

    @property
    def words(self) -> str:
        if self.code == "outcome_differs":
            return f"it says {self.stated}, worked out {self.computed}"
        return f"{self.code}: it says {self.stated}, and {self.computed}"


class NotCompared(msgspec.Struct, frozen=True):
    """It stands in one place alone. `*` in `where`: of each."""

    where: str
    why: str


def contradiction(code: str, where: str, stated: object, other: object, there: str) -> Difference:
    return Difference(where, _short(stated), f"{there} says {_short(other)}", code)


def _short(value: Any) -> str:
    """A list may have thousands of members."""
    if value is None or value is msgspec.UNSET:
        return "nothing"
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
