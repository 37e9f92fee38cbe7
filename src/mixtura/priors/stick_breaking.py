"""Weights broken off a stick, given counts: what the process priors and their posteriors share."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import betaln, digamma, xlogy

from mixtura.priors.base import AveragedWeights, WeightPrior
from mixtura.priors.concentration import (
    ConcentrationGrid,
    concentration_grid,
    given_last_weight,
)
from mixtura.priors.dirichlet import SMALLEST_WEIGHT
from mixtura.priors.scales import Gamma
from mixtura.priors.stick_quantiles import BetaProduct
from mixtura.typing import Array, IntegerArray

MAX_PASSES = 2000
RESOLUTION = 1e-14


@final
@dataclass(frozen=True, eq=False)
class StickBreaking(AveragedWeights):
    """Posterior of the weights of a truncated Pitman-Yor process.

    ``weight[k] = v[k] prod_{j<k} (1 - v[j])``, the last of the K weights takes the rest, and

    ``v[k] ~ Beta(1 - discount + count[k], concentration + k discount + count[k+1] + ...)``

    for k = 1 ... K - 1. An unknown concentration is averaged over: given it the sticks are
    independent, and its own distribution is a one-dimensional integral, so that nothing is
    approximated.

    Parameters
    ----------
    concentration : float or Gamma
        Concentration, or the prior of an unknown one.
    discount : float
        Discount of the process, from 0 to below 1.
    count : array of shape (K,)
        Total responsibilities of the components; zeros for the prior itself.
    """

    concentration: float | Gamma
    discount: float
    count: Array

    def check(self, n_components: int) -> None:
        assert n_components == self.count.size

    def posterior(self, count: Array) -> "StickBreaking":
        return StickBreaking(self.concentration, self.discount, self.count + count)

    @property
    def is_exchangeable(self) -> bool:
        return False

    # ------------------------------------------------------------------- given a concentration

    @property
    def _n_sticks(self) -> int:
        return self.count.size - 1

    def _second(self, values: Array, count: Array) -> Array:
        """Return the sticks' second shapes (J, K - 1) at concentrations (J,)."""
        number = np.arange(1, self.count.size)
        return values[:, None] + number * self.discount + tails(count)[1:]

    @property
    def _first(self) -> Array:
        return 1.0 - self.discount + self.count[:-1]

    def _log_evidence(self, values: Array) -> Array:
        """Return log E[prod weight^count] under the prior of each concentration (J,)."""
        before = betaln(1.0 - self.discount, self._second(values, np.zeros_like(self.count)))
        after = betaln(self._first, self._second(values, self.count))
        return np.asarray((after - before).sum(axis=1))

    @cached_property
    def _grid(self) -> ConcentrationGrid:
        return concentration_grid(self.concentration, self._log_evidence, self._n_sticks)

    @property
    def log_evidence(self) -> float:
        """Log expectation of prod weight^count under the prior, in nats."""
        return self._grid.log_total if self.count.any() else 0.0

    def concentration_mean(self) -> float:
        """Return the posterior expectation of the concentration."""
        return float(self._grid.shares @ self._grid.values)

    @cached_property
    def _shapes(self) -> tuple[Array, Array]:
        second = self._second(self._grid.values, self.count)
        return np.broadcast_to(self._first, second.shape), second

    # ---------------------------------------------------------------------------- expectations

    def expected_log_weights(self, n_components: int) -> Array:
        first, second = self._shapes
        total = digamma(first + second)
        log_share, log_rest = digamma(first) - total, digamma(second) - total
        return self._grid.shares @ _along_the_stick(log_share, log_rest)

    def expected_weights(self, n_components: int) -> Array:
        first, second = self._shapes
        return self._grid.shares @ _products(first / (first + second), second / (first + second))

    def weight_deviations(self, n_components: int) -> Array:
        first, second = self._shapes
        total = first + second
        scale = total * (total + 1.0)
        squares = _products(first * (first + 1.0) / scale, second * (second + 1.0) / scale)
        mean = self.expected_weights(n_components)
        return np.sqrt(np.maximum(self._grid.shares @ squares - mean * mean, 0.0))

    def weight_quantiles(
        self, probabilities: Array, n_components: int, n_first: int | None = None
    ) -> Array:
        n_first = n_components if n_first is None else n_first
        quantiles = np.ones((np.size(probabilities), n_first))
        first, second = self._shapes
        for k in range(n_first if n_components > 1 else 0):
            rests = slice(0, min(k, self._n_sticks))
            own = slice(k, min(k + 1, self._n_sticks))
            shapes = np.hstack([second[:, rests], first[:, own]])
            others = np.hstack([first[:, rests], second[:, own]])
            # Every second point still has steps well below the density's width.
            product = BetaProduct(shapes[::2], others[::2], self._grid.shares[::2])
            quantiles[:, k] = product.quantiles(probabilities)
        return quantiles

    def divergence(self, other: WeightPrior, n_components: int) -> float:
        there = other.posterior(np.zeros(n_components))
        if not isinstance(there, StickBreaking) or not self._has_the_prior_of(there):
            raise TypeError("sticks have a divergence from the same process alone")
        # The ratio of the densities is prod weight^(count - count') over its expectation.
        gained = self.count - there.count
        seen = gained != 0.0
        expected = gained[seen] @ self.expected_log_weights(n_components)[seen]
        return float(expected - (self.log_evidence - there.log_evidence))

    def _has_the_prior_of(self, other: "StickBreaking") -> bool:
        return (repr(self.concentration), self.discount) == (
            repr(other.concentration),
            other.discount,
        )

    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        first, second = self._shapes
        j = rng.choice(len(self._grid.shares), p=self._grid.shares)
        # Two gamma variables, in which neither a share nor its rest is rounded to zero.
        share, rest = rng.gamma(first[j]), rng.gamma(second[j])
        return _products(share / (share + rest), rest / (share + rest))

    # --------------------------------------------------------------------------------- density

    def _given(self, weights: Array) -> tuple[float, float]:
        """Return the prior's log density as far as the last weight goes, and the concentration."""
        with np.errstate(divide="ignore"):
            log_last = float(np.maximum(np.log(weights[-1]), -1e300))
        return given_last_weight(self.concentration, self.discount, self._n_sticks, log_last)

    def log_density(self, weights: Array) -> float:
        if not self._n_sticks:
            return 0.0
        rests = tails(weights)[1:-1]  # each stick's share is a weight over what was left
        log_prior = self._given(weights)[0]
        log_prior -= xlogy(self.discount, weights[:-1]).sum() + np.log(rests).sum()
        return float(log_prior + xlogy(self.count, weights).sum() - self.log_evidence)

    def log_weight_gradient(self, weights: Array) -> Array:
        if not self._n_sticks:
            return np.zeros(1)
        power = self.count - self.discount
        power[-1] += self._given(weights)[1] + self.count.size * self.discount - 1.0
        of_rests = np.zeros_like(weights)
        of_rests[1:] = np.cumsum(np.append(1.0 / tails(weights)[1:-1], 0.0))
        return power - weights * of_rests

    def _powers(self, value: float) -> tuple[Array, Array]:
        """Return the powers of each stick's share and rest in the density of the weights."""
        after = np.arange(self._n_sticks - 1, -1, -1)  # sticks whose Jacobian has this one's rest
        second = self._second(np.array([value]), self.count)[0]
        return self._first - 1.0, second - 1.0 - after

    def mode(self, n_components: int) -> Array:
        """Return the weights of highest density.

        A power below zero counts as zero: the density has no upper bound there.
        """
        if not isinstance(self.concentration, Gamma):
            return self._mode_at(self.concentration)
        value, weights = self.concentration_mean(), np.ones(n_components)
        for _ in range(MAX_PASSES):
            # The log of an average of exponentials lies above its tangents: each pass climbs.
            weights = self._mode_at(value)
            old, value = value, self._given(weights)[1]
            if abs(value - old) <= RESOLUTION * value:
                break
        return weights

    def _mode_at(self, value: float) -> Array:
        """Return the mode at a concentration: inside, but for weights that are held at the edge."""
        n_components = self.count.size
        share, last = np.maximum(self.count - self.discount, 0.0), self._powers(value)[1][-1:]
        rest, n_free = tails(np.append(share[1:-1] - 1.0, last)), n_components
        if (rest < 0.0).any():
            # The first so many sticks are free where no power of a rest is below zero.
            for n_free in np.flatnonzero(np.append(share[:1] > 0.0, share[1:] >= 1.0))[::-1] + 1:
                rest = tails(share[1:n_free] - 1.0)
                if not (rest < 0.0).any():
                    break
            else:
                n_free = n_components
                rest = np.maximum(self._powers(value)[1], 0.0)
        share = share[: n_free - 1]
        total = share + rest
        free = total == 0.0  # whatever the share: an equal one of what is left
        equal = 1.0 / np.arange(n_free, 1, -1)
        sticks = np.where(free, equal, share / np.where(free, 1.0, total))
        others = np.where(free, 1.0 - equal, rest / np.where(free, 1.0, total))
        weights = np.append(_products(sticks, others), np.zeros(n_components - n_free))
        if (weights < SMALLEST_WEIGHT).any():
            weights = np.maximum(weights, SMALLEST_WEIGHT)
        return weights / weights.sum()

    def is_unbounded_at(self, weights: Array) -> bool:
        value = 0.0 if isinstance(self.concentration, Gamma) else self.concentration
        share, rest = self._powers(value)
        edge = 2.0 * SMALLEST_WEIGHT
        emptied = (weights[:-1] <= edge) & (share < 0.0)
        left = (tails(weights)[1:] <= edge * np.arange(self._n_sticks, 0, -1)) & (rest < 0.0)
        return bool(emptied.any() or left.any())

    def preferred_order(self, count: Array) -> IntegerArray:
        # The bound's Z is a constant over prod_k (a + k d + count[k+1] + ...): least when falling.
        return np.argsort(-count, kind="stable")

    # ------------------------------------------------------------------- of the process itself

    @cached_property
    def _with_rest(self) -> "StickBreaking":
        """Return the posterior of one weight more, the rest of the process, which has no rows."""
        return StickBreaking(self.concentration, self.discount, np.append(self.count, 0.0))

    def bound_log_weights(self, n_components: int) -> Array:
        return self._with_rest.expected_log_weights(n_components + 1)[:-1]

    def bound_divergence(self, other: WeightPrior, n_components: int) -> float:
        return self._with_rest.divergence(other, n_components + 1)


def tails(values: Array) -> Array:
    """Return the sums from each of K values to the last, shape (K,)."""
    return np.cumsum(values[::-1])[::-1]


def _products(share: Array, rest: Array) -> Array:
    """Return the weights (..., K) of sticks of given shares and rests (..., K - 1)."""
    one = np.ones((*share.shape[:-1], 1))
    before = np.concatenate([one, np.cumprod(rest, axis=-1)], axis=-1)
    return before * np.concatenate([share, one], axis=-1)


def _along_the_stick(log_share: Array, log_rest: Array) -> Array:
    """Return the log weights (..., K) of sticks of given log shares and rests (..., K - 1)."""
    none = np.zeros((*log_share.shape[:-1], 1))
    before = np.concatenate([none, np.cumsum(log_rest, axis=-1)], axis=-1)
    return before + np.concatenate([log_share, none], axis=-1)
