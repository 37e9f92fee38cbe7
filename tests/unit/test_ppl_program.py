"""The Pyro program: sites, shapes, plates and errors."""

import subprocess
import sys

import numpy as np
import pytest

from mixtura.errors import InvalidArgumentError, MissingExtraError
from mixtura.families import FAMILIES
from mixtura.fit import Problem
from mixtura.model import MixtureModel
from mixtura.ppl import SVI, to_pyro
from mixtura.priors import (
    Dirichlet,
    FlatComponents,
    FlatWeights,
    Gamma,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)

torch = pytest.importorskip("torch")
pyro = pytest.importorskip("pyro")
poutine = pyro.poutine

K, D, N = 4, 3, 7
ARTICLE = Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0))


def model_of(family, prior, n_features=D, weights=None):
    return MixtureModel(K, n_features, weights or Dirichlet(1.0), prior, FAMILIES[family])


def sites_of(program, *arguments):
    """Return shape and names of the plates for each sample site."""
    trace = poutine.trace(program).get_trace(*arguments)
    sites = {
        name: (tuple(node["value"].shape), [frame.name for frame in node["cond_indep_stack"]])
        for name, node in trace.nodes.items()
        if node["type"] == "sample" and type(node["fn"]).__name__ != "_Subsample"
    }
    assert all(
        trace.nodes[name]["value"].dtype == torch.float64 for name in sites if name != "z"
    ), "float64 throughout"
    return sites


def test_the_article_program() -> None:
    sites = sites_of(to_pyro(model_of("diag", ARTICLE, 1)), None, N)
    assert sites == {
        "p": ((K,), []),
        "mu": ((K,), ["components"]),
        "sigma": ((K,), ["components"]),
        "z": ((N,), ["data"]),
        "x": ((N,), ["data"]),
    }


VECTOR_SHAPES = {"diag": (K, D), "spherical": (K,), "tied_diag": (D,), "tied_spherical": ()}
MATRIX_SHAPES = {"full": (K, D, D), "tied": (D, D)}


@pytest.mark.parametrize("family", VECTOR_SHAPES)
@pytest.mark.parametrize(
    ("prior", "site"),
    [
        (ARTICLE, "sigma"),
        (Independent(Normal(), scale=LogNormal()), "sigma"),
        (Independent(Normal(), variance=InverseGamma()), "variance"),
        (Independent(Normal(), variance=LogNormal()), "variance"),
        (NormalInverseGamma(), "variance"),
    ],
)
def test_sites_of_vector_families(family, prior, site) -> None:
    sites = sites_of(to_pyro(model_of(family, prior)), None, N)
    plates = [] if family.startswith("tied") else ["components"]
    assert sites[site] == (VECTOR_SHAPES[family], plates)
    assert sites["sigma"][0] == VECTOR_SHAPES[family]
    assert sites["mu"] == ((K, D), ["components"])
    assert sites["x"] == ((N, D), ["data"])
    assert set(sites) == {"p", "mu", "sigma", "z", "x", site}


@pytest.mark.parametrize("family", MATRIX_SHAPES)
def test_sites_of_matrix_families(family) -> None:
    sites = sites_of(to_pyro(model_of(family, NormalInverseWishart())), None, N)
    plates = [] if family == "tied" else ["components"]
    assert sites["Sigma"] == (MATRIX_SHAPES[family], plates)
    assert sites["sigma"][0] == MATRIX_SHAPES[family][:-1]
    assert set(sites) == {"p", "mu", "Sigma", "sigma", "z", "x"}


@pytest.mark.parametrize(
    ("family", "prior", "spread", "shape"),
    [
        ("full", NormalInverseWishart(), "Sigma", (K, 1, 1)),
        ("tied", NormalInverseWishart(), "Sigma", (1, 1)),
        ("full", NormalInverseGamma(), "variance", (K,)),
        ("tied", NormalInverseGamma(), "variance", ()),
        ("spherical", ARTICLE, "sigma", (K,)),
        ("tied_spherical", ARTICLE, "sigma", ()),
    ],
)
def test_one_feature_keeps_the_shapes_of_the_article(family, prior, spread, shape) -> None:
    sites = sites_of(to_pyro(model_of(family, prior, 1)), None, N)
    assert sites[spread][0] == shape
    assert sites["mu"][0] == (K,)
    assert sites["x"][0] == (N,)
    assert sites["sigma"][0] == ((K,) if shape[:1] == (K,) else ())


def test_sigma_is_the_marginal_deviation() -> None:
    program = to_pyro(model_of("full", NormalInverseWishart()))
    trace = poutine.trace(program).get_trace(None, N)
    matrices = trace.nodes["Sigma"]["value"].numpy()
    expected = np.sqrt(np.einsum("kdd->kd", matrices))
    np.testing.assert_allclose(trace.nodes["sigma"]["value"].numpy(), expected, rtol=1e-15)


