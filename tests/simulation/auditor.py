"""The auditor: reads what the run left behind, as plain JSON, and says what is wrong. It shares no code with what it audits.

Each check yields sentences; a sound run yields none.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from tests.simulation import afterwards_auditor, loan_auditor, material_auditor, people_auditor, tender_auditor

type Json = dict[str, Any]
type Place = tuple[str, int, int]  # service, shard, position


class Evidence(msgspec.Struct):
    journals: dict[str, dict[int, list[Json]]]  # service -> shard -> records: every column, `data` decoded, hashes in hex
    order: list[Place]  # as they were committed, over all services
    published: list[tuple[str, str]]  # every message that a topic ever held: place, event hash
    operations: list[Json]  # what clients asked for and were told: see `client.Operation`
    outcomes: dict[str, dict[str, Json]]  # service -> command id -> what is kept
    timers: dict[str, list[Json]]  # service -> rows that are left
    log: list[Json]  # the ledger's entries, in order: place, leaf, event_hash
    documents: dict[str, list[str]]  # service -> SHA-256 of each that it keeps
    balances: dict[str, tuple[int, int]]  # the ledger's accounts: posted and pending grams
    today: str
    now: str


def audit(evidence: Evidence) -> list[str]:
    checks = (
        chains,
        answers,
        once,
        stocks,
        receipts,
        conversations,
        ledger,
        documents,
        timers,
        tender_auditor.tenders,
        afterwards_auditor.afterwards,
        messages,
        loan_auditor.headroom,
        loan_auditor.money,
        loan_auditor.deliveries,
        material_auditor.grams,
        people_auditor.policies,
        people_auditor.screening,
        people_auditor.reviews,
        people_auditor.powers,
        people_auditor.clocks,
    )
    return [fault for check in checks for fault in faults(check, evidence)]


def faults(check: Callable[[Evidence], Iterator[str]], evidence: Evidence) -> Iterator[str]:
    try:
        for fault in check(evidence):
            yield f"{check.__name__}: {fault}"
    except (LookupError, TypeError) as error:  # what it relies on is not there: another check says why
        yield f"{check.__name__}: cannot go on: {error!r}"


# The journals themselves


def chains(evidence: Evidence) -> Iterator[str]:
    """No position is skipped or used twice, no version, no partner's number; every hash covers what it should."""
    committed: Counter[Place] = Counter(evidence.order)
    for service, shards in evidence.journals.items():
        versions: dict[str, int] = {}
        home: dict[str, int] = {}
        for shard, records in shards.items():
            chain, recorded_at = bytes(32), ""
            numbers: Counter[str] = Counter()
            for expected, record in enumerate(records, start=1):
                place = f"{service}/{shard}/{expected}"
                if record["position"] != expected:
                    yield f"{place} is at position {record['position']}"
                    break
                if (times := committed.pop((service, shard, expected), 0)) != 1:
                    yield f"{place} was committed {times} times"
                stream = record["stream"]
                if record["version"] != versions.get(stream, 0) + 1 or home.setdefault(stream, shard) != shard:
                    yield f"{place} is version {record['version']} of {stream} after {versions.get(stream, 0)} in shard {home[stream]}"
                versions[stream] = record["version"]
                if (partner := record["partner"]) is not None:
                    numbers[partner] += 1
                    if record["partner_seq"] != numbers[partner]:
                        yield f"{place} is number {record['partner_seq']} of {partner} and not {numbers[partner]}"
                if record["recorded_at"] < recorded_at:
                    yield f"{place} was recorded before the one before it"
                recorded_at = record["recorded_at"]
                own = sha256(b"\x01" + bytes.fromhex(record["salt"]) + _canonical(record)).digest()
                chain = sha256(b"\x02" + chain + own).digest()
                if (own.hex(), chain.hex()) != (record["event_hash"], record["chain_hash"]):
                    yield f"{place} has a wrong hash"
                    break
    for place in committed:
        yield f"{place} was committed and is gone"


_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_UNHASHED = ("salt", "event_hash", "chain_hash")


def _canonical(record: Json) -> bytes:
    hashed = {name: value for name, value in record.items() if name not in _UNHASHED and (name, value) != ("history", 1)}
    return _JSON.encode(hashed).encode()


# Commands: each once, and what was answered is there


