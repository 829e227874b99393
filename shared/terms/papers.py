"""Papers: documents that people sign. A paper says by its `format` what it is, and each kind is one struct: a service makes the bytes from
it, and whoever signs them reads them with it."""

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from shared.journal.record import canonical


class Paper(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format"):
    """A kind has its format as its `tag`. Its canonical bytes are stored, and an approver signs their SHA-256."""

    purpose: ClassVar[str]  # that a signature over it names
    once: ClassVar[frozenset[str]] = frozenset()  # members by which to know one of a build that wrote no format; none: each has one


class UnreadablePaper(ValueError):
    """It looks like a paper, and is none."""


def read_paper(content: bytes, kinds: Iterable[type[Paper]]) -> tuple[Paper, bytes] | None:
    """Any spelling of a paper, and its canonical bytes. None: it is of no such kind. Raises `UnreadablePaper` for what is not understood in
    full, `msgspec.DecodeError` for what is no JSON."""
    found = msgspec.json.decode(content)
    if not isinstance(found, dict):
        return None
    for kind in kinds:
        tag = kind.__struct_config__.tag
        if found.get("format") == tag:
            return _understood(found, kind), canonical(found)
        if kind.once and "format" not in found and kind.once <= found.keys():
            return _understood(found | {"format": tag}, kind), canonical(found)
    return None


def _understood[P: Paper](found: dict[str, object], kind: type[P]) -> P:
    """Only what is read in full, so that what is shown is what is signed."""
    content = canonical(found)
    try:
        paper = msgspec.json.decode(content, type=kind)
        whole = canonical(paper) == content
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadablePaper(f"looks like a {kind.purpose}, and is none: {error}") from error
    if not whole:
        raise UnreadablePaper(f"looks like a {kind.purpose}, and says more or less than one")
    return paper
