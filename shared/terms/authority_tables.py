"""Who may act, as a service finds it: the tables of what another service registers, how they are fed, and how they are asked when somebody
acts."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import date
from typing import Any, assert_never

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.journal.columns import json
from shared.journal.connection import Connection, Project, as_json
from shared.journal.record import Fact
from shared.terms import countersigning_tables, uses
from shared.terms.acting import (
    AuthorityBack,
    EndOfAuthority,
    EndOfConflict,
    EndOfKey,
    KeyBack,
    KeyStatus,
    NewAuthority,
    NewConflict,
    NewKey,
    NewOfficer,
    NewPerson,
    Proposal,
    Tells,
    Told,
    after,
)
from shared.terms.authority import Authority, Capacity, Chain, chain_of


class _Table(SQLModel, registry=registry()):
    """A registry of their own, so that no service's tables are among them."""


class AuthorityRow(_Table, table=True):
    __tablename__ = "authorities"
    id: str = Field(primary_key=True)
    subjects: list[str] = json()  # the holder, and whoever was ever named to act
    content: dict[str, Any] = json()  # an `Authority`


class ConflictRow(_Table, table=True):
    __tablename__ = "conflicts"
    official: str = Field(primary_key=True)
    key: str = Field(primary_key=True)  # what it is about, as names are compared


class PersonRow(_Table, table=True):
    __tablename__ = "persons"
    subject: str = Field(primary_key=True)
    person: str = Field(index=True)


class ApproverKeyRow(_Table, table=True):
    __tablename__ = "approver_keys"
    subject: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    public_key: str
    revoked: bool


metadata = _Table.metadata


def first() -> list[str]:
    """As a migration of a service makes them, in which people act under authority and approve by their keys."""
    return [
        "CREATE TABLE authorities (id varchar PRIMARY KEY, subjects jsonb NOT NULL, content jsonb NOT NULL)",
        "CREATE TABLE conflicts (official varchar NOT NULL, key varchar NOT NULL, PRIMARY KEY (official, key))",
        *persons(),
        *keys(),
    ]


def keys() -> list[str]:
    return [
        """CREATE TABLE approver_keys (
            subject varchar NOT NULL,
            key varchar NOT NULL,
            public_key varchar NOT NULL,
            revoked boolean NOT NULL,
            PRIMARY KEY (subject, key)
        )"""
    ]


def persons() -> list[str]:
    return [
        "CREATE TABLE persons (subject varchar PRIMARY KEY, person varchar NOT NULL)",
        "CREATE INDEX ix_persons_person ON persons (person)",
    ]


def no_first() -> list[str]:
    return [f"DROP TABLE {table}" for table in ("authorities", "conflicts", "persons", "approver_keys")]


# Fed by the events of the service that registers