def answers(evidence: Evidence) -> Iterator[str]:
    by_command = _by_command(evidence)
    for operation in evidence.operations:
        name, service = operation["command_id"], operation["service"]
        found = by_command.get((service, name), [])
        if operation["answers"] and any(answer != operation["answers"][0] for answer in operation["answers"]):
            yield f"{name[:8]} was answered differently: {operation['answers']}"
        if found and operation["expected_version"] not in (None, found[0]["version"] - 1):
            yield f"{name[:8]} was for version {operation['expected_version']}, and is version {found[0]['version']}"
        for answer in operation["answers"][:1]:
            if answer["refused"] is not None:
                if found:
                    yield f"{name[:8]} was refused and is at {_at(found)}"
            elif [[each["shard"], each["position"], each["event_hash"]] for each in found] != answer["events"]:
                yield f"{name[:8]} was answered with {answer['events']} and is at {_at(found)}"
    yield from _real_time(evidence, by_command)


def _real_time(evidence: Evidence, by_command: dict[tuple[str, str], list[Json]]) -> Iterator[str]:
    """A command asked for after another's answer comes after it in their shard."""
    placed = defaultdict(list)
    for operation in evidence.operations:
        if found := by_command.get((operation["service"], operation["command_id"])):
            placed[operation["service"], found[0]["shard"]].append((found[0]["position"], operation))
    for operations in placed.values():
        latest_start, who = -1.0, ""
        for _, operation in sorted(operations, key=lambda each: each[0]):
            if operation["answered_at"] is not None and operation["answered_at"] < latest_start:
                yield f"{operation['command_id'][:8]} was answered before {who[:8]} was asked for, and stands after it"
            if operation["started_at"] > latest_start:
                latest_start, who = operation["started_at"], operation["command_id"]


def once(evidence: Evidence) -> Iterator[str]:
    """A command's events stand together, in one place; its outcome is kept, and says where."""
    by_command = _by_command(evidence)
    for (service, name), found in by_command.items():
        first = found[0]
        together = [(first["shard"], first["position"] + step, first["stream"]) for step in range(len(found))]
        if [(each["shard"], each["position"], each["stream"]) for each in found] != together:
            yield f"command {name[:8]} of {service} is at {_at(found)}"
        kept = evidence.outcomes[service].get(name)
        if kept is None:
            yield f"command {name[:8]} of {service} at {_at(found)} has no outcome"
        elif (kept["shard"], kept["first_position"], kept["events"]) != (first["shard"], first["position"], len(found)):
            yield f"the outcome of {name[:8]} of {service} says {kept['shard']}/{kept['first_position']}, and it is at {_at(found)}"
    for service, outcomes in evidence.outcomes.items():
        for name, kept in outcomes.items():
            if kept["events"] and (service, name) not in by_command:
                yield f"{service} keeps the outcome of {name[:8]}, which is nowhere"


def _by_command(evidence: Evidence) -> dict[tuple[str, str], list[Json]]:
    found: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for service, records in _all(evidence):
        for record in records:
            found[service, record["command_id"]].append(record)
    return found


def _at(records: list[Json]) -> str:
    return ", ".join(f"{record['shard']}/{record['position']}" for record in records) or "no place"


def _all(evidence: Evidence) -> Iterator[tuple[str, list[Json]]]:
    for service, shards in evidence.journals.items():
        yield service, [record for records in shards.values() for record in records]


# Grams


class Stock:
    """A product's grams, by its events' numbers alone."""

    def __init__(self) -> None:
        self.taken_in = self.adjusted = self.dispatched = self.dispatched_weighed = 0
        self.under_way: dict[str, int] = {}  # draw -> weighed grams that are with its carrier
        self.available: Counter[str] = Counter()  # lot -> grams
        self.unit_g: dict[str, int] = {}  # lot -> the size of its units
        self.quarantined: Counter[str] = Counter()
        self.drawn: dict[str, dict[str, int]] = {}  # draw -> lot -> grams
        self.weighed: dict[str, int] = {}  # draw that is here -> what the scales said last, or its nominal grams
        self.releases: dict[str, Json] = {}
        self.rights: dict[str, int] = {}
        self.came_under_rights = 0  # to partners, and never here
        self.ended: set[str] = set()  # draws that are gone or back

    def held(self) -> int:
        return self.available.total() + self.quarantined.total() + sum(sum(parcels.values()) for parcels in self.drawn.values())


def stocks(evidence: Evidence) -> Iterator[str]:
    """Grams of each product: nothing comes from nowhere or goes nowhere; nothing is drawn twice, nor beyond its release."""
    for product, stock, faults in _stocks_of(evidence):
        yield from (f"{product}: {fault}" for fault in faults)
        if stock.taken_in + stock.adjusted != stock.held() + stock.dispatched:
            yield f"{product}: {stock.taken_in} + {stock.adjusted} g came, {stock.held()} are here and {stock.dispatched} went"
        yield from _balanced(evidence, product, stock)


