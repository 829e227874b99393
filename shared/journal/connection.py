"""PostgreSQL as the services use it: their pool, and which of its errors say "not there, or not now"."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import msgspec
from sqlalchemy.exc import TimeoutError as NoneIsFree

from shared.journal.protocol import OutOfRoom, Unreachable
from shared.journal.record import Fact

type Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
type Project = Callable[[Connection, Sequence[Fact]], Awaitable[None]]  # feeds read tables, in the transaction of what feeds them

UNREACHABLE = (  # stopping, starting, a standby, out of connections or disk, deadlock, time-out
    Unreachable,
    OSError,
    TimeoutError,
    NoneIsFree,  # of SQLAlchemy's connections
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.ConnectionDoesNotExistError,
    asyncpg.exceptions.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
)

SILENT_SECONDS = 15.0  # a process that says nothing for so long within a transaction, or while it leads, loses its session and its locks


async def open_pool(url: str, schema: str, *, size: int = 16) -> "asyncpg.Pool[asyncpg.Record]":
    """Connections whose search path is the service's schema.

    The server ends a statement that outlives its time-out, a transaction that has gone silent, and the session of a machine that is gone:
    whoever waits for their locks goes on.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=60,
        timeout=30,  # to connect to one that is slow, or hangs: one that is away says so at once
        reset=_as_it_is,
        server_settings={
            "search_path": schema,
            "application_name": f"reserve-{schema}",
            "statement_timeout": "60000",
            "idle_in_transaction_session_timeout": str(round(SILENT_SECONDS * 1000)),
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
            "jit": "off",
        },
    )


async def _as_it_is(_connection: Connection) -> None:
    """Saves a round trip a use: who locks or listens on a connection of the pool resets it before giving it back."""


@asynccontextmanager
async def briefly(pool: "asyncpg.Pool[asyncpg.Record]", seconds: float) -> AsyncIterator[Connection]:
    """A connection for a question that must be answered soon. Raises `Unreachable` where it is not: also by a server that hangs, for which
    a connection waits that is given back in the usual way."""
    with reachable():
        async with pool.acquire(timeout=seconds) as connection:
            try:
                async with asyncio.timeout(seconds):
                    yield connection
            except TimeoutError:
                connection.terminate()
                raise


# As the driver says of a connection whose last use was cut off, with its transaction open or not.
_CUT_OFF = ("another operation is in progress", "in a manually started transaction")


def is_gone(connection: Connection) -> bool:
    """Whether it broke. The pool takes a broken connection back at once, and then nothing can be asked of it."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


@contextmanager
def reachable(connection: Connection | None = None) -> Iterator[None]:
    """Raises `Unreachable` for what PostgreSQL or its driver raise when it is not there. An error of the driver itself counts as such
    where its connection is gone, or still in what was cut off, or where there is none yet."""
    try:
        yield
    except Unreachable:
        raise
    except asyncpg.exceptions.DiskFullError as error:
        raise OutOfRoom(repr(error)) from error
    except UNREACHABLE as error:
        raise Unreachable(repr(error)) from error
    except asyncpg.InterfaceError as error:
        if connection is None or is_gone(connection) or any(said in str(error) for said in _CUT_OFF):
            raise Unreachable(repr(error)) from error
        raise


def as_json(value: Any) -> str:
    """For a `jsonb` parameter. Sorted, for sets: else a rebuild in another process would write their members in another order."""
    return msgspec.json.encode(value, order="sorted").decode()
