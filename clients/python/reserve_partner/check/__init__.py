"""`reserve-partner check`: what a partner's client will ever do, tried once against a sandbox, with a table of what came of it."""
