"""What an auditor finds in tenders' history, by events alone."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.auditor import Evidence

type Json = dict[str, Any]


def tenders(evidence: "Evidence") -> Iterator[str]:
    """Bidding has closed where its time is over, and no bid is left open; nothing is sold twice, or to who may not buy."""
    now = datetime.fromisoformat(evidence.now)
    opened: dict[str, Json] = {}
    over: set[str] = set()
    left: dict[str, Json] = {}
    sold: dict[tuple[str, str], int] = {}
    for records in evidence.journals["allocation"].values():
        for record in records:
            kind, data = record["type"].split(".")[1], record["data"]
            match kind:
                case "tender_opened":
                    opened[data["tender"]] = data["terms"]
                case "bidding_closed" | "tender_cancelled":
                    over.add(data["tender"])
                case "bid_committed":
                    left[data["bid"]] = data
                case "bid_revealed" | "bid_voided":
                    if left.pop(data["bid"], None) is None:
                        yield f"{data['bid']} was settled twice, or never sealed"
                case "tender_award_granted":
                    sold[data["tender"], data["decision"]] = sold.get((data["tender"], data["decision"]), 0) + data["units"]
                case _:
                    pass
    for tender, terms in opened.items():
        if tender not in over and datetime.fromisoformat(terms["reveal_until"]) <= now:
            yield f"the bidding of {tender} was to close at {terms['reveal_until']}"
    for bid, data in left.items():
        if datetime.fromisoformat(data["reveal_until"]) <= now:
            yield f"{bid} was to be void at {data['reveal_until']}"
    for (tender, _), units in sold.items():
        if units > opened[tender]["units"]:
            yield f"{tender} sells {units} units, and offered {opened[tender]['units']}"


def follow_ups(record: Json) -> list[tuple[str, tuple[str, ...]]]:
    """What must follow from an event, once."""
    tender = str(record["data"].get("round", "")).startswith("tnd_")
    match record["type"]:
        case "allocation.tender_certified.v1":
            return [("inventory", ("inventory.round_released.v1", "inventory.round_release_refused.v1"))]
        case "inventory.round_released.v1" if tender:
            return [("allocation", ("allocation.tender_released.v1",))]
        case "inventory.round_release_refused.v1" if tender:
            return [("allocation", ("allocation.tender_reopened.v1",))]
        case _:
            return []
