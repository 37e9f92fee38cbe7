"""What every file of the package keeps to."""

import ast
import importlib
import inspect
import re
from abc import ABC
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import mixtura
from mixtura.estimator.choices import INFERENCES
from mixtura.families import FAMILIES
from mixtura.inference.starts import INITIALIZERS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "mixtura"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL_CODE = [
    *SOURCES,
    *(
        path
        for folder in ("tests", "benchmarks", "examples")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ),
]

LONGEST_MODULE = 500
"""Lines from which on a module is two things; what belongs together is not cut to be shorter."""

LONGEST_FUNCTION = 60
VAGUE_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
UNFINISHED = re.compile(r"\b(?:{})\b".format("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3))))
CITATION = re.compile(r"\[([A-Za-z][A-Za-z0-9+-]*[0-9]{4}[a-z]?)\]_")

WHERE_STRINGS_BECOME_OBJECTS = {"cli", "estimator"}


def findings(files: list[Path], check: Callable[[Path], Any]) -> dict[str, Any]:
    """Return what a check finds, by file, for the files where it finds something."""
    found = {str(path.relative_to(ROOT)): check(path) for path in files}
    return {name: value for name, value in found.items() if value}


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_of(path: Path) -> ModuleType:
    """Return the module that a source file defines."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return importlib.import_module(".".join(parts).removesuffix(".__init__"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines from a function's first statement to its end, docstring aside."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if not body or function.end_lineno is None:
        return 0
    return function.end_lineno - body[0].lineno + 1


def own_classes(module: ModuleType) -> list[type]:
    """Return the classes that a module defines itself, private ones included."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]


def strings(node: ast.AST) -> Iterator[str]:
    """Yield the strings of a constant, or of a literal collection of constants."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        for element in node.elts:
            yield from strings(element)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def compared_strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string that something is compared with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        for side in sides:
            yield from ((side.lineno, text) for text in strings(side))


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of everything that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_modules_are_short() -> None:
    def excess(path: Path) -> int:
        return max(0, len(path.read_text(encoding="utf-8").splitlines()) - LONGEST_MODULE)

    assert findings(SOURCES, excess) == {}


def test_names_of_files_are_used_once() -> None:
    names = [path.name for path in SOURCES]
    twice = {name for name in names if names.count(name) > 1}
    assert twice <= {"__init__.py", "base.py", "__main__.py"}


def test_names_of_classes_are_used_once() -> None:
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        for owner in own_classes(module_of(path)):
            places.setdefault(owner.__name__, []).append(owner.__module__)
    twice = {name: modules for name, modules in places.items() if len(modules) > 1}
    # What users are warned with is mixtura's warning and scikit-learn's at once.
    assert set(twice) <= {"ConvergenceWarning"}, twice


def test_functions_are_short() -> None:
    def long_ones(path: Path) -> dict[str, int]:
        lengths = {function.name: body_length(function) for function in functions(parsed(path))}
        return {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION}

    assert findings(SOURCES, long_ones) == {}


def test_names_of_files_say_what_is_inside() -> None:
    def vague(path: Path) -> set[str]:
        return VAGUE_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)

    assert findings(ALL_CODE, vague) == {}


def test_nothing_is_left_unfinished() -> None:
    def unfinished(path: Path) -> list[str]:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if UNFINISHED.search(line)]

    assert findings(ALL_CODE, unfinished) == {}


def test_modules_classes_and_functions_have_docstrings() -> None:
    definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

    def bare(path: Path) -> list[str]:
        tree = parsed(path)
        public = [
            node
            for node in tree.body
            if isinstance(node, definitions) and not node.name.startswith("_")
        ]
        without = [node.name for node in public if not ast.get_docstring(node)]
        return without if ast.get_docstring(tree) else ["the module", *without]

    assert findings(SOURCES, bare) == {}


def test_public_methods_have_docstrings_of_their_own_or_inherited() -> None:
    def bare(path: Path) -> list[str]:
        return [
            f"{owner.__name__}.{name}"
            for owner in own_classes(module_of(path))
            if not owner.__name__.startswith("_")
            for name, member in vars(owner).items()
            if not name.startswith("_")
            and name not in getattr(owner, "__dataclass_fields__", ())
            and (inspect.isroutine(member) or isinstance(member, property))
            and not inspect.getdoc(getattr(owner, name))
        ]

    assert findings(SOURCES, bare) == {}


def test_classes_are_abstract_or_final() -> None:
    def open_classes(path: Path) -> list[str]:
        return [
            owner.__name__
            for owner in own_classes(module_of(path))
            if not issubclass(owner, BaseException | Enum)
            and not getattr(owner, "_is_protocol", False)
            and not inspect.isabstract(owner)
            and ABC not in owner.__bases__
            and "__final__" not in vars(owner)
        ]

    assert findings(SOURCES, open_classes) == {}


def test_names_of_families_and_methods_are_not_compared() -> None:
    names = {*FAMILIES, *INFERENCES, *INITIALIZERS}

    def comparisons(path: Path) -> list[tuple[int, str]]:
        if path.relative_to(PACKAGE).with_suffix("").parts[0] in WHERE_STRINGS_BECOME_OBJECTS:
            return []
        return [(line, text) for line, text in compared_strings(parsed(path)) if text in names]

    assert findings(SOURCES, comparisons) == {}


def test_figures_are_made_without_pyplot() -> None:
    def pyplot(path: Path) -> list[str]:
        return [name for name in imported_names(parsed(path)) if "pyplot" in name]

    assert findings(SOURCES, pyplot) == {}


def test_citations_are_in_the_bibliography() -> None:
    bibliography = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    known = set(re.findall(r"^@\w+\{([^,\s]+),", bibliography, flags=re.MULTILINE))

    def unknown(path: Path) -> set[str]:
        return set(CITATION.findall(path.read_text(encoding="utf-8"))) - known

    assert findings(SOURCES, unknown) == {}


def registered() -> Iterator[tuple[str, object]]:
    """Yield label and value of every entry of every registry: a public dictionary of objects."""
    for path in SOURCES:
        if path.name != "__init__.py" and path.parent.name != "estimator":
            continue
        for constant, value in vars(module_of(path)).items():
            if constant.isupper() and not constant.startswith("_") and isinstance(value, dict):
                yield from ((f"{constant}[{name!r}]", member) for name, member in value.items())


def test_registered_members_are_final_and_documented() -> None:
    members = {
        label: member if inspect.isclass(member) else type(member)
        for label, member in registered()
        if not inspect.isroutine(member)  # a constructor that imports when it is called
    }
    assert len(members) > len(FAMILIES)
    assert [name for name, owner in members.items() if "__final__" not in vars(owner)] == []
    assert [name for name, owner in members.items() if not inspect.getdoc(owner)] == []


def test_the_package_is_typed() -> None:
    assert (Path(mixtura.__file__).parent / "py.typed").exists()
