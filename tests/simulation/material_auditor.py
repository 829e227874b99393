"""What the auditor says of material loans: contained grams that were lent, and came back, were paid for, or are owed."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.simulation.loan_auditor import streams_of

if TYPE_CHECKING:
    from tests.simulation.auditor import Evidence

type Json = dict[str, Any]

PARTNERS = ("lent_g", "excess_g")


def grams(evidence: "Evidence") -> Iterator[str]:
    """What is lent is what inventory's draws took, less what came back with them; it sums to zero, and to the ledger's accounts."""
    offered = streams_of(evidence, "material")
    yield from (f"{stream} was awarded and never offered" for stream in _awarded(evidence) if stream not in offered)
    drawn, taken_back = _told_by_inventory(evidence)
    for stream, records in offered.items():
        books: Counter[str] = Counter()
        pending: dict[str, int] = {}
        settled: dict[str, int] = {}
        loan, partner = stream.partition("/")[2], ""
        for record in records:
            kind, data = record["type"].split(".")[1], record["data"]
            if kind == "authority_cited" or kind.startswith("command_"):
                continue  # of what stands beside it
            partner = data["partner"]
            faults = [*_moved(kind, data, pending, settled), *_changed(books, kind, data)]
            match kind:
                case "material_lent" if drawn.pop(data["draw"], None) != (partner, data["mass_g"], data["lent_g"]):
                    faults.append(f"{data['draw']} is no such draw, or is lent twice")
                case "material_taken_back" if taken_back.pop(data["draw"], None) != data["change"].get("stock_g", 0):
                    faults.append(f"{data['draw']} did not come back so, or twice")
            yield from (f"{stream} at {record['version']} ({record['type']}): {fault}" for fault in faults)
        for name, has in books.items():
            account = f"partner/{partner}/loan/{loan}" if name in PARTNERS else f"lending/{loan}"
            posted, _ = evidence.balances.get(f"title/contained/Sb/{account}/{name.removesuffix('_g')}", (0, 0))
            if posted != has:
                yield f"{stream}: the ledger has {posted} of {name}, and it is {has}"
        returning = evidence.balances.get(f"title/contained/Sb/lending/{loan}/stock", (0, 0))[1]
        if returning != sum(pending.values()):
            yield f"{stream}: the ledger has {returning} g on their way back, and it is {sum(pending.values())} g"
    yield from (f"loans have not heard of {draw}, which is lent" for draw in drawn)
    yield from (f"loans have not heard that {draw} came back" for draw in taken_back)


def _awarded(evidence: "Evidence") -> Iterator[str]:
    """One that was withdrawn is offered again with its next award, unless that one's release has ended by then."""
    for records in evidence.journals["allocation"].values():
        for record in records:
            if record["type"] == "allocation.loan_awarded.v1":
                yield f"material/mln_{record['data']['award'].removeprefix('awd_')}"


def _told_by_inventory(evidence: "Evidence") -> tuple[dict[str, tuple[str, int, int]], dict[str, int]]:
    """Draws that are lent, and those of them that came back, in contained grams."""
    drawn, taken_back = {}, {}
    for records in evidence.journals["inventory"].values():
        for record in records:
            data = record["data"]
            match record["type"]:
                case "inventory.material_lent.v1":
                    drawn[data["draw"]] = (data["partner"], data["mass_g"], data["contained_g"]["Sb"])
                case "inventory.lent_draw_returned.v1":
                    taken_back[data["draw"]] = data["contained_g"]["Sb"]
    return drawn, taken_back


def _moved(kind: str, data: Json, pending: dict[str, int], settled: dict[str, int]) -> Iterator[str]:
    """A return is pending until it is credited, with what it was settled at, or sent back."""
    match kind:
        case "return_received":
            pending[data["returned"]] = data["pending_g"]
        case "return_settled":
            settled[data["returned"]] = data["contained_g"]
        case "return_credited" | "return_rejected" | "return_turned_back":
            if pending.pop(data["returned"], None) != data["pending_g"]:
                yield f"{data['returned']} was not pending so"
            if kind == "return_credited" and settled.get(data["returned"]) != data["contained_g"]:
                yield f"{data['returned']} was settled at {settled.get(data['returned'])} g"


def _changed(books: Counter[str], kind: str, data: Json) -> Iterator[str]:
    if "change" not in data:
        return
    change = data["change"]
    books.update(change)
    if sum(change.values()):
        yield f"{change} does not sum to zero"
    paid = -data.get("principal_g", 0)
    if change.get("lent_g", 0) != {"material_lent": data.get("lent_g"), "material_taken_back": -data.get("lent_g", 0)}.get(kind, paid):
        yield f"{change} is not what it says"
    if books["lent_g"] < 0:
        yield f"{-books['lent_g']} g came back beyond what was lent"


def follow_ups(record: Json) -> list[tuple[str, tuple[str, ...]]]:
    """What must follow: the consumer, and the types of which one must come."""
    match record["type"]:
        case "allocation.loan_awarded.v1":
            return [("inventory", ("inventory.loan_announced.v1",))]
        case "loans.material_terms_approved.v1":
            return [("loans", ("loans.headroom_reserved.v1", "loans.headroom_refused.v1"))]
        case "loans.material_loan_committed.v1":
            return [("inventory", ("inventory.loan_gate_opened.v1",))]
        case "inventory.material_lent.v1":
            return [("loans", ("loans.material_lent.v1",))]
        case "inventory.lent_draw_returned.v1":
            return [("loans", ("loans.material_taken_back.v1",))]
        case "loans.return_settled.v1":
            return [("inventory", ("inventory.return_taken_in.v1", "inventory.return_refused.v1"))]
        case "inventory.return_taken_in.v1":
            return [("loans", ("loans.return_credited.v1",))]
        case "inventory.return_refused.v1":
            return [("loans", ("loans.return_turned_back.v1",))]
        case _:
            return []
