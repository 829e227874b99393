"""The environment's settings for a command, unless it is production and they are not safe there."""

from reserve.commands.failure import fail
from reserve.operate.production import Refused, refuse_in_production
from shared.settings import Settings


def settings_for(process: str) -> Settings:
    """`process`: as for `refuse_in_production`, by whose sentences the command ends where it is refused."""
    settings = Settings()
    try:
        refuse_in_production(process, settings)
    except Refused as refused:
        fail(str(refused))
    return settings
