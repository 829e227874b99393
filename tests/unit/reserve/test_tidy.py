"""Tidy: measures and words that STYLE.md names, over every file. What may break a rule is in `untidy.py`, which may only shrink."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest

from reserve.operate.migrate import ROOT
from tests.unit.reserve.untidy import EXCEPTIONS, TRANSLATED

FUNCTION_LINES, PARAMETERS, CLASS_LINES, FILE_LINES = 70, 6, 250, 400
OURS = ("reserve", "services", "shared", "clients")
ALL = (*OURS, "bench", "deploy", "migrations", "tests")  # where a name of ours may be used

LAYERS = ("api", "events", "projections", "tables", "reactions")
# What a layer is itself made of, whatever its features.
OF_A_LAYER = {
    "api": {"fields", "lookups", "me", "routes", "views"},
    "events": {"ids", "upcasts"},
    "projections": set[str](),
    "tables": {"table"},
    "reactions": set[str](),
}

# Words of the trade. Not here, since the kernel means another thing by them: release and round (a lock, a number), carry (a message),
# policy, request and instrument (HTTP, telemetry). Nor `partner`, a column of every journal by which its events have readers, nor `Grams`,
# which is a range of whole numbers to it.
DOMAIN_WORDS = {
    *("agreement", "advance", "assay", "award", "bid", "consignee", "depot", "disruption", "draw", "facility", "holding", "loan", "lot"),
    *("milestone", "nominee", "offtake", "premium", "quota", "screening", "stockpile", "tender"),
}

# What reads as translated, and what is meant.
PHRASES = {
    "told": "reported, said",
    "stands": "is",
    "of its own": "its",
    "beside": "with",
    "whoever": "anyone, who",
    "by whose word": "approved by",
    "is not one": "say what is wrong with it",
    "as it was said": "as reported",
}


class File:
    """A Python file, read and parsed once."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.tree = ast.parse(text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def top(self) -> str:
        return self.path.partition("/")[0]

    @property
    def service(self) -> str | None:
        """ "services/loans"; shared counts as one."""
        parts = PurePosixPath(self.path).parts
        return "/".join(parts[:2]) if parts[0] == "services" and len(parts) > 2 else "shared" if parts[0] == "shared" else None


class Breach(NamedTuple):
    """`place` is what `untidy.py` names: a file, or a file and a name; `says` what is wrong there, and what to do."""

    place: str
    says: str


type Rule = Callable[[Sequence[File]], Iterator[Breach]]
type Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[File, ...]:
    paths = sorted(path for top in ALL for path in (ROOT / top).rglob("*.py") if "node_modules" not in path.parts)
    return tuple(File(path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths)


@cache
def breaches(rule: Rule) -> tuple[Breach, ...]:
    return tuple(rule(files()))


def long_files(files: Sequence[File]) -> Iterator[Breach]:
    for file in _ours(files):
        if (lines := file.text.count("\n")) > FILE_LINES:
            yield Breach(file.path, f"{lines} lines, more than {FILE_LINES}: it has two subjects; part them")


def long_classes(files: Sequence[File]) -> Iterator[Breach]:
    for file in _ours(files):
        for node in file.nodes:
            if isinstance(node, ast.ClassDef) and (lines := _lines(node)) > CLASS_LINES:
                yield Breach(f"{file.path}::{node.name}", f"{lines} lines, more than {CLASS_LINES}: what could stand by itself?")


def long_functions(files: Sequence[File]) -> Iterator[Breach]:
    for file, node in _functions(files):
        if (lines := _lines(node)) > FUNCTION_LINES:
            yield Breach(f"{file.path}::{node.name}", f"{lines} lines, more than {FUNCTION_LINES}: part it where its subject changes")


def many_parameters(files: Sequence[File]) -> Iterator[Breach]:
    for file, node in _functions(files):
        given = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if each.arg not in ("self", "cls")]
        if len(given) > PARAMETERS:
            yield Breach(f"{file.path}::{node.name}", f"{len(given)} parameters, more than {PARAMETERS}: make them a struct, with defaults")


