"""What the auditor says of loans: headroom that was never there, and money that does not add up."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.auditor import Evidence

type Json = dict[str, Any]


def headroom(evidence: "Evidence") -> Iterator[str]:
    """No commitment is made beyond a limit of its facility, or above one; none is made twice, or given back twice."""
    for stream, records in _streams(evidence, "facility").items():
        held: dict[str, Json] = {}
        limits: dict[str, Json] = {}
        rates: dict[str, Fraction] = {}
        for record in records:
            kind, data = record["type"].split(".")[1], record["data"]
            at = f"{stream} at {record['version']}"
            match kind:
                case "facility_opened" | "limits_set":
                    limits = {limit["key"]: limit for limit in data["limits"]}
                    for each in held.values():
                        each["keys"] = _with_those_above(each["keys"], limits)
                case "rate_recorded":
                    rates[data["asset"]] = Fraction(data["rate"])
                    for each in held.values():
                        each["value"] = _worth(each, rates)
                case "headroom_reserved":
                    if data["commitment"] in held:
                        yield f"{at}: {data['commitment']} was committed before"
                    new = {"asset": data["asset"], "amount": data["amount"], "keys": _with_those_above(data["keys"], limits)}
                    new["value"] = _worth(new, rates)
                    held[data["commitment"]] = new
                    if new["value"] != data["value_minor"] or new["keys"] != set(data["keys"]):
                        yield f"{at}: {data['commitment']} is worth {new['value']} under {sorted(new['keys'])}"
                    yield from (f"{at}: {fault}" for fault in _beyond(held, limits, new["keys"]))
                case "headroom_released":
                    each = held[data["commitment"]]
                    each["amount"] -= data["amount"]
                    if each["amount"] != data["remaining"] or each["value"] - _worth(each, rates) != data["value_minor"]:
                        yield f"{at}: {data['commitment']} still holds {each['amount']}"
                    each["value"] = _worth(each, rates)
                    if not each["amount"]:
                        del held[data["commitment"]]


def _beyond(held: dict[str, Json], limits: dict[str, Json], keys: set[str]) -> Iterator[str]:
    used = Counter[str]()
    for each in held.values():
        for key in each["keys"]:
            used[key] += each["value"]
    for key in sorted(keys & limits.keys()):
        if used[key] > limits[key]["limit_minor"]:
            yield f"{used[key]} are committed under {key}, whose limit is {limits[key]['limit_minor']}"


def _with_those_above(keys: Any, limits: dict[str, Json]) -> set[str]:
    found = {key for key, limit in limits.items() if limit["parent"] is None}
    for key in keys:
        while key is not None and key not in found:
            found.add(key)
            key = limits[key]["parent"] if key in limits else None
    return found


def _worth(each: Json, rates: dict[str, Fraction]) -> int:
    """In Australian cents, rounded up."""
    return each["amount"] if each["asset"] == "AUD" else -int(-each["amount"] * rates[each["asset"]] // 1)


def _streams(evidence: "Evidence", kind: str) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for records in evidence.journals["loans"].values():
        for record in records:
            if record["stream"].startswith(f"{kind}/"):
                found[record["stream"]].append(record)
    return found
