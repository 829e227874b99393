"""The partner's own award, worked out again as far as its own lines go: each is one that was decided, and is what no rule forbids.

That the rule gives so much comes from the claims of others: auditors see it, and who certified the decision has signed it.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from typing import Any, Literal

from reserve_partner.proofs.receipts import canonical

type Looked = tuple[Literal["passed", "failed", "not_checkable"], str, str]

# What is not understood here could be taken for checked: each part has these members and no others.
_DECISION = {"terms", "working", "holdings", "lines"}
_TERMS = {"format", "round", "product", "rule", "inside", "cap", "restraint", "policy", "policy_version", "disruption"}
_LINE = {"claimant", "award_g", "takes", "days_of_cover", "working"}
_TAKE = {"pool", "unit_g", "units"}
_CLAIMANT = {
    *("request", "partner", "agreement", "agreement_version", "asked_g", "accepted_g", "minimum_g", "priority_class"),
    *("daily_consumption_g", "cap_g", "pools", "position", "part_of_right"),
}
_OF_OTHERS = {
    "working": "what is offered and left, and the rule's parameters, say something about others",
    "holdings": "the stock and the agreements behind it are for auditors",
    "decision/lines": "of the others only their commitments are in the file",
}
_OF_A_LINE = {
    "award_g": "that the rule gives so much comes from all claims; that nothing forbids it is compared",
    "takes": "which pools it is of comes from all claims; that they add up to the award is compared",
    "working": "what it was entitled to, and what rounding owes it, come from all claims",
    "claimant/cap_g": "comes from the quota that is left, and from the policy",
    "claimant/pools": "what is fit for a request comes from the holdings",
    "claimant/part_of_right": "comes from all requests of the partner",
}
_RULES = {"equal_awards", "equal_losses", "iep", "priority", "pro_rata", "quota_capped", "talmud"}


def check_own_lines(file: Mapping[str, Any]) -> Iterator[Looked]:
    """Of a decision file as a partner is given it (`reserve.decision.v3`). Raises ValueError, TypeError, KeyError for what is none."""
    decision, lines = file["decision"], file["lines"]
    _has(decision, _DECISION)
    _has(decision["terms"], _TERMS)
    for line in lines:
        _has(line, {"salt", "content"})
        _has(line["content"], _LINE)
        _has(line["content"]["claimant"], _CLAIMANT)
        for take in line["content"]["takes"]:
            _has(take, _TAKE)
    yield from (("not_checkable", f"file/{part}", why) for part, why in _OF_OTHERS.items())
    if not lines:
        yield "not_checkable", "file/lines", "none is open in this file"
    for line in lines:
        name = f"file/lines/{line['content']['claimant']['request']}"
        yield from (("not_checkable", f"{name}/{part}", why) for part, why in _OF_A_LINE.items())
        found = sha256(bytes.fromhex(line["salt"]) + canonical(line["content"])).hexdigest()
        if found in decision["lines"]:
            yield "passed", f"{name}/commitment", ""
        else:
            yield "failed", f"{name}/commitment", f"no line that was decided is {found}"
        yield from _bounds(name, line["content"])
    yield from _of_method(decision["terms"])
    yield from _of_agreements(sorted((line["content"]["claimant"] for line in lines), key=lambda each: str(each["request"])))


def _bounds(name: str, line: Mapping[str, Any]) -> Iterator[Looked]:
    """What no rule gives, whatever others have claimed."""
    claimant, award_g, daily_g = line["claimant"], line["award_g"], line["claimant"]["daily_consumption_g"]
    most_g = claimant["accepted_g"] if claimant["cap_g"] is None else min(claimant["accepted_g"], claimant["cap_g"])
    taken_g = sum(take["unit_g"] * take["units"] for take in line["takes"])
    strange = sorted({take["pool"] for take in line["takes"]} - set(claimant["pools"]))
    days = str(Fraction(award_g, daily_g)) if daily_g else None
    failed: list[Looked] = []
    if claimant["accepted_g"] > claimant["asked_g"]:
        failed.append(("failed", f"{name}/claimant/accepted_g", f"{claimant['accepted_g']}, which is more than was asked for"))
    if award_g > most_g or 0 < award_g < claimant["minimum_g"] or award_g < 0:
        failed.append(("failed", f"{name}/award_g", f"{award_g}, of at most {most_g}, and nothing or {claimant['minimum_g']} and more"))
    if taken_g != award_g or strange or any(take["units"] < 1 or take["unit_g"] < 1 for take in line["takes"]):
        failed.append(("failed", f"{name}/takes", f"they come to {taken_g}, of pools that it may not have of: {', '.join(strange)}"))
    if line["days_of_cover"] != days:
        failed.append(("failed", f"{name}/days_of_cover", f"it says {line['days_of_cover']}, worked out {days}"))
    if failed:
        yield from failed
        return
    yield "passed", f"{name}/bounds", ""
    yield "passed", f"{name}/days_of_cover", ""
    if award_g == most_g:
        yield "passed", f"{name}/in_full", ""


def _of_method(terms: Mapping[str, Any]) -> Iterator[Looked]:
    rule, inside = terms["rule"], terms["inside"]
    if rule not in _RULES:
        return
    if inside and rule != "priority":
        yield "failed", "file/terms/inside", f"rules_inside_unused: {rule} does not go by class"
    if (terms["restraint"] is not None) != ("iep" in (rule, *inside.values())):
        yield "failed", "file/terms/restraint", f"restraint_unfit: it says {terms['restraint']}, and the rule is {rule}"


def _of_agreements(claimants: Sequence[Mapping[str, Any]]) -> Iterator[Looked]:
    """The lines are one partner's, of one agreement, each pool once."""
    if len({each["partner"] for each in claimants}) > 1:
        yield "failed", "file/lines", "lines_of_others: a partner's file has one partner's"
    owner: dict[str, str] = {}
    first: dict[str, Mapping[str, Any]] = {}
    for each in claimants:
        name = f"file/lines/{each['request']}/claimant"
        if (each["agreement"] is None) != (each["agreement_version"] is None):
            yield "failed", f"{name}/agreement", "agreement_incomplete: it has no version"
        if each["agreement"] is not None and owner.setdefault(each["agreement"], each["partner"]) != each["partner"]:
            yield "failed", f"{name}/agreement", "agreement_of_another"
        other = first.setdefault(each["partner"], each)
        for part in ("agreement", "agreement_version", "priority_class"):
            if each[part] != other[part]:
                yield "failed", f"{name}/{part}", f"it says {each[part]}, and {other['request']} says {other[part]}"
        if len(set(each["pools"])) < len(each["pools"]):
            yield "failed", f"{name}/pools", "pool_twice"


def _has(part: Any, members: set[str]) -> None:
    if not isinstance(part, dict) or set(part) != members:
        raise ValueError(f"it has not exactly the members {', '.join(sorted(members))}")
