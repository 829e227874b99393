"""Settings: every environment variable that the system reads, in one place."""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.zone import ZONE


class Rates(BaseSettings):
    """How many requests a second the edge passes on; ten seconds' worth can come at once."""

    model_config = SettingsConfigDict(env_prefix="RESERVE_", extra="ignore", populate_by_name=True)

    client_calls_per_s: int = 100  # of each client and person of a partner
    official_calls_per_s: int = 1000  # of each of the Reserve's own; an audit reads very much
    stranger_calls_per_s: int = 100  # of each address, without a valid token
    guesses_per_s: int = 10  # of each address: tokens asked for, logins, returns from one


class Settings(Rates):
    """Read from the environment: `RESERVE_` and the field's name, but for the two that have names of their own."""

    environment: Literal["local", "production"] = "local"
    data_dir: Path = Path(".reserve")  # keys, tiles and local secrets of this deployment
    database_url: str = Field(default="", validation_alias="DATABASE_URL")  # as the service's own role
    database_owner_url: str = Field(
        default="", validation_alias="DATABASE_OWNER_URL"
    )  # as the role that owns the schemas: migrations, rebuilds
    database_passwords: dict[str, str] = {}  # {"inventory": "...", ...}: of the services' roles, where `reserve migrate` makes them
    kafka_bootstrap_servers: str = Field(default="", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_user: str = ""  # as whom this service comes to Kafka; empty: a Kafka that asks nobody
    kafka_password: str = ""
    kafka_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = "SCRAM-SHA-256"
    kafka_tls: bool = False
    kafka_passwords: dict[str, str] = {}  # {"inventory": "...", ...}: of the services' users, where `reserve migrate` makes them
    host: str = "127.0.0.1"
    port: int = 0
    tls_certificate: Path | None = None  # of the edge, with its chain, in PEM; without it the edge answers over plain HTTP
    tls_key: Path | None = None  # in PEM, readable by its owner alone
    internal_port: int = 8001  # of the edge: metrics and readiness, for whoever is within
    service_urls: dict[str, str] = {}  # {"inventory": "http://127.0.0.1:8101", ...}: where each service answers
    issuer: str = ""  # the `iss` of tokens
    audience: str = "reserve"  # the `aud` of tokens
    jwks_url: str = ""
    token_url: str = ""
    client_id: str = ""  # this service's own client, for journal:read
    client_secret: str = ""
    authorize_url: str = ""  # where people log in, for the pages that they work in; empty: the local issuer's
    console_url: str = ""  # the public address of those pages, as browsers have it: https://reserve.example/console
    console_key: str = ""  # encrypts their sessions; every process that serves them has the same one
    clock_file: Path | None = None  # holds the seconds by which this deployment's clock is shifted; refused in production
    shards: int = 4  # of each journal; never changed once written
    queue_limit: int = 4096  # commands waiting a shard; beyond it a 503; a 429 to a client with more waiting than room is left
    batch_limit: int = 256  # commands a commit
    log_domain: str = "reserve.localhost"  # what a new log's origin begins with (C2SP tlog-checkpoint): a domain of the operator's
    ledger_public_key: str = ""  # the log's verifier key (C2SP signed-note), pinned; after it, with spaces, those of histories before
    require_ledger_at_start: bool = True  # wait for the ledger's record of our heads before the first write; true in production
    log_level: str = "INFO"
    otlp_endpoint: str = ""  # where traces go; empty: nowhere
    trace_ratio: float = 0.01

    def kept(self, what: str) -> Path:
        """A file for what this service had of the issuer last. Its folder is private, and can be emptied at any time."""
        return self.data_dir / "kept" / f"{self.client_id or 'service'}.{what}"

    @property
    def zone(self) -> ZoneInfo:
        """A *day* is a day here. It decides by when something is done, so it is part of the build, and no setting."""
        return ZONE
