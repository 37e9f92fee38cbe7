"""What imports what, and what an import costs."""

import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import mixtura

ROOT = Path(__file__).resolve().parents[2]

HEAVY = (
    "jinja2",
    "matplotlib",
    "numba",
    "pandas",
    "polars",
    "pyarrow",
    "pyro",
    "scipy.stats",
    "sklearn",
    "torch",
    "xarray",
)
"""What importing the package must not load; each takes between 0.05 and 3 seconds."""

PRINT_HEAVY = f"import sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"


def heavy_after(program: str) -> str:
    """Return the heavy modules that a fresh interpreter has loaded after a program."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{program}\n{PRINT_HEAVY}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    return run.stderr.strip()


def test_import_contracts_are_kept() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run(
        [sys.executable, "-c", program, "--no-logo", "--no-cache"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert heavy_after("import mixtura") == ""


def test_priors_load_nothing_heavy() -> None:
    assert heavy_after("from mixtura.priors import Dirichlet") == ""


def test_help_of_the_command_loads_nothing_heavy() -> None:
    program = """
import runpy, sys
sys.argv = ["mixtura", "--help"]
try:
    runpy.run_module("mixtura", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
"""
    assert heavy_after(program) == ""


def test_the_estimator_loads_neither_plots_nor_pyro() -> None:
    loaded = heavy_after("from mixtura import GaussianMixtureModel").split()
    assert not {"torch", "pyro", "matplotlib", "polars", "jinja2"} & set(loaded)


UNASKED = {
    "mixtura.io.archive",
    "mixtura.cli",
    "mixtura.data.columns",
    "mixtura.data.sources",
    "mixtura.data.tabular",
    "mixtura.io.arviz",
    "mixtura.diagnostics.candidates",
    "mixtura.diagnostics.consensus",
    "mixtura.diagnostics.evidence",
    "mixtura.diagnostics.predictive",
    "mixtura.engines.reference_allocation",
    "mixtura.inference.mcmc.checkpoints",
    "mixtura.inference.minibatch",
    "mixtura.inference.moves",
    "mixtura.inference.batches",
    "mixtura.diagnostics.posterior_summaries",
    "mixtura.plots",
    "mixtura.ppl",
    "mixtura.priors.finite_mixtures",
    "mixtura.priors.independent",
    "mixtura.priors.known_scale",
    "mixtura.priors.mean_field",
    "mixtura.priors.processes",
    "mixtura.reports",
    "mixtura.estimator.selection",
    "mixtura.io.model_file",
    "narwhals",
    "safetensors",
    "scipy.cluster",
}
"""What no default fit, nor its answers about rows, needs."""

SAMPLING = {
    "mixtura.inference.mcmc.fit_of_draws",
    "mixtura.posteriors.draws_posterior",
    "mixtura.inference.mcmc.chain_methods",
}
CLIMBING = {"mixtura.inference.driver", "mixtura.inference.quasi_newton"}


OTHERS = {
    "map": SAMPLING | {"mixtura.inference.variational_bayes"},
    "vb": SAMPLING | {"mixtura.inference.point_estimates"},
    "gibbs": CLIMBING | {"mixtura.inference.mcmc.collapsed"},
    "collapsed": CLIMBING | {"mixtura.inference.mcmc.gibbs"},
}
"""What a method does not need of the others."""

FITS = f"""
import os, sys
from sklearn.mixture import GaussianMixture
before = set(sys.modules)
for method in {list(OTHERS)}:
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        assert status == 0
        continue
    from mixtura import GaussianMixtureModel
    from mixtura.datasets import load_iris
    x = load_iris().column("petal_length")
    gmm = GaussianMixtureModel(2, inference=method, random_state=0).fit(x)
    gmm.predict_proba(x), gmm.score_samples(x)
    from mixtura.engines.native.processors import _controller
    assert _controller.cache_info().currsize == 0
    print(method, *sorted(set(sys.modules) - before), file=sys.stderr, flush=True)
    sys.exit()
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Return what a fit by each method loads, each in a copy of one process."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FITS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    lines = (line.split() for line in run.stderr.splitlines())
    return {method: set(modules) for method, *modules in lines}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are copied")
@pytest.mark.parametrize("method", OTHERS)
def test_a_fit_loads_what_it_needs_alone(method: str, loaded: dict[str, set[str]]) -> None:
    assert "mixtura.estimator.problem" in loaded[method]
    assert (UNASKED | OTHERS[method]) & loaded[method] == set()


@pytest.mark.parametrize("name", mixtura.__all__)
def test_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(mixtura, name)
    if name == "__version__":
        return
    assert isinstance(value, ModuleType | int) or callable(value)
    assert inspect.getdoc(value)


def test_dir_lists_the_public_names() -> None:
    assert dir(mixtura) == sorted(mixtura.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mixtura.nonsense


def test_submodules_that_are_not_public_names_can_be_imported_too() -> None:
    assert importlib.import_module("mixtura.typing").__doc__


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert mixtura.__version__ == project["version"]
    assert f"\nversion: {mixtura.__version__}\n" in citation
