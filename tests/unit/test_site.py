"""What the site promises, without building it: every name and page is in it; pictures are today's.

`make docs` builds the site, runs its pages, and checks the links of what was built.
"""

import inspect
import re
import runpy
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import mixtura
from mixtura import GaussianMixtureModel
from mixtura.errors import MixturaError, MixturaWarning
from mixtura.plots import PLOTS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("datasets", "inference", "plots", "posteriors", "ppl", "priors")
MADE = ("references", "reference/command", "project/")
"""Pages that building the site writes."""
ROOT_PAGES = ("architecture", "contributing", "changelog", "vision")

LONGEST_PARAGRAPH = 80
READ = ("README.md", "VISION.md", "CONTRIBUTING.md", "docs/*.md", "docs/how-to/*.md")
READ += ("docs/notebooks/*.md", "docs/reference/index.md")
"""Pages that users read from top to bottom."""

FENCED = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.) )")
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^```\{code-cell\}\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PICTURES = {
    "examples/first_picture.py": "docs/images/first-picture.png",
    "examples/article_picture.py": "docs/images/article.png",
}


def entries() -> set[str]:
    """Return the names that the reference has an entry for, in full."""
    found = set()
    for page in sorted((DOCS / "reference").glob("*.rst")):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if directive := re.match(r"\.\. (currentmodule|py:method|py:data):: ([\w.]+)", line):
                kind, name = directive.groups()
                module = name if kind == "currentmodule" else module
                found |= {f"{module}.{name}"} if kind != "currentmodule" else set()
            elif entry := re.fullmatch(r" {3,}([A-Za-z_][\w.]*)(?:\(.*\))?", line):
                name = entry[1]
                found.add(name if name.startswith("mixtura.") else f"{module}.{name}")
    return found


def public_names() -> set[str]:
    """Return what users import and call."""
    names = {f"mixtura.{name}" for name in mixtura.__all__ if name != "__version__"}
    names -= {name for name in names if inspect.ismodule(getattr(mixtura, name[8:]))}
    names |= {
        f"mixtura.errors.{name}"
        for name, value in vars(mixtura.errors).items()
        if inspect.isclass(value) and issubclass(value, MixturaError | MixturaWarning)
    }
    for package in PACKAGES:
        names |= {
            f"mixtura.{package}.{name}" for name in import_module(f"mixtura.{package}").__all__
        }
    names |= {
        f"mixtura.GaussianMixtureModel.{name}"
        for name in dir(GaussianMixtureModel)
        if not name.startswith("_")
    }
    return names


def test_every_public_name_has_an_entry() -> None:
    known = entries()
    at_the_top = {name.split(".")[-1] for name in known if name.count(".") == 1}
    missing = {name for name in public_names() - known if name.split(".")[-1] not in at_the_top}
    assert missing - {"mixtura.ppl.to_pyro"} == set()


def test_every_entry_is_a_name() -> None:
    missing = []
    for entry in sorted(entries()):
        parts = entry.split(".")
        for depth in range(len(parts) - 1, 0, -1):
            try:
                value = import_module(".".join(parts[:depth]))
            except ImportError:
                continue
            for part in parts[depth:]:
                value = getattr(value, part, None)
            missing += [entry] if value is None else []
            break
    assert missing == []


def children(page: str) -> list[str]:
    """Return the pages that a page's tables of contents name, from the site's root."""
    path = DOCS / f"{page}.md"
    if not path.exists():
        return []
    found = []
    for body in TOCTREE.findall(path.read_text(encoding="utf-8")):
        for line in body.splitlines():
            if not line or line.startswith(":"):
                continue
            target = re.sub(r"^.*<(.*)>$", r"\1", line)
            there = (path.parent / target).resolve()
            if not there.is_relative_to(DOCS):
                continue
            name = there.relative_to(DOCS).as_posix()
            some = [p.relative_to(DOCS).with_suffix("").as_posix() for p in DOCS.glob(f"{name}.md")]
            found += some or [name]
    return found


def test_every_page_is_in_a_table_of_contents() -> None:
    waiting, reached = ["index"], set()
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting.extend(children(page))
    pages = {
        path.relative_to(DOCS).with_suffix("").as_posix()
        for pattern in ("*.md", "*.rst")
        for path in DOCS.rglob(pattern)
    }
    written = {p for p in pages if not p.startswith((*MADE, "reference/generated/", "_"))}
    assert written - reached == set()
    made = {"references", "reference/command", *(f"project/{name}" for name in ROOT_PAGES)}
    assert reached - written == made


def test_the_first_page_and_start_have_the_examples_of_the_readme() -> None:
    first, second = PYTHON.findall((ROOT / "README.md").read_text(encoding="utf-8"))[:2]
    assert first in PYTHON.findall((DOCS / "index.md").read_text(encoding="utf-8"))
    assert second in CELL.findall((DOCS / "start.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", PICTURES)
def test_pictures_are_those_that_the_examples_draw(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = tmp_path / "drawn.png"
    monkeypatch.setattr(sys, "argv", [script, str(drawn)])
    runpy.run_path(str(ROOT / script), run_name="__main__")
    before, now = imread(ROOT / PICTURES[script]), imread(drawn)
    assert before.shape == now.shape
    # Letters are smoothed differently from one version of matplotlib to the next.
    assert float(np.abs(before - now).mean()) < 0.01


def test_the_gallery_draws_every_plot() -> None:
    cells = "\n".join(CELL.findall((DOCS / "gallery.md").read_text(encoding="utf-8")))
    drawn = {f"plot_{name}(": name for name in PLOTS if name != "selection"}
    drawn |= {").plot(": "selection"}
    assert [name for call, name in drawn.items() if call not in cells] == []


def test_every_target_of_make_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony is not None
    helped = re.findall(r"^([a-z]+):.*?## [A-Z].*\.$", makefile, flags=re.MULTILINE)
    assert sorted(helped) == sorted(phony[1].split())


@pytest.mark.parametrize(
    "page",
    sorted(p for pattern in READ for p in ROOT.glob(pattern) if p != DOCS / "model.md"),
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_paragraphs_are_short(page: Path) -> None:
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    paragraphs = (part for part in PARAGRAPH.split(prose) if part.lstrip()[:1] not in ("|", "#"))
    long = {part.strip()[:60]: len(part.split()) for part in paragraphs}
    assert {start: length for start, length in long.items() if length > LONGEST_PARAGRAPH} == {}
