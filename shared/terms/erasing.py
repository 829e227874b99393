"""Erasing: a text that a person has typed goes, and a word stays that it went. It destroys evidence, so two people do it: one proposes it,
another signs it by a key of their own under an authority for it. Each text has a stream of its own, named by its commitment."""

from collections.abc import Sequence
from typing import Any

import immutables
import msgspec

from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.texts import ErasureCode, TextErased
from shared.terms.authority import Action
from shared.terms.countersigning import Controls, Countersigned, ProposalEvents, ProposedCommand, countersigned

KIND = "text"


class EraseText(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`text`: the hex of its commitment. That there is one was looked up before."""

    text: str
    code: ErasureCode


class ErasureReason(Reasons):
    """Why a text is not erased."""

    ERASED = "text_already_erased", 409, "The text is erased already"


class Erasable(msgspec.Struct, frozen=True):
    """What a text's stream holds: nothing of what it says."""

    erased: bool = False
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()


CONTROLS: Controls = {EraseText: Countersigned("erase_text", lambda _command, _text: Action(act="erase_text"))}


class _Erasing(msgspec.Struct, frozen=True):
    erased: type[TextErased]

    def decide(self, command: EraseText, text: Erasable) -> Sequence[TextErased] | Refused[ErasureReason]:
        if text.erased:
            return Refused(ErasureReason.ERASED, f"{command.text} was erased before")
        return [self.erased(text=command.text, code=command.code)]


def evolve(text: Erasable, event: Any) -> Erasable:
    """Of what follows an erasure, such as the authority that was cited for it, nothing is kept."""
    return msgspec.structs.replace(text, erased=True) if isinstance(event, TextErased) else text


def erasing(erased: type[TextErased], events: ProposalEvents) -> Decider:
    """The texts of a service, with its own events."""
    decider = Decider(kind=KIND, initial=Erasable(), commands=EraseText, decide=_Erasing(erased).decide, evolve=evolve)
    return countersigned(decider, CONTROLS, events)


def stream_of(text: str) -> str:
    return f"{KIND}/{text}"
