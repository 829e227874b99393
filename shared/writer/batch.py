"""Batch: what one transaction of a shard will write, decided in memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from shared.clock import written
from shared.journal.codec import EventTooLarge
from shared.journal.decider import CancelTimer, Decider, Refused, Timer
from shared.journal.protocol import Append, Changes, Document, Journal, Outcome, TimerRow
from shared.journal.record import Fact, canonical, chained, partner_of
from shared.journal.texts import KeptText, TextErased, held_by
from shared.writer.commands import Accepted, CommandFailed, CommandTooLarge, Context, VersionMismatch

log = structlog.get_logger()


class Pending(msgspec.Struct, eq=False):
    """A command that waits for its answer."""

    stream: str
    command: Any
    context: Context
    answer: asyncio.Future[Accepted | Refused[Any]]
    since: float  # the loop's time


class State(msgspec.Struct, frozen=True, gc=False):
    """Of a stream, as its first `version` events leave it."""

    version: int
    value: Any


class Batch:
    """It follows a head: `position` and `chain` are where it ends by now."""

    def __init__(
        self,
        journal: Journal,
        shard: int,
        decider_of: Callable[[str], Decider],
        salt: Callable[[], bytes],
        *,
        position: int,
        chain: bytes,
        recorded_at: datetime,
        partner_seq: Mapping[str, int],
    ) -> None:
        """`partner_seq`: the last of each partner at the head."""
        self.position = position
        self.chain = chain
        self.recorded_at = recorded_at
        self.states: dict[str, State] = {}
        self.partner_seq: dict[str, int] = {}
        self.facts: list[Fact] = []
        self.outcomes: dict[bytes, Outcome] = {}
        self.documents: list[Document] = []
        self.texts: list[KeptText] = []
        self.erased: list[str] = []
        self.timers: list[TimerRow | tuple[str, str]] = []
        self.answers: list[tuple[Pending, Accepted | Refused[Any] | Exception]] = []
        self._journal = journal
        self._shard = shard
        self._decider_of = decider_of
        self._salt = salt
        self._recorded_at = written(recorded_at)
        self._partner_seq = partner_seq

    def changes(self) -> Changes | None:
        """None: there is nothing to write."""
        if not self.outcomes:
            return None
        return Changes(
            recorded_at=self.recorded_at,
            facts=self.facts,
            outcomes=list(self.outcomes.values()),
            documents=self.documents,
            texts=self.texts,
            erased=self.erased,
            timers=self.timers,
        )

    def decide(self, pending: Pending, held: Mapping[str, State]) -> None:
        """Adds what follows from the command, and its answer. `held`: the states at the head."""
        stream, command, context = pending.stream, pending.command, pending.context
        state = self.states.get(stream) or held[stream]
        if context.expected_version not in (None, state.version):
            self.answers.append((pending, VersionMismatch(state.version)))
            return
        decider = self._decider_of(stream)
        try:
            decided = command if isinstance(command, Refused) else decider.decide(command, state.value)
            if isinstance(decided, Refused):
                self.outcomes[context.command_id] = Outcome(
                    shard=self._shard,
                    command_id=context.command_id,
                    fingerprint=context.fingerprint,
                    first_position=None,
                    events=0,
                    stream=stream,
                    version=state.version,
                    refused=msgspec.json.encode(decided).decode(),
                )
                self.answers.append((pending, decided))
                return
            value = state.value
            timers: list[TimerRow | tuple[str, str]] = []
            encoded = []
            for version, event in enumerate(decided, start=state.version + 1):
                value = decider.evolve(value, event)
                encoded.append(self._journal.codec.encode(event))
                timers += [timer_row(stream, version, change) for change in decider.timers(event)]
        except EventTooLarge as error:
            self.answers.append((pending, CommandTooLarge(str(error))))
            return
        except Exception as error:  # a bug in this command's rule: its caller alone hears of it
            log.exception("command_failed", shard=self._shard, stream=stream, command=type(command).__name__)
            self.answers.append((pending, CommandFailed(repr(error))))
            return
        facts = self._record(pending, decided, encoded, state.version)
        version = state.version + len(facts)
        self.states[stream] = State(version, value)
        self.timers += timers
        self.documents += context.documents
        if context.texts:
            first = facts[0].record.position if facts else 0
            self.texts += [KeptText(text, self._shard, first + number) for text, number in held_by(context.texts, encoded)]
        self.erased += [event.commitment for event in decided if isinstance(event, TextErased)]
        self.outcomes[context.command_id] = Outcome(
            shard=self._shard,
            command_id=context.command_id,
            fingerprint=context.fingerprint,
            first_position=facts[0].record.position if facts else None,
            events=len(facts),
            stream=stream,
            version=version,
            refused=None,
        )
        self.answers.append((pending, Accepted(stream, version, self._shard, self.position, tuple(facts))))

    def _record(self, pending: Pending, events: Sequence[Any], encoded: list[bytes], version: int) -> list[Fact]:
        context = pending.context
        facts = []
        for event, data in zip(events, encoded, strict=True):
            version += 1
            self.position += 1
            partner = partner_of(event)
            if partner is not None:
                self.partner_seq[partner] = self.partner_seq.get(partner, self._partner_seq.get(partner, 0)) + 1
            record = chained(
                self.chain,
                salt=self._salt(),
                shard=self._shard,
                position=self.position,
                history=self._journal.histories.current,
                stream=pending.stream,
                version=version,
                type=event.__struct_config__.tag,
                data=msgspec.Raw(data),
                partner=partner,
                partner_seq=None if partner is None else self.partner_seq[partner],
                effective_on=context.effective_on,
                recorded_at=self._recorded_at,
                command_id=context.command_id.hex(),
                actor=context.actor,
                correlation_id=context.correlation_id,
                causation_id=context.causation_id,
            )
            self.chain = record.chain_hash
            facts.append(Fact(self._journal.service, record, event))
        self.facts += facts
        return facts

    async def again(self, append: Append, outcome: Outcome) -> Accepted | Refused[Any] | CommandFailed:
        """The answer of a command that was decided before, made from what is stored. It fails where that is not what the command did."""
        if outcome.refused is not None:
            refusal = msgspec.json.decode(outcome.refused)
            return Refused(refusal["code"], refusal["detail"], refusal["field"], refusal["accepted"])
        if outcome.first_position is None:
            return Accepted(outcome.stream, outcome.version, self._shard, self.position, ())
        first, last = outcome.first_position, outcome.first_position + outcome.events - 1
        if outcome.command_id in self.outcomes:  # sent twice within this batch
            facts = tuple(fact for fact in self.facts if first <= fact.record.position <= last)
        else:
            records = await append.read(outcome.shard, after=first - 1, limit=outcome.events)
            if [record.command_id for record in records] != [outcome.command_id.hex()] * outcome.events:
                log.critical("outcome_altered", shard=outcome.shard, position=first, events=outcome.events)
                return CommandFailed(f"what stands at {self._journal.service}/{outcome.shard}/{first} is not what this command did")
            decode = self._journal.codec.decode
            facts = tuple(Fact(self._journal.service, record, decode(record.type, record.data)) for record in records)
        return Accepted(outcome.stream, outcome.version, outcome.shard, last, facts)


class Ahead(msgspec.Struct, frozen=True):
    """A batch that was decided while the one before it was being committed."""

    pending: list[Pending]
    follows: bytes  # the chain hash that it was decided on
    batch: Batch

    def holds(self, pending: list[Pending], append: Append) -> bool:
        """Whether it is what would be decided now: the head is the one it followed, and none of its commands is known."""
        return self.pending is pending and self.follows == append.head.chain_hash and not append.known


def timer_row(stream: str, version: int, change: Timer | CancelTimer) -> TimerRow | tuple[str, str]:
    """As the stream's event of that version changes a timer."""
    if isinstance(change, CancelTimer):
        return stream, change.name
    return TimerRow(stream, change.name, change.due, canonical(change.command).decode(), change.at, version)
