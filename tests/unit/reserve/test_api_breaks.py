"""What would break a client is found, and what would not is let be."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.contract.api_breaks import breaks


def problem(*codes: str) -> Any:
    schema = {"$ref": "#/components/schemas/Problem", "properties": {"code": {"enum": [*codes]}}}
    return {"content": {"application/problem+json": {"schema": schema}}}


DOCUMENT: Any = {
    "openapi": "3.1.0",
    "paths": {
        "/v1/draws": {
            "post": {
                "operationId": "draw_stock",
                "parameters": [
                    {"in": "header", "name": "idempotency-key", "required": True, "schema": {"type": "string"}},
                    {"in": "query", "name": "at_least", "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/DrawBody"}}}, "required": True},
                "responses": {
                    "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Draw"}}}, "headers": {"ETag": {}}},
                    "default": problem("on_hold", "release_exceeded"),
                },
            }
        }
    },
    "components": {
        "schemas": {
            "DrawBody": {
                "type": "object",
                "required": ["mass_g"],
                "properties": {
                    "mass_g": {"type": "integer", "minimum": 1, "maximum": 10},
                    "form": {"type": "string", "enum": ["ingot", "powder"]},
                    "note": {"anyOf": [{"type": "string", "maxLength": 100}, {"type": "null"}]},
                },
            },
            "Draw": {
                "type": "object",
                "required": ["draw", "parcels"],
                "properties": {
                    "draw": {"type": "string"},
                    "status": {"type": "string", "enum": ["drawn", "weighed"]},
                    "parcels": {"type": "array", "items": {"$ref": "#/components/schemas/Parcel"}},
                    "under": {"anyOf": [{"$ref": "#/components/schemas/Draw"}, {"type": "null"}]},
                },
            },
            "Parcel": {"type": "object", "required": ["lot"], "properties": {"lot": {"type": "string"}}},
            "Problem": {"type": "object"},
        }
    },
}


def operation(document: Any) -> Any:
    return document["paths"]["/v1/draws"]["post"]


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def field(document: Any, name: str, member: str) -> Any:
    return schema(document, name)["properties"][member]


BREAKS: dict[str, Callable[[Any], object]] = {
    "POST /v1/draws is gone": lambda it: it["paths"].update({"/v1/taken": it["paths"].pop("/v1/draws")}),
    "POST /v1/draws is called draw, and was draw_stock": lambda it: operation(it).update(operationId="draw"),
    "POST /v1/draws: query at_least is taken no more": lambda it: operation(it)["parameters"].pop(),
    "POST /v1/draws: query at_least is required": lambda it: operation(it)["parameters"][1].update(required=True),
    "POST /v1/draws: 201 is answered no more": lambda it: operation(it)["responses"].pop("201"),
    "POST /v1/draws: 201 has no header ETag": lambda it: operation(it)["responses"]["201"].update(headers={}),
    "no operation gives the code on_hold any more": lambda it: operation(it)["responses"].update(default=problem("release_exceeded")),
    "POST /v1/draws/form is required": lambda it: schema(it, "DrawBody").update(required=["form", "mass_g"]),
    "POST /v1/draws/form is taken no more": lambda it: schema(it, "DrawBody")["properties"].pop("form"),
    "POST /v1/draws/form takes no powder any more": lambda it: field(it, "DrawBody", "form").update(enum=["ingot", "shot"]),
    "POST /v1/draws/mass_g takes no integer any more": lambda it: field(it, "DrawBody", "mass_g").update(type="string"),
    "POST /v1/draws/mass_g has maximum 9, and had 10": lambda it: field(it, "DrawBody", "mass_g").update(maximum=9),
    "POST /v1/draws/mass_g has minimum 2, and had 1": lambda it: field(it, "DrawBody", "mass_g").update(minimum=2),
    "POST /v1/draws/note takes no null any more": lambda it: field(it, "DrawBody", "note")["anyOf"].pop(),
    "POST /v1/draws/note has maxLength 50, and had 100": lambda it: field(it, "DrawBody", "note")["anyOf"][0].update(maxLength=50),
    "POST /v1/draws: 201/status is gone": lambda it: schema(it, "Draw")["properties"].pop("status"),
    "POST /v1/draws: 201/draw may be null": lambda it: field(it, "Draw", "draw").update(type=["string", "null"]),
    "POST /v1/draws: 201/draw may be absent": lambda it: schema(it, "Draw").update(required=["parcels"]),
    "POST /v1/draws: 201/parcels[]/lot may be integer": lambda it: field(it, "Parcel", "lot").update(type="integer"),
}


@pytest.mark.parametrize("line", BREAKS)
def test_what_breaks_a_client_is_found(line: str) -> None:
    now = deepcopy(DOCUMENT)
    BREAKS[line](now)
    assert breaks(DOCUMENT, now) == [line]


FINE: dict[str, Callable[[Any], object]] = {
    "nothing": lambda it: None,
    "another operation": lambda it: it["paths"].update({"/v1/lots": {"get": {"operationId": "list_lots", "responses": {}}}}),
    "a parameter that may be left out": lambda it: operation(it)["parameters"].append({"in": "query", "name": "x", "schema": {}}),
    "another code": lambda it: operation(it)["responses"].update(default=problem("on_hold", "release_exceeded", "stock_short")),
    "another member of an answer": lambda it: schema(it, "Draw")["properties"].update(seal={"type": "string"}),
    "another member that may be sent": lambda it: schema(it, "DrawBody")["properties"].update(seal={"type": "string"}),
    "more that is taken": lambda it: field(it, "DrawBody", "mass_g").update(maximum=20, type=["integer", "null"]),
    "another value that is taken": lambda it: field(it, "DrawBody", "form")["enum"].append("shot"),
    "another value that is answered": lambda it: field(it, "Draw", "status")["enum"].append("gone"),
    "never null any more": lambda it: field(it, "Draw", "under")["anyOf"].pop(),
}


@pytest.mark.parametrize("change", FINE)
def test_what_breaks_nobody_is_let_be(change: str) -> None:
    now = deepcopy(DOCUMENT)
    FINE[change](now)
    assert breaks(DOCUMENT, now) == []


def test_an_event_that_is_gone_or_lacks_a_member_breaks_its_readers() -> None:
    payload = {"type": "object", "required": ["lot"], "properties": {"lot": {"type": "string"}}}
    before: Any = {"asyncapi": "3.0.0", "components": {"messages": {"a.v1": {"payload": payload}, "b.v1": {"payload": payload}}}}
    now = deepcopy(before)
    del now["components"]["messages"]["b.v1"]
    now["components"]["messages"]["a.v1"]["payload"]["properties"] = {}
    assert breaks(before, now) == ["a.v1/lot is gone", "b.v1 is gone"]
