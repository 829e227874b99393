"""All routes of the API, in the order in which they are tried."""

from fastapi import APIRouter

from services.ledger.api import books, feed, log, webhooks

router = APIRouter()
router.include_router(log.router)
router.include_router(books.router)
router.include_router(feed.router)
router.include_router(webhooks.router)
