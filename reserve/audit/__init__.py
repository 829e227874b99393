"""Audit: the whole history checked from outside, by an auditor who trusts nobody's code but this.

What is checked is what an `Evidence` gives: journals, the ledger's log and books, documents. The hash formulas, the tree, the books' sums
and the allocation rules are written down here a second time; the services' events are read by their published shapes, and nothing of
their domains is used. The one thing shared is `services.ledger.postings`, which says what an event posts.
"""
