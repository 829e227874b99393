"""A small history for the audit's tests: told event by event, sealed as the system would seal it, and then open to tampering.

A request of JP and one of US, a round, two releases, a draw that is dispatched with its receipt, a right assigned, a lapse.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import date, datetime
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from reserve.audit.anchors import Anchor
from reserve.audit.evidence import BalanceLine, Evidence, LedgerEntry, LogOfHistory, PostedLine, ReadText, Recorded
from reserve.audit.history import audit
from reserve.audit.integrity import CHECKS, audit_integrity
from reserve.audit.report import Check, Report
from reserve.audit.shards import Follow, Shard, follow
from services.allocation import events as allocation
from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import Claimant, DecisionFile, DecisionTerms, Opened, canonical_document
from services.allocation.domain.decisions.holdings import Holdings, Units
from services.allocation.domain.decisions.sealed import decision_hash, publish
from services.allocation.events.partners import ProductTerms
from services.inventory import events as inventory
from services.ledger.accounts import Balance, Key, Posting, post
from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from services.ledger.keys import open_key, seed_key
from services.ledger.postings import postings
from services.ledger.receipt import Opening, make_receipt
from shared.journal.codec import type_of
from shared.journal.places import FIRST, in_history, parse_place
from shared.journal.record import GENESIS, Record, chain_hash, event_hash, hashed_bytes, leaf_data
from shared.journal.record import canonical as canonical_event
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint, sign_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.fork import Consistency, consistency
from shared.proofs.history import Before, Commitment
from shared.proofs.merkle import consistency_proof, hash_leaf, inclusion_proof, root_at, root_of
from shared.proofs.policy import WitnessPolicy
from shared.proofs.signed_note import Note, VerifierKey
from shared.terms.acting import approval_of
from shared.terms.approval import approve, key_id, public_key_hex
from shared.terms.authority import Cited, Kind
from shared.terms.dating import Dated
from tests.stories.powers import ACTS, INSTRUMENT

DAY_BEFORE = date(2026, 1, 1)  # any that is long before
TODAY = date(2026, 1, 6)
LAST_DAY = date(2026, 1, 20)
DAY_AFTER = date(2026, 1, 21)
ANTIMONY: Any = "antimony-metal"
UNIT_G = 10
APPROVER_KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is recorded. `event`: or what makes it from what is sealed so far. None: the ledger signs."""

    event: Any = None
    stream: str = ""
    shard: int = 0
    on: date = TODAY
    command: str = "c0" * 32
    at: str | None = None  # recorded at; None: as that day begins
    actor: str = "sub_operator"
    cause: str = ""

    @property
    def service(self) -> str:
        return "ledger" if self.event is None else type_of(self.event if isinstance(self.event, type) else type(self.event)).split(".")[0]


type Story = dict[str, Step | Callable[["Told"], Step]]


def unit(units: int) -> tuple[inventory.UnitCount, ...]:
    return (inventory.UnitCount(nominal_unit_g=UNIT_G, units=units),)


def stock(event: Any, on: date = TODAY) -> Step:
    return Step(event=event, stream=f"stockpile/{ANTIMONY}", on=on)


def book(event: Any, on: date = TODAY) -> Step:
    return Step(event=event, stream=f"book/{ANTIMONY}", on=on)


def decided(**changes: Any) -> DecisionFile:
    """Ten units between a claim of eight and one of six, and JP's carry is a third of a unit."""
    asked = {"req_jp": ("JP", 80, changes.get("carry_in_g", Fraction(0))), "req_us": ("US", 60, Fraction(0))}
    terms = DecisionTerms(
        round="rnd_1",
        product=ANTIMONY,
        rule="pro_rata",
        policy="standing",
        policy_version=1,
        disruption=None,
        offered=(Units(unit_g=UNIT_G, units=10),),
    )
    claimants = [
        Opened(
            salt=sha256(request.encode()).hexdigest()[:32],
            content=Claimant(
                request=request,
                partner=partner,
                agreement=f"agr_{partner}",
                agreement_version=1,
                asked_g=mass_g,
                accepted_g=mass_g,
                minimum_g=10,
                carry_in_g=carry_g,
                daily_consumption_g=4,
            ),
        )
        for request, (partner, mass_g, carry_g) in asked.items()
    ]
    return compose(terms, Opened(salt="00" * 16, content=Holdings(available_g=120, protected_g=20)), claimants)


