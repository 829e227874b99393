"""Zone: where a *day* is a day. It decides by when something is done, so it is part of the build, and no setting."""

from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Australia/Sydney")
