"""docs/api is what the code says: whoever changes a route or an event sees in the diff what callers will see."""

import json

import pytest

from reserve.api_documents import FOLDER, documents

DOCUMENTS = documents()


def test_every_document_is_checked_in_and_no_other() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_checked_in_document_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == DOCUMENTS[name], "run: .venv/bin/python -m reserve.api_documents"


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name.endswith(".openapi.json")])
def test_every_operation_says_that_it_may_answer_with_a_problem(name: str) -> None:
    operations = [operation for path in json.loads(DOCUMENTS[name])["paths"].values() for operation in path.values()]
    assert operations
    assert all("default" in operation["responses"] for operation in operations)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_schema_is_named_by_the_module_that_it_is_written_in(name: str) -> None:
    """As FastAPI does when two have one name: callers would generate classes that are renamed whenever a file moves."""
    schemas = json.loads(DOCUMENTS[name]).get("components", {}).get("schemas", {})
    assert [schema for schema in schemas if "__" in schema] == [], "two views have one name: give each another"
