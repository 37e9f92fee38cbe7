"""The pages on how to add a member, to the letter: one file, one registry line, laws unasked.

The first block of each page is written as the file that the page names, into a copy of the package,
and its registry line is put into the registry. What then runs are processes in which the copy is
the package.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from unit.test_documentation import DOCS, PACKAGE, ROOT, blocks

FILE = re.compile(r"The file,\s+`src/mixtura/([\w/]+\.py)`:")
LINE = re.compile(r"The registry line, in `([\w/]+\.py)`: `([^`]+)` in\s+`(\w+)`")

AS_THE_PACKAGE = """if True:
    import sys
    # An installation in place has finders of its own, which are asked before the path is.
    sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in type(f).__module__]
    sys.path.insert(0, {folder!r})
    import mixtura
    assert mixtura.__file__.startswith({folder!r})
"""


@dataclass(frozen=True)
class Recipe:
    """What a page says.

    Parameters
    ----------
    kind : str
        What it adds.
    file : str
        The new file, within the package.
    text : str
        What stands in it.
    registry_file, registry : str
        The file of the registry, and its name.
    line : str
        The new entry.
    """

    kind: str
    file: str
    text: str
    registry_file: str
    registry: str
    line: str

    @property
    def name(self) -> str:
        """The name of the new member."""
        return self.line.split('"')[1]


def recipe_of(page: Path) -> Recipe:
    text = page.read_text(encoding="utf-8")
    (file,), ((registry_file, line, registry),) = FILE.findall(text), LINE.findall(text)
    first = next(block for block in blocks(page) if block.language == "python")
    return Recipe(page.stem, file, first.text, registry_file, registry, line)


RECIPES = [
    recipe_of(page)
    for page in sorted((DOCS / "how-to-add").glob("*.md"))
    if "README" not in page.name
]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a copy of the package to which every page has added its member."""
    folder = tmp_path_factory.mktemp("followed")
    shutil.copytree(PACKAGE, folder / "mixtura", ignore=shutil.ignore_patterns("__pycache__"))
    for recipe in RECIPES:
        new = folder / "mixtura" / recipe.file
        assert not new.exists()
        new.write_text(recipe.text, encoding="utf-8")
        path = folder / "mixtura" / recipe.registry_file
        before = path.read_text(encoding="utf-8")
        entry = re.compile(rf"^({recipe.registry}\b[^{{]*{{)", flags=re.MULTILINE)
        after, n_places = entry.subn(rf"\1{recipe.line}, ", before)
        assert n_places == 1
        path.write_text(after, encoding="utf-8")
    return folder


def run_with(folder: Path, code: str) -> str:
    """Return what code prints where the copy is the package."""
    done = subprocess.run(
        [sys.executable, "-c", AS_THE_PACKAGE.format(folder=str(folder)) + code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT / "tests",
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_kind_of_member_has_a_page() -> None:
    assert [recipe.kind for recipe in RECIPES] == [
        *("engine", "family", "inference", "plot", "prior", "start"),
    ]


def test_the_class_and_the_command_find_the_new_members(followed: Path) -> None:
    new = {recipe.kind: recipe.name for recipe in RECIPES}
    table = PACKAGE / "datasets" / "faithful.csv"
    asked = f"-k 2 --covariance {new['family']} --init {new['start']}"
    command = ["fit", str(table), "--quiet", "--inference", new["inference"], *asked.split()]
    said = run_with(
        followed,
        f"""
    from mixtura import GaussianMixtureModel, plots, priors
    from mixtura.cli import main
    from mixtura.datasets import load_faithful
    from mixtura.engines import ENGINES
    spread = priors.{new["prior"]}(1.0, 0.1)
    for init in ("search", {new["start"]!r}):
        gmm = GaussianMixtureModel(
            2,
            covariance_type={new["family"]!r},
            component_prior=priors.Independent(priors.Normal(50.0, 50.0), spread),
            inference={new["inference"]!r},
            init=init,
        ).fit(load_faithful().data)
        print(gmm.means_.round(0).tolist())
    drawn = plots.{new["plot"]}(gmm.fit_)
    print(type(ENGINES[{new["engine"]!r}]()).__name__, drawn is not None)
    assert main({command!r}) == 0
    """,
    )
    assert said.count("[[2.0, 5") == 2
    assert "ThreadedEngine True" in said
    assert "component" in said


LAWS = {
    "engine": ("test_engine_laws.py", "threads and (sampled or projected)"),
    "family": ("test_family_laws.py", "axial"),
    "inference": ("test_resolution_laws.py", "cem"),
    "start": ("test_initialization_laws.py", "rings and axial"),
}
"""Some of the laws that run over the registries, and which of their tests are of the new member."""


def test_laws_test_the_new_members_unasked(followed: Path) -> None:
    files = [f"laws/{file}" for file, _ in LAWS.values()]
    chosen = " or ".join(f"({file} and {name})" for file, name in LAWS.values())
    options = [
        *files,
        "-q",
        "-rA",
        "-x",
        "-p",
        "no:cacheprovider",
        "-m",
        "not calibrate",
        "-k",
        chosen,
    ]
    said = run_with(followed, f"    import pytest; sys.exit(pytest.main({options!r}))")
    for recipe in RECIPES:
        if recipe.kind in LAWS:
            passed = rf"^PASSED laws/{LAWS[recipe.kind][0]}::.*\[.*{recipe.name}.*\]"
            assert re.search(passed, said, flags=re.MULTILINE), said
