"""Consignees: what several tests do with them."""

from tests.e2e.world import Answer, World


async def asked_for_consignee(world: World, partner: str, award: str, name: str) -> Answer:
    body = {"award": award, "consignee": name, "reason": "the other warehouse is full"}
    return await world.post(world.partner(partner), "/allocation/v1/consignee-changes", body)
