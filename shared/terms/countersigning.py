"""Countersigning: no command that moves value is given by one person. One proposes it, another signs it by a key of their own under an
authority that covers it, and only then is it decided, by the rules of its stream as it stands on that day.

Each command of a service has a control, in a table beside its domain. `countersigned` puts the table in force: what it says that another
must sign is refused when it comes by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from functools import reduce, wraps
from operator import or_
from typing import Any, ClassVar, TypeAliasType, get_args

import msgspec

from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.acting import Approval, ApprovalReason, Proposal, Signing, sign
from shared.terms.authority import Action, Cited, Fault
from shared.terms.papers import Paper

WAITS_DAYS = 5  # for a signature
KEPT_BYTES = 48 * 1024  # of a command that is proposed: its event must fit


class Class(StrEnum):
    """What a command does to what people hold."""

    PREPARES = "prepares"  # nothing: it asks, drafts, tells, or says no to what was only asked
    PROTECTS = "protects"  # it stops something, at once
    EXERCISES = "exercises"  # what was approved
    MOVES_VALUE = "moves value"  # with other people's signatures in it, or counted by it
    ALONE = "moves value, by one person yet"  # there is to be none of these
    CORRECTS = "corrects"  # no grams, money, party, place or day of law
    FOLLOWS = "follows"  # a timer or an event of another service gives it, and no person: it has the class of what caused it


class Countersigned(msgspec.Struct, frozen=True):
    """It moves value, and another person signs it.

    `act`: what the signer's authority must be for. `action`: what it moves, as the stream stands; None: the command has a `capacity`, in
    which it is decided and which it cites itself: the signer's. `only`: when it must be signed; else it exercises what was approved.
    """

    act: str
    action: Callable[[Any, Any], Action] | None = None
    only: Callable[[Any, Any], bool] | None = None

    def applies(self, command: Any, state: Any) -> bool:
        return self.only is None or self.only(command, state)


type Control = Class | Countersigned
type Controls = Mapping[type, Control]


class ControlReason(Reasons):
    """Why a command that another person must sign is not given."""

    NEEDED = "countersignature_needed", 403, "A second person must sign this"
    PROPOSAL_NOT_FOUND = "proposal_not_found", 404, "No such proposal waits for a signature"
    PROPOSAL_OF_ANOTHER = "proposal_of_another", 403, "Another person proposed it"
    PROPOSAL_ID_TAKEN = "proposal_id_taken", 409, "The proposal was made already"
    PROPOSAL_TOO_LARGE = "proposal_too_large", 422, "The proposal is too large for one event"


class CommandPaper(Paper, frozen=True, kw_only=True, tag="reserve.command.v1"):
    """What is to be done, to the word."""

    purpose: ClassVar[str] = "command"

    proposal: str
    service: str
    streams: tuple[str, ...]  # that take it
    act: str
    command: dict[str, Any]
    proposed_by: str
    proposed_on: date


# Events: each service has its own of these, with its tags.


class CommandProposed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """`streams`: those that take it, this one among them. `document`: the SHA-256 of its paper."""

    proposal: str
    streams: tuple[str, ...]
    act: str
    command: dict[str, Any]
    document: str
    proposed_by: str
    lapses_on: date  # the first day on which nobody may sign it


class CommandApproved(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What follows from the command stands after it, in the same commit, for the same command."""

    proposal: str
    act: str
    document: str
    proposed_by: str
    approval: Approval


class CommandWithdrawn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    proposal: str
    reason: TypedText
    withdrawn_by: str | None = None  # None: the service itself, or an earlier build did not say


class CommandLapsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Nobody has signed it in time."""

    proposal: str


EVENTS = (CommandProposed, CommandApproved, CommandWithdrawn, CommandLapsed)


class ProposalEvents(msgspec.Struct, frozen=True, kw_only=True):
    """A service's own."""

    proposed: type[CommandProposed]
    approved: type[CommandApproved]
    withdrawn: type[CommandWithdrawn]
    lapsed: type[CommandLapsed]
    cited: Callable[[Any, str, Cited], Any]  # (state, proposal, what the signer cites) -> the event that says so


