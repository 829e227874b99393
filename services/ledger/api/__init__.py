"""The ledger's API: the log (checkpoint, tiles, receipts), the books (entries, accounts, balances, flags), the feed and webhooks."""

from fastapi import APIRouter

from services.ledger.api import books, feed, log, webhooks

router = APIRouter()
router.include_router(log.router)
router.include_router(books.router)
router.include_router(feed.router)
router.include_router(webhooks.router)
