"""The ledger's API: the log (checkpoint, tiles, receipts), the books (entries, accounts, balances, flags) and the feed."""

from fastapi import APIRouter

from services.ledger.api import books, feed, log

router = APIRouter()
router.include_router(log.router)
router.include_router(books.router)
router.include_router(feed.router)
