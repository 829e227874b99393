"""Waves: a projection that says what it writes before it writes it, so that an append can take it along in its own statement.

A round trip costs more than most statements do, and a statement of its own is a round trip; so is a transaction's begin, and its end.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from types import UnionType
from typing import Any

import msgspec

from shared.journal.connection import Connection, Project
from shared.journal.record import Fact


class Wave(msgspec.Struct, frozen=True):
    """Statements of which none writes a row that another one writes: they go to PostgreSQL as one. `arguments`: of all, in order."""

    statements: tuple[str, ...]
    arguments: Sequence[Any]


class InWaves:
    """A projection (`shared.journal.connection.Project`) of waves, each written before the next one.

    `of` may give None: what these facts write cannot be said before, and `otherwise` writes it.
    """

    def __init__(self, of: Callable[[Sequence[Fact]], Sequence[Wave] | None], otherwise: Project | None = None) -> None:
        self.of = of
        self._otherwise = otherwise

    async def __call__(self, connection: Connection, facts: Sequence[Fact]) -> None:
        if (waves := self.of(facts)) is None:
            assert self._otherwise is not None, "whoever gives no waves says who writes"
            await self._otherwise(connection, facts)
            return
        for wave in waves:
            await write_wave(connection, wave)


def beside(project: Project, kind: type | tuple[type, ...], also: Callable[[Connection, Fact], Awaitable[None]]) -> Project:
    """A projection, and what it does after that for each event of a kind, or of several, that few batches have: those are written without
    waves."""

    async def both(connection: Connection, facts: Sequence[Fact]) -> None:
        await project(connection, facts)
        for fact in facts:
            if isinstance(fact.event, kind):
                await also(connection, fact)

    if not isinstance(project, InWaves):
        return both
    waves_of = project.of
    return InWaves(lambda facts: None if any(isinstance(fact.event, kind) for fact in facts) else waves_of(facts), both)


def without(kind: type | UnionType, project: Project) -> Project:
    """The same projection, of all events but those of kinds that have no rows."""

    def others(facts: Sequence[Fact]) -> Sequence[Fact]:
        return [fact for fact in facts if not isinstance(fact.event, kind)]

    async def project_others(connection: Connection, facts: Sequence[Fact]) -> None:
        if rest := others(facts):
            await project(connection, rest)

    if not isinstance(project, InWaves):
        return project_others
    waves_of = project.of
    return InWaves(lambda facts: waves_of(rest) if (rest := others(facts)) else (), project_others)


async def write_wave(connection: Connection, wave: Wave) -> None:
    await connection.execute(as_one(wave.statements), *wave.arguments)


def together(first: Wave, second: Wave) -> Wave:
    """Both at once: no row of the one is written by the other."""
    return Wave((*first.statements, *second.statements), [*first.arguments, *second.arguments])


@cache
def as_one(statements: tuple[str, ...]) -> str:
    """Statements as the parts of one, their parameters counted through."""
    *others, last = _counted_through(statements, 0)
    return f"WITH {_named(others)} {last}" if others else last


@cache
def along_with(parts: str, parameters: int, statements: tuple[str, ...], last: str) -> str:
    """The same, after `parts` (`WITH` clauses, with so many parameters) and before a `last` statement without parameters of its own."""
    own = _named(_counted_through(statements, parameters))
    return f"WITH {parts}{', ' if own else ''}{own} {last}"


def _counted_through(statements: Sequence[str], counted: int) -> list[str]:
    through = []
    for statement in statements:
        through.append(_shifted(statement, counted))
        counted += len(set(re.findall(r"\$\d+", statement)))
    return through


def _shifted(statement: str, by: int) -> str:
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + by}", statement)


def _named(statements: Sequence[str]) -> str:
    return ", ".join(f"part_{number} AS ({statement})" for number, statement in enumerate(statements))
