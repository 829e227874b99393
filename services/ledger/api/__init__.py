"""The ledger's API: the log (checkpoint, tiles, receipts) and the books (entries, accounts, balances, flags)."""

from fastapi import APIRouter

from services.ledger.api import books, log

router = APIRouter()
router.include_router(log.router)
router.include_router(books.router)