def taking(tells: Tells) -> Project:
    """Keeps what a registry's events tell."""

    async def take(connection: Connection, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if (tell := tells.get(type(fact.event))) is not None:
                await _keep(connection, tell(fact.event))

    return take


async def _keep(connection: Connection, told: Told) -> None:
    execute = connection.execute
    match told:
        case NewAuthority(authority):
            await _keep_authority(connection, authority)
        case NewOfficer(id) | EndOfAuthority(id) | AuthorityBack(id):
            known = await connection.fetchval("SELECT content::text FROM authorities WHERE id = $1", id)
            assert known is not None, f"{id} was registered before"
            await _keep_authority(connection, after(msgspec.json.decode(known, type=Authority), told))
        case NewConflict(official, interest):
            await execute("INSERT INTO conflicts (official, key) VALUES ($1, $2)", official, interest)
        case EndOfConflict(official, interest):
            await execute("DELETE FROM conflicts WHERE official = $1 AND key = $2", official, interest)
        case NewPerson(subject, person):
            await execute("INSERT INTO persons (subject, person) VALUES ($1, $2)", subject, person)
        case NewKey(subject, key, public_key):
            await execute(
                "INSERT INTO approver_keys (subject, key, public_key, revoked) VALUES ($1, $2, $3, false)", subject, key, public_key
            )
        case EndOfKey(subject, key) | KeyBack(subject, key):
            revoked = isinstance(told, EndOfKey)
            await execute("UPDATE approver_keys SET revoked = $3 WHERE subject = $1 AND key = $2", subject, key, revoked)
        case _:
            assert_never(told)


async def _keep_authority(connection: Connection, authority: Authority) -> None:
    await connection.execute(
        """INSERT INTO authorities (id, subjects, content) VALUES ($1, $2, $3)
           ON CONFLICT (id) DO UPDATE SET subjects = $2, content = $3""",
        authority.id,
        as_json([authority.holder, *(each.subject for each in authority.acting)]),
        as_json(_content(authority)),
    )


def _content(authority: Authority) -> dict[str, Any]:
    """As an earlier build kept it, if it has nothing that such a build did not know."""
    told: dict[str, Any] = msgspec.to_builtins(authority, order="sorted")
    added = ("uses",) if authority.window_days is not None else ("uses", "window_days")
    return {name: value for name, value in told.items() if name not in added}


# Asked when somebody acts


class EnrolledKey(msgspec.Struct, frozen=True):
    public_key: str
    revoked: bool

    @property
    def status(self) -> KeyStatus:
        return "revoked" if self.revoked else "enrolled"


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """Where authorities and keys are found; conflicts and persons are in the tables `conflicts` and `persons` everywhere."""

    held_by: Callable[[AsyncSession, str], Awaitable[Iterable[str]]]  # what a person holds, or was ever named to act under
    authorities: Callable[[AsyncSession, Collection[str]], Awaitable[Iterable[Authority]]]  # of these ids
    key: Callable[[AsyncSession, str, str], Awaitable[EnrolledKey | None]]  # of a person


async def _held_by(session: AsyncSession, subject: str) -> Iterable[str]:
    return (await session.exec(select(AuthorityRow.id).where(col(AuthorityRow.subjects).contains([subject])))).all()


async def _authorities(session: AsyncSession, ids: Collection[str]) -> Iterable[Authority]:
    found = await session.exec(select(AuthorityRow.content).where(col(AuthorityRow.id).in_(ids)))
    return [msgspec.convert(content, Authority) for content in found.all()]


async def _key(session: AsyncSession, subject: str, key: str) -> EnrolledKey | None:
    row = await session.get(ApproverKeyRow, (subject, key))
    return None if row is None else EnrolledKey(row.public_key, row.revoked)


TAKEN_OVER = Register(held_by=_held_by, authorities=_authorities, key=_key)


class UnderAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """That people act under authority in a service, and approve by their keys. `proposals`: another person signs what moves value."""

    proposals: bool = False
    register: Register = TAKEN_OVER  # another one is of the service that registers, which has tables of its own

    @property
    def tables(self) -> tuple[sa.Table, ...]:
        taken_over = metadata.sorted_tables if self.register is TAKEN_OVER else []
        return (*taken_over, *uses.metadata.sorted_tables, *(countersigning_tables.metadata.sorted_tables if self.proposals else []))


async def chains_of(session: AsyncSession, register: Register, ids: Iterable[str]) -> dict[str, Chain]:
    """Of each authority that there is, itself and all above it."""
    asked = sorted(set(ids))
    known: dict[str, Authority] = {}
    wanted = set(asked)
    while wanted:
        more = {each.id: each for each in await register.authorities(session, wanted)}
        known |= more
        wanted = {each.under for each in more.values() if each.under is not None} - known.keys()
    found = {id: chain_of(known, id) for id in asked}
    return {id: chain for id, chain in found.items() if chain is not None}


async def capacity_of(session: AsyncSession, register: Register, *, by: str, on: date, named: str | None) -> Capacity:
    """In what capacity somebody acts on a day. `named`: the authority that they say they act under, whosever it is."""
    held = {*await register.held_by(session, by)} | ({named} if named is not None else set())
    chains = await chains_of(session, register, held)
    accounts = await accounts_of(session, by)
    conflicts = await interests_of(session, accounts)
    held_now = await _with_uses(session, chains.values(), on)
    return Capacity(by=by, on=on, held=held_now, named=named, conflicts=conflicts, others=frozenset(accounts - {by}))


async def _with_uses(session: AsyncSession, chains: Iterable[Chain], on: date) -> tuple[Chain, ...]:
    """With what was done under each in its days."""
    windows = {each.id: each.window_days for chain in chains for each in chain if each.window_days is not None}
    done = await uses.uses_of(session, windows, on)
    return tuple(tuple(msgspec.structs.replace(each, uses=done.get(each.id, ())) for each in chain) for chain in chains)


async def interests_of(session: AsyncSession, accounts: Collection[str]) -> frozenset[str]:
    """What a person has declared an interest in, by any of these accounts, in the form of `interest_in`."""
    return frozenset((await session.exec(select(ConflictRow.key).where(col(ConflictRow.official).in_(accounts)))).all())


async def accounts_of(session: AsyncSession, subject: str) -> set[str]:
    """All accounts of the subject's person, as far as they are known to be one person's; the subject's own among them."""
    person = select(PersonRow.person).where(PersonRow.subject == subject).scalar_subquery()
    return {subject, *(await session.exec(select(PersonRow.subject).where(PersonRow.person == person))).all()}


async def fallen_among(session: AsyncSession, register: Register, proposal: Proposal, concerns: Collection[str]) -> tuple[str, ...]:
    """The keys whose approvals of a proposal count no more: those that are revoked by now, and those of persons who turn out to have
    proposed it, to have approved it by another account, or to have an interest in what it concerns."""
    fallen: list[str] = []
    counted = set(proposal.proposed_by)
    for key, approval in sorted(proposal.approvals.items()):
        enrolled = await register.key(session, approval.subject, approval.key)
        accounts = await accounts_of(session, approval.subject)
        interests = await interests_of(session, accounts)
        if (enrolled is not None and enrolled.revoked) or not accounts.isdisjoint(counted) or not interests.isdisjoint(concerns):
            fallen.append(key)
        else:
            counted |= accounts
    return tuple(fallen)
