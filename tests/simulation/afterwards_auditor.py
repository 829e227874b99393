"""What an auditor finds in second thoughts about decisions, by events alone."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.auditor import Evidence

type Json = dict[str, Any]


def afterwards(evidence: "Evidence") -> Iterator[str]:
    """Nothing is left of what was given back or superseded; who is suspended is on hold, once, and free again when resumed."""
    left: dict[tuple[str, str], str] = {}  # (decision, award) -> the release that is open
    decided: dict[str, tuple[str, str]] = {}
    on: dict[str, int] = {}
    off: set[str] = set()
    for record in _records(evidence, "inventory"):
        kind, data = record["type"].split(".")[1], record["data"]
        match kind:
            case "stock_released":
                decided[data["release"]] = (data["decision"], data["award"])
                left[decided[data["release"]]] = data["release"]
            case "stock_drawn" | "right_assigned" if data["remaining_g"] == 0:
                left.pop(decided[data["release"]], None)
            case "release_lapsed" | "release_cancelled":
                left.pop(decided[data["release"]], None)
            case "hold_put_on":
                on[data["hold"] + data["product"]] = on.get(data["hold"] + data["product"], 0) + 1
            case "hold_lifted":
                off.add(data["hold"] + data["product"])
            case _:
                pass
    for record in _records(evidence, "allocation"):
        kind, data = record["type"].split(".")[1], record["data"]
        match kind:
            case "award_renounced" if (data["decision"], data["award"]) in left:
                yield f"{data['award']} was given back, and its release is open"
            case "decision_superseded" if kept := [release for (decision, _), release in left.items() if decision == data["decision"]]:
                yield f"{data['round']} is superseded, and {kept} are open"
            case "agreement_suspended" if wrong := [each for each in data["products"] if on.get(data["hold"] + each, 0) != 1]:
                yield f"{data['agreement']} is suspended, and {wrong} of it not held once"
            case "agreement_resumed" if held := [each for each in data["products"] if data["hold"] + each not in off]:
                yield f"{data['agreement']} is resumed, and {held} of it held"
            case _:
                pass


def _records(evidence: "Evidence", service: str) -> Iterator[Json]:
    for records in evidence.journals[service].values():
        yield from records
