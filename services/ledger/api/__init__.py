"""The ledger's API: the log (checkpoint, tiles, receipts), the books (entries, accounts, balances, flags), the feed and webhooks."""
