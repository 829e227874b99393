"""Kafka's users, each with a password and with what it may do: put anew at each start, since it costs no more than to look.

aiokafka has no call for a user's password, and one for a single right: both requests are here, as Kafka's protocol has them.
"""

import hashlib
import secrets
from collections.abc import Mapping
from itertools import chain
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from shared.kafka import Kafka

SCRAM_SHA_256 = 1
ROUNDS = 4096  # the fewest that Kafka takes: passwords are random, and longer than any that somebody guesses
TOPIC, LITERAL, ANYWHERE, ALLOW = 2, 3, "*", 3
READ, WRITE, DESCRIBE = 3, 4, 8


class KafkaUser(msgspec.Struct, frozen=True):
    """`writes` and `reads` are topics. There need not be such a topic yet."""

    password: str
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


class _AlterScramResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScramRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterScram(Request[_AlterScramRequest]):  # type: ignore[misc]
    API_KEY = 51

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self.passwords = passwords

    def build(self, request_struct_class: type[_AlterScramRequest]) -> _AlterScramRequest:
        return request_struct_class([], [_salted(name, password) for name, password in self.passwords.items()], {})


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]
    API_KEY = 30

    def __init__(self, rights: list[tuple[Any, ...]]) -> None:
        self.rights = rights

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self.rights)


async def ensure_users(kafka: Kafka, users: Mapping[str, KafkaUser]) -> None:
    """Each user may read and write the topics that it names, and nothing else. `kafka` is of one who may do all.

    Raises the broker's refusal as an aiokafka error.
    """
    admin = AIOKafkaAdminClient(**kafka.options())
    try:
        await admin.start()
        altered = await admin._send_request(_AlterScram({name: user.password for name, user in users.items()}))
        rights = [*chain.from_iterable(_rights(name, user) for name, user in users.items())]
        created = await admin._send_request(_CreateAcls(rights))
        answers = [(name, code, message) for name, code, message, _ in altered.results]
        answers += [(right, code, message) for right, (code, message) in zip(rights, created.creation_responses, strict=True)]
        for what, code, message in answers:
            if code:
                raise for_code(code)(f"{what}: {message}")
    finally:
        await admin.close()


def _rights(name: str, user: KafkaUser) -> list[tuple[Any, ...]]:
    operations = [(topic, WRITE) for topic in user.writes] + [(topic, READ) for topic in user.reads]
    operations += [(topic, DESCRIBE) for topic in sorted({*user.writes, *user.reads})]
    return [(TOPIC, topic, LITERAL, f"User:{name}", ANYWHERE, operation, ALLOW) for topic, operation in operations]


def _salted(name: str, password: str) -> tuple[Any, ...]:
    """RFC 5802: what the broker keeps is made of the salted password, which the password does not come out of."""
    salt = secrets.token_bytes(24)
    return name, SCRAM_SHA_256, ROUNDS, salt, hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS), {}
