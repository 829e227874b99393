"""What would break a client: an API document held against the one of the release before, whose clients go on as they are.

A client sends what it sent, so what is taken may only grow; it reads what it read, so what is answered may only gain members. New values of
an enum, new problem codes and new answers are no break: clients are asked to bear what they do not know.
"""

from collections.abc import Iterator
from typing import Any

ANY = {"null", "boolean", "integer", "number", "string", "array", "object"}
# What bounds a value: whether a greater one takes more.
BOUNDS = {"maxLength": True, "maxItems": True, "maximum": True, "exclusiveMaximum": True} | {
    **dict.fromkeys(("minLength", "minItems", "minimum", "exclusiveMinimum"), False)
}


def breaks(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is worse for a client, a line each, of two OpenAPI or two AsyncAPI documents."""
    compared = _Compared(before, now)
    return [*(compared.operations() if "openapi" in before else compared.messages())]


class _Compared:
    def __init__(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        self._before, self._now = before, now
        self._seen: set[tuple[str, str, bool]] = set()  # pairs of references that are compared, or being so

    def operations(self) -> Iterator[str]:
        for path, operations in self._before["paths"].items():
            for method, before in operations.items():
                where = f"{method.upper()} {path}"
                if (now := self._now["paths"].get(path, {}).get(method)) is None:
                    yield f"{where} is gone"
                    continue
                if before["operationId"] != now["operationId"]:
                    yield f"{where} is called {now['operationId']}, and was {before['operationId']}"
                yield from self._parameters(where, before, now)
                yield from self._body(where, before.get("requestBody"), now.get("requestBody"))
                yield from self._answers(where, before["responses"], now["responses"])
        gone = _codes(self._before) - _codes(self._now)
        yield from (f"no operation gives the code {code} any more" for code in sorted(gone))

    def messages(self) -> Iterator[str]:
        now = self._now["components"]["messages"]
        for name, message in self._before["components"]["messages"].items():
            if name not in now:
                yield f"{name} is gone"
            else:
                yield from self._schemas(name, message["payload"], now[name]["payload"], sent=False)

    def _parameters(self, where: str, before: Any, now: Any) -> Iterator[str]:
        known, there = _by_name(before), _by_name(now)
        for name in known.keys() | there.keys():
            if name not in there:
                yield f"{where}: {name} is taken no more"
            elif there[name].get("required") and not known.get(name, {}).get("required"):
                yield f"{where}: {name} is required"
            elif name in known:
                yield from self._schemas(f"{where}: {name}", known[name]["schema"], there[name]["schema"], sent=True)

    def _body(self, where: str, before: Any, now: Any) -> Iterator[str]:
        if now is None or before is None:
            if before is not None or (now or {}).get("required"):
                yield f"{where}: a body is {'required' if before is None else 'taken no more'}"
            return
        if now.get("required") and not before.get("required"):
            yield f"{where}: a body is required"
        yield from self._contents(where, before["content"], now["content"], sent=True)

    def _answers(self, where: str, before: Any, now: Any) -> Iterator[str]:
        for status, answer in before.items():
            if status not in now:
                yield f"{where}: {status} is answered no more"
            else:
                yield from self._contents(f"{where}: {status}", answer.get("content", {}), now[status].get("content", {}), sent=False)
                headers = now[status].get("headers", {})
                yield from (f"{where}: {status} has no header {name}" for name in answer.get("headers", {}) if name not in headers)

    def _contents(self, where: str, before: Any, now: Any, *, sent: bool) -> Iterator[str]:
        for kind, content in before.items():
            if kind not in now:
                yield f"{where}: there is no {kind}"
            else:
                yield from self._schemas(where, content.get("schema", {}), now[kind].get("schema", {}), sent=sent)

    def _schemas(self, where: str, before: Any, now: Any, *, sent: bool) -> Iterator[str]:
        """`sent`: by the client; else it is what the client reads."""
        if "$ref" in before and "$ref" in now:
            pair = (before["$ref"], now["$ref"], sent)
            if pair in self._seen:
                return
            self._seen.add(pair)
        before, now = _resolved(self._before, before), _resolved(self._now, now)
        known, there = self._kinds(self._before, before), self._kinds(self._now, now)
        if more := (known - there if sent else there - known):
            yield f"{where} {'takes no' if sent else 'may be'} {', '.join(sorted(more))}{' any more' if sent else ''}"
            return
        if "anyOf" in before or "anyOf" in now or "oneOf" in before or "oneOf" in now:
            yield from self._variants(where, before, now, sent=sent)
            return
        if sent:
            yield from _narrowed(where, before, now)
        yield from self._members(where, before, now, sent=sent)
        for part in ("items", "additionalProperties"):
            if isinstance(before.get(part), dict) and isinstance(now.get(part), dict):
                yield from self._schemas(f"{where}[]", before[part], now[part], sent=sent)

    def _variants(self, where: str, before: Any, now: Any, *, sent: bool) -> Iterator[str]:
        """Each that was sent is still taken by one of them; each that is answered is as one of those before."""
        for each in _alternatives(before) if sent else _alternatives(now):
            others = _alternatives(now) if sent else _alternatives(before)
            pairs = [(each, other) if sent else (other, each) for other in others]
            found = [[*self._apart(where, *pair, sent=sent)] for pair in pairs]
            if all(found):
                yield from min(found, key=len)

    def _apart(self, where: str, before: Any, now: Any, *, sent: bool) -> Iterator[str]:
        """As by somebody who has seen what this one has: one of several is compared again with the next."""
        another = _Compared(self._before, self._now)
        another._seen = set(self._seen)
        return another._schemas(where, before, now, sent=sent)

    def _kinds(self, document: Any, schema: Any) -> set[str]:
        """The JSON types that it may have, as far as it says."""
        schema = _resolved(document, schema)
        if alternatives := schema.get("anyOf", schema.get("oneOf")):
            return set[str]().union(*(self._kinds(document, each) for each in alternatives))
        said = schema.get("type", ANY)
        kinds = {said} if isinstance(said, str) else set(said)
        return kinds | ({"integer"} if "number" in kinds else set())

    def _members(self, where: str, before: Any, now: Any, *, sent: bool) -> Iterator[str]:
        known, there = before.get("properties", {}), now.get("properties", {})
        for name in known:
            if name not in there:
                yield f"{where}/{name} is {'taken no more' if sent else 'gone'}"
            else:
                yield from self._schemas(f"{where}/{name}", known[name], there[name], sent=sent)
        needed, sure = set(now.get("required", ())), set(before.get("required", ()))
        if sent:
            yield from (f"{where}/{name} is required" for name in sorted(needed - sure))
        else:
            yield from (f"{where}/{name} may be absent" for name in sorted((sure - needed) & there.keys()))


def _narrowed(where: str, before: Any, now: Any) -> Iterator[str]:
    allowed = _enum(now)
    if allowed is not None and (gone := [value for value in _enum(before) or ["what is not listed"] if value not in allowed]):
        yield f"{where} takes no {', '.join(map(str, gone))} any more"
    for name, greater in BOUNDS.items():
        if name in now and (name not in before or (now[name] < before[name] if greater else now[name] > before[name])):
            yield f"{where} has {name} {now[name]}, and had {before.get(name, 'none')}"
    if now.get("pattern", before.get("pattern")) != before.get("pattern"):
        yield f"{where} has another pattern"


def _enum(schema: Any) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _alternatives(schema: Any) -> list[Any]:
    alternatives: list[Any] = schema.get("anyOf", schema.get("oneOf", [schema]))
    return alternatives


def _resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        *_, room, name = schema["$ref"].split("/")
        schema = document["components"][room][name]
    return schema


def _by_name(operation: Any) -> dict[str, Any]:
    return {f"{each['in']} {each['name']}": each for each in operation.get("parameters", ())}


def _codes(document: Any) -> set[str]:
    """The problem codes of all operations."""
    answers = [operation["responses"] for operations in document["paths"].values() for operation in operations.values()]
    schemas = [answer["default"]["content"]["application/problem+json"]["schema"] for answer in answers if "default" in answer]
    return {code for schema in schemas for code in schema.get("properties", {}).get("code", {}).get("enum", ())}
