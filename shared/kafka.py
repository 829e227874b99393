"""Kafka: where it answers, and as whom we come."""

from typing import Any

import msgspec

from shared.settings import Settings
from shared.tls import trusted


class Kafka(msgspec.Struct, frozen=True):
    """`servers`: "host:port,host:port". Without a `user`, one that asks nobody who they are. `tls`: whom httpx trusts is trusted."""

    servers: str = ""
    user: str = ""
    password: str = ""
    mechanism: str = "SCRAM-SHA-256"
    tls: bool = False

    def options(self) -> dict[str, Any]:
        """Of any client of aiokafka's."""
        protocol = ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT")
        options: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": protocol}
        if self.tls:
            options["ssl_context"] = trusted()
        if self.user:
            options |= {"sasl_mechanism": self.mechanism, "sasl_plain_username": self.user, "sasl_plain_password": self.password}
        return options


def kafka_of(settings: Settings) -> Kafka:
    return Kafka(
        servers=settings.kafka_bootstrap_servers,
        user=settings.kafka_user,
        password=settings.kafka_password,
        mechanism=settings.kafka_mechanism,
        tls=settings.kafka_tls,
    )
