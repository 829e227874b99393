"""Settings: of each, why it changes no rule. What the rules decide by is in policies, which two people sign, or is part of the build.

`python -m reserve.settings` says it, and fails for a setting that nobody has given a reason.
"""

import ast
import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from pydantic_settings import BaseSettings

from services.allocation.settings import Leads
from shared.settings import Rates, Settings

READ_BY = (Settings, Leads)  # all that read the environment


class Why(StrEnum):
    WHERE = "where something is or answers, or how it is reached there"
    PACE = "how much is done at a time"
    SHOWN = "what is shown of what happens"
    ESTIMATE = "how long something usually takes: it is shown, and nothing is decided by it"
    WHO_CALLS = "who is believed to say who calls; what moves value is signed by people's own keys besides, which no issuer has"
    LOG = "which log is believed; approvals name it, a line stops at a checkpoint of another, and who audits pins it on their own"
    ONCE = "how a deployment is laid out from its beginning on"
    DRILL = "what a drill may do; production refuses it"
    PRODUCTION = "whether it is production, which refuses drills and what is not safe; a local one has an issuer and secrets of its own"


_OF: dict[Why, str] = {
    Why.WHERE: """
        data_dir database_url database_owner_url database_passwords kafka_bootstrap_servers host port internal_port service_urls token_url
        client_id client_secret authorize_url console_url tls_certificate tls_key
        kafka_user kafka_password kafka_mechanism kafka_tls kafka_passwords
    """,
    Why.PACE: " ".join(("queue_limit", "batch_limit", *Rates.model_fields)),
    Why.SHOWN: "log_level otlp_endpoint trace_ratio",
    Why.ESTIMATE: "lead_days lead_working sensitive_products sensitive_permit_days",
    Why.WHO_CALLS: "issuer audience jwks_url console_key",
    Why.LOG: "ledger_public_key",
    Why.ONCE: "shards log_domain",
    Why.DRILL: "clock_file require_ledger_at_start",
    Why.PRODUCTION: "environment",
}
REASONS = {name: reason for reason, names in _OF.items() for name in names.split()}

# Who else reads the environment: {module: what}.
OTHERS = {
    "shared/engines/postgres_engine.py": "PATH",
    "shared/engines/kafka_engine.py": "PATH",
    "shared/engines/private_files.py": "RESERVE_CACHE",
}


def without_reason(kinds: Iterable[type[BaseSettings]] = READ_BY) -> list[str]:
    return sorted(name for kind in kinds for name in kind.model_fields if name not in REASONS)


def unknown(environment: Iterable[str]) -> list[str]:
    """Variables that look like settings of ours, and are none: of an earlier build, or misspelt."""
    names = {_variable(kind, name) for kind in READ_BY for name in kind.model_fields} | set(OTHERS.values())
    return sorted(name for name in environment if name.upper().startswith("RESERVE_") and name.upper() not in names)


def read_elsewhere(folder: Path, rooms: Iterable[str] = ("services", "shared")) -> Iterator[str]:
    """The modules that read the environment and are not in the tables of this one."""
    known = {*OTHERS, *(f"{kind.__module__.replace('.', '/')}.py" for kind in READ_BY)}
    for file in sorted(path for room in rooms for path in (folder / room).rglob("*.py")):
        name = str(file.relative_to(folder))
        if name not in known and any(map(_reads, ast.walk(ast.parse(file.read_text())))):
            yield name


def _reads(node: ast.AST) -> bool:
    """`os.environ`, `os.getenv`, or a class of settings."""
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "getenvb"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return any(each.name.startswith(("environ", "getenv")) for each in names)
        case ast.ImportFrom(module="pydantic_settings"):
            return True
        case _:
            return False


def _variable(kind: type[BaseSettings], name: str) -> str:
    return f"{kind.model_config.get('env_prefix', '')}{name}".upper()


def main() -> None:
    forgotten = [*without_reason(), *read_elsewhere(Path(__file__).parent.parent)]
    if forgotten:
        sys.exit("nobody has said why these change no rule:\n" + "\n".join(forgotten))
    for name, reason in REASONS.items():
        print(f"{name:<24} {reason.value}")
    for name in unknown(os.environ):
        print(f"{name:<24} is no setting, and has no effect", file=sys.stderr)


if __name__ == "__main__":
    main()
