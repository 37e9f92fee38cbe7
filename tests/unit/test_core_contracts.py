"""What the core refuses, prints and promises beside its laws."""

import copy
import pickle

import numpy as np
import pytest
from scipy import stats

from laws.running import blobs, elicited, run
from mixtura import errors
from mixtura.data.scaling import SAFE_MAGNITUDE, safe_factor
from mixtura.diagnostics.information_criteria import aic, assignment_entropy, bic, icl
from mixtura.errors import (
    InvalidArgumentError,
    Message,
    MixturaError,
    MixturaWarning,
    Setting,
)
from mixtura.estimator.arguments import PARAMETERS
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import canonical_order
from mixtura.inference import MAP
from mixtura.messages.assignments import Given, Hard, Sampled, Soft
from mixtura.messages.linalg import covariance_factor, nearest_positive_definite, precision_factor
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    FlatComponents,
    FlatWeights,
    Independent,
    InverseGamma,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)

# ---------------------------------------------------------------------------------- errors


def test_every_error_and_warning_has_one_base() -> None:
    for name, member in vars(errors).items():
        if isinstance(member, type) and issubclass(member, Warning):
            assert issubclass(member, MixturaWarning), name
        elif isinstance(member, type) and issubclass(member, Exception):
            assert issubclass(member, MixturaError), name
    assert issubclass(errors.InvalidArgumentError, ValueError)
    assert issubclass(errors.MissingExtraError, ImportError)


def test_errors_and_warnings_carry_their_argument_and_their_remedy() -> None:
    remedy = ("raise ", Setting("max_iter"), ", or use ", Setting("inference", "map"))
    said = Message("must be above 0; got -1", argument="tol", remedy=remedy)
    for one in (
        InvalidArgumentError("must be above 0; got -1", argument="tol", remedy=remedy),
        errors.ConvergenceWarning(said),
        pickle.loads(pickle.dumps(errors.MissingExtraError(said))),
        copy.deepcopy(errors.Doubt(errors.ConvergenceWarning, said)),
    ):
        assert one.argument == "tol"
        assert one.remedy == "raise max_iter, or use inference='map'"
        assert one.message == f"tol must be above 0; got -1: {one.remedy}"
        renamed = one.message.in_words(lambda setting: f"<{setting.name}>")
        assert renamed == "<tol> must be above 0; got -1: raise <max_iter>, or use <inference>"
    assert str(InvalidArgumentError("first; ", remedy="then")) == "first; then"
    owned = InvalidArgumentError("must be at least 1", argument="SVI steps")
    assert (owned.argument, str(owned)) == ("steps", "SVI steps must be at least 1")
    begun = Message(Setting("inference", "ml"), " has flat priors")
    assert (begun.argument, begun) == ("inference", "inference='ml' has flat priors")
    plain = errors.Doubt(errors.DataWarning, "odd")
    assert (plain.argument, plain.remedy, str(MixturaError())) == (None, None, "")


def test_declared_parameters_say_which_argument_was_wrong() -> None:
    for name, kind in PARAMETERS.items():
        with pytest.raises(InvalidArgumentError) as caught:
            kind.read(None if name == "init" else 3 + 4j, name)
        assert caught.value.argument == name


# ---------------------------------------------------------------------------------- model


@pytest.mark.parametrize(("K", "D"), [(0, 1), (1, 0), (-1, 2)])
def test_models_need_components_and_features(K: int, D: int) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        MixtureModel(K, D, Dirichlet(), FlatComponents(1.0), FAMILIES["full"])


def test_models_check_their_priors() -> None:
    with pytest.raises(InvalidArgumentError, match="NormalInverseGamma"):
        MixtureModel(2, 2, Dirichlet(), NormalInverseWishart(), FAMILIES["diag"])
    with pytest.raises(InvalidArgumentError, match="NormalInverseWishart"):
        MixtureModel(2, 2, Dirichlet(), NormalInverseGamma(), FAMILIES["full"])
    with pytest.raises(InvalidArgumentError, match="2 components"):
        MixtureModel(2, 2, Dirichlet([1.0, 1.0, 1.0]), NormalInverseGamma(), FAMILIES["diag"])


