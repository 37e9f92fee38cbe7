"""Every example in the documentation runs, every link leads somewhere, every citation is known.

A page's Python blocks run in order in one namespace. A block of prompts is a doctest; the `text`
block after any other block is what that one prints. A `sh` block's `mixtura` lines run through the
command, in a folder that holds the shipped data sets.
"""

import doctest
import importlib
import io
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import mixtura
from mixtura.cli import main
from mixtura.engines import ENGINES
from mixtura.estimator.choices import INFERENCES
from mixtura.families import FAMILIES
from mixtura.inference.starts import INITIALIZERS
from mixtura.priors import PRIORS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "mixtura"
DOCS = ROOT / "docs"
MADE = (DOCS / "project", DOCS / "reference" / "command.md")
"""What building the site writes beside the pages."""
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    if not any(page.is_relative_to(made) for made in MADE)
)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
WITH_DOCTESTS = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>>" in path.read_text("utf-8")]
REGISTRIES: tuple[MutableMapping[str, Any], ...] = (
    FAMILIES,
    PRIORS,
    INFERENCES,
    ENGINES,
    INITIALIZERS,
)

HAS_PYRO = all(find_spec(name) is not None for name in ("torch", "pyro"))
NEEDS_PYRO = re.compile(r"\b(?:torch|pyro|to_pyro|SVI)\b|[\"']svi[\"']")
FENCE = re.compile(r"^```(\{?[a-z-]*\}?)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", flags=re.MULTILINE)
CITATION = re.compile(r"(?<![\w`])[\[@]([A-Z][A-Za-z]*[0-9]{4}[a-z]?)(?=\]|\b)")
ENTRY = re.compile(r"^@\w+\{([^,\s]+),", flags=re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LARGEST_PICTURE = 80_000


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Parameters
    ----------
    language : str
        What the fence says; empty for formulas, in braces where the site does something with it.
    text : str
        What stands between the fences.
    line : int
        Number of the line after the opening fence.
    output : str or None
        The `text` block that follows next.
    """

    language: str
    text: str
    line: int
    output: str | None


def named(path: Path) -> str:
    """Return a path as test names show it."""
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    content = page.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(content))
    found = []
    for number, fence in enumerate(fences):
        following = fences[number + 1] if number + 1 < len(fences) else None
        output = following[2] if following is not None and following[1] == "text" else None
        found.append(Block(fence[1], fence[2], content.count("\n", 0, fence.start()) + 2, output))
    return found


def prose(page: Path) -> str:
    """Return a page without its blocks and code spans."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    """Run a Python block and compare what it prints with what the page says."""
    label = f"{named(page)}:{block.line}"
    if block.text.lstrip().startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(
            block.text, namespace, label, str(page), block.line - 1
        )
        said = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
        runner.run(test, out=said.write, clear_globs=False)
        namespace.update(test.globs)
        assert runner.failures == 0, said.getvalue()
        return
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
    if block.output is not None:
        assert_same_text(printed.getvalue(), block.output, label)


def run_command_lines(block: Block, page: Path) -> None:
    """Run the `mixtura` lines of a shell block."""
    printed = ""
    for line in block.text.replace("\\\n", " ").splitlines():
        if not line.startswith("mixtura "):
            continue
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(shlex.split(line, comments=True)[1:])
        assert code == 0, f"{named(page)}:{block.line}: {line}\n{err.getvalue()}"
        printed += out.getvalue()
    if block.output is not None:
        assert_same_text(printed, block.output, f"{named(page)}:{block.line}")


def assert_same_text(found: str, expected: str, label: str) -> None:
    """Fail unless a text is the expected one, in which `...` stands for anything."""
    same = doctest.OutputChecker().check_output(expected, found, OPTIONS)
    assert same, f"{label}: expected\n{expected}\nfound\n{found}"


@pytest.fixture
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a temporary folder that holds the shipped data sets."""
    for table in (PACKAGE / "datasets").glob("*.csv"):
        shutil.copy(table, tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _own_registries() -> Iterator[None]:
    """Take out again what a page has registered."""
    before = [dict(registry) for registry in REGISTRIES]
    yield
    for registry, members in zip(REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(members)


@pytest.mark.usefixtures("_own_folder", "_own_registries")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(b.language in {"python", "sh"} for b in blocks(page))],
    ids=named,
)
def test_examples_of_a_page_run(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "documentation"}
    n_left_out = 0
    for block in blocks(page):
        if block.language in {"python", "sh"} and NEEDS_PYRO.search(block.text) and not HAS_PYRO:
            n_left_out += block.text.count("\n")
        elif block.language == "python":
            run_python(block, page, namespace)
        elif block.language == "sh":
            run_command_lines(block, page)
    if n_left_out:
        pytest.skip(f"{n_left_out} lines of {named(page)} need the extra pyro; the others ran")


@pytest.mark.usefixtures("_own_folder")
@pytest.mark.parametrize("path", WITH_DOCTESTS, ids=named)
def test_examples_in_docstrings_run(path: Path) -> None:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    if "ppl" in parts and not HAS_PYRO:
        pytest.skip("needs the extra pyro")
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    failures, n_examples = doctest.testmod(module, optionflags=OPTIONS)
    assert n_examples > 0
    assert failures == 0


@pytest.mark.usefixtures("_own_folder")
@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_example_scripts_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if NEEDS_PYRO.search(path.read_text(encoding="utf-8")) and not HAS_PYRO:
        pytest.skip("needs the extra pyro")
    monkeypatch.setattr(sys, "argv", [str(path), "written-by-the-example"])
    printed = io.StringIO()
    with redirect_stdout(printed):
        runpy.run_path(str(path), run_name="__main__")
    assert printed.getvalue() or Path("written-by-the-example").stat().st_size > 0


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in kept}