def _balanced(evidence: Evidence, product: str, stock: Stock) -> Iterator[str]:
    """The ledger's accounts say the same."""
    title, custody = (_accounts(evidence, f"{side}/{product}/") for side in ("title", "custody"))
    here = sum(stock.weighed.values())
    reserved = sum(release["units"].total() for release in stock.releases.values())
    for what, has, should in (
        ("available", title.get("reserve/available", (0, 0))[0], stock.available.total()),
        ("reserved", -title.get("reserve/available", (0, 0))[1], reserved),
        ("quarantined", title.get("reserve/quarantined", (0, 0))[0], stock.quarantined.total()),
        ("as partners' goods", _posted(title, "partner/", levels=2), here + stock.dispatched_weighed + stock.came_under_rights),
        ("in depots", _posted(custody, "depot/"), stock.available.total() + stock.quarantined.total() + here),
        ("with carriers", _posted(custody, "carrier/"), sum(stock.under_way.values())),
        ("with holders", _posted(custody, "holder/"), stock.dispatched_weighed - sum(stock.under_way.values())),
        ("of titles in all", _posted(title, ""), 0),
        ("of custody in all", _posted(custody, ""), 0),
    ):
        if has != should:
            yield f"{product}: the ledger has {has} g {what}, and it is {should} g"


def _accounts(evidence: Evidence, prefix: str) -> dict[str, tuple[int, int]]:
    return {name.removeprefix(prefix): balance for name, balance in evidence.balances.items() if name.startswith(prefix)}


def _posted(accounts: dict[str, tuple[int, int]], prefix: str, levels: int | None = None) -> int:
    """Of the accounts that begin so, and have so many levels."""
    return sum(posted for name, (posted, _) in accounts.items() if name.startswith(prefix) and levels in (None, name.count("/") + 1))


def _stocks_of(evidence: Evidence) -> Iterator[tuple[str, Stock, list[str]]]:
    streams: dict[str, list[Json]] = defaultdict(list)
    for records in evidence.journals["inventory"].values():
        for record in records:
            streams[record["stream"]].append(record)
    for stream, records in streams.items():
        stock, faults = Stock(), []
        for record in records:
            fault = _step(stock, record["type"].split(".")[1], record["data"], record["effective_on"])
            if fault is None and min((*stock.available.values(), *stock.quarantined.values()), default=0) < 0:
                fault = "a lot is below zero"
            if fault is not None:
                faults.append(f"{record['shard']}/{record['position']} ({record['type']}): {fault}")
        yield stream.partition("/")[2], stock, faults


