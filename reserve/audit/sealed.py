"""What is published of a decision since its third form, worked out again from the file of everything: commitments alone.

A twin of `services.allocation.domain.decisions.sealed`, from its description: over JSON as it stands, so that no member is left out.
"""

from hashlib import sha256
from typing import Any

from reserve.audit.hashes import canonical

FORMAT = "reserve.decision.v3"
MULTIPLE = 16  # of commitments: the rest are blank
_TERMS = ("format", "round", "product", "rule", "inside", "cap", "restraint", "policy", "policy_version", "disruption")
_SHOWN = ("award_g", "takes", "days_of_cover")
_HIDDEN = ("right_g", "entitlement_g", "carry_out_g", "iteration", "turns")


def sealed(file: dict[str, Any]) -> dict[str, Any]:
    """Raises KeyError and ValueError for what is no file of that form."""
    decision, holdings = file["decision"], file["holdings"]
    master = bytes.fromhex(holdings["salt"])
    working = {"offered": decision["terms"]["offered"], "pools": decision["terms"]["pools"]}
    working |= {name: decision[name] for name in ("group", "steps", "left_g")}
    lines = [_line(bytes.fromhex(line["salt"]), line["content"]) for line in file["lines"]]
    blanks = MULTIPLE if not lines else -len(lines) % MULTIPLE
    lines += [sha256(master + f"blank {place}".encode()).hexdigest() for place in range(blanks)]
    return {
        "terms": {name: decision["terms"][name] for name in _TERMS},
        "working": _commitment(_derived(master, "working"), working),
        "holdings": _commitment(master, holdings["content"]),
        "lines": sorted(lines),
    }


def _line(salt: bytes, content: dict[str, Any]) -> str:
    claimant = dict(content["claimant"])
    hidden = {"carry_in_g": claimant.pop("carry_in_g")} | {name: content[name] for name in _HIDDEN}
    shown = {"claimant": claimant} | {name: content[name] for name in _SHOWN}
    return _commitment(_derived(salt, "line"), shown | {"working": _commitment(_derived(salt, "working"), hidden)})


def _commitment(salt: bytes, content: Any) -> str:
    return sha256(salt + canonical(content)).hexdigest()


def _derived(salt: bytes, name: str) -> bytes:
    return sha256(salt + name.encode()).digest()[:16]