def unused_names(files: Sequence[File]) -> Iterator[Breach]:
    """What is handed on by an `__init__` is not used by that. Decorated: its decorator uses it. A table is used by its metadata."""
    used = Counter(name for file in files for name in _uses(file))
    for file in _ours(files):
        for node in file.tree.body:
            table = isinstance(node, ast.ClassDef) and any(keyword.arg == "table" for keyword in node.keywords)
            if getattr(node, "decorator_list", None) or table:
                continue
            for name in _defined(node):
                if not used[name] and not name.startswith("__"):
                    yield Breach(f"{file.path}::{name}", "nothing uses it: delete it")


def words_of_features(files: Sequence[File]) -> Iterator[Breach]:
    """A file or folder of a layer is named by a room or a module of its service's domain, or by a term that services share."""
    terms = {_stem(file.path) for file in files if file.path.startswith("shared/terms/")}
    domain = defaultdict(set)
    for file in files:
        if file.service and file.path.startswith(f"{file.service}/domain/"):
            domain[file.service] |= {*PurePosixPath(file.path).parts[3:-1], _stem(file.path)}
    entries = {
        ("/".join(parts[:2]), parts[2], parts[3].removesuffix(".py"))
        for parts in (PurePosixPath(file.path).parts for file in files)
        if parts[0] == "services" and len(parts) > 3 and parts[2] in LAYERS
    }
    for service, layer, name in sorted(entries):
        known = {_singular(word) for word in domain[service] | terms}
        if domain[service] and name != "__init__" and _singular(name) not in known and name not in OF_A_LAYER[layer]:
            yield Breach(f"{service}/{layer}/{name}", "no room or module of the domain has this name: name it by its feature")


def imports_of_tests(files: Sequence[File]) -> Iterator[Breach]:
    for file in files:
        for node in file.nodes:
            match node:
                case ast.ImportFrom(module=str(module)):
                    names = [*module.split("."), *(alias.name for alias in node.names)]
                case ast.Import():
                    names = [part for alias in node.names for part in alias.name.split(".")]
                case _:
                    continue
            if any(name.startswith("test_") for name in names):
                yield Breach(file.path, f"line {node.lineno} imports from a test: put what both need into tests/stories")


def names_of_two_meanings(files: Sequence[File]) -> Iterator[Breach]:
    """A class's name is nobody else's in its service. But for `Reason`: a decider's own is reached through its module, its values are codes
    that the catalogue keeps apart, and another name for each would only repeat the module's. Aliases may repeat each other (`Command`)."""
    classes, names = set(), defaultdict(list)
    for file in files:
        for node in file.tree.body:
            if isinstance(node, ast.ClassDef | ast.TypeAlias):
                name = _defined(node)[0]
                names[file.service, name].append(file.path)
                if isinstance(node, ast.ClassDef):
                    classes.add((file.service, name))
    for service, name in sorted(classes, key=str):
        if service and len(names[service, name]) > 1 and not name.startswith("_") and name != "Reason":
            yield Breach(f"{service}::{name}", f"means several things, in {', '.join(names[service, name])}: give each its field's word")


def domain_words_in_the_kernel(files: Sequence[File]) -> Iterator[Breach]:
    for file in files:
        if file.top != "shared" or file.path.startswith("shared/terms/"):
            continue
        prose = {id(node.value) for node in file.nodes if isinstance(node, ast.Expr)}
        for node in file.nodes:
            for text in _named_or_said(node, prose):
                if words := {_singular(word) for word in _words(text)} & DOMAIN_WORDS:
                    line = getattr(node, "lineno", 0)
                    yield Breach(
                        file.path, f"line {line} knows of {', '.join(sorted(words))}: say it in the kernel's words, or in shared/terms"
                    )


def translated_phrases(files: Sequence[File]) -> Iterator[Breach]:
    """In what a caller reads: a problem's title and detail, a description in the API's documents, the help of a command."""
    pattern = re.compile(r"\b(" + "|".join(PHRASES) + r")\b")
    for file in _ours(files):
        for line, text in sorted(_read_by_callers(file)):
            for phrase in pattern.findall(re.sub(r"\s+", " ", text)):
                yield Breach(file.path, f'line {line} says "{phrase}": {PHRASES[phrase]}? ({text[:80]!r})')