DECIDED = decided()
DECISION: Any = decision_hash(DECIDED)


def award(file: DecisionFile, request: str) -> allocation.Award:
    line = next(line.content for line in file.lines if line.content.claimant.request == request)
    partner: Any = line.claimant.partner
    name: Any = request
    takes = tuple(allocation.AwardTake(pool=take.pool, unit_g=take.unit_g, units=take.units) for take in line.takes or ())
    return allocation.Award(award=f"awd_{request[4:]}", request=name, partner=partner, mass_g=line.award_g, takes=takes)  # type: ignore[arg-type]


def ordered(file: DecisionFile) -> allocation.ReleaseOrder:
    """What inventory releases by."""
    awards = tuple(award(file, line.content.claimant.request) for line in file.lines if line.content.award_g)
    pools = tuple(allocation.PoolStock(pool=pool.pool, kind=pool.kind) for pool in file.decision.terms.pools or ())
    return allocation.ReleaseOrder(round="rnd_1", product=ANTIMONY, awards=awards, pools=pools)


ORDER = ordered(DECIDED)


def grant(given: allocation.Award, decision: Any = DECISION) -> Step:
    return book(
        allocation.AwardGranted(
            award=given.award,
            round="rnd_1",  # type: ignore[arg-type]
            request=given.request,
            product=ANTIMONY,
            partner=given.partner,
            mass_g=given.mass_g,
            daily_consumption_g=4,
            days_of_cover="1.0",
            decision=decision,
            expires_on=LAST_DAY,
        )
    )


def approval(
    subject: str = "sub_approver", key: Ed25519PrivateKey = APPROVER_KEY, decision: str = DECISION, **said: Any
) -> allocation.Approval:
    """`said`: what else the statement names; nothing: it is of the first version."""
    return approval_of(approve(decision, key, approver=subject, **said), TODAY)


def an_instrument(**changes: Any) -> allocation.InstrumentRegistered:
    """An act under which the approver decides."""
    given: Any = {
        "instrument": "ins_1",
        "kind": Kind.ACT,
        "title": "Reserve Act",
        "office": "Minister",
        "under": None,
        "holder": "sub_approver",
        "acts": (
            "adjust_stock",
            "approve_decision",
            "cancel_release",
            "emergency_release",
            "lift_hold",
            "open_protected_stock",
            "ratify",
            "sign_agreement",
            "tender",
        ),
        "products": (),
        "limit_g": 1000,
        "limit_minor": None,
        "currency": None,
        "valid_from": DAY_BEFORE,
        "valid_until": date(2027, 12, 31),
        "may_sub_delegate": False,
    }
    return allocation.InstrumentRegistered(**(given | changes))


def lenders_powers() -> allocation.InstrumentRegistered:
    """What the approvers of loans act under, as `powers.may` has it."""
    always: Any = {"valid_from": date(2020, 1, 1), "valid_until": date(2099, 12, 31), "limit_g": None}
    return an_instrument(instrument=INSTRUMENT, holder="approver-1", acts=tuple(sorted(ACTS)), **always)


def lenders_officer() -> allocation.ActingOfficerNamed:
    given: Any = {"instrument": INSTRUMENT, "officer": "sub_approver", "valid_from": date(2020, 1, 1), "valid_until": date(2099, 12, 31)}
    return allocation.ActingOfficerNamed(**given)


def a_citation(**changes: Any) -> allocation.AuthorityCited:
    """That the approver acted under it."""
    given: Any = {
        "authority": "ins_1",
        "version": 1,
        "under": (),
        "act": "approve_decision",
        "by": "sub_approver",
        "product": ANTIMONY,
        "mass_g": 100,
        "amount_minor": None,
        "currency": None,
    }
    return allocation.AuthorityCited(matter="rnd_1", cited=Cited(**(given | changes)))


