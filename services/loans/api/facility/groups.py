"""Groups of connected clients: an administrator says who is in one, for some facilities, and another person signs it."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from services.loans.api.facility.facilities import view_limit
from services.loans.api.facility.positions import facilities_of
from services.loans.api.fields import READERS, Code
from services.loans.domain.controls import CONTROLS
from services.loans.domain.facility.headroom import MAX_MEMBERS, SetGroup
from services.loans.domain.facility.state import group_key
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text
from shared.http.handlers import Posting, Reading
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/groups", tags=["facilities"])

MAX_FACILITIES = 20  # that one signature is for
type Member = Annotated[str, StringConstraints(pattern=r"^((borrower|project)/[a-z0-9][a-z0-9-]{0,62}|partner/[A-Z]{2})$")]


class GroupBody(Body):
    """`members`: all of them from now on, as limits name them; none: there is no such group any more."""

    group: Code
    members: Annotated[list[Member], Field(max_length=MAX_MEMBERS)]
    facilities: Annotated[list[Code], Field(min_length=1, max_length=MAX_FACILITIES)]
    reason: Text


class GroupView(BaseModel):
    """`committed_minor`: to all members, each commitment once. `limit_minor` null: there is none for the group."""

    group: str
    facility: str
    members: list[str]
    currency: str
    committed_minor: int
    limit_minor: int | None
    excess_minor: int  # beyond the limit: it stays, and nothing more is committed


@router.post("", status_code=202)
async def set_group(body: GroupBody, caller: Annotated[Caller, allow("administrator")], post: Posting) -> ProposalView:
    """Once it is signed, what is committed is counted again, at once."""
    facilities = sorted(set(body.facilities))
    command = SetGroup(group=body.group, members=tuple(body.members), reason=post.text(body.reason))
    first, *more = [f"facility/{facility}" for facility in facilities]
    return await propose(post, CONTROLS, first, command, *more)


@router.get("")
async def list_groups(caller: Annotated[Caller, allow(*READERS)], reads: Reading) -> list[GroupView]:
    """By name and facility."""
    await reads.arrived()
    async with reads.session() as session:
        facilities = await facilities_of(reads, session)
    found = []
    for name, facility in facilities.items():
        for group, members in facility.groups.items():
            counted = view_limit(facility, group_key(group))
            found.append(
                GroupView(
                    group=group,
                    facility=name,
                    members=sorted(members),
                    currency=facility.currency,
                    committed_minor=counted.committed_minor,
                    limit_minor=counted.limit_minor,
                    excess_minor=counted.excess_minor,
                )
            )
    return sorted(found, key=lambda each: (each.group, each.facility))
