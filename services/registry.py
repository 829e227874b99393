"""Registry: which services there are. The only place that names them all."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.process.service import Service  # no more than the names is wanted by who audits or backs up

JOURNALED = ("inventory", "allocation", "loans", "ledger")  # each with a schema, a role, a topic and a lineage of its own
PROCESSES = ("identity", *JOURNALED, "console", "edge")


def service(name: str) -> "Service":
    """The parts of a journaled service. Imported only when asked for: a process loads one."""
    found: Service = importlib.import_module(f"services.{name}.main").SERVICE
    return found
