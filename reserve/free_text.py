"""Free text: of each text field of each event, and of each paper that is signed, why it cannot hold a person; and that none is undecided.

What a person types freely is a `TypedText`, of which an event holds a commitment: it needs no line here. Every other `str` does. Ids that
are types of their own, enumerations and literals hold nothing that is typed. `python -m reserve.free_text` counts the fields by reason, and
fails for one that nobody has decided.
"""

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, NewType, TypeAliasType, get_args, get_origin

import msgspec

from services.allocation.events import papers as allocations
from services.allocation.events.policies import PolicyDocument
from services.loans.domain import papers as loans
from services.registry import JOURNALED, service
from shared.journal.codec import type_of, without_version
from shared.terms.countersigning import CommandPaper
from shared.terms.papers import Paper


class Why(StrEnum):
    ID = "an id, a place in a journal or the name of a stream: made by a service, or a code with a pattern"
    HASH = "a hash, a key, a signature, a salt or a signed note"
    CODE = "a code of a list: a reason of a service, a unit, a currency, an element, a country, a kind"
    FIGURE = "a number, a share or a rate, written as text"
    ACCOUNT = "an opaque subject: whose it is, the issuer knows"
    OWN_WORDS = "words of the service itself, made of codes, figures and ids"
    ENTITY = "the name of a legal entity, an office or a place, which rules compare to the letter; a sole trader's is a registered number"
    THING = "what a product, a use, a law or a paper is called"
    NUMBER = "the number of a paper, a seal, a payment or a check, as another registry has it"
    CONTRACT = "words of an agreement between legal entities, which two people sign as they are"
    COMMAND = "a command that waits: what is typed in it is a commitment, and its other fields are those of the events that follow"
    ADDRESS = "where a program answers, which a client gives and the service calls as it is"
    PLAIN = "typed freely, and still held as it was typed: names nobody by rule alone"


_OF: dict[Why, str] = {
    Why.ID: """
        act acts asset award calendar cap caps carries_g cause clock clocks covers decision deferral draw entry event fails fee file
        first_proposal forgotten gate group hold holding inside keys line loan lot mass_g matter members named of origin over parent
        partner place policy pool product project proposal release release_order request restraint returned right round rule service
        scale stop stream streams subsequents summed
        log_reach_reported.after log_reach_reported.until idempotency_key lines taken_in_as target terms warned write_down
    """,
    Why.HASH: """
        chain commitment document key key_fingerprint note public_key root salt signature text
    """,
    Why.CODE: """
        base_rate bucket condition contained_g content contents duty currency deferral_conditions element elements excluded_origins kind
        least_contents part step types unit whole
    """,
    Why.FIGURE: """
        base_pct before_g carry_g commitment_fee_pct days_of_cover default_margin_pct deferral_pct difference haircut
        largest_minimum margin_pct minimum premium_pct price price_minor rate rate_pct ratio required_cover reserve_price share
        corrects floor_pct pct splitting_limit step_pct tolerance unit_price_minor warn_at
    """,
    Why.ACCOUNT: """
        agreed_by by client confirmed_by corrected_by declared_by ended_by first_by imported_by moved_by proposed_by put_on_by suspended_by
        ratified_by reconciled_by recorded_by registered_by reported_by requested_by signed_by subject subjects weighed_by withdrawn_by
    """,
    Why.OWN_WORDS: """
        award_withdrawn.reason commitment_refused.reason decision_given_back.reason detail evaluation.evidence found gate.evidence
        gates.evidence headroom_refused.reason holding_refused.reason material_commitment_refused.reason needed
        return_refused.reason return_rejected.reason return_turned_back.reason round_freed.reason round_held.reason
        round_release_refused.reason round_reopened.reason tender_award_withdrawn.reason tender_reopened.reason
    """,
    Why.ENTITY: """
        administrator carrier companies cash_basis consignee depot end_user from_depot to_depot laboratory name nominee office return_place
    """,
    Why.THING: """
        material_cash_settled.source authority end_use instrument specification title
    """,
    Why.CONTRACT: """
        content.text precedents.text security subsequents.text
    """,
    Why.ADDRESS: """
        url
    """,
    Why.COMMAND: """
        command
    """,
    Why.PLAIN: """
        positions.source
    """,
    Why.NUMBER: """
        kyc reference report serials statement
    """,
}
_NAMES = {name: reason for reason, names in _OF.items() for name in names.split()}


def why(event: str, path: str) -> Why | None:
    """Of a text field, by its path in an event or a paper (named without its version). None: nobody has decided."""
    whole = f"{event}.{path}".split(".")
    return next((_NAMES[end] for start in range(len(whole)) if (end := ".".join(whole[start:])) in _NAMES), None)


def texts_in(struct: type) -> Iterator[str]:
    """The paths of its text fields that are no `TypedText`."""
    for field in msgspec.structs.fields(struct):
        yield from _texts(field.type, field.name, (struct,))


def _texts(hint: Any, path: str, within: tuple[type, ...]) -> Iterator[str]:
    if isinstance(hint, TypeAliasType):
        yield from _texts(hint.__value__, path, within)
    elif get_origin(hint) is Annotated:
        yield from _texts(get_args(hint)[0], path, within)
    elif hint is str:
        yield path
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if hint not in within:
            for field in msgspec.structs.fields(hint):
                yield from _texts(field.type, f"{path}.{field.name}", (*within, hint))
    elif not isinstance(hint, NewType) and get_origin(hint) is not Literal:
        for part in get_args(hint):
            yield from _texts(part, path, within)


def decided() -> list[tuple[str, str, Why | None]]:
    """(event or paper, path, why) of all that are stored."""
    papers = (CommandPaper, PolicyDocument, *_papers(allocations), *_papers(loans))
    structs = {without_version(type_of(event)): event for name in JOURNALED for event in service(name).codec.classes.values()}
    structs |= {without_version(type_of(paper)): paper for paper in papers}
    return sorted({(name, path, why(name, path)) for name, struct in structs.items() for path in texts_in(struct)}, key=str)


def _papers(module: Any) -> list[type[Paper]]:
    return [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Paper) and each is not Paper]


def main() -> None:
    undecided = [f"{name}: {path}" for name, path, reason in decided() if reason is None]
    if undecided:
        sys.exit("nobody has decided whether these can hold a person:\n" + "\n".join(undecided))
    for reason in Why:
        fields = [f"{name}.{path}" for name, path, each in decided() if each is reason]
        print(f"{len(fields):>4}  {reason.value}")


if __name__ == "__main__":
    main()