def is_made(path: Path) -> bool:
    """Return whether building the site writes a page, which need not be there."""
    return any(path.is_relative_to(made) for made in MADE)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        lost = anchor and there.suffix == ".md" and anchor not in anchors(there)
        if is_made(there):
            continue
        if not there.exists() or not there.is_relative_to(ROOT) or lost:
            broken.append(target)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    waiting, reached = [ROOT / "README.md"], set()
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        for target in LINK.findall(prose(page)):
            there = (page.parent / target.partition("#")[0]).resolve()
            waiting.extend(sorted(there.glob("*.md")) if there.is_dir() else [there])
    assert [named(page) for page in PAGES if page not in reached] == []


def bibliography() -> list[str]:
    """Return the keys of the bibliography."""
    return ENTRY.findall((DOCS / "references.bib").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_citations_are_in_the_bibliography(page: Path) -> None:
    assert set(CITATION.findall(prose(page))) - set(bibliography()) == set()


def test_bibliography_holds_every_key_once_and_nothing_uncited() -> None:
    keys = bibliography()
    cited = {key for page in PAGES for key in CITATION.findall(prose(page))}
    cited |= {
        key
        for path in [*PACKAGE.rglob("*.py"), *(ROOT / "native").iterdir()]
        for key in re.findall(r"\[(\w+)\]_", path.read_text(encoding="utf-8"))
    }
    assert len(keys) == len(set(keys))
    assert set(keys) - cited == set()


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (DOCS / "images").iterdir()}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > LARGEST_PICTURE} == {}


def test_every_public_warning_is_explained() -> None:
    explained = (DOCS / "how-to" / "warnings.md").read_text(encoding="utf-8")
    classes = [
        name
        for name, value in vars(mixtura.errors).items()
        if isinstance(value, type)
        and issubclass(value, Warning)
        and value is not mixtura.errors.MixturaWarning
    ]
    assert [name for name in classes if f"## {name}\n" not in explained] == []


def test_changelog_knows_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{mixtura.__version__}]" in changelog
