"""Seen: what a reader may see of an answer is listed, so that a new field is hidden until somebody lists it."""

from collections.abc import Set

from pydantic import BaseModel


def seen[View: BaseModel](view: View, fields: Set[str]) -> View:
    """With these fields alone: what is not listed is null, or an empty list. `tests/unit/reserve/test_seen.py` has each list."""
    hidden = type(view).model_fields.keys() - fields
    return view.model_copy(update={name: [] if isinstance(getattr(view, name), list) else None for name in hidden})