RULES: tuple[Rule, ...] = (
    long_files,
    long_classes,
    long_functions,
    many_parameters,
    unused_names,
    words_of_features,
    imports_of_tests,
    names_of_two_meanings,
    domain_words_in_the_kernel,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_what_breaks_a_rule_has_a_reason(rule: Rule) -> None:
    excused = EXCEPTIONS.get(rule.__name__, {})
    untidy = [f"{breach.place}: {breach.says}" for breach in breaches(rule) if breach.place not in excused]
    assert not untidy, "\n".join(untidy)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_an_exception_is_needed(rule: Rule) -> None:
    excused = EXCEPTIONS.get(rule.__name__, {})
    broken = {breach.place for breach in breaches(rule)}
    assert sorted(set(excused) - broken) == [], "they break nothing any more: take them out of untidy.py"
    assert all(excused.values()), "each has a reason"


def test_an_exception_is_of_a_rule() -> None:
    assert set(EXCEPTIONS) <= {rule.__name__ for rule in RULES}


def test_there_are_no_more_translated_phrases_than_there_were() -> None:
    found = defaultdict(list)
    for breach in breaches(translated_phrases):
        found[breach.place].append(breach.says)
    more = [f"{place}: {each}" for place, says in found.items() if len(says) > TRANSLATED.get(place, 0) for each in says]
    assert not more, "\n".join(more)
    fewer = {place: len(found[place]) for place, count in TRANSLATED.items() if len(found[place]) < count}
    assert fewer == {}, "there are only so many left: write that into untidy.py"


@pytest.mark.parametrize(
    ("rule", "sources", "place"),
    [
        (long_files, {"shared/a.py": "x = 1\n" * 401}, "shared/a.py"),
        (long_classes, {"shared/a.py": "class A:\n" + "    x = 1\n" * 250}, "shared/a.py::A"),
        (long_functions, {"shared/a.py": "async def f():\n" + "    x = 1\n" * 70}, "shared/a.py::f"),
        (many_parameters, {"shared/a.py": "class A:\n    def f(self, a, b, c, /, d, *, e, f, g): ...\n"}, "shared/a.py::f"),
        (
            unused_names,
            {"shared/a.py": "type A = int\n", "shared/__init__.py": "import A\n__all__ = ['A']\n"},
            "shared/a.py::A",
        ),
        (words_of_features, {"services/x/domain/bids.py": "", "services/x/tables/offers.py": ""}, "services/x/tables/offers"),
        (words_of_features, {"services/x/domain/bids/bid.py": "", "services/x/api/offers/bid.py": ""}, "services/x/api/offers"),
        (imports_of_tests, {"tests/unit/test_a.py": "from tests.unit.test_b import story\n"}, "tests/unit/test_a.py"),
        (imports_of_tests, {"tests/unit/test_a.py": "import tests.unit.test_b as b\n"}, "tests/unit/test_a.py"),
        (names_of_two_meanings, {"services/x/a.py": "class A: ...\n", "services/x/b/c.py": "type A = int\n"}, "services/x::A"),
        (domain_words_in_the_kernel, {"shared/a/b.py": "def take_lots(): ...\n"}, "shared/a/b.py"),
        (domain_words_in_the_kernel, {"shared/a/b.py": "x = 'no such StockpileId'\n"}, "shared/a/b.py"),
        (translated_phrases, {"services/x/a.py": "Refused(Reason.A, f'{x} stands already')\n"}, "services/x/a.py"),
        (translated_phrases, {"services/x/a.py": "class R(Reasons):\n    A = 'a', 404, 'The rate is not one'\n"}, "services/x/a.py"),
        (translated_phrases, {"services/x/a.py": "class BidView(BaseModel):\n    '''As it was told.'''\n"}, "services/x/a.py"),
        (translated_phrases, {"reserve/a.py": "@app.command()\ndef f(a=Option(help='beside it')): ...\n"}, "reserve/a.py"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_rule_bites(rule: Rule, sources: dict[str, str], place: str) -> None:
    found = {breach.place for breach in rule([File(path, text) for path, text in sources.items()])}
    assert found == {place}


@pytest.mark.parametrize(
    ("rule", "sources"),
    [
        (long_functions, {"shared/a.py": "def f():\n" + "    x = 1\n" * 69}),
        (many_parameters, {"shared/a.py": "class A:\n    def f(self, a, b, c, d, e, f): ...\n"}),
        (unused_names, {"shared/a.py": "class A: ...\n", "tests/b.py": "from shared.a import A\nA()\n"}),
        (
            words_of_features,
            {"services/x/domain/bids/policy.py": "", "services/x/api/policies.py": "", "services/x/api/fields.py": ""},
        ),
        (names_of_two_meanings, {"services/x/a.py": "class A: ...\n", "services/y/a.py": "class A: ...\n"}),
        (domain_words_in_the_kernel, {"shared/terms/a.py": "lots = 1\n", "shared/b.py": '"""Of lots."""\nslot = partner = 1\n'}),
        (translated_phrases, {"services/x/a.py": "# as it stands\nx = 'told'\n"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_rule_lets_pass_what_is_tidy(rule: Rule, sources: dict[str, str]) -> None:
    assert [breach.says for breach in rule([File(path, text) for path, text in sources.items()])] == []


def _ours(files: Iterable[File]) -> Iterator[File]:
    return (file for file in files if file.top in OURS)


def _functions(files: Iterable[File]) -> Iterator[tuple[File, Function]]:
    for file in _ours(files):
        for node in file.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield file, node


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.TypeAlias(name=ast.Name(id=name)) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case _:
            return []


def _uses(file: File) -> Iterator[str]:
    """Names that are read, also as a text (a forward reference, `getattr`). What is only imported is not: ruff sees to that."""
    listed = {
        id(constant)
        for node in file.tree.body
        if isinstance(node, ast.Assign) and _defined(node) == ["__all__"]
        for constant in ast.walk(node.value)
    }
    for node in file.nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                yield name
            case ast.Constant(value=str(text)) if id(node) not in listed:
                yield from re.findall(r"\w+", text) if len(text) < 200 else ()
            case ast.ImportFrom() if not file.path.endswith("__init__.py"):
                yield from (alias.name for alias in node.names if alias.asname)
            case _:
                pass


def _read_by_callers(file: File) -> Iterator[tuple[int, str]]:
    for node in file.nodes:
        match node:
            case ast.Call(func=ast.Name(id="Refused" | "Problem" | "ProblemType" | "fail")):
                for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                    yield from _texts(argument)
            case ast.keyword(arg="help" | "description" | "summary"):
                yield from _texts(node.value)
            case ast.ClassDef(bases=[ast.Name(id="Reasons")]):
                for each in node.body:
                    if isinstance(each, ast.Assign) and isinstance(each.value, ast.Tuple):
                        yield from _texts(each.value)
            case ast.ClassDef(bases=bases) if any(
                isinstance(base, ast.Name) and re.search("(Model|Body|View)$", base.id) for base in bases
            ):
                yield from _prose(node)
            case ast.FunctionDef(decorator_list=[_, *_]) | ast.AsyncFunctionDef(decorator_list=[_, *_]):
                calls = [each.func for each in node.decorator_list if isinstance(each, ast.Call)]
                names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
                if {"get", "post", "put", "patch", "delete", "command", "callback"} & names:
                    yield from _prose(node)
            case _:
                pass


def _texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.lineno, each.value


def _prose(node: ast.ClassDef | Function) -> Iterator[tuple[int, str]]:
    if text := ast.get_docstring(node):
        yield node.body[0].lineno, text


def _named_or_said(node: ast.AST, prose: set[int]) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
            yield name
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Constant(value=str(text)) if id(node) not in prose:
            yield text
        case _:
            pass


def _words(text: str) -> set[str]:
    """`log_forked`, `LogForked` and "the log, forked" are the same words."""
    return set(re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", "_", text).lower()))


def _singular(word: str) -> str:
    return re.sub("ies$", "y", word).removesuffix("s")


def _stem(path: str) -> str:
    return PurePosixPath(path).stem
