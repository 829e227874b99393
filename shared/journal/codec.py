"""Codec: events to and from their stored JSON, old shapes brought to the newest by upcasters."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from shared.journal.record import MAX_DATA_BYTES, canonical

type Upcaster = Callable[[dict[str, Any]], dict[str, Any]]  # one stored shape to the next version's, with its new "type"


class EventTooLarge(ValueError):
    """An event would hold more than `MAX_DATA_BYTES`: what it was asked to say does not fit."""


class UnknownType(Exception):
    """The type is none of this codec's, nor one that its upcasters know."""


def type_of(event_class: Any) -> str:
    """The name that an event is stored under: `inventory.stock_drawn.v1`."""
    tag = event_class.__struct_config__.tag
    assert isinstance(tag, str), f"{event_class.__name__} needs a tag"
    return tag


def without_version(event_type: str) -> str:
    return event_type.rpartition(".v")[0]


class Codec:
    """Encodes and decodes the events of one service. `union` is its `Event` type."""

    def __init__(self, union: Any, upcasters: Mapping[str, Upcaster] | None = None) -> None:
        members = _members(union)
        self.classes: dict[str, Any] = {type_of(member): member for member in members}
        # each type by a decoder of its own: of a union, one would first have to find the tag, which stands at the end
        self._decoders = {name: msgspec.json.Decoder(member).decode for name, member in self.classes.items()}
        self._union = union
        self._upcasters = dict(upcasters or {})

    def knows(self, event_type: str) -> bool:
        return event_type in self.classes or event_type in self._upcasters

    def upcasts(self, event_type: str) -> bool:
        return event_type in self._upcasters

    def encode(self, event: Any) -> bytes:
        """Raises `EventTooLarge`."""
        data = canonical(event)
        if len(data) > MAX_DATA_BYTES:
            raise EventTooLarge(f"{type_of(type(event))} would be {len(data)} bytes; an event holds {MAX_DATA_BYTES}")
        return data

    def decode(self, event_type: str, data: bytes | str) -> Any:
        """Raises `UnknownType`, or `msgspec.ValidationError` when the data is not of its type's shape."""
        if (decode := self._decoders.get(event_type)) is not None:
            return decode(data)
        if event_type not in self._upcasters:
            raise UnknownType(event_type)
        shape = msgspec.json.decode(data)
        while (name := shape["type"]) in self._upcasters:
            shape = self._upcasters[name](shape)
        return msgspec.convert(shape, self._union)


def _members(union: Any) -> tuple[Any, ...]:
    value = getattr(union, "__value__", union)  # a `type X = A | B` statement holds its union there
    return get_args(value) or (value,)
