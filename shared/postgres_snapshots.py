"""PostgresSnapshots: `shared.snapshots.Snapshots` beside the journal, the newest of each stream."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import structlog

from shared.decider import Decider
from shared.postgres import reachable
from shared.snapshots import decoded, encoded

log = structlog.get_logger()

_LAST = """
    SELECT version, state FROM snapshots JOIN events USING (stream, version)
    WHERE stream = $1 AND rules = $2 AND snapshots.chain_hash = events.chain_hash"""
_KEEP = """
    INSERT INTO snapshots (stream, version, chain_hash, rules, state) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (stream) DO UPDATE SET version = $2, chain_hash = $3, rules = $4, state = $5"""


class PostgresSnapshots:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", deciders: Sequence[Decider], rules: bytes) -> None:
        self.pool = pool
        self.rules = rules
        self._state_types = {each.kind: type(each.initial) for each in deciders}

    async def last(self, stream: str) -> tuple[int, Any] | None:
        with reachable():
            row = await self.pool.fetchrow(_LAST, stream, self.rules)
        if row is None:
            return None
        try:
            state = await asyncio.to_thread(decoded, row["state"], self._state_types[stream.partition("/")[0]])
        except msgspec.DecodeError as error:
            log.warning("snapshot_unreadable", stream=stream, error=repr(error))
            return None
        return row["version"], state

    async def keep(self, stream: str, version: int, chain_hash: bytes, state: Any) -> None:
        data = await asyncio.to_thread(encoded, state)
        with reachable():
            await self.pool.execute(_KEEP, stream, version, chain_hash, self.rules, data)
