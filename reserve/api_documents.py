"""The checked-in API documents: OpenAPI 3.1 a service, one AsyncAPI 3 document of all events, and a page of all problem codes.

`python -m reserve.api_documents` writes them to docs/api; a test compares what is there with what the code says.
`python -m reserve.api_documents release 2026-12-02` keeps those that are there as the ones of that day's release: what would break a client
of the last release fails a test (`tests/contract/api_breaks.py`).
"""

import json
import sys
from collections.abc import Container, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from joserfc.jwk import ECKey

from reserve.problem_codes import list_codes
from services.identity.clients import Directory
from services.identity.issuer import Issuer
from services.identity.main import serve_issuer
from services.identity.tokens import TokenSigner
from services.registry import JOURNALED, service
from shared.http.problems import CATALOGUE
from shared.journal.codec import Codec, without_version
from shared.journal.messages import topic_of
from shared.process.app import create_app
from shared.settings import Settings

FOLDER = Path(__file__).parents[1] / "docs" / "api"
RELEASED = FOLDER / "released"  # a folder a release, named by its day

_HEADERS = {
    "type": "object",
    "required": ["ce_specversion", "ce_source", "ce_id", "ce_type", "ce_subject", "ce_time", "ce_salt", "ce_eventhash", "ce_previoushash"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_source": {"type": "string", "description": "service and shard: /inventory/0"},
        "ce_id": {"type": "string", "description": "service, shard and position: inventory/0/123"},
        "ce_type": {"type": "string"},
        "ce_subject": {"type": "string", "description": "the stream: stockpile/antimony-metal"},
        "ce_time": {"type": "string", "format": "date-time", "description": "recorded_at, UTC, microseconds"},
        "ce_streamversion": {"type": "string", "description": "the event's version in its stream"},
        "ce_effectiveon": {"type": "string", "format": "date"},
        "ce_commandid": {"type": "string"},
        "ce_actor": {"type": "string", "description": "an opaque subject id, or service:NAME"},
        "ce_correlationid": {"type": "string", "description": "32 hex digits; also the trace id of traceparent"},
        "ce_causationid": {"type": "string", "description": "the request, or the place of the event, that it comes from"},
        "ce_partner": {"type": "string", "description": "absent for events that belong to no partner"},
        "ce_partnerseq": {"type": "string", "description": "gapless within shard and partner"},
        "ce_salt": {"type": "string", "description": "16 bytes in hex"},
        "ce_eventhash": {"type": "string", "description": "SHA-256(0x01 || salt || canonical bytes), in hex"},
        "ce_previoushash": {"type": "string", "description": "the chain hash before it, in hex"},
        "traceparent": {"type": "string", "description": "W3C trace context"},
    },
}

_PROBLEMS = """# Problem codes

Every refusal is a problem document (RFC 9457) with a stable `code`: decide on that, and never on `title` or `detail`, which are for
people. `field` says which part of the request it is about, and `accepted` what would do. A refusal has changed nothing. Which codes an
operation may give is listed in its OpenAPI document. This page is made from the code (`python -m reserve.api_documents`).

| status | what to do |
| --- | --- |
| 400, 413, 422 | mend the request: `field` names the part, `accepted` what would be taken. The same again is refused again |
| 401 | get a new token, and send it again under the same `Idempotency-Key` |
| 403 | somebody else has to do it, or with another power: `accepted` says who |
| 404 | it is not there, or not yours: nobody is told which |
| 405 | see `Allow` |
| 409, 412 | things are not as you took them to be: read them again, then decide. What is only too early says so in `detail` |
| 429, 503 | wait for as long as `Retry-After` says, and send the same again under the same `Idempotency-Key`: it counts once |
| 500 | a bug of ours: send it again under the same key later, and tell us the `instance` |
"""

WITH_API = ("identity", *JOURNALED)  # the edge has no routes of its own


def application(name: str) -> FastAPI:
    """A service with an HTTP API of its own, as it is served, but not started."""
    if name == "identity":
        issuer = "http://127.0.0.1"  # no part of the document depends on it, nor on who may ask
        signer = TokenSigner(ECKey.generate_key("P-256"), issuer=issuer, audience="")
        return serve_issuer(Issuer(issuer, Directory, signer))
    return create_app(service(name), Settings())


def openapi(name: str) -> dict[str, Any]:
    """A service's document, as it serves it, and the codes of each operation besides, which take seconds to find."""
    app = application(name)
    document = app.openapi()
    if name in JOURNALED:
        list_codes(document, app, service(name))
    return document


def asyncapi() -> dict[str, Any]:
    channels, operations, messages, schemas = {}, {}, {}, {}
    for name in JOURNALED:
        classes = Codec(service(name).event_type).classes
        references, components = msgspec.json.schema_components(classes.values(), ref_template="#/components/schemas/{name}")
        schemas.update(components)
        for event_type, event_class, reference in zip(classes, classes.values(), references, strict=True):
            messages[event_type] = {
                "name": event_type,
                "title": without_version(event_type),
                "summary": (event_class.__doc__ or "").strip().partition("\n")[0],
                "contentType": "application/json",
                "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
                "payload": reference,
            }
        channels[name] = {
            "address": topic_of(name),
            "description": f"Every event of {name}, a partition a shard, in the order of positions. CloudEvents 1.0, Kafka binary mode.",
            "messages": {event_type: {"$ref": f"#/components/messages/{event_type}"} for event_type in classes},
        }
        operations[f"publish_{name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
    schemas["CloudEventHeaders"] = _HEADERS
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Reserve events", "version": "1", "description": "What the services of Reserve record and publish."},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def problems() -> str:
    """The page of codes: those of several services first, then each service's own."""
    own = {name: {reason.value: reason for reason in service(name).refusals} for name in JOURNALED}
    everywhere = {code: reason for code, reason in CATALOGUE.items() if type(reason).__module__.startswith("shared.")}
    shared = everywhere | {code: reason for codes in own.values() for code, reason in codes.items() if _in_several(own.values(), code)}
    sections = {"Of several services": shared} | {f"Of {name}": codes for name, codes in own.items()}
    tables = []
    for title, codes in sections.items():
        rows = sorted((reason.status, code, reason.says) for code, reason in codes.items() if codes is shared or code not in shared)
        lines = "".join(f"| {status} | `{code}` | {says} |\n" for status, code, says in rows)
        tables.append(f"## {title}\n\n| status | code | what it means |\n| --- | --- | --- |\n{lines}")
    return f"{_PROBLEMS}\n" + "\n".join(tables)


def _in_several(services: Iterable[Container[str]], code: str) -> bool:
    return sum(code in codes for codes in services) > 1


def documents() -> dict[str, str]:
    """{file name: text} of all of them."""
    found = {f"{name}.openapi.json": openapi(name) for name in WITH_API}
    found["events.asyncapi.json"] = asyncapi()
    written = {file: json.dumps(document, indent=2, sort_keys=True) + "\n" for file, document in found.items()}
    return written | {"problems.md": problems()}


def release(day: str) -> None:
    """Keeps what docs/api says as of that day, without its spacing."""
    folder = RELEASED / date.fromisoformat(day).isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    for file in FOLDER.glob("*.json"):
        (folder / file.name).write_text(json.dumps(json.loads(file.read_text()), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["release", day]:
            release(day)
        case _:
            for file, text in documents().items():
                (FOLDER / file).write_text(text)
