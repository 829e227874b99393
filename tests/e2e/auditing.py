"""What tests of the audit of a running system need: something to audit, and the audit."""

from reserve.audit.anchors import Anchor
from reserve.audit.history import audit
from reserve.audit.live import LiveEvidence
from reserve.audit.report import Report
from shared.proofs.policy import parse_policy
from shared.proofs.signed_note import parse_verifier_key
from tests.e2e.world import UNIT_G, World


async def audited(world: World, *anchors: Anchor) -> Report:
    pinned = parse_verifier_key((world.running.folder / "keys" / "ledger.vkey").read_text().strip())
    policy = parse_policy((world.running.folder / "keys" / "witnesses.policy").read_text())
    return await audit(LiveEvidence(world.auditor), [pinned], anchors, [policy])


async def a_dispatch(world: World) -> str:
    """The place of a draw that went the whole way."""
    _, _, release = await world.stocked_release("JP", 2)
    drawn = await world.drawn("JP", release, UNIT_G)
    await world.weighed(drawn["draw"], UNIT_G - 700)
    await world.dispatched(drawn["draw"])
    place: str = drawn["place"]
    return place


async def an_assignment(world: World) -> None:
    """A draw of a right to what is still to be delivered."""
    product = await world.registered_product()
    await world.right_to(product, 3 * UNIT_G)
    release = await world.released_to("AU", product, 2 * UNIT_G)
    await world.drawn("AU", release, 2 * UNIT_G, assign_rights=True)