def _step(stock: Stock, kind: str, data: Json, day: str) -> str | None:
    """What is wrong with the event, if anything is."""
    match kind:
        case "lot_taken_in":
            if data["lot"] in stock.available or data["lot"] in stock.quarantined:
                return "the lot was there before"
            _shelf(stock, data["status"])[data["lot"]] += data["mass_g"]
            stock.unit_g[data["lot"]] = data["nominal_unit_g"]
            stock.taken_in += data["mass_g"]
        case "assay_recorded":
            if data["from_status"] != data["to_status"]:
                _shelf(stock, data["from_status"])[data["lot"]] -= data["mass_g"]
                _shelf(stock, data["to_status"])[data["lot"]] += data["mass_g"]
        case "stock_adjusted":
            _shelf(stock, data["status"])[data["lot"]] += data["change_g"]
            stock.adjusted += data["change_g"]
        case "stock_released":
            if data["release"] in stock.releases:
                return "it was released before"
            units = Counter({count["nominal_unit_g"]: count["units"] * count["nominal_unit_g"] for count in data["units"]})
            if units.total() + data["rights_g"] != data["mass_g"]:
                return "its parts are not the whole"
            stock.releases[data["release"]] = {"units": units, "rights_g": data["rights_g"], "until": data["expires_on"], "pins": Counter()}
            for size in units:  # an assay may have failed what is reserved of another size, or is pinned
                reserved = sum(release["units"][size] for release in stock.releases.values())
                reserved -= sum(mass_g for lot, mass_g in _pinned(stock).items() if lot in stock.quarantined and stock.unit_g[lot] == size)
                there = sum(mass_g for lot, mass_g in stock.available.items() if stock.unit_g[lot] == size)
                if reserved > there:
                    return f"{reserved} g in units of {size} g are reserved of {there}"
        case "stock_pinned":
            return _pin(stock, data)
        case "stock_drawn":
            parcels: Counter[str] = Counter()
            for parcel in data["parcels"]:
                parcels[parcel["lot"]] += parcel["mass_g"]
            if data["draw"] in stock.drawn or data["draw"] in stock.ended:
                return "it was drawn before"
            if parcels.total() != data["mass_g"]:
                return "its parcels are not the whole"
            stock.available.subtract(parcels)
            stock.drawn[data["draw"]] = dict(parcels)
            stock.weighed[data["draw"]] = data["mass_g"]
            sizes: Counter[int] = Counter()
            for parcel in data["parcels"]:
                sizes[parcel["nominal_unit_g"]] += parcel["mass_g"]
            fault = _draw_pins(stock, data["release"], parcels)
            return _take(stock, data, sizes, 0, day) or fault
        case "right_added":
            stock.rights[data["right"]] = data["mass_g"]
        case "assignment_delivered" | "assignment_substituted":
            stock.came_under_rights += data.get("delivered_g", data["mass_g"])
        case "assignment_given_back":
            stock.rights[data["right"]] += data["mass_g"]
            if stock.rights[data["right"]] != data["right_remaining_g"]:
                return "the right's grams are not right"
        case "right_terminated":
            if stock.rights[data["right"]] != data["mass_g"]:
                return "the right's grams are not right"
            stock.rights[data["right"]] = 0
        case "right_matured":
            stock.rights[data["right"]] -= data["settled_g"]
            if stock.rights[data["right"]] != data["remaining_g"]:
                return "the right's grams are not right"
        case "right_assigned":
            stock.rights[data["right"]] -= data["mass_g"]
            if stock.rights[data["right"]] != data["right_remaining_g"]:
                return "the right's grams are not right"
            sizes = Counter({count["nominal_unit_g"]: count["units"] * count["nominal_unit_g"] for count in data["units"]})
            if sizes.total() not in (0, data["mass_g"]):
                return "its units are not the whole"
            return _take(stock, data, sizes, data["mass_g"] - sizes.total(), day)
        case "release_extended":
            if data["expires_on"] < stock.releases[data["release"]]["until"]:
                return "its last day is sooner than it was"
            stock.releases[data["release"]]["until"] = data["expires_on"]
        case "release_lapsed" | "release_cancelled":
            release = stock.releases.pop(data["release"], None)
            if release is None or (release["units"].total(), release["rights_g"]) != (_units_g(data), data["rights_g"]):
                return f"what is left of the release is {release}"
            if kind == "release_lapsed" and day <= release["until"]:
                return f"it lapsed on {day}, and could be drawn through {release['until']}"
        case "draw_weighed":
            if data["difference_g"] != data["weighed_g"] - stock.weighed[data["draw"]]:
                return "the difference is another"
            stock.weighed[data["draw"]] = data["weighed_g"]
        case "draw_delivered":
            if stock.under_way.pop(data["draw"], None) != data["weighed_g"]:
                return "no such goods are under way"
        case "draw_dispatched" | "draw_returned":
            parcels_of = stock.drawn.pop(data["draw"], None)
            if parcels_of is None:
                return "the draw is not here"
            stock.ended.add(data["draw"])
            weighed_g = stock.weighed.pop(data["draw"])
            if sum(parcels_of.values()) != data["mass_g"]:
                return "it is not what was drawn"
            if kind == "draw_dispatched":
                stock.dispatched += data["mass_g"]
                stock.dispatched_weighed += weighed_g
                stock.under_way[data["draw"]] = weighed_g
                return None if data["weighed_g"] == weighed_g else f"{weighed_g} g were weighed"
            for status in ("available", "quarantined"):
                for parcel in data[status]:
                    _shelf(stock, status)[parcel["lot"]] += parcel["mass_g"]
    return None


def _pinned(stock: Stock) -> Counter[str]:
    """Lot -> grams that releases are pinned to."""
    pinned: Counter[str] = Counter()
    for release in stock.releases.values():
        pinned.update(release["pins"])
    return pinned


def _pin(stock: Stock, data: Json) -> str | None:
    release = stock.releases.get(data["release"])
    if release is None:
        return "its release is not open"
    release["pins"] = Counter({pin["lot"]: pin["units"] * pin["nominal_unit_g"] for pin in data["lots"]})
    sizes: Counter[int] = Counter()
    for lot, mass_g in release["pins"].items():
        sizes[stock.unit_g.get(lot, 0)] += mass_g
    if sizes != +release["units"]:
        return f"the pins are {dict(sizes)} and the release is {dict(release['units'])}"
    pinned = _pinned(stock)
    over = [lot for lot in release["pins"] if pinned[lot] > stock.available[lot] + stock.quarantined[lot]]
    return f"more of {over[0]} is pinned than it has" if over else None


