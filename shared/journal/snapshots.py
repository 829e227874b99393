"""Snapshots: a stream's state as it was at one of its versions, so that a long stream need not be replayed from its first event.

They are a cache, and whoever removes them loses nothing but time. One counts only for the rules that made it, and only while the event
that it stands on is in the journal, at its place in the chain.
"""

from typing import Any, Protocol, get_args, get_origin

import immutables
import msgspec

EVERY = 100_000  # events of a stream


class Snapshots(Protocol):
    """Both may raise `Unreachable`."""

    async def last(self, stream: str) -> tuple[int, Any] | None:
        """(version, state); None where there is none that counts."""

    async def keep(self, stream: str, version: int, chain_hash: bytes, state: Any) -> None:
        """`chain_hash` is of the stream's event of this version."""


def encoded(state: Any) -> bytes:
    return msgspec.msgpack.encode(state, enc_hook=_plain)


def decoded(data: bytes, state_type: Any) -> Any:
    """Raises `msgspec.ValidationError`."""
    return msgspec.msgpack.decode(data, type=state_type, dec_hook=_back)


def _plain(value: Any) -> Any:
    if isinstance(value, immutables.Map):
        return dict(value)
    raise NotImplementedError(f"a state holds a {type(value).__name__}, which no snapshot can")


def _back(expected: Any, value: Any) -> Any:
    if get_origin(expected) is immutables.Map:
        keys, values = get_args(expected)
        return immutables.Map(msgspec.convert(value, dict[keys, values], dec_hook=_back))  # type: ignore[valid-type]
    raise NotImplementedError(f"a state holds a {expected}, which no snapshot can")
