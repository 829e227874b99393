"""docs/api is what the code says: whoever changes a route or an event sees in the diff what callers will see."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from reserve.api_documents import FOLDER, RELEASED, WITH_API, application, documents
from reserve.operate.migrate import ROOT
from services.registry import JOURNALED
from shared.http.problems import CATALOGUE
from tests.contract.api_breaks import breaks


def test_the_checked_in_documents_are_what_the_code_says() -> None:
    checked_in = {file.name: file.read_text() for file in FOLDER.iterdir() if file.is_file()}
    said = documents()
    assert checked_in.keys() == said.keys()
    assert [name for name in said if checked_in[name] != said[name]] == [], "run: .venv/bin/python -m reserve.api_documents"


LAST_RELEASE = max(RELEASED.iterdir())


@pytest.mark.parametrize("file", sorted(file.name for file in LAST_RELEASE.iterdir()))
def test_a_client_of_the_last_release_goes_on(file: str) -> None:
    """What breaks it is a release of its own, of which partners hear before."""
    assert breaks(json.loads((LAST_RELEASE / file).read_text()), json.loads((FOLDER / file).read_text())) == []


@pytest.mark.parametrize("name", WITH_API)
async def test_no_page_asks_for_scripts_from_elsewhere(name: str) -> None:
    """FastAPI's own do, of a CDN, which our answers forbid."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application(name)), base_url="http://127.0.0.1") as http:
        assert [(await http.get(path)).status_code for path in ("/docs", "/redoc", "/docs/oauth2-redirect")] == [404] * 3