def test_one_feature_takes_any_prior_with_any_family(family: CovarianceFamily) -> None:
    for prior in (
        NormalInverseWishart(),
        NormalInverseGamma(),
        FlatComponents(1.0),
        Independent(Normal(), InverseGamma()),
    ):
        model = MixtureModel(3, 1, Dirichlet(), prior, family)
        assert model.n_parameters == family.n_parameters(3, 1)
        assert len(model.structure) in prior.structure_dimensions


def test_prior_samples_are_what_the_model_says() -> None:
    prior = Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0))
    model = MixtureModel(2, 1, Dirichlet(1.0), prior, FAMILIES["diag"])
    sample = model.sample_prior(50, random_state=3)
    assert sample.rows.shape == (50, 1)
    assert sample.assignments.shape == (50,)
    assert sample.scales.shape == (2, 1)
    np.testing.assert_allclose(sample.scales**2, sample.parameters.covariances, rtol=1e-15)
    assert sample.parameters.weights.sum() == pytest.approx(1.0)
    again = model.sample_prior(50, random_state=3)
    np.testing.assert_array_equal(again.rows, sample.rows)
    # Probability integral transforms over many draws; 1e-6 is about 5 sigma.
    draws = [model.sample_prior(1, seed) for seed in range(600)]
    means = np.array([draw.parameters.means[0, 0] for draw in draws])
    scales = np.array([draw.scales[1, 0] for draw in draws])
    weights = np.array([draw.parameters.weights[0] for draw in draws])
    assert stats.kstest(means, stats.norm(0.0, 10.0).cdf).pvalue > 1e-6
    assert stats.kstest(scales, stats.invgamma(1.0).cdf).pvalue > 1e-6
    assert stats.kstest(weights, "uniform").pvalue > 1e-6


def test_flat_models_have_nothing_to_draw_from() -> None:
    model = MixtureModel(2, 2, FlatWeights(), FlatComponents(1e-9), FAMILIES["full"])
    with pytest.raises(InvalidArgumentError, match="improper"):
        model.sample_prior()


def test_components_are_numbered_feature_by_feature() -> None:
    means = np.array([[1.0, 5.0], [0.0, 9.0], [1.0, -5.0]])
    parameters = MixtureParameters(np.full(3, 1 / 3), means, np.ones((3, 2)))
    np.testing.assert_array_equal(canonical_order(parameters), [1, 2, 0])


# ---------------------------------------------------------------------------- assignments