def test_sharing_is_told_from_a_single_component() -> None:
    model = MixtureModel(1, D, Dirichlet(1.0), NormalInverseGamma(), FAMILIES["diag"])
    assert sites_of(to_pyro(model), None, N)["variance"] == ((1, D), ["components"])


def test_data_of_every_kind_are_observed() -> None:
    program = to_pyro(model_of("diag", ARTICLE, 1))
    column = np.arange(5)
    for data in (
        column,
        column[:, None],
        column.tolist(),
        torch.tensor(column, dtype=torch.float32),
    ):
        node = poutine.trace(program).get_trace(data).nodes["x"]
        assert node["is_observed"]
        assert node["value"].shape == (5,)
        assert node["value"].dtype == torch.float64
    returned = to_pyro(model_of("diag", ARTICLE))(None, 5)
    assert returned.shape == (5, D)


@pytest.mark.parametrize(
    ("data", "n_rows", "message"),
    [
        (None, None, "give the program data, or n_rows to draw"),
        (np.zeros((4, 2)), None, r"data must have shape \(N, 3\); got \(4, 2\)"),
        (np.zeros(4), None, r"data must have shape \(N, 3\); got \(4,\)"),
        (np.float64(1.0), None, r"data must have shape \(N, 3\); got \(\)"),
        (np.zeros((4, 3)), 5, "n_rows is 5, but the data have 4 rows"),
    ],
)
def test_wrong_data_are_refused(data, n_rows, message) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        to_pyro(model_of("diag", ARTICLE))(data, n_rows)


def test_wrong_single_feature_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"\(N,\) or \(N, 1\); got \(4, 2\)"):
        to_pyro(model_of("diag", ARTICLE, 1))(np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("weights", "components"), [(FlatWeights(), ARTICLE), (Dirichlet(1.0), FlatComponents(1e-6))]
)
def test_flat_priors_have_no_program(weights, components) -> None:
    with pytest.raises(InvalidArgumentError, match="flat priors"):
        to_pyro(model_of("diag", components, weights=weights))


def test_draws_follow_the_prior() -> None:
    """Of very many components and rows, the moments are those of the prior."""
    scale = np.array([[2.0, 0.5], [0.5, 1.0]])
    prior = NormalInverseWishart([1.0, -1.0], 2.0, 9.0, scale)
    model = MixtureModel(3000, 2, Dirichlet(50.0), prior, FAMILIES["full"])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        nodes = poutine.trace(to_pyro(model)).get_trace(None, 3000).nodes
    drawn = {name: nodes[name]["value"].numpy() for name in ("mu", "Sigma", "x")}
    expected = scale / (9.0 - 2.0 - 1.0)
    np.testing.assert_allclose(drawn["Sigma"].mean(axis=0), expected, atol=0.03)
    np.testing.assert_allclose(drawn["mu"].mean(axis=0), [1.0, -1.0], atol=0.03)
    np.testing.assert_allclose(np.cov(drawn["mu"].T), expected / 2.0, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn["x"].T), expected * 1.5, atol=0.04)


def test_stacked_samples_are_indexed() -> None:
    """Pyro's parallel Predictive stacks samples to the left of the components."""
    from pyro.infer import Predictive

    for family, prior in [("diag", ARTICLE), ("full", NormalInverseWishart()), ("tied", None)]:
        model = model_of(family, prior or NormalInverseWishart())
        drawn = Predictive(to_pyro(model), num_samples=5, parallel=True)(None, N)
        assert drawn["x"].shape == (5, N, D)
        assert drawn["z"].shape == (5, N)
    # Rows so close to their means that each must belong to the mean of its own sample.
    near = Independent(Normal(0.0, 100.0), InverseGamma(1e4, 1e-2))
    learned = NormalInverseGamma(0.0, 1e-10, 1e4, Gamma(1e4, 1e8))
    cases = [(near, 1), (near, 2), (learned, 1), (learned, 2)]
    for prior, n_features in cases:
        program = to_pyro(model_of("diag", prior, n_features))
        drawn = Predictive(program, num_samples=5, parallel=True)(None, N)
        means = drawn["mu"].reshape(5, K, n_features)
        rows = drawn["x"].reshape(5, N, n_features)
        own = torch.stack([means[s][drawn["z"][s]] for s in range(5)])
        assert (rows - own).abs().max() < 1e-3


def test_import_needs_neither_torch_nor_pyro() -> None:
    code = (
        "import sys; import mixtura.ppl as p; p.SVI(); p.SVI.article(); "
        "assert not {'torch', 'pyro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["torch", "pyro"])
def test_a_missing_extra_is_named(monkeypatch, name) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r'pip install "mixtura\[pyro\]"'):
        to_pyro(model_of("diag", ARTICLE))
    problem = Problem(None, None, None, None, False, None, None, np.random.SeedSequence(0), ())
    with pytest.raises(MissingExtraError, match=r'pip install "mixtura\[pyro\]"'):
        SVI().fit(problem)
