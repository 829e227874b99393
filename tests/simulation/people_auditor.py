"""What an auditor finds in policies, screening, reviews, powers, clocks and registers, by events alone."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.auditor import Evidence

type Json = dict[str, Any]
type Wanted = dict[tuple[str, str, str], str]


def policies(evidence: "Evidence") -> Iterator[str]:
    """What rounds are held by is approved, as it was written last, by somebody who wrote none of it."""
    authors: dict[tuple[str, int], set[str]] = defaultdict(set)
    written: dict[tuple[str, int], str] = {}
    approved: set[tuple[str, int]] = set()
    for record in _in_order(evidence):
        kind, data = _kind(record), record["data"]
        version = (data.get("policy", ""), data.get("version", 0))
        match kind:
            case "policy_drafted" | "policy_revised":
                authors[version].add(data["drafted_by" if kind == "policy_drafted" else "revised_by"])
                written[version] = data["document"]
            case "policy_approved":
                approved.add(version)
                if data["approval"]["subject"] in authors[version] or data["document"] != written[version]:
                    yield f"{version} was approved by who wrote it, or as it was not"
            case "policy_activated" if version not in approved:
                yield f"{version} is active, and was never approved"
            case "policy_withdrawn":
                approved.discard(version)
            case "round_opened" if (data["policy"], 1) in written:
                opened = (data["policy"], data["policy_version"])
                if opened not in authors:
                    yield f"{data['round']} was opened under {opened}, which nobody wrote"
            case _:
                pass


def screening(evidence: "Evidence") -> Iterator[str]:
    """Nobody is given anything while a party is on a list and not cleared; every objection has one answer at most."""
    hits: dict[str, dict[str, str]] = defaultdict(dict)
    objections: set[str] = set()
    for record in _in_order(evidence):
        kind, data = _kind(record), record["data"]
        match kind:
            case "parties_screened":
                before = hits[data["request"]]
                hits[data["request"]] = {hit["hit"]: before.get(hit["hit"], "open") for hit in data["hits"]}
            case "screening_hit_decided":
                if data["hit"] not in hits[data["request"]]:
                    yield f"{data['hit']} was decided, and is none"
                hits[data["request"]][data["hit"]] = data["outcome"]
            case "request_accepted" | "award_granted":
                if barring := [hit for hit, status in hits[data["request"]].items() if status != "cleared"]:
                    yield f"{data['request']} ({kind}) has {barring[0]}, which nobody cleared"
            case "objection_raised":
                objections.add(data["objection"])
            case "objection_answered":
                if data["objection"] not in objections:
                    yield f"{data['objection']} was never raised, or was answered before"
                objections.discard(data["objection"])
            case _:
                pass


def reviews(evidence: "Evidence") -> Iterator[str]:
    """Nobody concludes the review of a decision that they proposed, or approved, or of whose requests they accepted one."""
    involved: dict[str, set[str]] = defaultdict(set)  # by decision, or request
    requests: dict[str, list[str]] = defaultdict(list)  # by round
    reviewed: dict[str, Json] = {}
    for record in _in_order(evidence):
        kind, data = _kind(record), record["data"]
        match kind:
            case "round_opened" | "round_extended":
                requests[data["round"]] += data["requests"]
            case "request_screened":
                involved[data["request"]].add(data["screened_by"])
            case "round_proposed":
                involved[data["decision"]].add(data["proposed_by"])
            case "round_approved":
                involved[data["decision"]].add(data["approval"]["subject"])
            case "review_requested":
                reviewed[data["review"]] = data
            case "review_concluded":
                asked = reviewed.pop(data["review"])
                of = (asked["decision"], *requests[asked["round"]])
                if data["reviewer"] in {each for name in of for each in involved[name]}:
                    yield f"{data['reviewer']} concludes {data['review']}, and had a part in {asked['round']}"
            case _:
                pass


def powers(evidence: "Evidence") -> Iterator[str]:
    """Whoever acts holds what they cite, or was named to act under it on that day; and had not declared an interest."""
    holders: dict[str, str] = {}
    named: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)  # (instrument, officer) -> first and last days
    for record in _in_order(evidence):
        kind, data, on = _kind(record), record["data"], record["effective_on"]
        match kind:
            case "instrument_registered":
                holders[data["instrument"]] = data["holder"]
            case "acting_officer_named":
                named[data["instrument"], data["officer"]].append((data["valid_from"], data["valid_until"]))
            case "authority_cited":
                authority, by = data["cited"]["authority"], data["cited"]["by"]
                if holders[authority] != by and not any(first <= on <= last for first, last in named[authority, by]):
                    yield f"{by} acts under {authority} in {data['matter']}, and was not to act under it on {on}"
            case _:
                pass
    yield from _interested(evidence)


def _interested(evidence: "Evidence") -> Iterator[str]:
    """Approvals that were asked for after an interest in the product was declared, and before anybody asked to withdraw it."""
    asked = {operation["command_id"]: operation for operation in evidence.operations if operation["service"] == "allocation"}
    told: list[tuple[str, str, float]] = []  # official, product, when
    withdrawn: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in _in_order(evidence):
        kind, data = _kind(record), record["data"]
        if (operation := asked.get(record["command_id"])) is None:
            continue
        match kind:
            case "conflict_declared" if data["about"] == "product" and operation["answered_at"] is not None:
                told.append((data["official"], data["name"], operation["answered_at"]))
            case "conflict_withdrawn":
                withdrawn[data["official"], data["name"]].append(operation["started_at"])
            case "round_approved":
                by, started_at = data["approval"]["subject"], operation["started_at"]
                for official, name, since in told:
                    over = any(since < at for at in withdrawn[official, name])
                    if (official, name) == (by, data["product"]) and since < started_at and not over:
                        yield f"{by} approves {data['round']}, and has an interest in {name}"
            case _:
                pass


def clocks(evidence: "Evidence") -> Iterator[str]:
    """A clock that is paused tells nothing, and what it is resumed with is later by the days of the pause; no limit is told as passed
    before it has."""
    paused: dict[str, str] = {}
    for record in _in_order(evidence):
        kind, data = _kind(record), record["data"]
        if not kind.startswith("clock_"):
            continue
        match kind:
            case "clock_warned" | "clock_breached" if data["request"] in paused:
                yield f"{kind} of {data['request']}, which is paused"
            case "clock_breached" if data["on"] <= data["limit_on"]:
                yield f"{data['request']} was late on {data['on']}, and had until {data['limit_on']}"
            case "clock_paused":
                paused[data["request"]] = data["on"]
            case "clock_resumed":
                since = date.fromisoformat(paused.pop(data["request"]))
                if data["days"] != max((date.fromisoformat(data["on"]) - since).days, 0):
                    yield f"{data['request']} was paused since {since}, and is resumed on {data['on']} after {data['days']} days"
            case _:
                pass


def people_timers(records: list[Json]) -> Wanted:
    """Of versions of policies whose day is to come, of rounding that is owed, and of what registers have cleared: until a day."""
    wanted: Wanted = {}
    for record in records:
        kind, data, stream = _kind(record), record["data"], record["stream"]
        match kind:
            case "policy_approved":
                wanted["allocation", stream, f"activate/{data['version']}"] = data["active_from"]
            case "policy_withdrawn":
                wanted.pop(("allocation", stream, f"activate/{data['version']}"), None)
            case "policy_activated":  # and no version before it comes any more
                for version in range(1, data["version"] + 1):
                    wanted.pop(("allocation", stream, f"activate/{version}"), None)
            case "carry_set" if data["carry_g"] != "0" and data["expires_on"] is not None:
                wanted["allocation", stream, f"carry/{data['agreement']}"] = _day_after(data["expires_on"])
            case "carry_set" | "carry_expired":
                wanted.pop(("allocation", stream, f"carry/{data['agreement']}"), None)
            case "readiness_cleared" | "readiness_renewed" if data["until"] is not None:
                wanted["allocation", stream, f"item/{data['item']}"] = data["warn_on"] or _day_after(data["until"])
            case "readiness_expiring":
                wanted["allocation", stream, f"item/{data['item']}"] = _day_after(data["until"])
            case "readiness_cleared" | "readiness_renewed" | "readiness_withdrawn" | "readiness_expired":
                wanted.pop(("allocation", stream, f"item/{data['item']}"), None)
            case _:
                pass
    return wanted


def _kind(record: Json) -> str:
    kind: str = record["type"].split(".")[1]
    return kind


def _in_order(evidence: "Evidence") -> Iterator[Json]:
    """Allocation's events, as they were committed."""
    shards = evidence.journals["allocation"]
    for service, shard, position in evidence.order:
        if service == "allocation" and position <= len(shards[shard]):
            yield shards[shard][position - 1]


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