def test_assignments_are_of_rows_that_sum_to_one() -> None:
    scores = np.array([[0.0, np.log(3.0)], [-1e300, -1e300], [5.0, -np.inf], [-5e15, -5e15 - 1.0]])
    normalizer = np.logaddexp(scores[:, 0], scores[:, 1])
    soft = Soft().assign(scores, normalizer, 0)
    np.testing.assert_allclose(soft.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(soft[:3], [[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], rtol=1e-15)
    assert soft[3, 0] > soft[3, 1] > 0.25
    hard = Hard().assign(scores, normalizer, 0)
    np.testing.assert_array_equal(hard, [[0, 1], [1, 0], [1, 0], [1, 0]])
    np.testing.assert_array_equal(Hard().data_term(scores, normalizer), scores.max(axis=1))
    np.testing.assert_array_equal(Soft().data_term(scores, normalizer), normalizer)
    given = Given(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
    np.testing.assert_array_equal(given.assign(scores[:2], normalizer[:2], 1), [[0, 1], [0.5, 0.5]])


def test_sampled_assignments_are_keyed_by_seed_sweep_and_row() -> None:
    scores = np.zeros((200, 3))
    normalizer = np.full(200, np.log(3.0))

    def draw(seed: int, sweep: int, first_row: int) -> np.ndarray:
        return Sampled(seed, sweep).assign(scores, normalizer, first_row)

    one = draw(1, 2, 3)
    assert set(np.unique(one)) == {0.0, 1.0}
    np.testing.assert_array_equal(one.sum(axis=1), 1.0)
    np.testing.assert_array_equal(draw(1, 2, 3), one)
    for key in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert (draw(*key) != one).any()


# --------------------------------------------------------------------------- factorisation


@pytest.mark.parametrize("D", [2, 3, 10, 40])
def test_matrices_that_rounding_made_indefinite_are_lifted(D: int) -> None:
    rng = np.random.default_rng(D)
    for rank in {1, D // 2, D - 1}:
        root = rng.standard_normal((4, D, rank))
        covariances = root @ root.transpose(0, 2, 1)
        covariances -= 1e-16 * np.abs(covariances).max() * np.eye(D)
        lower = covariance_factor(covariances)
        size = np.abs(covariances).max()
        np.testing.assert_allclose(lower @ lower.transpose(0, 2, 1), covariances, atol=1e-12 * size)
        assert np.isfinite(precision_factor(covariances)).all()


def test_lifting_keeps_what_is_positive_definite() -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 4, 9))
    covariances = root @ root.transpose(0, 2, 1)
    deviations = np.sqrt(np.einsum("kdd->kd", covariances))
    correlations = covariances / deviations[:, :, None] / deviations[:, None, :]
    np.testing.assert_allclose(nearest_positive_definite(correlations), correlations, atol=1e-14)


# --------------------------------------------------------------------------------- scaling


def test_safe_data_are_left_as_they_are() -> None:
    for magnitude in ([1.0, 1e99], [0.0, 0.0], [1e-99], [5.0, 0.0]):
        assert safe_factor(np.array(magnitude), common=False) is None


def test_extreme_columns_are_brought_near_one() -> None:
    for alone in (3e120, 4e-130):
        factor = safe_factor(np.array([alone]), common=False)
        assert factor is not None
        assert 0.5 < alone * factor[0] < 2.0
    magnitude = np.array([3e120, 1.0, 0.0, 4e-130])
    factor = safe_factor(magnitude, common=False)
    assert factor is not None
    np.testing.assert_array_equal(factor[1:3], 1.0)
    np.testing.assert_array_equal(np.exp2(np.round(np.log2(factor))), factor)  # powers of two
    scaled = magnitude * factor
    assert ((scaled[[0, 3]] > 0.5) & (scaled[[0, 3]] < 2.0)).all()


def test_spherical_columns_share_one_unit() -> None:
    assert safe_factor(np.array([1e-120, 1.0]), common=True) is None
    factor = safe_factor(np.array([1e-120, 2.0 * SAFE_MAGNITUDE]), common=True)
    assert factor is not None
    assert np.unique(factor).size == 1


# ------------------------------------------------------------------------------ diagnostics


def test_criteria() -> None:
    assert aic(-100.0, 7) == 214.0
    assert bic(-100.0, 7, 50) == pytest.approx(200.0 + 7 * np.log(50.0))
    assert icl(-100.0, 7, 50, 3.0) == pytest.approx(bic(-100.0, 7, 50) + 6.0)
    shares = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    by_row = stats.entropy(shares, axis=1)
    assert assignment_entropy(shares) == pytest.approx(by_row.sum())
    weights = np.array([2.0, 5.0, 0.5])
    assert assignment_entropy(shares, weights) == pytest.approx(weights @ by_row)


# ------------------------------------------------------------------------------------ fits


def test_progress_is_reported_start_by_start() -> None:
    rows = blobs(np.random.default_rng(1), 40, 2, 2)
    fit = run(elicited(FAMILIES["full"], rows, 2), rows, start="random", n_starts=3)
    assert [one.start for one in fit.runs] == ["random"] * 3
    assert all(one.n_iter == len(one.objectives) - 1 for one in fit.runs)
    assert fit.feature_names == ("x0", "x1")
    assert fit.seconds > 0.0


def test_unknown_optimizers_are_refused() -> None:
    rows = blobs(np.random.default_rng(1), 40, 2, 2)
    with pytest.raises(InvalidArgumentError, match="optimizer"):
        run(elicited(FAMILIES["full"], rows, 2), rows, MAP(optimizer="newton"))


def test_messages_show_their_structure() -> None:
    statistics = SufficientStatistics.zero(np.zeros((2, 3)), (1, 3, 3))
    assert statistics.structure == (1, 3, 3)
    assert statistics.total == 0.0
    potentials = Potentials(np.zeros(2), np.zeros(2), np.zeros((2, 3)), np.ones((2, 1)))
    assert potentials.structure == (2, 1)
