"""All routes of the API, in the order in which they are tried."""

from fastapi import APIRouter

from services.allocation.api import me
from services.allocation.api.authority import approver_keys, instruments, officials
from services.allocation.api.book import approvals, carries, objections, requests, rounds, stock
from services.allocation.api.book import opening as round_opening
from services.allocation.api.book.terms import RecentTerms
from services.allocation.api.clocks import clocks, tasks
from services.allocation.api.decisions import awards, certificates, decisions, reports, reviews, superseding
from services.allocation.api.partners import agreements, disruptions, partner_keys, partners
from services.allocation.api.policies import diffs as policy_diffs
from services.allocation.api.policies import policies
from services.allocation.api.readiness import readiness
from services.allocation.api.screening import consignees, screenings
from services.allocation.api.screening import hits as screening_hits
from services.allocation.api.screening import lists as screening_lists
from services.allocation.api.tenders import bids, tenders
from shared.terms.countersigning_api import proposals_router
from shared.terms.erasing_api import texts_router

router = APIRouter()
for _part in (
    me,
    partners,
    partner_keys,
    agreements,
    disruptions,
    policies,
    policy_diffs,
    requests,
    round_opening,
    rounds,
    superseding,
    approvals,
    decisions,
    certificates,
    reports,
    awards,
    clocks,
    readiness,
    tasks,
    approver_keys,
    instruments,
    officials,
    screening_lists,
    screenings,
    screening_hits,
    consignees,
    objections,
    reviews,
    stock,
    tenders,
    bids,
    carries,
):
    router.include_router(_part.router)
router.include_router(proposals_router(superseding.bar_of, signed=lambda post: post.kernel.part(RecentTerms).forget()))
router.include_router(texts_router())
