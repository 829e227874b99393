"""`reserve rebuild`: a service's read tables made anew from the journals, and compared with the live ones or put in their place."""

import asyncio
from pathlib import Path

import asyncpg
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from reserve.commands.database import journaled, owner_url
from reserve.commands.failure import CHECK_FAILED, fail, why
from reserve.operate.served import said_of
from services.registry import service
from shared.process.rebuild import Compared, Disturbed, JournalShort, OrderLost, rebuild_and_compare, rebuild_and_swap


def compare(name: str, folder: Path) -> list[Compared]:
    """The database is the one of DATABASE_OWNER_URL, or the folder's own."""
    found = service(journaled(name))
    try:
        compared = asyncio.run(rebuild_and_compare(found, owner_url(folder)))
    except JournalShort as error:
        fail(f"{name} cannot be made anew: {error}", CHECK_FAILED)
    except (OSError, asyncpg.PostgresError) as error:
        fail(f"the database does not answer: {why(error)}", CHECK_FAILED)
    # SQLAlchemy's names are a kind of str that msgspec does not write.
    return [msgspec.structs.replace(each, table=str(each.table)) for each in compared]


def swap(name: str, folder: Path) -> dict[str, int]:
    """Rows by table, once the rebuilt tables are the live ones."""
    found = service(journaled(name))
    try:
        return asyncio.run(rebuild_and_swap(found, owner_url(folder)))
    except Disturbed as error:
        fail(f"nothing was swapped: {error}; repeat it", CHECK_FAILED)
    except (JournalShort, OrderLost) as error:
        fail(f"nothing was swapped: {error}", CHECK_FAILED)
    except (OSError, asyncpg.PostgresError) as error:
        fail(f"the database does not answer: {why(error)}", CHECK_FAILED)


def show(name: str, compared: list[Compared]) -> None:
    table = Table("table", Column("rows", justify="right"), "made anew")
    for each in compared:
        table.add_row(f"{name}.{each.table}", f"{each.rows:,}", "[green]equal[/]" if each.equal else "[bold red]differs[/]")
    console = Console()
    console.print(table)
    for each in compared:
        for found in each.differences:
            where = found.key if found.column is None else f"{found.key}, {found.column}"
            console.print(f"[red]{name}.{each.table}[/] {escape(where)} {escape(said_of(found))}", soft_wrap=True)
