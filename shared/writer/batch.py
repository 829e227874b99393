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
from shared.writer.commands import (
    Accepted,
    AllOrNothing,
    BulkKey,
    CommandFailed,
    CommandTooLarge,
    Context,
    FingerprintMismatch,
    ItemKeyReused,
    VersionMismatch,
    in_item,
)

log = structlog.get_logger()


class Pending(msgspec.Struct, eq=False):
    """A command that waits for its answer."""

    stream: str
    command: Any
    context: Context
    answer: asyncio.Future[Any]  # an Accepted or a Refused; in place of an Accepted, those of an `AllOrNothing`'s commands
    since: float  # the loop's time
    bulk: "Pending | None" = None  # whose key must not have been used for something else

    @property
    def command_ids(self) -> list[bytes]:
        """Its own, and those of what it holds."""
        if isinstance(self.command, AllOrNothing):
            return [self.context.command_id, *(context.command_id for _, context in self.command.commands)]
        return [self.context.command_id]


type _NotAgain = Refused[Any] | CommandFailed | FingerprintMismatch
type Answer = Accepted | tuple[Accepted, ...] | Refused[Any] | Exception


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
        self.answers: list[tuple[Pending, Answer]] = []
        self._failed: set[int] = set()  # identities of those that are answered with an error
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

    async def decide_all(self, pending: Sequence[Pending], held: Mapping[str, State], append: Append) -> None:
        """In their order; what was decided before is answered again."""
        for each in pending:
            if each.answer.cancelled():
                continue  # its caller has gone before anything was decided
            context = each.context
            earlier = append.known.get(context.command_id) or self.outcomes.get(context.command_id)
            if each.bulk is not None and self.stops(each.bulk):
                self._answer(each, FingerprintMismatch())
            elif earlier is None and isinstance(each.command, AllOrNothing):
                await self.decide_whole(each, held, append)
            elif earlier is None:
                self.decide(each, held)
            elif not context.repeats(earlier.fingerprint):
                self._answer(each, FingerprintMismatch())
            elif isinstance(each.command, AllOrNothing):
                self._answer(each, await self.whole_again(append, each, earlier))
            else:
                self._answer(each, await self.again(append, earlier, context))

    def decide(self, pending: Pending, held: Mapping[str, State]) -> None:
        """Adds what follows from the command, and its answer. `held`: the states at the head."""
        stream, context = pending.stream, pending.context
        state = self.states.get(stream) or held[stream]
        if context.expected_version not in (None, state.version):
            self._answer(pending, VersionMismatch(state.version))
            return
        step = self._step(stream, pending.command, state)
        if isinstance(step, Refused):
            self._keep(context, stream, state.version, refused=step)
            self._answer(pending, step)
        elif isinstance(step, CommandFailed):
            self._answer(pending, step)
        else:
            self._answer(pending, self._take(stream, context, step))

    async def decide_whole(self, pending: Pending, held: Mapping[str, State], append: Append) -> None:
        """As `decide`, of an `AllOrNothing`. One that was decided before by itself counts as what it was."""
        stream = pending.stream
        first = state = self.states.get(stream) or held[stream]
        if pending.context.expected_version not in (None, state.version):
            self._answer(pending, VersionMismatch(state.version))
            return
        steps: list[tuple[Context, _Step | Accepted]] = []
        for number, (command, context) in enumerate(pending.command.commands):
            step: _Step | Accepted | _NotAgain
            if (earlier := append.known.get(context.command_id) or self.outcomes.get(context.command_id)) is None:
                step = self._step(stream, command, state)
            elif context.repeats(earlier.fingerprint):
                step = await self.again(append, earlier, context)
            else:
                step = FingerprintMismatch()
            if isinstance(step, FingerprintMismatch):
                self._answer(pending, ItemKeyReused(number))
                return
            if isinstance(step, CommandFailed):
                self._answer(pending, step)
                return
            if isinstance(step, Refused):
                refused = msgspec.structs.replace(step, field=in_item(number, step.field))
                self._keep(pending.context, stream, first.version, refused=refused)
                self._answer(pending, refused)
                return
            steps.append((context, step))
            if isinstance(step, _Step):
                state = step.after
        done = tuple(step if isinstance(step, Accepted) else self._take(stream, context, step) for context, step in steps)
        self._keep(pending.context, stream, state.version)
        self._answer(pending, done)

    def stops(self, bulk: Pending) -> bool:
        """Whether the bulk's own key was used for something else, or has failed: then nothing of the bulk is decided."""
        if bulk.answer.done():  # in a batch before this one
            return bulk.answer.cancelled() or bulk.answer.exception() is not None
        return id(bulk) in self._failed

    def _answer(self, pending: Pending, answer: Answer) -> None:
        self.answers.append((pending, answer))
        if isinstance(answer, Exception):
            self._failed.add(id(pending))

    def _step(self, stream: str, command: Any, state: State) -> "_Step | Refused[Any] | CommandFailed":
        """What the command does to that state; nothing of it is in the batch yet."""
        try:
            decider = self._decider_of(stream)
            if isinstance(command, Refused):
                return command
            decided = () if isinstance(command, BulkKey) else decider.decide(command, state.value)
            if isinstance(decided, Refused):
                return decided
            value = state.value
            timers: list[TimerRow | tuple[str, str]] = []
            encoded = []
            for version, event in enumerate(decided, start=state.version + 1):
                value = decider.evolve(value, event)
                encoded.append(self._journal.codec.encode(event))
                timers += [timer_row(stream, version, change) for change in decider.timers(event)]
        except EventTooLarge as error:
            return CommandTooLarge(str(error))
        except Exception as error:  # a bug in this command's rule: its caller alone hears of it
            log.exception("command_failed", shard=self._shard, stream=stream, command=type(command).__name__)
            return CommandFailed(repr(error))
        return _Step(decided, encoded, timers, state.version, State(state.version + len(decided), value))

    def _take(self, stream: str, context: Context, step: "_Step") -> Accepted:
        facts = self._record(stream, context, step)
        self.states[stream] = step.after
        self.timers += step.timers
        self.documents += context.documents
        if context.texts:
            first = facts[0].record.position if facts else 0
            self.texts += [KeptText(text, self._shard, first + number) for text, number in held_by(context.texts, step.encoded)]
        self.erased += [event.commitment for event in step.events if isinstance(event, TextErased)]
        version = step.after.version
        self._keep(context, stream, version, facts)
        return Accepted(stream, version, self._shard, self.position, tuple(facts))

    def _keep(
        self, context: Context, stream: str, version: int, facts: Sequence[Fact] = (), *, refused: Refused[Any] | None = None
    ) -> None:
        self.outcomes[context.command_id] = Outcome(
            shard=self._shard,
            command_id=context.command_id,
            fingerprint=context.sent,
            first_position=facts[0].record.position if facts else None,
            events=len(facts),
            stream=stream,
            version=version,
            refused=None if refused is None else msgspec.json.encode(refused).decode(),
        )

    def _record(self, stream: str, context: Context, step: "_Step") -> list[Fact]:
        version = step.version
        facts = []
        for event, data in zip(step.events, step.encoded, strict=True):
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
                stream=stream,
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

    async def again(self, append: Append, outcome: Outcome, context: Context) -> Accepted | _NotAgain:
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
        if not context.may_hear(outcome.fingerprint, facts):
            return FingerprintMismatch()
        return Accepted(outcome.stream, outcome.version, outcome.shard, last, facts)

    async def whole_again(self, append: Append, pending: Pending, outcome: Outcome) -> tuple[Accepted, ...] | _NotAgain:
        """As `again`, of an `AllOrNothing`."""
        if outcome.refused is not None:
            answer = await self.again(append, outcome, pending.context)
            assert not isinstance(answer, Accepted)
            return answer
        answers = []
        for _, context in pending.command.commands:
            if (known := append.known.get(context.command_id) or self.outcomes.get(context.command_id)) is None:
                return CommandFailed(f"what was done together has no outcome of {context.command_id.hex()}")
            answer = await self.again(append, known, context)
            if not isinstance(answer, Accepted):
                return answer if isinstance(answer, FingerprintMismatch) else CommandFailed(f"what was done together was not: {answer}")
            answers.append(answer)
        return tuple(answers)


class _Step(msgspec.Struct, frozen=True, gc=False):
    """What a command does."""

    events: Sequence[Any]
    encoded: list[bytes]
    timers: list[TimerRow | tuple[str, str]]
    version: int  # of the stream, before it
    after: State


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
