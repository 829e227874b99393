"""Extending: a release does not lapse while the Reserve itself holds it. Its last day moves by as long as the hold stood.

A hold for an agreement that is suspended is none of the Reserve's own: what lapses meanwhile lapses.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from services.inventory.domain.state import NEVER, Release, Stockpile, stop_key
from services.inventory.events import ReleaseExtended


def is_held(state: Stockpile, release: Release) -> bool:
    """Whether its last day is still to be moved."""
    return any(since <= release.expires_on for _, since in _stops(state, release))


def extended(state: Stockpile, stop: str, on: date) -> Iterator[ReleaseExtended]:
    """What moves when this hold, or the hold of this round, is off from `on`, and what nothing stops any more. `state`: as it was while
    it stood."""
    if not state.releases or state.product is None:
        return
    for name, release in sorted(state.releases.items()):
        standing = dict(_stops(state, release))
        since = standing.pop(stop, None)
        if since is None or since > release.expires_on:
            continue
        days = max(0, (min(on, *standing.values(), NEVER) - since).days)
        if days or all(began > release.expires_on for began in standing.values()):  # its timer may have come and gone: it is set again
            expires_on = release.expires_on + timedelta(days=min(days, (NEVER - release.expires_on).days))
            yield ReleaseExtended(product=state.product, release=name, partner=release.partner, stop=stop, days=days, expires_on=expires_on)


def _stops(state: Stockpile, release: Release) -> Iterator[tuple[str, date]]:
    """The Reserve's own holds on what is left of a release, each with its first day; of one that did not say, the release's last."""
    if state.stops:
        lots = {pin.lot for pin in release.pins}
        depots = {state.lots[lot].depot for lot in lots}
        keys = ["all", "product", stop_key("partner", release.partner)]
        keys += [stop_key("lot", lot) for lot in lots] + [stop_key("depot", depot) for depot in depots]
        for key in keys:
            for name in state.stops.get(key, ()):
                if (hold := state.holds[name]).own:
                    yield name, hold.since or release.expires_on
    if state.held and (held := state.held.get(release.decision)) is not None:
        yield held.round, held.since or release.expires_on
