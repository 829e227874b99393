"""PostgresSnapshots: `shared.journal.snapshots.Snapshots` beside the journal, the newest of each stream."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import asyncpg
import msgspec
import structlog

from shared.journal.connection import reachable
from shared.journal.decider import Decider
from shared.journal.snapshots import decoded, encoded

log = structlog.get_logger()

_LAST = """
    SELECT version, state, rules FROM snapshots JOIN events USING (stream, version)
    WHERE stream = $1 AND snapshots.chain_hash = events.chain_hash"""
_KEEP = """
    INSERT INTO snapshots (stream, version, chain_hash, rules, state) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (stream) DO UPDATE SET version = $2, chain_hash = $3, rules = $4, state = $5"""


class PostgresSnapshots:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", deciders: Sequence[Decider], rules: Callable[[str], bytes]) -> None:
        """`rules`: the fingerprint of a kind's rules. It is asked for once a kind, and not before a stream of it has a snapshot."""
        self.pool = pool
        self._rules_of = cache(rules)
        self._state_types = {each.kind: type(each.initial) for each in deciders}

    async def last(self, stream: str) -> tuple[int, Any] | None:
        kind = stream.partition("/")[0]
        with reachable():
            row = await self.pool.fetchrow(_LAST, stream)
        if row is None:
            return None
        if row["rules"] != await asyncio.to_thread(self._rules_of, kind):
            log.info("snapshot_of_other_rules", stream=stream, version=row["version"])
            return None
        try:
            state = await asyncio.to_thread(decoded, row["state"], self._state_types[kind])
        except msgspec.DecodeError as error:
            log.warning("snapshot_unreadable", stream=stream, error=repr(error))
            return None
        return row["version"], state

    async def keep(self, stream: str, version: int, chain_hash: bytes, state: Any) -> None:
        data = await asyncio.to_thread(encoded, state)
        rules = await asyncio.to_thread(self._rules_of, stream.partition("/")[0])
        with reachable():
            await self.pool.execute(_KEEP, stream, version, chain_hash, rules, data)