def _draw_pins(stock: Stock, release_id: str, parcels: Counter[str]) -> str | None:
    """A draw is of its release's own pins, if it has any, and never of another's. What it takes is off its pins."""
    release = stock.releases.get(release_id)
    if release is not None and release["pins"]:
        if any(mass_g > release["pins"][lot] for lot, mass_g in parcels.items()):
            return f"{dict(parcels)} is drawn, and its release is pinned to {dict(release['pins'])}"
        release["pins"] = release["pins"] - parcels
    pinned = _pinned(stock)
    taken = [lot for lot in parcels if stock.available[lot] < pinned[lot]]
    return f"what is drawn of {taken[0]} is pinned for another" if taken else None


def _take(stock: Stock, data: Json, units: Counter[int], rights_g: int, day: str) -> str | None:
    """Off what its release has left: grams by unit size, and of rights."""
    release = stock.releases.get(data["release"])
    if release is None:
        return "its release is not open"
    if day > release["until"]:
        return f"on {day}, its release could be drawn through {release['until']}"
    release["units"].subtract(units)
    release["rights_g"] -= rights_g
    if min([*release["units"].values(), release["rights_g"]]) < 0:
        return "it is beyond its release"
    if release["units"].total() + release["rights_g"] != data["remaining_g"]:
        return "what remains of the release is not right"
    if data["remaining_g"] == 0:
        del stock.releases[data["release"]]
    return None


def _shelf(stock: Stock, status: str) -> Counter[str]:
    return stock.available if status == "available" else stock.quarantined


def _units_g(data: Json) -> int:
    return sum(count["units"] * count["nominal_unit_g"] for count in data["units"])


# Receipts and the ledger


def receipts(evidence: Evidence) -> Iterator[str]:
    """When a draw went out, a checkpoint that covers it had been committed."""
    covered: dict[str, int] = {}
    drawn: dict[str, tuple[str, int]] = {}
    for service, shard, position in evidence.order:
        record = _record(evidence, service, shard, position)
        if record is None:
            continue  # `chains` tells
        match record["type"]:
            case "ledger.checkpoint_signed.v1":
                covered |= record["data"]["covers"]
            case "inventory.stock_drawn.v1":
                drawn[record["data"]["draw"]] = (f"{service}/{shard}", position)
            case "inventory.draw_dispatched.v1":
                line, at = drawn.get(record["data"]["draw"], ("", 0))
                if not at or covered.get(line, 0) < at:
                    yield f"{record['data']['draw']} went out at {service}/{shard}/{position} without a receipt"


def _record(evidence: Evidence, service: str, shard: int, position: int) -> Json | None:
    records = evidence.journals[service][shard]
    return records[position - 1] if position <= len(records) else None


def ledger(evidence: Evidence) -> Iterator[str]:
    """The log has each event of each other service once, each source in order; each checkpoint is of the tree at its size."""
    reached: Counter[str] = Counter()
    cuts: list[dict[str, int]] = [{}]
    leaves: list[bytes] = []
    for index, entry in enumerate(evidence.log):
        service, shard, position = entry["place"].split("/")
        line = f"{service}/{shard}"
        reached[line] += 1
        record = _record(evidence, service, int(shard), int(position))
        if int(position) != reached[line] or record is None or record["event_hash"] != entry["event_hash"]:
            yield f"entry {index} is {entry['place']}, after {reached[line] - 1} of {line}"
            return
        leaf = sha256(b"\x03" + bytes.fromhex(record["salt"]) + entry["place"].encode() + bytes.fromhex(record["event_hash"])).digest()
        if leaf.hex() != entry["leaf"]:
            yield f"the leaf of {entry['place']} is wrong"
        leaves.append(leaf)
        cuts.append(dict(reached))
    for service, shards in evidence.journals.items():
        for shard, records in shards.items():
            if service != "ledger" and reached[f"{service}/{shard}"] != len(records):
                yield f"the log has {reached[f'{service}/{shard}']} of the {len(records)} events of {service}/{shard}"
    size, tree = 0, Tree()
    for records in evidence.journals["ledger"].values():
        for record in records:
            data = record["data"]
            if not size < data["size"] <= len(leaves):
                yield f"a checkpoint of {data['size']} leaves follows one of {size}; the log has {len(leaves)}"
                return
            for leaf in leaves[size : data["size"]]:
                tree.add(leaf)
            size = data["size"]
            if data["root"] != tree.root().hex() or data["covers"] != cuts[size]:
                yield f"the checkpoint of {size} leaves has another root, or covers something else"
    if size != len(leaves):
        yield f"the last checkpoint is of {size} leaves, and the log has {len(leaves)}"


