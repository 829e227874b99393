"""Proposed commands, as a service finds them again: its table of them, and how its own events keep it."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.journal.columns import json
from shared.journal.connection import Connection, Project, as_json
from shared.journal.record import Fact
from shared.journal.waves import InWaves
from shared.terms.countersigning import EVENTS, CommandApproved, CommandLapsed, CommandProposed, CommandWithdrawn


class ProposalStatus(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class _Table(SQLModel, registry=registry()):
    """Apart from the tables of services."""


class ProposalRow(_Table, table=True):
    __tablename__ = "proposals"
    proposal: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)  # one that several streams take is proposed on each, under one id
    streams: list[str] = json()  # all of them
    act: str
    command: dict[str, Any] = json()
    document: str
    proposed_by: str
    proposed_on: date
    lapses_on: date
    status: str = ProposalStatus.PROPOSED
    reason: str | None = None  # why it was withdrawn
    approval: dict[str, Any] | None = json(nullable=True)


metadata = _Table.metadata


def first() -> list[str]:
    """As a migration of a service makes it."""
    return [
        """CREATE TABLE proposals (
            proposal varchar NOT NULL,
            stream varchar NOT NULL,
            streams jsonb NOT NULL,
            act varchar NOT NULL,
            command jsonb NOT NULL,
            document varchar NOT NULL,
            proposed_by varchar NOT NULL,
            proposed_on date NOT NULL,
            lapses_on date NOT NULL,
            status varchar NOT NULL,
            reason varchar,
            approval jsonb,
            PRIMARY KEY (proposal, stream)
        )"""
    ]


def no_first() -> list[str]:
    return ["DROP TABLE proposals"]


def with_proposals(project: Project) -> Project:
    """A service's projection of its own events, and this table's."""

    async def both(connection: Connection, facts: Sequence[Fact]) -> None:
        await project(connection, facts)
        await _keep(connection, facts)

    if not isinstance(project, InWaves):
        return both
    waves_of = project.of
    return InWaves(lambda facts: None if any(isinstance(fact.event, EVENTS) for fact in facts) else waves_of(facts), both)


async def _keep(connection: Connection, facts: Sequence[Fact]) -> None:
    for fact in facts:
        event, stream = fact.event, fact.record.stream
        match event:
            case CommandProposed():
                await connection.execute(
                    """INSERT INTO proposals
                       (proposal, stream, streams, act, command, document, proposed_by, proposed_on, lapses_on, status)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
                    event.proposal,
                    stream,
                    as_json(event.streams),
                    event.act,
                    as_json(event.command),
                    event.document,
                    event.proposed_by,
                    date.fromisoformat(fact.record.effective_on),
                    event.lapses_on,
                    ProposalStatus.PROPOSED,
                )
            case CommandApproved():
                await _ends(connection, event.proposal, stream, ProposalStatus.APPROVED, approval=as_json(event.approval))
            case CommandWithdrawn():
                await _ends(connection, event.proposal, stream, ProposalStatus.WITHDRAWN, reason=event.reason)
            case CommandLapsed():
                await _ends(connection, event.proposal, stream, ProposalStatus.LAPSED)


async def _ends(
    connection: Connection, proposal: str, stream: str, status: ProposalStatus, *, reason: str | None = None, approval: str | None = None
) -> None:
    query = "UPDATE proposals SET status = $3, reason = $4, approval = $5 WHERE proposal = $1 AND stream = $2"
    await connection.execute(query, proposal, stream, status, reason, approval)
