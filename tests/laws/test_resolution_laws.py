"""Components narrower than their columns resolve are known under every method."""

import warnings

import numpy as np
import pytest

from mixtura import GaussianMixtureModel, select
from mixtura.diagnostics.component_warnings import component_doubts
from mixtura.engines.resolution import ColumnResolution
from mixtura.errors import DataWarning, DegenerateComponentWarning
from mixtura.estimator.choices import INFERENCES
from mixtura.families import FAMILIES
from mixtura.inference import CollapsedGibbs, Gibbs
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.ppl import NUTS, SVI
from mixtura.priors import (
    Dirichlet,
    FlatComponents,
    FlatWeights,
    KnownScale,
    NormalInverseGamma,
    NormalInverseWishart,
)

SHORT = {
    "gibbs": Gibbs(chains=2, draws=60, warmup=30),
    "collapsed": CollapsedGibbs(chains=2, draws=60, warmup=30),
    "nuts": NUTS(chains=1, draws=15, warmup=15),
    "svi": SVI(steps=150),
}
ANSWERS = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], [30, 10, 4, 12, 30])[:, None]


def collapsed(fit):
    return [d.message for d in fit.doubts if d.category is DegenerateComponentWarning]


def fitted(rows, n_components, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixtureModel(n_components, random_state=0, **options).fit(rows).fit_


@pytest.mark.parametrize("name", INFERENCES)
def test_every_method_knows_components_on_single_values(name) -> None:
    labels = np.select([ANSWERS[:, 0] == 1, ANSWERS[:, 0] == 5], [0, 2], 1)
    method = SHORT.get(name, name)
    fit = fitted(ANSWERS, 3, inference=method, init=labels)
    (message,) = collapsed(fit)
    assert "onto single values of column 'x0'" in message
    assert "take fewer components" in message


@pytest.mark.parametrize("name", ["map", "vb", "gibbs", "collapsed", "ml", "svi"])
@pytest.mark.parametrize("power", [-400, 400])
def test_units_do_not_matter(name, power) -> None:
    labels = np.select([ANSWERS[:, 0] == 1, ANSWERS[:, 0] == 5], [0, 2], 1)
    method = SHORT.get(name, name)
    plain, scaled = (
        collapsed(fitted(ANSWERS * unit, 3, inference=method, init=labels))
        for unit in (1.0, 2.0**power)
    )
    assert scaled == plain != []


@pytest.mark.parametrize("name", ["map", "vb", "ml"])
def test_further_rows_are_judged_by_their_own_resolution(name) -> None:
    labels = np.select([ANSWERS[:, 0] == 1, ANSWERS[:, 0] == 5], [0, 2], 1)
    gmm = GaussianMixtureModel(3, inference=name, init=labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            gmm.partial_fit(ANSWERS)
    assert "onto single values of column 'x0'" in collapsed(gmm.fit_)[0]


@pytest.mark.parametrize("name", INFERENCES)
def test_no_method_doubts_components_as_wide_as_their_columns_resolve(name) -> None:
    labels = (ANSWERS[:, 0] > 3).astype(int)
    fit = fitted(ANSWERS, 2, inference=SHORT.get(name, name), init=labels)
    assert collapsed(fit) == []


@pytest.mark.parametrize("name", ["map", "vb", "gibbs", "collapsed", "ml"])
@pytest.mark.parametrize("family", ["full", "tied"])
def test_methods_know_matrices_of_dependent_columns(name, family) -> None:
    if (name, family) == ("collapsed", "tied"):
        pytest.skip("collapsed sampling has no shared covariances")
    first = np.random.default_rng(1).normal(np.repeat([0.0, 9.0], 30), 1.0)
    options = {"covariance_type": family, "init": np.repeat([0, 1], 30)}
    if name == "ml":
        options["max_iter"] = 200
    rows = np.column_stack([first, 2.0 * first])
    (message,) = collapsed(fitted(rows, 2, inference=SHORT.get(name, name), **options))
    assert "columns 'x0', 'x1' are linearly dependent" in message
    assert "leave out one" in message
    assert "inference='map'" not in message


# --------------------------------------------------------------- from parameters, family by family


def described(family, variances, prior=None):
    """Return a model of three components and parameters of such variances (K or 1, D)."""
    family, variances = FAMILIES[family], np.asarray(variances, dtype=float)
    n_components, n_features = 3, variances.shape[1]
    structure = family.structure(n_components, n_features)
    if len(structure) == 3:
        covariances = np.stack([np.diag(row) for row in variances])[: structure[0]]
        known = NormalInverseWishart(np.zeros(n_features), 1.0, scale=np.eye(n_features))
    else:
        covariances = variances[: structure[0], : structure[1]]
        known = NormalInverseGamma(0.0, 1.0, 2.0, 1.0)
    weights = FlatWeights() if isinstance(prior, FlatComponents) else Dirichlet(1.0)
    model = MixtureModel(n_components, n_features, weights, prior or known, family)
    means = np.arange(3.0)[:, None] * np.ones(n_features)
    return model, MixtureParameters(np.full(3, 1 / 3), means, covariances)


def said(family, variances, spacing, prior=None, count=(40.0, 40.0, 40.0), dependent=()):
    model, parameters = described(family, variances, prior)
    names = tuple(f"q{d}" for d in range(model.n_features))
    resolution = ColumnResolution(np.asarray(spacing, dtype=float), dependent, names)
    doubts = component_doubts(model, parameters, np.array(count), 1.0, resolution=resolution)
    return [d.message for d in doubts if d.category is DegenerateComponentWarning]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("h", [0.01, 1.0, 250.0])
def test_the_limit_is_the_variance_of_rounding(family, h) -> None:
    # Uniform between -h/2 and h/2 has the variance h^2 / 12.
    limit = np.full((3, 2), h * h / 12.0)
    assert said(family, 1.01 * limit, [h, 0.0]) == []
    (message,) = said(family, 0.99 * limit, [h, 0.0])
    assert "single values of column 'q0'" in message
    shared = FAMILIES[family].structure(3, 2)[0] == 1
    assert message.startswith("the shared covariance" if shared else "components 0, 1, 2 collapsed")
    assert said(family, 0.99 * limit, [0.0, 0.0]) == []


def test_components_and_columns_are_named() -> None:
    variances = [[1.0, 1.0], [1.0, 0.01], [0.01, 1.0]]
    (message,) = said("diag", variances, [1.0, 1.0])
    assert message.startswith("components 1, 2 collapsed onto single values of columns 'q0', 'q1'")
    (message,) = said("diag", variances, [0.0, 1.0])
    assert message.startswith("component 1 collapsed onto single values of column 'q1'")
    # What holds no rows sits on no value.
    assert said("diag", variances, [0.0, 1.0], count=(60.0, 0.1, 60.0)) == []


def test_known_scales_do_not_collapse() -> None:
    assert said("diag", np.full((3, 2), 0.01), [1.0, 1.0], KnownScale(0.1)) == []


def test_components_at_the_floor_are_told_once_and_with_the_right_remedy() -> None:
    floor = FlatComponents(np.array([1e-12, 1e-12]))
    variances = [[1e-12, 1.0], [1.0, 1.0], [1.0, 1.0]]
    (message,) = said("diag", variances, [0.0, 0.0], floor)
    assert "use inference='map'" in message
    (message,) = said("diag", variances, [1.0, 0.0], floor)
    assert "inference='map'" not in message
    (message,) = said("full", variances, [0.0, 0.0], floor, dependent=(0, 1))
    assert "inference='map'" not in message


def test_a_slanted_line_through_a_grid_is_a_collapse() -> None:
    model, _ = described("full", np.ones((3, 2)))
    names = ("q0", "q1")
    for lead, is_told in ((0.002, True), (0.5, False)):
        # Answers that are equal but for a variance of `lead` of their difference.
        slanted = np.array([[1.0, 1.0 - 0.5 * lead], [1.0 - 0.5 * lead, 1.0]])
        covariances = np.stack([np.eye(2), slanted, np.eye(2)])
        parameters = MixtureParameters(np.full(3, 1 / 3), np.zeros((3, 2)), covariances)
        for spacing, is_known in (([1.0, 1.0], True), ([1.0, 0.0], False)):
            resolution = ColumnResolution(np.array(spacing), (), names)
            doubts = component_doubts(model, parameters, np.ones(3), 0.1, resolution=resolution)
            told = [d.message for d in doubts if "columns 'q0', 'q1'" in d.message]
            assert len(told) == (is_told and is_known)


@pytest.mark.parametrize("family", FAMILIES)
def test_matrices_of_more_features_than_rows_are_told(family) -> None:
    model, parameters = described(family, np.ones((3, 5)))
    told = {}
    for count in ([50.0, 50.0, 50.0], [50.0, 4.0, 0.1], [2.0, 2.0, 2.0]):
        doubts = component_doubts(model, parameters, np.array(count), 1.0)
        told[count[1]] = [d.message for d in doubts if d.category is DataWarning]
    if len(model.structure) == 2 or model.family.shares_axes:
        assert told == {50.0: [], 4.0: [], 2.0: []}
        return
    assert told[50.0] == []
    is_shared = model.structure[0] == 1
    assert [m.split(" has")[0] for m in told[4.0]] == ([] if is_shared else ["component 1"])
    which = "the shared covariance" if is_shared else "components 0, 1, 2"
    (message,) = told[2.0]
    has = "has" if is_shared else "have"
    assert message.startswith(f"{which} {has} fewer rows than a covariance matrix of 5 features")
    assert "covariance_type='diag'" in message


# ----------------------------------------------------------------------------------- the choice


def two_groups(kind, seed, n_rows=240):
    """Return counts or answers from two groups."""
    rng = np.random.default_rng(seed)
    second = np.arange(n_rows) % 2 == 1
    if kind == "counts":
        return rng.poisson(np.where(second, 14.0, 3.0)).astype(float)[:, None]
    if kind == "two counts":
        means = np.where(second, 3.0, 12.0), np.where(second, 20.0, 6.0)
        return np.column_stack([rng.poisson(mean) for mean in means]).astype(float)
    top, centres, width = {
        "answers to 5": (5, (1.9, 4.1), 0.7),
        "answers to 7": (7, (2.2, 5.8), 0.9),
    }[kind]
    centre = np.where(second, *centres[::-1])
    columns = [rng.normal(mean, width) for mean in (centre, top + 1.0 - centre)]
    return np.clip(np.round(np.column_stack(columns)), 1, top)


@pytest.mark.parametrize("method", ["map", "vb", "ml"])
@pytest.mark.parametrize("kind", ["counts", "two counts", "answers to 5", "answers to 7"])
def test_two_groups_of_whole_numbers_are_two(kind, method) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        chosen = select(two_groups(kind, 5), range(1, 7), inference=method)
    assert chosen.best.n_components == 2
    assert not chosen.best.collapsed


@pytest.mark.parametrize("method", ["map", "vb", "ml"])
def test_of_two_identical_columns_no_matrix_is_chosen(method) -> None:
    first = np.random.default_rng(2).normal(np.repeat([0.0, 8.0], 60), 1.0)
    with pytest.warns(DataWarning, match="columns 'x0', 'x1'"):
        chosen = select(
            np.column_stack([first, first]),
            range(1, 4),
            ("full", "tied", "diag"),
            inference=method,
            max_iter=300,
        )
    assert chosen.best.covariance_type == "diag"
    matrices = [row for row in chosen.table if row.covariance_type != "diag"]
    assert all(row.collapsed for row in matrices)
    assert min(row.bic for row in matrices) < chosen.best.bic
    assert "collapsed" in str(chosen)
