"""Fields that the bodies of every service share. Each is strict: what JSON has no number or date for is refused, not guessed."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints

from shared.journal.record import MAX_INTEGER

TYPEID = "[0-7][0-9a-hjkmnp-tv-z]{25}"  # what follows the prefix and its `_`


def _written_day(value: Any) -> Any:
    """Only "2026-01-06": pydantic alone would also read numbers and instants."""
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is None:
        raise ValueError("a day is written as 2026-01-06")
    return value


type Day = Annotated[date, BeforeValidator(_written_day), Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]


def _written_instant(value: Any) -> Any:
    """Only "2026-01-06T09:30:00+11:00": an instant without its offset is another one elsewhere."""
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})", value) is None:
        raise ValueError("an instant is written as 2026-01-06T09:30:00+11:00, or in UTC as 2026-01-05T22:30:00Z")
    return value


type Instant = Annotated[
    datetime,
    BeforeValidator(_written_instant),
    AfterValidator(lambda instant: instant.astimezone(UTC)),
    Field(ge=datetime(1900, 1, 1, tzinfo=UTC), le=datetime(2999, 12, 31, tzinfo=UTC)),
]
type WholeGrams = Annotated[StrictInt, Field(ge=0, le=MAX_INTEGER)]  # zero is a quantity here
type PositiveGrams = Annotated[StrictInt, Field(ge=1, le=MAX_INTEGER)]
type Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
type LongText = Annotated[str, StringConstraints(max_length=2000)]  # may be empty


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReasonBody(Body):
    reason: Text
