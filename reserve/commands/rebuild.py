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
from services.registry import service
from shared.process.rebuild import Compared, Disturbed, rebuild_and_compare, rebuild_and_swap
from shared.process.service import Service


def compare(name: str, folder: Path) -> list[Compared]:
    """The database is the one of DATABASE_OWNER_URL, or the folder's own."""
    found = _rebuildable(name)
    try:
        compared = asyncio.run(rebuild_and_compare(found, owner_url(folder)))
    except (OSError, asyncpg.PostgresError) as error:
        fail(f"the database does not answer: {why(error)}", CHECK_FAILED)
    # SQLAlchemy's names are a kind of str that msgspec does not write.
    return [msgspec.structs.replace(each, table=str(each.table)) for each in compared]


def swap(name: str, folder: Path) -> dict[str, int]:
    """Rows by table, once the rebuilt tables are the live ones."""
    found = _rebuildable(name)
    try:
        return asyncio.run(rebuild_and_swap(found, owner_url(folder)))
    except Disturbed as error:
        fail(f"nothing was swapped: {error}; repeat it", CHECK_FAILED)
    except (OSError, asyncpg.PostgresError) as error:
        fail(f"the database does not answer: {why(error)}", CHECK_FAILED)


def _rebuildable(name: str) -> Service:
    found = service(journaled(name))
    if {table.name for table in found.read_tables} <= set(found.kept):
        fail(f"SERVICE: {name} keeps all of its tables: its journal could not make them anew")
    return found


def show(name: str, compared: list[Compared]) -> None:
    table = Table("table", Column("rows", justify="right"), "made anew")
    for each in compared:
        table.add_row(f"{name}.{each.table}", f"{each.rows:,}", "[green]equal[/]" if each.equal else "[bold red]differs[/]")
    console = Console()
    console.print(table)
    for each in compared:
        for kind, rows in (("live", each.only_live), ("rebuilt", each.only_rebuilt)):
            for row in rows:
                console.print(f"[red]{each.table}[/] only {kind}: {escape(row)}", soft_wrap=True)
