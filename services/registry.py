"""Registry: which services there are. The only place that names them all."""

import importlib

from shared.process.service import Service

JOURNALED = ("inventory", "allocation", "loans", "ledger")  # each with a schema, a role, a topic and a lineage of its own
PROCESSES = ("identity", *JOURNALED, "console", "edge")


def service(name: str) -> Service:
    """The parts of a journaled service. Imported only when asked for: a process loads one."""
    found = importlib.import_module(f"services.{name}.main").SERVICE
    assert isinstance(found, Service)
    return found
