"""Figures that policy changes, with what they are unless the environment says otherwise: `RESERVE_ALLOCATION_` and the name, in JSON."""

from functools import cache

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.allocation.events.clocks import Milestone

STANDARD = "standard"  # the clock of a request that names none
WARN_DAYS = 3


class Figures(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="RESERVE_ALLOCATION_", extra="ignore")

    # Clocks to delivery: the last day of each milestone by class, counted from the submission. Korea delivers in 8 days in an emergency,
    # and in 30 otherwise; the milestones between are this reserve's own.
    clocks: dict[str, dict[Milestone, int]] = {
        "emergency": {"screened": 1, "decided": 2, "secured": 3, "cleared": 5, "dispatched": 6, "delivered": 8},
        "standard": {"screened": 5, "decided": 12, "secured": 14, "cleared": 20, "dispatched": 23, "delivered": 30},
    }
    clock_warn_days: dict[str, int] = {"emergency": 1, "standard": 3}  # before a limit; of another clock, WARN_DAYS


@cache
def figures() -> Figures:
    return Figures()
