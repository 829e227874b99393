"""The kernel under fire: real services on simulated engines, in virtual time, replayable from a seed."""
