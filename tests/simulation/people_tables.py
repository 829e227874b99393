"""What allocation's own tables tell of policies, lists, parties, interests and decisions that are certified, in memory."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import msgspec

from services.allocation import events as allocation
from services.allocation.domain.book.opening import OpenRound
from services.allocation.domain.policies.policy import Policy, evolve
from services.allocation.events.authority import ConflictDeclared, ConflictLapsed, ConflictWithdrawn
from services.allocation.events.policies import PolicyEvent
from shared.journal.record import Fact
from shared.terms.authority import interest_in


class Certified(msgspec.Struct, frozen=True):
    product: allocation.ProductId
    decision: allocation.DecisionHash
    on: date


class PeopleTables:
    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self.policy_of: dict[str, tuple[str, int]] = {}  # round -> policy, version
        self.lists: dict[allocation.ListName, int] = {}  # in force: the version
        self.documents: dict[allocation.ListName, str] = {}  # of those
        self.parties: dict[str, dict[allocation.PartyRole, str]] = {}  # by request
        self.interests: defaultdict[str, set[str]] = defaultdict(set)  # of each official, declared
        self.involved: defaultdict[str, set[allocation.SubjectId]] = defaultdict(set)  # in each round
        self.certified: dict[str, Certified] = {}  # by round

    def project(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            match event := fact.event:
                case allocation.RequestSubmitted():
                    self.parties[event.request] = {"nominee": event.nominee, "consignee": event.consignee, "end_user": event.end_user}
                case allocation.RoundOpened():
                    self.policy_of[event.round] = (event.policy, event.policy_version)
                case allocation.RoundProposed():
                    self.involved[event.round].add(event.proposed_by)
                case allocation.RoundApproved():
                    self.involved[event.round].add(event.approval.subject)
                case allocation.RoundCertified():
                    self.certified[event.round] = Certified(event.product, event.decision, date.fromisoformat(fact.record.effective_on))
                case allocation.RoundReopened():
                    del self.certified[event.round]
                case allocation.ScreeningListPutInForce():
                    self.lists = self.lists | {event.list: event.version}
                    self.documents[event.list] = event.document
                case allocation.ScreeningListWithdrawn():
                    self.lists = {name: version for name, version in self.lists.items() if name != event.list}
                case ConflictDeclared():
                    self.interests[event.official].add(interest_in(event.about, event.name))
                case ConflictWithdrawn() | ConflictLapsed():
                    self.interests[event.official].discard(interest_in(event.about, event.name))
                case _ if isinstance(event, PolicyEvent):
                    self.policies[event.policy] = evolve(self.policies.get(event.policy, Policy()), event)
                case _:
                    pass

    def under_policy(self, opening: OpenRound, on: date) -> OpenRound | None:
        """As the version that is active has it. A policy that nobody has drafted says nothing; None: no version is active."""
        if (policy := self.policies.get(opening.policy)) is None:
            return opening
        if (version := policy.active_on(on)) is None:
            return None
        terms = policy.versions[version].terms
        return msgspec.structs.replace(
            opening,
            policy_version=version,
            method=terms.method,
            quorum=terms.quorum,
            release_days=terms.release_days,
            carry_years=terms.carry_years,
        )

    def stands(self, round: str | None, on: date) -> bool:
        """Whether the version that the round was opened under is still the active one."""
        name, version = self.policy_of.get(round or "", ("", 0))
        return (policy := self.policies.get(name)) is None or policy.stands(version, on)