@pytest.mark.parametrize("name", WITH_API)
def test_every_operation_says_that_it_may_answer_with_a_problem(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert operations
    assert all("default" in operation["responses"] for operation in operations)


@pytest.mark.parametrize("name", WITH_API)
def test_no_schema_is_named_by_the_module_that_it_is_written_in(name: str) -> None:
    """As FastAPI does when two have one name: callers would generate classes that are renamed whenever a file moves."""
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    schemas = document.get("components", {}).get("schemas", {})
    assert [schema for schema in schemas if "__" in schema] == [], "two views have one name: give each another"


# What is worked out and changes nothing; and tokens, which have a standard of their own.
WITHOUT_A_KEY = {"/v1/policies/{policy}/versions/{version}/diff", "/v1/exposure/what-if", "/oauth/token", "/oauth/authorize"}


@pytest.mark.parametrize("name", WITH_API)
def test_what_changes_something_says_that_it_needs_a_key(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    posts = {path: operations["post"] for path, operations in document["paths"].items() if "post" in operations}
    keys = {path: [each for each in post.get("parameters", ()) if each["name"] == "idempotency-key"] for path, post in posts.items()}
    assert {path for path, found in keys.items() if not found} == WITHOUT_A_KEY & posts.keys()
    assert all(key["required"] and key["schema"]["pattern"] == "^[!-~]{1,255}$" for found in keys.values() for key in found)


# What begins the name of an operation that changes nothing; others say in theirs what they do.
READS = ("list_", "show_", "read_")


@pytest.mark.parametrize("name", WITH_API)
def test_every_operation_has_an_id_of_its_own_in_words(name: str) -> None:
    """Clients are generated with functions of these names."""
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    operations = [(method, operation["operationId"]) for path in document["paths"].values() for method, operation in path.items()]
    ids = [each for _, each in operations]
    assert [each for each in ids if ids.count(each) > 1] == []
    assert [each for each in ids if not re.fullmatch("[a-z]+(_[a-z]+)+", each)] == []
    assert [each for method, each in operations if (method == "get") != each.startswith(READS)] == []


@pytest.mark.parametrize("name", WITH_API)
def test_every_document_says_where_the_edge_has_its_service(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    assert [server["url"] for server in document["servers"]] == ["/" if name == "identity" else f"/{name}"]


@pytest.mark.parametrize("name", WITH_API)
def test_a_problem_is_one_schema(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    schemas = [*_schemas_of_problems(document["paths"])]
    assert schemas
    assert [each for each in schemas if each["$ref"] != "#/components/schemas/Problem" or each.keys() - {"$ref", "properties"}] == []
    assert "code" in document["components"]["schemas"]["Problem"]["required"]


NOT_ANSWERED = {"stock_protected"}  # a release that a round asks for; allocation hears of it by an event


def test_every_operation_lists_the_codes_that_it_may_give_and_no_code_is_nobodys() -> None:
    found = {name: _codes_of(name) for name in JOURNALED}
    listed = found["inventory"]
    known = {code for code, reason in CATALOGUE.items() if not type(reason).__module__.startswith("tests.")}
    assert set().union(*(codes for each in found.values() for codes in each.values())) == known - NOT_ANSWERED
    assert {"release_exceeded", "on_hold", "partner_signature_missing", "idempotency_key_missing", "token_expired"} <= listed["draw_stock"]
    assert not {"serials_do_not_match_units", "hold_not_found", "receipt_missing", "countersignature_needed"} & listed["draw_stock"]
    assert {"cursor_malformed", "position_not_reached"} == listed["list_releases"] - listed["list_inbox_lines"] - {"position_unknown"}


def _codes_of(name: str) -> dict[str, set[str]]:
    """{operation's id: codes}"""
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    return {
        operation["operationId"]: {*next(_schemas_of_problems(operation["responses"]["default"]))["properties"]["code"]["enum"]}
        for path in document["paths"].values()
        for operation in path.values()
    }


def _schemas_of_problems(found: Any) -> Iterator[Any]:
    if isinstance(found, dict):
        if "application/problem+json" in found:
            yield found["application/problem+json"].get("schema")
        for each in found.values():
            yield from _schemas_of_problems(each)


# What a document of any kind may be.
OF_ANY_SHAPE = {"show_document", "show_sent_report"}


@pytest.mark.parametrize("name", WITH_API)
def test_every_answer_says_what_its_json_has(name: str) -> None:
    """Decisions, certificates, journals and papers too, which their handlers write themselves."""
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    bare = {
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status != "default" and (schema := answer.get("content", {}).get("application/json", {}).get("schema")) is not None
        if not schema.keys() & {"$ref", "anyOf", "properties", "items"} and not isinstance(schema.get("additionalProperties"), dict)
        if schema.get("type") in (None, "object")
    }
    assert bare <= OF_ANY_SHAPE, bare - OF_ANY_SHAPE


# Members that are an object of any shape, by the schema that has them. The list may only shrink.
STILL_BARE: dict[str, set[str]] = {
    "allocation": {
        "ByClass",
        "ByClockClass",
        "CertificateView",
        "CommandPaper",
        "ConsigneeView",
        "ProposalView",
        "ReportConflictView",
        "ReportView",
        "RequestBody",
        "RequestItem",
        "RuleView",
        "VersionView",
    },
    "identity": set(),
    "inventory": {"CommandPaper", "ProposalView"},
    "ledger": {"FeedItem"},
    "loans": {
        "ActApprovedView",
        "ActView",
        "CommandPaper",
        "HoldingView",
        "LoanView",
        "MaterialEntryView",
        "MaterialLoanView",
        "PaidView",
        "PaymentRecordedView",
        "ProposalView",
        "StandingView",
        "StatementView",
    },
}


@pytest.mark.parametrize("name", WITH_API)
def test_no_further_schema_has_a_bare_object(name: str) -> None:
    schemas = json.loads((FOLDER / f"{name}.openapi.json").read_text()).get("components", {}).get("schemas", {})
    assert {schema for schema, said in schemas.items() if _is_bare_within(said)} == STILL_BARE[name]


def _is_bare_within(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_is_bare_within, schema))
    if not isinstance(schema, dict):
        return False
    says = schema.keys() & {"properties", "$ref", "allOf", "anyOf", "oneOf"} or isinstance(schema.get("additionalProperties"), dict)
    if schema.get("type") == "object" and not says:
        return True
    return any(_is_bare_within(each) for member, each in schema.items() if member not in {"example", "examples", "default"})


def test_decisions_of_earlier_forms_are_as_documented() -> None:
    document = json.loads((FOLDER / "allocation.openapi.json").read_text())
    answers = document["paths"]["/v1/rounds/{round}/decision"]["get"]["responses"]["200"]["content"]
    validator = jsonschema_rs.validator_for({**answers["application/json"]["schema"], "components": document["components"]})
    files = sorted((ROOT / "tests/unit/allocation/decisions").glob("decisions_v*/*.json"))
    assert files
    for file in files:
        decision = json.loads(file.read_text())
        validator.validate(decision)
        assert not validator.is_valid(decision | {"lines": None}), file


WHO_MAY = re.compile(r"(Roles: [a-z, ]+\.|Needs no token\.)( Scope: `[a-z:]+`\.)?( Also on duty\.)?$")


@pytest.mark.parametrize("name", WITH_API)
def test_every_operation_says_who_may(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.openapi.json").read_text())
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert [each["operationId"] for each in operations if WHO_MAY.search(each["description"]) is None] == []


def test_who_may_is_what_the_route_checks() -> None:
    document = json.loads((FOLDER / "inventory.openapi.json").read_text())
    draw = document["paths"]["/v1/releases/{release}/draws"]["post"]
    assert draw["description"].endswith("Roles: operator, partner. Also on duty.")
    assert document["paths"]["/v1/releases/{release}/cancel"]["post"]["description"].endswith("Roles: operator.")
