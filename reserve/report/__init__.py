"""The audit's report: what a bundle says and what the audit found in it, as one page for a committee and for an engineer."""
