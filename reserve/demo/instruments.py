"""Instruments of authority, invented: an Act, a direction of the Minister under it, and delegations to those who act, named by office."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from reserve.demo.scenario import DIRECTION
from services.allocation.events.authority import Power

type Register = Callable[[dict[str, Any]], Awaitable[Any]]  # posts a body to allocation's instruments, as an administrator

VALIDITY = {"valid_from": "2015-01-01", "valid_until": "2099-12-31"}
INVENTORYS = (Power.OPEN_PROTECTED_STOCK, Power.LIFT_HOLD, Power.CANCEL_RELEASE)  # what operators of the stock hold


async def register_direction(register: Register) -> str:
    """The Act, and the direction under which all is delegated: its id."""
    statute = await register(
        {
            "kind": "act",
            "title": "Strategic Reserve Act 2025, section 12 (invented)",
            "office": "Minister for Resources",
            "holder": "office:minister",
            "acts": list(Power),
            "may_sub_delegate": True,
            **VALIDITY,
        }
    )
    direction = await register(
        {
            "kind": "direction",
            "title": DIRECTION,
            "office": "Secretary of the Department",
            "under": statute["instrument"],
            "holder": "office:secretary",
            "acts": list(Power),
            "may_sub_delegate": True,
            **VALIDITY,
        }
    )
    instrument: str = direction["instrument"]
    return instrument


async def delegate(
    register: Register, direction: str, holder: str, office: str, acts: Collection[Power] = tuple(Power), **limits: Any
) -> str:
    """A delegation to one subject: its id. `limits`: `products`, `limit_g`, `limit_minor` and `currency`; none: as the direction has it."""
    delegation = await register(
        {
            "kind": "delegation",
            "title": f"Delegation to the {office} (invented)",
            "office": office,
            "under": direction,
            "holder": holder,
            "acts": list(acts),
            **VALIDITY,
            **limits,
        }
    )
    instrument: str = delegation["instrument"]
    return instrument


async def empower(register: Register, offices: Mapping[str, str]) -> list[str]:
    """A delegation of every act, without limits, to each of these subjects by their office. For tests and measurements."""
    direction = await register_direction(register)
    return [await delegate(register, direction, subject, office) for subject, office in offices.items()]
