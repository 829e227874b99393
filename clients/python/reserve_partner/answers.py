"""Answers that are made of other answers: pages, and the items of a bulk."""

import msgspec
from msgspec import Struct

from reserve_partner.models import RequestBody
from reserve_partner.problems import Problem


class Page[T](Struct, frozen=True):
    """`next`: the cursor of the page after it; None: it is the last."""

    data: list[T]
    next: str | None


class BulkItem[T](Struct, frozen=True):
    """What became of one command of a bulk: `body` of what was done, `problem` of what was refused, whose `field` points into the bulk."""

    status: int
    body: T | None = None
    position: str | None = None
    problem: Problem | None = None


class Bulk[T](Struct, frozen=True):
    """In the order in which they were sent."""

    items: list[BulkItem[T]]


class RequestItem(RequestBody, frozen=True, kw_only=True):
    """A request of a bulk. `idempotency_key`: its own, which counts once wherever it is sent."""

    idempotency_key: str


class DrawItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A draw, as it is sent alone or in a bulk. `signature`: of a partner that has keys (`signing.sign_draw`)."""

    release: str
    idempotency_key: str
    mass_g: int
    lots: list[str] = []
    assign_rights: bool = False
    signature: str | None = None


def page_of[T](kind: type[T], content: bytes) -> Page[T]:
    return msgspec.json.decode(content, type=Page[kind])  # type: ignore[valid-type]
