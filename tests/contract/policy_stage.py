"""A policy that is active: what every stage that holds rounds begins with."""

import hashlib
from typing import Any, Protocol


class Stands(Protocol):
    """A stage where everyone calls with their own token, and one approver's key is enrolled."""

    clients: dict[str, Any]

    def signed(self, document: str, purpose: str, who: str = "approver-1", **changed: Any) -> Any: ...

    async def post(self, who: str, path: str, body: Any = None, *, key: str | None = None) -> Any: ...


async def an_active_policy(stage: Stands, name: str, active_from: str | None = None, **terms: Any) -> int:
    """Drafted and submitted by an operator, approved by an approver. Its version."""
    drafted = await stage.post("operator-1", f"/v1/policies/{name}/versions", {"active_from": active_from, "terms": terms})
    path = f"/v1/policies/{name}/versions/{drafted['version']}"
    await stage.post("operator-1", f"{path}/submit")
    await stage.post("approver-1", f"{path}/approvals", await signed_policy(stage, path))
    version: int = drafted["version"]
    return version


async def signed_policy(stage: Stands, path: str, who: str = "approver-1", **changed: Any) -> Any:
    """What `reserve approve` makes of a version's document."""
    answer = await stage.clients[who].get(f"{path}/document")
    assert answer.is_success, answer.text
    document = hashlib.sha256(answer.content).hexdigest()
    return stage.signed(document, "policy", who, **changed)