def told() -> Story:
    """The whole story, as it ought to be. A test changes steps by their names."""
    key: Any = key_id(public_key_hex(APPROVER_KEY))
    jp, us = award(DECIDED, "req_jp"), award(DECIDED, "req_us")
    everything: Any = {"product": ANTIMONY}
    requests = [("jp", "JP", 80), ("us", "US", 60)]
    story: Story = {
        "register": stock(
            inventory.ProductRegistered(
                product=ANTIMONY,
                name="Antimony metal",
                contents={"Sb": "0.9965"},
                form="metal",
                unit="bundle",
                nominal_unit_g=UNIT_G,
                specification="min 99.65% Sb",
            )
        ),
        "lot": stock(
            inventory.LotTakenIn(
                lot="lot_1",  # type: ignore[arg-type]
                depot="Fremantle",
                units=12,
                nominal_unit_g=UNIT_G,
                mass_g=120,
                status="available",
                serials=(),
                origin="AU",
                custody_model="segregated",
                assay=inventory.Assay(report="A-1", laboratory="AmLab", assayed_on=TODAY, contents={"Sb": "0.9965"}, in_specification=True),
                expires_on=None,
                right=None,
                **everything,
            )
        ),
        "right": stock(
            inventory.RightAdded(
                right="rgt_1",  # type: ignore[arg-type]
                project="Hillgrove",
                kind="firm_offtake",
                mass_g=50,
                window_from=TODAY,
                window_to=LAST_DAY,
                **everything,
            )
        ),
        "instrument": Step(event=an_instrument(), stream="instrument/ins_1", shard=1, on=DAY_BEFORE),
        "lenders_powers": Step(event=lenders_powers(), stream=f"instrument/{INSTRUMENT}", shard=1, on=DAY_BEFORE),
        "lenders_officer": Step(event=lenders_officer(), stream=f"instrument/{INSTRUMENT}", shard=1, on=DAY_BEFORE),
        "key": Step(
            event=allocation.ApproverKeyEnrolled(subject="sub_approver", key=key, public_key=public_key_hex(APPROVER_KEY)),  # type: ignore[arg-type]
            stream="approver/sub_approver",
            shard=1,
        ),
    }
    for name, partner, mass_g in requests:
        request: Any = f"req_{name}"
        code: Any = partner
        story[f"ask_{name}"] = book(
            allocation.RequestSubmitted(
                request=request,
                partner=code,
                mass_g=mass_g,
                minimum_g=10,
                daily_consumption_g=4,
                needed_by=LAST_DAY,
                nominee="Trading Co",
                consignee="Trading Co",
                end_user="Smelter",
                end_use="flame retardant",
                least_contents={},
                excluded_origins=(),
                statement=allocation.Statement(),
                **everything,
            )
        )
        story[f"accept_{name}"] = book(
            allocation.RequestAccepted(request=request, partner=code, accepted_g=mass_g, reasons=("in full",), **everything)
        )
    round: Any = {"round": "rnd_1", **everything}
    story |= {
        "open": book(
            allocation.RoundOpened(
                requests=("req_jp", "req_us"),  # type: ignore[arg-type]
                disruption=None,
                method=allocation.RoundMethod(rule="pro_rata"),
                positions=(),
                policy="standing",
                policy_version=1,
                quorum=(allocation.QuorumStep(above_g=0, approvals=1),),
                emergency=None,
                release_days=14,
                **round,
            )
        ),
        "propose": book(
            allocation.RoundProposed(
                decision=DECISION,
                file=sha256(canonical_document(DECIDED)).hexdigest(),
                proposed_by="sub_operator",  # type: ignore[arg-type]
                supply_g=100,
                left_g=DECIDED.decision.left_g,
                release_order=sha256(canonical_event(ORDER)).hexdigest(),
                awards=2,
                awarded_g={jp.partner: jp.mass_g, us.partner: us.mass_g},
                carries_g={line.content.claimant.partner: str(line.content.carry_out_g) for line in DECIDED.lines},  # type: ignore[misc]
                reads=allocation.Reads(agreements={}, carries_g={}, disruption_version=None, protected_g=20),
                **round,
            )
        ),
        "approve": book(allocation.RoundApproved(decision=DECISION, approval=approval(), **round)),
        "cite": book(a_citation()),
        "certify": book(
            allocation.RoundCertified(
                decision=DECISION,
                release_order=sha256(canonical_event(ORDER)).hexdigest(),
                awards=(),
                expires_on=LAST_DAY,
                approvals=(approval(),),
                **round,
            )
        ),
        "grant_jp": grant(jp),
        "grant_us": grant(us),
        "release_jp": stock(release("jp", "JP", jp.mass_g)),
        "release_us": stock(release("us", "US", us.mass_g)),
        "released": stock(
            inventory.RoundReleased(round="rnd_1", decision=DECISION, releases=2, mass_g=100, expires_on=LAST_DAY, **everything)
        ),
        "close": book(allocation.RoundReleased(decision=DECISION, **round)),
        "draw": stock(draw(30, jp.mass_g - 30)),
        "sign": Step(),
        "weigh": stock(
            inventory.DrawWeighed(
                draw="drw_1",  # type: ignore[arg-type]
                partner="JP",
                parcels=parcels(3),
                mass_g=30,
                weighed_g=29,
                difference_g=-1,
                **everything,
            )
        ),
        "dispatch": lambda sealed: stock(dispatch(sealed.receipt_evidence("draw"))),
        "assign": stock(
            inventory.RightAssigned(
                draw="drw_2",  # type: ignore[arg-type]
                release="rel_us",  # type: ignore[arg-type]
                partner="US",
                right="rgt_1",  # type: ignore[arg-type]
                project="Hillgrove",
                source="lots",
                units=unit(2),
                mass_g=20,
                remaining_g=us.mass_g - 20,
                right_remaining_g=30,
                **everything,
            )
        ),
        "lapse": stock(
            inventory.ReleaseLapsed(
                release="rel_us",  # type: ignore[arg-type]
                partner="US",
                units=unit(us.mass_g // UNIT_G - 2),
                rights_g=0,
                mass_g=us.mass_g - 20,
                **everything,
            ),
            DAY_AFTER,
        ),
        "last_sign": Step(),
    }
    return story


def release(name: str, partner: str, mass_g: int) -> inventory.StockReleased:
    return inventory.StockReleased(
        product=ANTIMONY,
        release=f"rel_{name}",  # type: ignore[arg-type]
        round="rnd_1",
        decision=DECISION,
        award=f"awd_{name}",
        request=f"req_{name}",
        partner=partner,
        units=unit(mass_g // UNIT_G),
        rights_g=0,
        mass_g=mass_g,
        expires_on=LAST_DAY,
    )


def parcels(units: int) -> tuple[inventory.Parcel, ...]:
    return (inventory.Parcel(lot="lot_1", depot="Fremantle", nominal_unit_g=UNIT_G, units=units, mass_g=units * UNIT_G),)  # type: ignore[arg-type]


def draw(mass_g: int, remaining_g: int, **changes: Any) -> inventory.StockDrawn:
    given: Any = {"draw": "drw_1", "release": "rel_jp", "partner": "JP"} | changes
    return inventory.StockDrawn(product=ANTIMONY, parcels=parcels(mass_g // UNIT_G), mass_g=mass_g, remaining_g=remaining_g, **given)


def dispatch(*evidence: str) -> inventory.DrawDispatched:
    return inventory.DrawDispatched(
        product=ANTIMONY,
        draw="drw_1",  # type: ignore[arg-type]
        partner="JP",
        parcels=parcels(3),
        mass_g=30,
        weighed_g=29,
        carrier="Sea Line",
        consignee="Smelter",
        gates=tuple(inventory.GateEvidence(gate="ledger_receipt", evidence=each, by="ledger") for each in evidence),
    )


_BACKED_UP = ("journals", "tree", "books", "accounts", "places", "signed", "typed", "_streams", "_partners")


def _of_integrity(report: Report) -> set[str]:
    return {result.check for result in report.checks if result.failed and Check[result.check.upper()] in CHECKS} - {"shapes"}


def told_on_another_day(command: Any) -> Any:
    """Each step is recorded on one day, whatever day the story of its event is of: what has to say why says it."""
    return replace(command, dated_because=Dated.PAPER_LATE) if "dated_because" in getattr(command, "__struct_fields__", ()) else command


class Told:
    """The story as evidence: sealed once, and then anything in it can be changed. `posts`: how the ledger works out what an event posts."""

    def __init__(self, story: Story, folder: Path, posts: Callable[[Any], list[Posting]] = postings) -> None:
        self._posts = posts
        self._folder = folder
        seed_key(folder)
        self.log_key, self._signer = open_key(folder)
        self.history = FIRST
        self.ended: list[tuple[LogOfHistory, list[bytes]]] = []  # logs of histories before, with what there is of their leaves
        self.commitment: str | None = None
        self.journals: dict[tuple[str, int], list[Recorded]] = {
            (service, shard): [] for service in ("inventory", "allocation", "loans", "ledger") for shard in (0, 1)
        }
        self.tree: list[bytes] = []
        self.books: list[LedgerEntry] = []
        self.accounts: dict[Key, Balance] = {}
        self.documents = {
            sha256(data).hexdigest(): data
            for data in (canonical_document(DECIDED), canonical_document(publish(DECIDED)), canonical_event(ORDER))
        }
        self.places: dict[str, str] = {}  # step -> "inventory/0/3"
        self.signed: list[CheckpointSigned] = []
        self.typed: dict[str, list[ReadText]] = {}
        self._streams: dict[str, int] = {}
        self._partners: dict[tuple[str, int, str], int] = {}
        for name, step in story.items():
            self.seal(name, step)

    def seal(self, name: str, step: Step | Callable[["Told"], Step]) -> None:
        step = step if isinstance(step, Step) else step(self)
        if step.event is None:
            self.sign(name)
            return
        record, salt, hashed = self._record(step.service, step)
        self.places[name] = place = record.place(step.service)
        lines = self._posts(step.event)
        post(self.accounts, lines)
        self.books.append(
            LedgerEntry(
                leaf_index=len(self.tree),
                history=self.history,
                place=place,
                source=step.service,
                shard=step.shard,
                position=record.position,
                type=record.type,
                stream=record.stream,
                partner=record.partner,
                effective_on=record.effective_on,
                recorded_at=datetime.fromisoformat(record.recorded_at),
                correlation_id=record.correlation_id,
                salt=record.salt,
                event_hash=record.event_hash,
                chain_hash=record.chain_hash,
                hashed=hashed.decode(),
                postings=tuple(PostedLine(str(line.side), line.asset, line.account, line.amount, str(line.status)) for line in lines),
            )
        )
        self.tree.append(leaf_data(salt, place, bytes.fromhex(record.event_hash)))

    def sign(self, name: str, root: bytes | None = None, further: tuple[str, ...] = (), **changes: Any) -> None:
        head = TreeHead(len(self.tree), root or root_of(map(hash_leaf, self.tree)))
        covers = {f"{service}/{shard}": len(rows) for (service, shard), rows in self.journals.items() if rows and service != "ledger"}
        event = CheckpointSigned(
            size=head.size,
            root=head.root.hex(),
            note=sign_checkpoint(Checkpoint(self.log_key.name, head, further), self._signer),
            covers=covers,
        )
        self.has_signed(name, msgspec.structs.replace(event, **changes))

    def has_signed(self, name: str, event: CheckpointSigned) -> None:
        """As the ledger records it, whatever it is of."""
        self.signed.append(event)
        record, *_ = self._record("ledger", Step(event=event, stream=in_history("log/main", self.history)))
        self.places[name] = record.place("ledger")

    def witness(self, name: str, *witnesses: Cosigner, at: int = 1_790_000_000, **changes: Any) -> None:
        """The last signed checkpoint is published, and these have cosigned it, in that second."""
        last = self.signed[-1]
        checkpoint = open_checkpoint(last.note, [self.log_key])
        note = last.note + Note("", tuple(each.cosign(checkpoint, at) for each in witnesses)).signature_lines
        event = CheckpointWitnessed(size=last.size, root=last.root, note=note, covers=last.covers)
        stream = in_history("log/main", self.history)
        record, *_ = self._record("ledger", Step(event=msgspec.structs.replace(event, **changes), stream=stream))
        self.places[name] = record.place("ledger")

    def mark(self) -> dict[str, Any]:
        """What a backup of now would hold, right after a checkpoint."""
        return deepcopy({name: getattr(self, name) for name in _BACKED_UP})

    def begin_history(
        self, marked: dict[str, Any], *, known: str | None = None, tiles: bool = True, skips: int = 0, **changes: Any
    ) -> None:
        """Everything is restored to where it was marked. `known`: a later checkpoint that others hold; `tiles`: whether there are
        those of the lost leaves. `changes`: of what the new log commits to."""
        old, leaves = LogOfHistory(self.history, str(self.log_key), self.commitment), list(self.tree)
        for name, value in deepcopy(marked).items():
            setattr(self, name, value)
        kept = len(self.tree)
        self.ended.append((old, leaves if tiles else leaves[:kept]))
        self.history += 1 + skips
        folder = self._folder / f"history-{self.history}"
        seed_key(folder, history=self.history)
        self.log_key, self._signer = open_key(folder)
        note = self.signed[-1].note
        before = Before(history=old.history, key=old.key, kept=kept, kept_checkpoint=note, checkpoint=known or note)
        ends = {f"{service}/{shard}": len(rows) for (service, shard), rows in self.journals.items()}
        commitment = Commitment(history=self.history, key=str(self.log_key), before=before, ends=ends)
        self.commitment = replace(commitment, **changes).leaf.decode()
        self.tree = [self.commitment.encode()]

    def receipt_evidence(self, step: str) -> str:
        """As inventory writes it."""
        return f"{self.places[step]} is among the first {self.signed[-1].size} leaves, with root {self.signed[-1].root}"

    def change(self, step: str, **columns: Any) -> None:
        """Columns of a record after it was sealed. Its hashes stay."""
        rows, index = self.rows_of(step)
        rows[index] = msgspec.structs.replace(rows[index], **columns)

    def rows_of(self, step: str) -> tuple[list[Recorded], int]:
        """The shard of a step's record, and its index there."""
        place = parse_place(self.places[step])
        return self.journals[place.service, place.shard], place.position - 1

    def leaf_of(self, step: str) -> int:
        return next(entry.leaf_index for entry in self.books if entry.place == self.places[step])

    def receipt(self, step: str, signed: CheckpointSigned | None = None) -> str:
        """Of that checkpoint, or of the first one that covers the step's event. It holds only the event's hash."""
        index = self.leaf_of(step)
        signed = signed or next(each for each in self.signed if each.size > index)
        entry = self.books[index]
        proof = inclusion_proof(partial(_read_node, self.tree), index, signed.size)
        return make_receipt(Opening(entry.place, bytes.fromhex(entry.salt), bytes.fromhex(entry.event_hash)), index, proof, signed.note)

    @property
    def pinned(self) -> list[VerifierKey]:
        """What an auditor pins, who has been told of each history's key."""
        return [self.log_key]

    async def audited(self, *anchors: Anchor, policies: Sequence[WitnessPolicy] = ()) -> Report:
        report = await audit(self, self.pinned, anchors, policies)
        alone = await audit_integrity(self, partial(here, self), self.pinned, anchors, policies)
        found, of_all = _of_integrity(alone), _of_integrity(report)
        assert of_all <= found and bool(of_all) == bool(found), "without what the events mean, the same is found"
        return report

    def _record(self, service: str, step: Step) -> tuple[Recorded, bytes, bytes]:
        """With its salt, and what its hash covers."""
        rows = self.journals[service, step.shard]
        version = self._streams[step.stream] = self._streams.get(step.stream, 0) + 1
        partner = getattr(step.event, "partner", None)
        partner_seq = None
        if partner is not None:
            partner_seq = self._partners[service, step.shard, partner] = self._partners.get((service, step.shard, partner), 0) + 1
        columns: dict[str, Any] = {
            "shard": step.shard,
            "position": len(rows) + 1,
            "stream": step.stream,
            "version": version,
            "type": type_of(type(step.event)),
            "partner": partner,
            "partner_seq": partner_seq,
            "effective_on": step.on.isoformat(),
            "recorded_at": step.at or f"{step.on}T00:00:00.{len(rows):06}Z",
            "command_id": step.command,
            "actor": step.actor,
            "correlation_id": "ab" * 16,
            "causation_id": step.cause,
            "history": self.history,
        }
        data = canonical_event(step.event)
        salt = sha256(f"{service}{step.shard}{len(rows)}".encode()).digest()[:16]
        sealed: Any = {"data": msgspec.Raw(data), "salt": salt, "event_hash": b"", "chain_hash": b""}
        hashed = hashed_bytes(Record(**columns, **sealed))
        own = event_hash(salt, hashed)
        previous = bytes.fromhex(rows[-1].chain_hash) if rows else GENESIS
        hashes: Any = {"salt": salt.hex(), "event_hash": own.hex(), "chain_hash": chain_hash(previous, own).hex()}
        record = Recorded(**columns, data=data, **hashes)
        rows.append(record)
        return record, salt, hashed

    # As evidence

    async def histories(self) -> Sequence[LogOfHistory]:
        return [*(log for log, _ in self.ended), LogOfHistory(self.history, str(self.log_key), self.commitment)]

    async def checkpoint(self) -> str | None:
        return self.signed[-1].note if self.signed else None

    async def consistency(self, old_size: int, size: int, history: int | None = None) -> Consistency | None:
        return shown_of(self._leaves_of(history), old_size, size)

    def _leaves_of(self, history: int | None) -> list[bytes]:
        return self.tree if history is None else next(leaves for log, leaves in self.ended if log.history == history)

    async def balances(self) -> Sequence[BalanceLine]:
        return [
            BalanceLine(side=str(key.side), asset=key.asset, account=key.account, posted=balance.posted, pending=balance.pending)
            for key, balance in self.accounts.items()
            if balance != Balance()
        ]

    async def recorded(self) -> Mapping[str, int]:
        return {entry.line: entry.position for entry in self.books}

    async def heads(self, service: str) -> Mapping[int, int]:
        return {shard: len(rows) for (name, shard), rows in self.journals.items() if name == service}

    async def journal(self, service: str, shard: int) -> AsyncIterator[Sequence[Recorded]]:
        rows = self.journals[service, shard]
        for start in range(0, len(rows), 4):
            yield rows[start : start + 4]

    async def leaves(self, size: int, history: int | None = None) -> AsyncIterator[Sequence[bytes]]:
        for start in range(0, size, 5):
            yield self._leaves_of(history)[start : min(start + 5, size)]

    async def entries(self) -> AsyncIterator[Sequence[LedgerEntry]]:
        yield []
        for start in range(0, len(self.books), 3):
            yield self.books[start : start + 3]

    async def texts(self, service: str) -> Sequence[ReadText]:
        return self.typed.get(service, [])

    async def document(self, service: str, name: str) -> bytes | None:
        return self.documents.get(name)


def shown_of(leaves: Sequence[bytes], old_size: int, size: int) -> Consistency | None:
    """What a log of these leaves shows of its first ones."""
    if not old_size <= size <= len(leaves):
        return None
    read = partial(_read_node, leaves)
    return consistency(TreeHead(old_size, root_at(read, old_size)), size, consistency_proof(read, old_size, size))


def _read_node(leaves: Sequence[bytes], height: int, index: int) -> bytes:
    return root_of(map(hash_leaf, leaves[index << height : (index + 1) << height]))


def changed(story: Story, name: str, **fields: Any) -> None:
    """The event of a step, otherwise."""
    step = story[name]
    assert isinstance(step, Step)
    story[name] = replace(step, event=replace(step.event, **fields))


def before(story: Story, name: str, **steps: Any) -> Story:
    """More steps, before the one of that name."""
    names = list(story)
    place = names.index(name)
    return {each: story[each] for each in names[:place]} | steps | {each: story[each] for each in names[place:]}


def agreed(partner: Any, **changes: Any) -> Step:
    terms = ProductTerms(product=ANTIMONY, yearly_quota_g=1000, share="1/2")
    given: Any = {"products": (terms,), "priority_class": 0, "valid_from": DAY_BEFORE, "valid_until": date(2027, 12, 31)} | changes
    event = allocation.AgreementSigned(agreement=f"agr_{partner}", partner=partner, **given)  # type: ignore[arg-type]
    return Step(event=event, stream=f"agreement/agr_{partner}", shard=1, on=DAY_BEFORE)


def with_agreements(story: Story, read: dict[str, Any] | None = None, **changes: Any) -> Story:
    """The decision says that it read both partners' agreements."""
    story = before(story, "key", agree_jp=agreed("JP", **changes), agree_us=agreed("US"))
    given: Any = {"version": 1, "year_from": DAY_BEFORE, "quota_g": 1000, "used_g": 0} | (read or {})
    said: Any = {who: allocation.AgreementRead(agreement=f"agr_{who}", **given) for who in ("JP", "US")}  # type: ignore[arg-type]
    changed(story, "propose", reads=allocation.Reads(agreements=said, carries_g={}, disruption_version=None, protected_g=20))
    return story


def failures(report: Report) -> dict[str, list[str]]:
    """check -> places"""
    return {result.check: [failure.place for failure in result.failures] for result in report.checks if result.failed}


async def audited(folder: Path, story: Story) -> Report:
    return await Told(story, folder).audited()


RECORD = Recorded(
    shard=0,
    position=1,
    stream="",
    version=1,
    type="",
    data=b"",
    partner=None,
    partner_seq=None,
    effective_on="2026-01-06",
    recorded_at="2026-01-06T00:00:00.000000Z",
    command_id="",
    actor="",
    correlation_id="",
    causation_id="",
    salt="",
    event_hash="",
    chain_hash="",
)


@contextmanager
def here(evidence: Evidence, _: Sequence[Shard]) -> Iterator[Follow]:
    """In this process."""
    yield partial(follow, evidence)