_PROPOSED = ("loan_proposed", "loan_imported", "act_proposed", "holding_proposed", "material_terms_proposed", "deferral_proposed")
STAND_ON = (
    ("allocation", "round_proposed", ("decision", "file", "release_order")),
    ("allocation", "tender_proposed", ("decision", "file", "release_order")),
    *(("allocation", kind, ("document",)) for kind in ("policy_drafted", "policy_revised", "screening_list_put_in_force")),
    ("allocation", "report_sent", ("report",)),
    *(("loans", kind, ("document",)) for kind in _PROPOSED),
)


def documents(evidence: Evidence) -> Iterator[str]:
    """What a proposal stands on is kept where it was made, and by the ledger."""
    for service, kind, names in STAND_ON:
        for record in _of_type(evidence, service, kind):
            for name in names:
                for keeper in (service, "ledger"):
                    if record["data"][name] not in evidence.documents[keeper]:
                        yield f"{keeper} has not the {name} of {service}/{record['shard']}/{record['position']}"


class Tree:
    """RFC 6962: the peaks of a growing tree."""

    def __init__(self) -> None:
        self.peaks: list[tuple[int, bytes]] = []  # height, hash

    def add(self, leaf: bytes) -> None:
        height, node = 0, sha256(b"\x00" + leaf).digest()
        while self.peaks and self.peaks[-1][0] == height:
            node = sha256(b"\x01" + self.peaks.pop()[1] + node).digest()
            height += 1
        self.peaks.append((height, node))

    def root(self) -> bytes:
        *rest, (_, node) = self.peaks
        for _, peak in reversed(rest):
            node = sha256(b"\x01" + peak + node).digest()
        return node


# Conversations: what must follow from an event, and once

_OPEN_ROUND = {"round_released": "allocation.round_released.v1", "round_release_refused": "allocation.round_reopened.v1"}


def conversations(evidence: Evidence) -> Iterator[str]:
    """A certified round is answered by inventory once, the answer taken by its book once; a product has a book; no reaction is twice."""
    yield from _reactions_once(evidence)
    by_cause: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for service, records in _all(evidence):
        for record in records:
            by_cause[service, record["causation_id"]].append(record)
    for service, records in _all(evidence):
        for record in records:
            place = f"{service}/{record['shard']}/{record['position']}"
            for consumer, types in _expected(record):
                found = [each["type"] for each in by_cause.get((consumer, place), []) if each["type"] in types]
                if len(found) != 1:
                    yield f"from {record['type']} at {place} came {found} in {consumer}"
    granted = (record["data"] for kind in ("award_granted", "tender_award_granted") for record in _of_type(evidence, "allocation", kind))
    awarded = {data["award"]: data for data in granted}
    for record in _of_type(evidence, "inventory", "stock_released"):
        award = awarded.get(record["data"]["award"])
        if award is None or (award["mass_g"], award["partner"]) != (record["data"]["mass_g"], record["data"]["partner"]):
            yield f"{record['data']['release']} is not what was awarded"


def _expected(record: Json) -> list[tuple[str, tuple[str, ...]]]:
    if of_tender := tender_auditor.follow_ups(record):
        return of_tender
    match record["type"]:
        case "inventory.product_registered.v1":
            return [("allocation", ("allocation.book_opened.v1",))]
        case "allocation.round_certified.v2":
            return [("inventory", ("inventory.round_released.v1", "inventory.round_release_refused.v1"))]
        case "inventory.round_released.v1":
            return [("allocation", ("allocation.round_released.v1",))]
        case "inventory.round_release_refused.v1":
            return [("allocation", ("allocation.round_reopened.v1",))]
        case _:
            return [*loan_auditor.follow_ups(record), *material_auditor.follow_ups(record)]


def _reactions_once(evidence: Evidence) -> Iterator[str]:
    """From one event comes at most one command for a stream."""
    commands: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for service, records in _all(evidence):
        for record in records:
            if record["causation_id"].partition("/")[0] in evidence.journals:
                commands[service, record["causation_id"], record["stream"]].add(record["command_id"])
    for (service, cause, stream), names in commands.items():
        if len(names) > 1 and service != "ledger":
            yield f"from {cause} came {len(names)} commands for {stream} in {service}"


