"""What was done under authorities, as a service keeps it: its own citations in the transaction that records them, so that who acts next
finds their sum. What an authority's limit is a limit of, is decided in `authority.py`."""

from datetime import date, timedelta

from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.journal.columns import whole
from shared.journal.connection import Connection, Project
from shared.journal.record import Fact
from shared.journal.waves import beside
from shared.terms.authority import Cited, Use


class _Table(SQLModel, registry=registry()):
    """Apart from the tables of services."""


class UseRow(_Table, table=True):
    """Under an authority that sums them, be it that which was cited or one above it."""

    __tablename__ = "authority_uses"
    authority: str = Field(primary_key=True)
    name: str = Field(primary_key=True)  # what counts once
    used_on: date
    mass_g: int | None = whole(nullable=True)
    amount_minor: int | None = whole(nullable=True)
    currency: str | None = None


metadata = _Table.metadata


def first() -> list[str]:
    """As a migration of a service makes it."""
    return [
        """CREATE TABLE authority_uses (
            authority varchar NOT NULL,
            name varchar NOT NULL,
            used_on date NOT NULL,
            mass_g bigint,
            amount_minor bigint,
            currency varchar,
            PRIMARY KEY (authority, name)
        )"""
    ]


def no_first() -> list[str]:
    return ["DROP TABLE authority_uses"]


async def keep_use(connection: Connection, fact: Fact, name: str) -> None:
    """Of an event that cites an authority. `name`: what counts once, however often it is cited for; the event's place for what never is
    cited for again."""
    cited: Cited = fact.event.cited
    if not cited.summed or (cited.mass_g is None and cited.amount_minor is None):
        return
    await connection.execute(
        """INSERT INTO authority_uses (authority, name, used_on, mass_g, amount_minor, currency)
           SELECT authority, $2, $3, $4, $5, $6 FROM unnest($1::text[]) AS new(authority)
           ON CONFLICT (authority, name) DO UPDATE SET used_on = $3, mass_g = $4, amount_minor = $5, currency = $6""",
        list(cited.summed),
        name,
        date.fromisoformat(fact.record.effective_on),
        cited.mass_g,
        cited.amount_minor,
        cited.currency,
    )


async def give_back_use(connection: Connection, name: str, mass_g: int | None = None) -> None:
    """It was not done after all, or not all of it: so many grams less."""
    if mass_g is None:
        await connection.execute("DELETE FROM authority_uses WHERE name = $1", name)
    else:
        await connection.execute("UPDATE authority_uses SET mass_g = mass_g - $2 WHERE name = $1", name, mass_g)


def with_uses(project: Project, cited: type) -> Project:
    """A service's projection of its own events, and this table's. `cited`: its event that cites an authority, once for each thing done."""

    async def keep(connection: Connection, fact: Fact) -> None:
        await keep_use(connection, fact, fact.place)

    return beside(project, cited, keep)


async def uses_of(session: AsyncSession, windows: dict[str, int], on: date) -> dict[str, tuple[Use, ...]]:
    """Of each authority, in its days up to this one, the first one first. `windows`: authority -> days."""
    if not windows:
        return {}
    since = on - timedelta(days=max(windows.values()))
    rows = select(UseRow).where(col(UseRow.authority).in_(windows.keys()), col(UseRow.used_on) > since).order_by(col(UseRow.used_on))
    found: dict[str, list[Use]] = {}
    for row in (await session.exec(rows)).all():
        use = Use(name=row.name, on=row.used_on, mass_g=row.mass_g, amount_minor=row.amount_minor, currency=row.currency)
        found.setdefault(row.authority, []).append(use)
    return {authority: tuple(uses) for authority, uses in found.items()}