# Commands


class ProposeCommand(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`command`: one of the stream's own, as JSON. `streams`: those that take it."""

    proposal: str
    streams: tuple[str, ...]
    command: dict[str, Any]
    document: str
    by: str
    on: date


class ApproveCommand(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    proposal: str
    signing: Signing
    on: date


class WithdrawCommand(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`by`: who proposed it, by any of their `accounts`; None: the service, of what cannot be any more."""

    proposal: str
    reason: TypedText
    by: str | None = None
    accounts: frozenset[str] = frozenset()


class LapseCommand(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer."""

    proposal: str
    on: date


CONTROLS: Controls = {
    ProposeCommand: Class.PREPARES,
    ApproveCommand: Class.MOVES_VALUE,
    WithdrawCommand: Class.PREPARES,
    LapseCommand: Class.FOLLOWS,
}


class ProposedCommand(Proposal, frozen=True, kw_only=True):
    """In a stream's state, whose member `proposals` has those that wait."""

    act: str
    command: dict[str, Any]
    lapses_on: date


def countersigned(decider: Decider, controls: Controls, events: ProposalEvents) -> Decider:
    """The same stream, under its controls. Its state has a member `proposals`."""
    under = _Countersigning(decider, controls, events)

    @wraps(decider.evolve)  # what makes its states is where this is from, too
    def evolve(state: Any, event: Any) -> Any:
        return _kept(state, event) if isinstance(event, EVENTS) else decider.evolve(state, event)

    return msgspec.structs.replace(
        decider,
        commands=reduce(or_, (*commands_of(decider.commands), *CONTROLS)),
        decide=under.decide,
        evolve=evolve,
        timers=under.timers,
        also_refuses=decider.reasons | {ControlReason, ApprovalReason, Fault},
    )


class _Countersigning(msgspec.Struct, frozen=True):
    decider: Decider
    controls: Controls
    events: ProposalEvents

    def decide(self, command: Any, state: Any) -> Sequence[Any] | Refused[Any]:
        match command:
            case ProposeCommand():
                return self._propose(command, state)
            case ApproveCommand():
                return self._approve(command, state)
            case WithdrawCommand():
                if (waits := state.proposals.get(command.proposal)) is None:
                    return _not_found(command.proposal)
                if command.by is not None and of_another(command.accounts, waits):
                    left = f"its proposer; whoever says no does not sign it, and it lapses on {waits.lapses_on}"
                    return Refused(ControlReason.PROPOSAL_OF_ANOTHER, "another person proposed it", "path:proposal", left)
                return [self.events.withdrawn(proposal=command.proposal, reason=command.reason, withdrawn_by=command.by)]
            case LapseCommand():
                waits = state.proposals.get(command.proposal)
                return [self.events.lapsed(proposal=command.proposal)] if waits is not None and command.on >= waits.lapses_on else []
        control = self.controls[type(command)]
        if isinstance(control, Countersigned) and control.applies(command, state):
            return Refused(ControlReason.NEEDED, f"nobody does this alone: {control.act}", accepted="a proposal that another person signs")
        return self.decider.decide(command, state)

    def timers(self, event: Any) -> Sequence[Timer | CancelTimer]:
        if not isinstance(event, EVENTS):
            return self.decider.timers(event)
        name = f"proposal/{event.proposal}"
        if not isinstance(event, CommandProposed):
            return [CancelTimer(name)]
        return [Timer(name, event.lapses_on, LapseCommand(proposal=event.proposal, on=event.lapses_on))]

    def _propose(self, command: ProposeCommand, state: Any) -> Sequence[Any] | Refused[Any]:
        if command.proposal in state.proposals:
            return Refused(ControlReason.PROPOSAL_ID_TAKEN, f"{command.proposal} was made already")
        written = msgspec.json.encode(command.command)
        if len(written) > KEPT_BYTES:
            return Refused(ControlReason.PROPOSAL_TOO_LARGE, f"it has {len(written)} bytes", accepted=f"at most {KEPT_BYTES} bytes")
        given = msgspec.json.decode(written, type=self.decider.commands)
        control = self._control_of(given)
        decided = self.decider.decide(given, state)
        if isinstance(decided, Refused) and not isinstance(decided.code, Fault):  # who signs has an authority, or has not
            return decided  # nobody is asked to sign what cannot be done
        return [
            self.events.proposed(
                proposal=command.proposal,
                streams=command.streams,
                act=control.act,
                command=msgspec.json.decode(written),  # as it will be read
                document=command.document,
                proposed_by=command.by,
                lapses_on=command.on + timedelta(days=WAITS_DAYS),
            )
        ]

    def _approve(self, command: ApproveCommand, state: Any) -> Sequence[Any] | Refused[Any]:
        proposed = state.proposals.get(command.proposal)
        if proposed is None or command.on >= proposed.lapses_on:
            return _not_found(command.proposal)
        given = _as_signed(msgspec.json.decode(msgspec.json.encode(proposed.command), type=self.decider.commands), command)
        control = self._control_of(given)
        action = Action(act=control.act) if control.action is None else control.action(given, state)
        if isinstance(signed := sign(proposed, command.signing, action), Refused):
            return signed
        if isinstance(decided := self.decider.decide(given, state), Refused):
            return decided
        approval, cited = signed
        approved = self.events.approved(
            proposal=command.proposal,
            act=control.act,
            document=proposed.document,
            proposed_by=min(proposed.proposed_by),
            approval=approval,
        )
        return [approved, *decided, *([] if control.action is None else [self.events.cited(state, command.proposal, cited)])]

    def _control_of(self, given: Any) -> Countersigned:
        control = self.controls[type(given)]
        assert isinstance(control, Countersigned), f"{type(given).__name__} needs no other's signature"
        return control


def _kept(state: Any, event: Any) -> Any:
    """The state with what waits for a signature as the event leaves it."""
    if not isinstance(event, CommandProposed):
        return msgspec.structs.replace(state, proposals=state.proposals.delete(event.proposal))
    waits = ProposedCommand(
        purpose=CommandPaper.purpose,
        document=event.document,
        proposed_by=frozenset({event.proposed_by}),
        act=event.act,
        command=event.command,
        lapses_on=event.lapses_on,
    )
    return msgspec.structs.replace(state, proposals=state.proposals.set(event.proposal, waits))


def of_another(accounts: frozenset[str], proposal: Proposal | None) -> bool:
    """Whether what is withdrawn was proposed by somebody else than whose accounts these are."""
    return proposal is not None and proposal.proposed_by.isdisjoint(accounts)


def commands_of(commands: Any) -> tuple[type, ...]:
    """The structs of a union, which may be an alias, and of others."""
    if isinstance(commands, TypeAliasType):
        return commands_of(commands.__value__)
    if args := get_args(commands):
        return tuple(each for part in args for each in commands_of(part))
    return (commands,)


def without_control(decider: Decider, controls: Controls) -> list[str]:
    """The stream's commands that the table says nothing of."""
    return sorted(command.__name__ for command in commands_of(decider.commands) if command not in controls and command not in CONTROLS)


def _as_signed(given: Any, command: ApproveCommand) -> Any:
    """As it is given on the day of the signature, in the capacity of who signs; `signed`: the proposal that it was."""
    fresh = {"on": command.on, "capacity": command.signing.capacity, "signed": command.proposal}
    return msgspec.structs.replace(given, **{name: value for name, value in fresh.items() if name in given.__struct_fields__})


def _not_found(proposal: str) -> Refused[ControlReason]:
    return Refused(ControlReason.PROPOSAL_NOT_FOUND, f"no proposal {proposal} waits for a signature", "path:proposal")