def _of_type(evidence: Evidence, service: str, kind: str) -> Iterator[Json]:
    for records in evidence.journals[service].values():
        yield from (record for record in records if record["type"].rpartition(".v")[0] == f"{service}.{kind}")


# Timers


def timers(evidence: Evidence) -> Iterator[str]:
    """What was to happen on a day has happened, or stands in the timers for a day to come."""
    left = {(service, row["stream"], row["name"]): row["due"] for service, rows in evidence.timers.items() for row in rows}
    wanted: dict[tuple[str, str, str], str] = {}
    for service, records in _all(evidence):
        wanted |= _proposals_timers(service, records)
        if service == "inventory":
            wanted |= _inventory_timers(records, evidence.today)
        elif service == "allocation":
            wanted |= _request_timers(records) | people_auditor.people_timers(records)
        elif service == "loans":
            wanted |= loan_auditor.loan_timers(records, evidence.outcomes["loans"])
    for name, due in wanted.items():
        if due <= evidence.today:
            yield f"{'/'.join(name)} was due on {due}, and today is {evidence.today}"
        elif left.get(name) != due:
            yield f"{'/'.join(name)} is due on {due}, and set for {left.get(name)}"
    still = {
        (service, row["stream"], row["name"]) for service, rows in evidence.timers.items() for row in rows if _is_to_come(row, evidence)
    }
    for name, due in left.items():
        if due <= evidence.today and name not in still:
            yield f"{'/'.join(name)} has been due since {due}"


def _is_to_come(row: Json, evidence: Evidence) -> bool:
    """Its day may have begun, and its instant is not there yet."""
    return row["at"] is not None and datetime.fromisoformat(row["at"]) > datetime.fromisoformat(evidence.now)


def _proposals_timers(service: str, records: list[Json]) -> dict[tuple[str, str, str], str]:
    wanted: dict[tuple[str, str, str], str] = {}
    for record in records:
        kind, data = record["type"].split(".")[1], record["data"]
        if kind == "command_proposed":
            wanted[service, record["stream"], f"proposal/{data['proposal']}"] = data["lapses_on"]
        elif kind in ("command_approved", "command_withdrawn", "command_lapsed"):
            wanted.pop((service, record["stream"], f"proposal/{data['proposal']}"), None)
    return wanted


def _inventory_timers(records: list[Json], today: str) -> dict[tuple[str, str, str], str]:
    """A release that the Reserve holds lapses on no day yet, and a right of which nothing is owed any more has nothing to fail."""
    wanted: dict[tuple[str, str, str], str] = {}
    held: defaultdict[str, set[str]] = defaultdict(set)  # stream -> holds of the Reserve's own, and decisions that are held
    owed: Counter[tuple[str, str]] = Counter()  # stream and right -> grams
    tranches: dict[tuple[str, str], int] = {}  # stream and timer -> grams to come
    for record in records:
        kind, data, stream = record["type"].split(".")[1], record["data"], record["stream"]
        if kind in ("right_assigned", "delivery_postponed") and data.get("window_to") is not None:
            wanted["inventory", stream, f"window/{data['right']}"] = _day_after(data["window_to"], data.get("grace_days", 0))
            owed[stream, data["right"]] += data.get("mass_g", 0)
        for number, window_to, grace_days, left_g in _planned(kind, data):
            name = f"tranche/{data['right']}/{number}"
            wanted["inventory", stream, name] = _day_after(window_to, grace_days)
            tranches.setdefault((stream, name), left_g)
        match kind:
            case "stock_released" | "release_extended":
                wanted["inventory", stream, f"lapse/{data['release']}"] = _day_after(data["expires_on"])
            case "stock_drawn" | "right_assigned" if data["remaining_g"] == 0:
                wanted.pop(("inventory", stream, f"lapse/{data['release']}"), None)
            case "release_lapsed" | "release_cancelled":
                wanted.pop(("inventory", stream, f"lapse/{data['release']}"), None)
            case "round_held":
                held[stream].add(data["decision"])
            case "round_freed":
                held[stream].discard(data["decision"])
            case "assignment_delivered" | "assignment_substituted" | "assignment_closed" | "assignment_failed" | "assignment_given_back":
                owed[stream, data["right"]] -= data["mass_g"]
            case "tranche_delivered" | "tranche_closed":
                tranches[stream, f"tranche/{data['right']}/{data['tranche']}"] = data.get("remaining_g", 0)
            case "right_terminated" | "programme_agreed":
                ended = 10**9 if kind == "right_terminated" else data["tranches"][0]["number"]
                tranches |= {
                    (of, name): 0
                    for of, name in tranches
                    if of == stream and name.split("/")[1] == data["right"] and int(name.split("/")[2]) < ended
                }
            case "hold_put_on":
                if not data["authority"].startswith("suspension of "):
                    held[stream].add(data["hold"])
                if data["expires_on"] is not None:
                    wanted["inventory", stream, f"hold/{data['hold']}"] = _day_after(data["expires_on"])
            case "hold_lifted":
                held[stream].discard(data["hold"])
                wanted.pop(("inventory", stream, f"hold/{data['hold']}"), None)
    settled = {("inventory", stream, f"window/{right}") for (stream, right), mass_g in owed.items() if not mass_g}
    settled |= {("inventory", stream, name) for (stream, name), mass_g in tranches.items() if not mass_g}
    for name, due in list(wanted.items()):
        # a clock that was ahead has settled it before its day, and an operator may have, and its timer then does nothing
        if name in settled or (due <= today and name[2].startswith("lapse/") and held[name[1]]):
            del wanted[name]
    return wanted


