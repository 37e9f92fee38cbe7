"""Native M-steps of the families that share parts are those of the classes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from laws.running import RESTRICTED
from laws.test_restricted_family_laws import curve, slope_and_height, terms_of
from mixtura.engines import ENGINES
from mixtura.families import FAMILIES
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.prior_arrays import Restriction
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import Dirichlet, FlatComponents, NormalInverseGamma, NormalInverseWishart

native = pytest.importorskip("mixtura.engines.native.library")
ENGINE = ENGINES["native"](1)

SIZES = [(1, 3), (3, 2), (4, 5), (11, 3), (2, 14)]
"""(K, D): one component; few; more than lanes; more features than second derivatives are formed."""

CLOSED = ("EVI", "EEV", "EVV")


def model_of(name: str, kind: str, K: int, D: int) -> MixtureModel:
    """Return a model of a family under a flat or a conjugate prior."""
    family = FAMILIES[name]
    prior: Any = FlatComponents(1e-9 * (1.0 + np.arange(D)))
    if kind == "conjugate" and len(family.structure(K, D)) == 3:
        prior = NormalInverseWishart(0.2, 0.3, D + 3.5, np.diag(20.0 + np.arange(D)) + 0.1)
    elif kind == "conjugate":
        prior = NormalInverseGamma(0.2, 0.3, 2.5, 20.0 + np.arange(D))
    return MixtureModel(K, D, Dirichlet(1.0), prior, family)


def statistics_of(name: str, seed: int, K: int, D: int) -> SufficientStatistics:
    """Return statistics of rows whose matrices have some axes in common."""
    rng = np.random.default_rng(seed)
    terms = terms_of(seed, K, D)
    first = 3.0 * rng.standard_normal((K, D))
    second = terms.scatter + first[:, :, None] * first[:, None] / terms.count[:, None, None]
    second = FAMILIES[name].compact(second)
    return SufficientStatistics(terms.count, first, second, rng.standard_normal((K, D)))


def terms_under(
    model: MixtureModel, statistics: SufficientStatistics
) -> tuple[np.ndarray, CovarianceTerms]:
    share = model.family.share(model.n_components, model.n_features)
    return model.component_prior.restricted_terms(statistics, share)


def found(
    model: MixtureModel, statistics: SufficientStatistics, near: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    steps = model.mode_steps
    assert steps is not None
    modes = ENGINE.mode(statistics, steps, near)
    assert modes is not None
    return modes


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["flat", "conjugate"])
@pytest.mark.parametrize("name", RESTRICTED)
def test_modes_are_those_of_the_classes(name: str, kind: str, sizes: tuple[int, int]) -> None:
    model, statistics = model_of(name, kind, *sizes), statistics_of(name, 30, *sizes)
    means, covariances = found(model, statistics)
    centres, terms = terms_under(model, statistics)
    np.testing.assert_allclose(means, centres, rtol=1e-13, atol=1e-13 * np.abs(centres).max())
    theirs = model.component_mode(statistics)[1]
    # Common axes are searched for: what is found is no higher, and where it is as low the same.
    lowest = terms.value(theirs)
    assert terms.value(covariances) <= lowest + 1e-12 * abs(lowest)
    tolerance = 1e-13 if name in CLOSED else 1e-10 if name in ("VEI", "VEE", "VEV") else 1e-6
    if terms.value(covariances) >= lowest - 1e-10 * abs(lowest):
        np.testing.assert_allclose(covariances, theirs, rtol=0.0, atol=tolerance * theirs.max())


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", RESTRICTED)
def test_gradient_vanishes_on_the_familys_manifold(name: str, sizes: tuple[int, int]) -> None:
    K, D = sizes
    model, statistics = model_of(name, "conjugate", K, D), statistics_of(name, 31, K, D)
    covariances = found(model, statistics)[1]
    given = terms_under(model, statistics)[1]
    scatter = given.scatter if given.scatter.ndim == 3 else given.scatter[:, :, None] * np.eye(D)
    terms = CovarianceTerms(given.count, scatter)
    matrices, size = model.family.expand(covariances, K, D), given.count.sum() * D
    for seed in range(4):
        slope, bend = slope_and_height(terms.value, curve(matrices, name, seed))
        assert abs(slope) <= 2e-8 * size
        assert bend >= -1e-6 * size


@pytest.mark.parametrize("name", RESTRICTED)
def test_steps_from_covariances_of_the_family_never_lead_up(name: str) -> None:
    model = model_of(name, "flat", 3, 4)
    near = found(model, statistics_of(name, 40, 3, 4))[1]
    for seed in range(41, 47):
        statistics = statistics_of(name, seed, 3, 4)
        terms = terms_under(model, statistics)[1]
        next_one = found(model, statistics, near)[1]
        assert terms.value(next_one) <= terms.value(near)
        again = found(model, statistics, next_one)[1]
        np.testing.assert_allclose(again, next_one, rtol=1e-7, atol=1e-9 * next_one.max())
        near = next_one


@pytest.mark.parametrize("name", RESTRICTED)
def test_components_without_rows_or_width_are_as_the_classes_have_them(name: str) -> None:
    model, statistics = model_of(name, "flat", 3, 3), statistics_of(name, 50, 3, 3)
    start = found(model, statistics)[1]
    for what in ("no rows", "no width"):
        count, first = statistics.count.copy(), statistics.first.copy()
        second = statistics.second.copy()
        if what == "no rows":
            count[1], first[1], second[1] = 0.0, 0.0, 0.0
        else:
            first[1, 2] = 0.0
            second[1, ..., 2] = 0.0
            second[1, 2] = 0.0
        given = SufficientStatistics(count, first, second, statistics.pivot)
        terms = terms_under(model, given)[1].occupied
        for near in (None, start):
            _, ours = found(model, given, near)
            theirs = model.component_mode(
                given, None if near is None else MixtureParameters(count, first, near)
            )[1]
            assert np.isfinite(ours).all()
            assert not terms.is_narrow(2.0 * ours)
            expected = terms.value(theirs)
            assert terms.value(ours) == pytest.approx(expected, rel=1e-5 if near is None else 1e-3)


@pytest.mark.parametrize("name", ["EEV", "VEV"])
def test_columns_of_any_scales_keep_their_digits(name: str) -> None:
    # One component, or several alike, have no restriction but their volumes.
    rng = np.random.default_rng(8)
    root, units = rng.standard_normal((4, 9)), np.array([1e12, 1.0, 1e-3, 1e6])
    moments = (root @ root.T) * units[:, None] * units
    times = np.array([1.0, 1.0, 1.0]) if name == "EEV" else np.array([2.0, 0.1, 7.0])
    second, blank = 30.0 * times[:, None, None] * moments, np.zeros((3, 4))
    model = MixtureModel(3, 4, Dirichlet(1.0), FlatComponents(1e-30), FAMILIES[name])
    given = SufficientStatistics(np.full(3, 30.0), blank, second, blank)
    expected = np.broadcast_to(root @ root.T, (3, 4, 4))
    for covariances in (found(model, given)[1], model.component_mode(given)[1]):
        relative = covariances / times[:, None, None] / units[:, None] / units
        np.testing.assert_allclose(relative, expected, atol=1e-11)


@pytest.mark.parametrize("name", RESTRICTED)
def test_bits_do_not_depend_on_instructions(name: str) -> None:
    model, statistics = model_of(name, "conjugate", 5, 4), statistics_of(name, 60, 5, 4)
    expected = found(model, statistics)[1].tobytes()
    widest = native.use_instruction_set(-1)
    try:
        if widest == native.AVX512 and native.use_instruction_set(native.AVX2) == native.AVX2:
            assert found(model, statistics)[1].tobytes() == expected
    finally:
        native.use_instruction_set(-1)


def test_restrictions_of_another_structure_are_refused() -> None:
    model, statistics = model_of("VEV", "flat", 3, 2), statistics_of("VEI", 70, 3, 2)
    steps = model_of("VEI", "flat", 3, 2).mode_steps
    assert steps is not None
    other = model.mode_steps
    assert other is not None
    with pytest.raises(ValueError, match="numbers where the structure"):
        ENGINE.mode(statistics, replace(other, restriction=Restriction.NONE), None)
    with pytest.raises(ValueError, match=r"a structure .* of VEV"):
        ENGINE.mode(statistics, other, None)
    with pytest.raises(ValueError, match="covariances of shape"):
        ENGINE.mode(statistics, steps, np.ones((3, 3)))
