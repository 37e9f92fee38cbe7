"""Laws of the relabelling of draws: numbers given by hand leave no trace."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.posteriors.alignment import (
    Alignment,
    _average_components,
    align_parameters,
    best_permutations,
)

C, S, N = 2, 150, 40


class Draws:
    """Draws of mixtures whose components lie ``apart`` deviations from each other."""

    def __init__(self, family: CovarianceFamily, K: int, D: int, apart: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        structure = family.structure(K, D)
        self.weights = rng.dirichlet(np.full(K, 20.0), (C, S))
        self.means = rng.normal(0.0, 0.2, (C, S, K, D))
        self.means[..., 0] += apart * np.arange(K)
        if len(structure) == 3:
            root = rng.standard_normal((C, S, structure[0], D, 30)) / np.sqrt(30.0)
            self.covariances = root @ np.swapaxes(root, -1, -2)
        else:
            self.covariances = rng.gamma(20.0, 0.05, (C, S, *structure))
        self.log_joint = rng.standard_normal((C, S))
        self.rows = rng.normal(0.0, 1.0, (N, D))
        self.rows[:, 0] += apart * (np.arange(N) % K)

    def relabelled(self, order: np.ndarray) -> "Draws":
        other = object.__new__(Draws)
        other.__dict__.update(self.__dict__)
        other.weights = np.take_along_axis(self.weights, order, axis=2)
        other.means = np.take_along_axis(self.means, order[..., None], axis=2)
        if self.covariances.shape[2] > 1:
            index = order.reshape(order.shape + (1,) * (self.covariances.ndim - 3))
            other.covariances = np.take_along_axis(self.covariances, index, axis=2)
        return other


def by_parameters(draws: Draws) -> Alignment:
    return align_parameters(draws.weights, draws.means, draws.covariances, draws.log_joint, N)


def random_orders(K: int, seed: int) -> np.ndarray:
    numbers = np.broadcast_to(np.arange(K), (C, S, K))
    return np.random.default_rng(seed).permuted(numbers, axis=-1)


@pytest.mark.parametrize(("K", "D"), [(1, 1), (2, 1), (3, 2), (6, 3)])
def test_planted_numbers_are_recovered(family: CovarianceFamily, K: int, D: int) -> None:
    draws = Draws(family, K, D, apart=8.0, seed=1)
    planted = random_orders(K, 2)
    found = by_parameters(draws.relabelled(planted))
    assert found.permutations.shape == (C, S, K)
    np.testing.assert_array_equal(found.permutations, np.argsort(planted, axis=-1))
    assert found.doubt < 1e-3


@pytest.mark.parametrize("name", ["full", "tied", "diag", "tied_spherical"])
def test_numbers_given_by_hand_leave_no_trace(name: str) -> None:
    # Components that overlap, so that the numbering is not obvious.
    draws = Draws(FAMILIES[name], 3, 2, apart=0.4, seed=3)
    other = draws.relabelled(random_orders(3, 4))
    one, two = by_parameters(draws), by_parameters(other)
    np.testing.assert_allclose(two.margin, one.margin, rtol=1e-9, atol=1e-9)
    clear = one.margin > 1e-9
    assert one.n_rounds > 2
    assert clear.mean() > 0.8
    for part in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(
            two.apply(getattr(other, part))[clear], one.apply(getattr(draws, part))[clear]
        )


def test_best_draw_is_numbered_by_its_means() -> None:
    draws = Draws(FAMILIES["full"], 4, 2, apart=6.0, seed=5).relabelled(random_orders(4, 6))
    pivot = np.unravel_index(draws.log_joint.argmax(), draws.log_joint.shape)
    means = by_parameters(draws).apply(draws.means)[pivot]
    assert (np.diff(means[:, 0]) > 0).all()


@pytest.mark.parametrize("K", [2, 4])
def test_components_are_numbered_by_the_averages_of_their_means(K: int) -> None:
    # So near each other that single draws, the best one too, have them in any order.
    draws = Draws(FAMILIES["full"], K, 2, apart=0.1, seed=14).relabelled(random_orders(K, 15))
    means = by_parameters(draws).apply(draws.means)
    assert (np.diff(means.mean(axis=(0, 1))[:, 0]) > 0).all()
    assert (np.diff(means[..., 0], axis=-1) < 0).any()


def test_doubt_says_whether_numbers_mean_anything() -> None:
    # Equal components: every numbering is as good. Apart: none but one.
    doubts = [
        by_parameters(Draws(FAMILIES["full"], 2, 1, apart, seed=7)).doubt for apart in (0.0, 2, 8)
    ]
    assert doubts[0] > doubts[1] >= doubts[2]
    same = np.full((1, 50, 2), 0.5), np.zeros((1, 50, 2, 1)), np.ones((1, 50, 2, 1, 1))
    assert align_parameters(*same, np.zeros((1, 50)), N).doubt == pytest.approx(0.5)


def test_margin_of_parameters_is_a_divergence_of_densities() -> None:
    # Two draws that agree: the average is either of them. The exchange costs, with p = (a, b),
    # N [a KL(1 || 2) + b KL(2 || 1) + (a - b) log(a / b)].
    a, b, mean, deviation = 0.3, 0.7, np.array([0.0, 2.0]), np.array([1.0, 1.5])
    found = align_parameters(
        np.broadcast_to([a, b], (1, 2, 2)),
        np.broadcast_to(mean[:, None], (1, 2, 2, 1)),
        np.broadcast_to(deviation[:, None] ** 2, (1, 2, 2, 1)),
        np.zeros((1, 2)),
        10.0,
    )

    def divergence(i: int, j: int) -> float:
        normal, other = stats.norm(mean[i], deviation[i]), stats.norm(mean[j], deviation[j])
        return float(normal.expect(lambda x: normal.logpdf(x) - other.logpdf(x)))

    expected = 10 * (a * divergence(0, 1) + b * divergence(1, 0) + (a - b) * np.log(a / b))
    np.testing.assert_allclose(found.margin, expected, rtol=1e-8)


def test_assignment_is_the_best_of_all_permutations() -> None:
    costs = np.random.default_rng(8).standard_normal((200, 4, 4))
    found = best_permutations(costs)
    orders = np.array(list(permutations(range(4))))
    totals = np.stack([costs[:, order, range(4)].sum(axis=1) for order in orders], axis=1)
    np.testing.assert_array_equal(found, orders[totals.argmin(axis=1)])


def test_shapes_that_do_not_fit_are_named() -> None:
    draws = Draws(FAMILIES["diag"], 2, 1, apart=3.0, seed=13)
    with pytest.raises(InvalidArgumentError, match=r"log_joint must have shape \(2, 150\)"):
        align_parameters(draws.weights, draws.means, draws.covariances, draws.log_joint[0], N)
    with pytest.raises(InvalidArgumentError, match=r"weights must have shape \(2, 150, 2\)"):
        align_parameters(draws.weights[..., :1], draws.means, draws.covariances, draws.log_joint, N)


@pytest.mark.parametrize("is_matrix", [False, True])
def test_average_components_have_the_moments_of_their_draws(
    is_matrix: bool, rng: np.random.Generator
) -> None:
    """The law of total covariance, by NumPy's own averages and covariances."""
    S, K, D = 7, 2, 3
    weights, means = rng.dirichlet(np.ones(K), S), rng.standard_normal((S, K, D))
    roots = rng.standard_normal((S, K, D, D))
    spreads = roots @ np.swapaxes(roots, -1, -2) if is_matrix else np.square(roots[..., 0])
    numbers = rng.permuted(np.tile(np.arange(K), (S, 1)), axis=1)
    found = _average_components(weights, means, spreads, numbers)
    at = np.arange(S)
    for number, chosen in enumerate(numbers.T):
        share, own = weights[at, chosen], means[at, chosen]
        between = np.cov(own, rowvar=False, aweights=share, ddof=0)
        within = np.average(spreads[at, chosen], axis=0, weights=share)
        expected = within + (between if is_matrix else np.diagonal(between))
        assert found[0][number] == pytest.approx(share.mean(), rel=1e-12)
        np.testing.assert_allclose(found[1][number], np.average(own, axis=0, weights=share))
        np.testing.assert_allclose(found[2][number], expected, rtol=1e-12, atol=1e-13)