def _planned(kind: str, data: Json) -> Iterator[tuple[int, str, int, int]]:
    """Tranches as an event plans, or postpones, them: number, last day, days of grace, grams."""
    match kind:
        case "right_added" if data.get("terms") is not None and data["kind"] == "firm_offtake":
            yield 1, data["window_to"], data["terms"].get("grace_days", 0), data["mass_g"]
        case "right_exercised":
            yield data["tranche"], data["window_to"], data["grace_days"], data["mass_g"]
        case "programme_agreed" | "delivery_postponed":
            for tranche in data.get("tranches", ()):
                yield tranche["number"], tranche["window_to"], data.get("grace_days", 0), tranche["mass_g"]


def _request_timers(records: list[Json]) -> dict[tuple[str, str, str], str]:
    """A request that has expired, or that a round has given something, has no more to wait for; its timers then do nothing."""
    wanted: dict[tuple[str, str, str], str] = {}
    granted: dict[str, list[str]] = defaultdict(list)  # round -> requests that it gives something
    for record in records:
        kind, data, stream = record["type"].split(".")[1], record["data"], record["stream"]
        match kind:
            case "request_submitted":
                wanted["allocation", stream, f"expire/{data['request']}"] = _day_after(data["needed_by"])
                if (screen_by := data.get("screen_by")) is not None:
                    wanted["allocation", stream, f"screen/{data['request']}"] = screen_by
            case "request_screening_due":
                wanted["allocation", stream, f"screen/{data['request']}"] = _day_after(data["screen_by"])
            case "request_screening_late" | "request_accepted":
                wanted.pop(("allocation", stream, f"screen/{data['request']}"), None)
            case kind if kind.startswith("clock_") and kind != "clock_set":
                wanted.pop(("allocation", stream, "check"), None)
                if (due := data["now"]["check_on"]) is not None:
                    wanted["allocation", stream, "check"] = due
            case "request_expiry_postponed":
                wanted["allocation", stream, f"expire/{data['request']}"] = data["due"]
            case "request_declined" if data.get("lapses_at") is not None:
                pass  # all goes on as long as it is one person's word
            case "request_declined" | "request_decline_confirmed" | "request_withdrawn" | "request_expired":
                wanted.pop(("allocation", stream, f"expire/{data['request']}"), None)
                wanted.pop(("allocation", stream, f"screen/{data['request']}"), None)
            case "award_granted":
                granted[data["round"]].append(data["request"])
            case "round_reopened":
                granted.pop(data["round"], None)
            case "round_released":
                for request in granted.pop(data["round"], ()):
                    wanted.pop(("allocation", stream, f"expire/{request}"), None)
    return wanted


def _day_after(day: str, grace_days: int = 0) -> str:
    return (date.fromisoformat(day) + timedelta(days=1 + grace_days)).isoformat()


# Messages


def messages(evidence: Evidence) -> Iterator[str]:
    """Every event was published, and what was ever published is what the journal says: nothing was told that was not so."""
    told = dict(evidence.published)
    for place, event_hash in evidence.published:
        service, shard, position = place.split("/")
        record = _record(evidence, service, int(shard), int(position))
        if record is None or record["event_hash"] != event_hash:
            yield f"{place} was published, and is not in the journal"
    for service, shards in evidence.journals.items():
        for shard, records in shards.items():
            for record in records:
                if f"{service}/{shard}/{record['position']}" not in told:
                    yield f"{service}/{shard}/{record['position']} was never published"
