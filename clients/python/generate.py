"""Writes what of the client is not written by hand: `models/` from the checked-in API documents, and `_sync/` from `_async/`.

`python clients/python/generate.py`; with `--stale` it only names the files that it would change. Needs ruff, which formats them.
"""

import json
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENTS = HERE.parents[1] / "docs" / "api"
PACKAGE = HERE / "reserve_partner"

# The operations whose answers, and bodies where they have many members, are models.
OPERATIONS = {
    "allocation": (
        "show_me list_agreements submit_request list_requests show_request withdraw_request list_awards show_round register_partner_key"
    ),
    "inventory": "list_releases show_release draw_stock list_draws show_draw",
    "ledger": "read_feed list_webhooks register_webhook list_deliveries remove_webhook",
}
BODIES = ("submit_request",)
OF_PROBLEMS = ("Problem", "InputFault")  # `problems.py` has them
RENAMED = {"FeedItem": "Event", "DeliveryView": "WebhookDelivery", "DeliveriesView": "WebhookDeliveries"}
WIDTH = 130
SCALARS = {"string": "str", "integer": "int", "boolean": "bool", "number": "float", "null": "None"}
FORMATS = {"date": "date", "date-time": "datetime"}

# What is asynchronous, and what it is where a thread waits.
SYNC = {
    r"\basync ": "",
    r"\bawait ": "",
    r"\bAsync(?=[A-Z])": "",
    r"\b__a(?=enter__|exit__)": "__",
    r"\ba(?=close\b|iter_lines\b|read\b)": "",
    r"\basyncio\.sleep": "time.sleep",
    r"\basyncio\.Lock": "threading.Lock",
    r"\bimport asyncio\b": "import threading\nimport time",
    r"\breserve_partner\._async\b": "reserve_partner._sync",
}


def written() -> dict[Path, str]:
    """Each generated file, with what belongs into it."""
    files = _models()
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        text = source.read_text()
        for word, instead in SYNC.items():
            text = re.sub(word, instead, text)
        head = "" if source.name == "__init__.py" else f"# Made from _async/{source.name} by generate.py: change it there.\n"
        files[PACKAGE / "_sync" / source.name] = head + text
    return _formatted(files)


def _formatted(files: dict[Path, str]) -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as folder:
        there = {path: Path(folder) / path.relative_to(HERE) for path in files}
        for path, text in files.items():
            there[path].parent.mkdir(parents=True, exist_ok=True)
            there[path].write_text(text)
        ruff = [sys.executable, "-m", "ruff"]
        config = ["--config", str(HERE.parents[1] / "pyproject.toml"), "--no-cache", "--quiet", folder]
        subprocess.run([*ruff, "check", "--fix-only", "--select", "I,F401", *config], check=True)
        subprocess.run([*ruff, "format", *config], check=True)
        return {path: there[path].read_text() for path in files}


def _models() -> dict[Path, str]:
    """A file a service, each struct after those that it is made of."""
    files, exported = {}, []
    for service, names in OPERATIONS.items():
        document = json.loads((DOCUMENTS / f"{service}.openapi.json").read_text())
        structs: dict[str, str] = {}
        for name in _roots(document, names.split()):
            _add(structs, name, document["components"]["schemas"])
        head = f'"""What {service} answers, and what it is asked. Made from docs/api by generate.py: change it there."""\n'
        imports = "from datetime import date, datetime\nfrom typing import Any\nfrom msgspec import Struct, field\n"
        files[PACKAGE / "models" / f"{service}.py"] = head + imports + "\n\n".join(structs.values())
        exported.append((service, list(structs)))
    listed = "\n".join(f"from reserve_partner.models.{service} import {', '.join(names)}" for service, names in exported)
    every = sorted(name for _, names in exported for name in names)
    assert len(every) == len(set(every)), "two services say different things by one name: add it to RENAMED"
    head = '"""What the API answers, and what it is asked. Made by generate.py: change it there."""\n'
    files[PACKAGE / "models" / "__init__.py"] = f"{head}{listed}\n__all__ = {every!r}\n"
    return files


def _add(structs: dict[str, str], name: str, schemas: Any) -> None:
    for each in _references(schemas[name]):
        _add(structs, each, schemas)
    if _is_struct(schemas[name]) and not name.startswith("Page_"):  # a page is a list of something
        structs.setdefault(_name(name), _struct(name, schemas))


def _roots(document: Any, operations: list[str]) -> Iterator[str]:
    found = {each["operationId"]: each for path in document["paths"].values() for each in path.values() if "operationId" in each}
    for name in operations:
        answers = [answer for status, answer in found[name]["responses"].items() if status.startswith("2")]
        yield from _references(answers)
        if name in BODIES:
            yield from _references(found[name]["requestBody"])


def _references(part: Any) -> list[str]:
    found = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(part))
    return [name for name in dict.fromkeys(found) if name not in OF_PROBLEMS]


def _is_struct(schema: Any) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _name(schema: str) -> str:
    return RENAMED.get(schema) or schema.removesuffix("View")


def _struct(name: str, schemas: Any) -> str:
    schema, required = schemas[name], schemas[name].get("required", [])
    lines = [f"class {_name(name)}(Struct, frozen=True, kw_only=True):"]
    if text := schema.get("description"):
        lines += textwrap.wrap(f'"""{text}"""', WIDTH, initial_indent="    ", subsequent_indent="    ")
    for key in dict.fromkeys([*required, *schema["properties"]]):  # in the order in which the code has them
        part = schema["properties"][key]
        kind, default = _kind(part, schemas), ""
        if key not in required:
            default = _default(part.get("default"), kind)
            kind = kind if default != " = None" or "None" in kind.split(" | ") else f"{kind} | None"
        said = part.get("description") or _values(part, schemas)
        lines += textwrap.wrap(said, WIDTH, initial_indent="    # ", subsequent_indent="    # ")
        lines.append(f"    {key}: {kind}{default}")
    return "\n".join(lines) + "\n"


def _values(part: Any, schemas: Any) -> str:
    """What an enum may say: as a comment, since an answer of a later version may say something else."""
    for each in (part, *part.get("anyOf", ())):
        found = schemas[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        if "enum" in found:
            return "one of " + ", ".join(map(str, found["enum"]))
    return ""


def _default(value: Any, kind: str) -> str:
    if value is None and "None" in kind.split(" | "):
        return " = None"
    if isinstance(value, dict) and value:
        return f" = field(default_factory={kind})"
    if kind.startswith(("list", "dict")):
        return f" = field(default_factory={kind.partition('[')[0]})"
    return f" = {value!r}"


def _kind(part: Any, schemas: Any) -> str:
    match part:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            return _name(name) if _is_struct(schemas[name]) else _kind(schemas[name], schemas)
        case {"anyOf": kinds}:
            return " | ".join(dict.fromkeys(_kind(kind, schemas) for kind in kinds))
        case {"type": "array", "items": items}:
            return f"list[{_kind(items, schemas)}]"
        case {"type": "object"}:
            inner = next(iter(part.get("patternProperties", {}).values()), part.get("additionalProperties"))
            return f"dict[str, {_kind(inner, schemas) if isinstance(inner, dict) and inner else 'Any'}]"
        case {"format": format} if format in FORMATS:
            return FORMATS[format]
        case {"type": kind}:
            return SCALARS[kind]
        case _:
            return "Any"


if __name__ == "__main__":
    for path, text in written().items():
        if "--stale" in sys.argv:
            if not path.exists() or path.read_text() != text:
                print(path.relative_to(HERE))
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
