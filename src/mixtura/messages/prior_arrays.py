"""The steps of EM and of Gibbs samplers as numbers: what native runs know of a model."""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, final

import numpy as np

from mixtura.typing import Array, PerFeature, StructureShape


@final
class Restriction(IntEnum):
    """What covariances share beyond their structure shape, by the numbers that native runs know.

    The names are mclust's letters of volume, shape and orientation: one for all (E), each
    component's own (V), or the features' axes (I).
    """

    NONE = 0
    VEI = 1
    EVI = 2
    VEE = 3
    EVE = 4
    VVE = 5
    EEV = 6
    VEV = 7
    EVV = 8


@final
@dataclass(frozen=True, eq=False)
class WeightSteps:
    """The Dirichlet prior of the weights, or of those that are above zero.

    Parameters
    ----------
    concentration : array of shape (K,)
        Of the Dirichlet distribution; the same for all where their number is random.
    log_numbers : array of shape (K,) or (0,)
        Log prior probabilities that 1 ... K weights are above zero, all choices of so many alike;
        empty where all are.
    """

    concentration: Array
    log_numbers: Array

    @property
    def arrays(self) -> tuple[Array, Array]:
        """Both, as native code takes them."""
        return self.concentration, self.log_numbers


@final
@dataclass(frozen=True, eq=False)
class ComponentSteps:
    """Priors of the means of each feature and of inverse gamma scales.

    Which components and features share a scale is said by the shape of the variances, not here.

    Parameters
    ----------
    location : array of shape (D,)
        Expected means.
    precision : array of shape (D,)
        Precisions of the means; in units of the components' own precisions where they are
        ``relative``.
    shape, scale : array of shape (D,)
        Of the inverse gamma distributions; the same D times where one scale serves all features.
    relative : bool
        Whether the means' precisions are relative to the components': the conjugate prior.
    power : int
        1 where the scales are standard deviations, 2 where they are variances.
    """

    dimensions: ClassVar[int] = 2
    """Of variances: (K or 1, D or 1)."""

    location: Array
    precision: Array
    shape: Array
    scale: Array
    relative: bool
    power: int


@final
@dataclass(frozen=True, eq=False)
class MatrixSteps:
    """The conjugate prior of means and of a covariance matrix for each component or for all.

    Parameters
    ----------
    location : array of shape (D,)
        Expected mean.
    shrinkage : float
        Precision of the mean in units of the component's own.
    freedom : float
        Degrees of freedom of the inverse Wishart distribution.
    scale : array of shape (D, D)
        Its scale.
    """

    dimensions: ClassVar[int] = 3
    """Of covariances: (K or 1, D, D)."""

    location: Array
    shrinkage: float
    freedom: float
    scale: Array


@final
@dataclass(frozen=True, eq=False)
class ModeSteps:
    """How EM goes from statistics to the mode of means and covariances.

    Parameters
    ----------
    is_conjugate : bool
        Whether the prior is conjugate; it is flat otherwise.
    mean, shrinkage : array of shape (D,)
        Expected means of a conjugate prior, and how many rows they are worth.
    freedom : array of shape (1,), or (D or 1,) of variances
        Degrees of freedom of a matrix, or shapes of the inverse gamma distributions of variances.
    scale : array of shape (D, D), or (D or 1,) of variances
        Of those distributions.
    floor : array of shape (D,)
        The smallest variances under a flat prior.
    restriction : Restriction
        What the covariances share beyond their structure shape.
    """

    is_conjugate: bool
    mean: Array
    shrinkage: Array
    freedom: Array
    scale: Array
    floor: Array
    restriction: Restriction = Restriction.NONE

    @property
    def numbers(self) -> Array:
        """All that is no whole number, one after the other."""
        parts = (self.mean, self.shrinkage, self.freedom, self.scale.ravel(), self.floor)
        return np.concatenate(parts, dtype=np.float64)


@final
@dataclass(frozen=True, eq=False)
class ClimbSteps:
    """What a climb to the posterior mode must know beyond the steps of EM.

    Parameters
    ----------
    components : ModeSteps
        How means and covariances follow from statistics.
    excess : array of shape (K,)
        Concentrations of the weights' Dirichlet distribution less one.
    pseudo_counts : float, float
        About how many rows the prior is worth to a mean and to a covariance.
    """

    components: ModeSteps
    excess: Array
    pseudo_counts: tuple[float, float]

    @property
    def numbers(self) -> Array:
        """All of it, one after the other."""
        parts = (self.components.numbers, self.excess, self.pseudo_counts)
        return np.concatenate(parts, dtype=np.float64)


def conjugate_steps(
    n_features: int, mean: PerFeature, shrinkage: PerFeature, freedom: Array, scale: Array
) -> ModeSteps:
    """Return the steps of a conjugate prior, whose mean and shrinkage may be one for all."""
    mean, shrinkage = (
        value
        if isinstance(value, np.ndarray) and value.shape == (n_features,)
        else np.full(n_features, value, dtype=np.float64)
        for value in (mean, shrinkage)
    )
    return ModeSteps(True, mean, shrinkage, freedom, scale, np.zeros(n_features))


def flat_steps(floor: Array, structure: StructureShape) -> ModeSteps:
    """Return the steps of a flat prior with smallest variances (D,)."""
    blank, is_matrix = np.zeros(floor.size), len(structure) == 3
    freedom = np.zeros(1 if is_matrix else structure[1])
    return ModeSteps(False, blank, blank, freedom, np.zeros(structure[1:]), floor)


@final
@dataclass(frozen=True, eq=False)
class ScaleSteps:
    """How the scale of the default prior follows the groups: ``elicitation`` has the formulas.

    Parameters
    ----------
    freedom, lean, shrinkage, narrowest, rest : float
        Degrees of freedom in rows, how far matrices lean on their diagonal, how many rows means
        are worth where groups are as wide as all rows, the share of the pooled variance below
        which the scale does not fall, and, where it is above zero, the relative change of the
        scale that ends the run.
    rounding, resolved, unknown : array of shape (D,), or (1,) where one variance serves all
        Error of rounding, what float64 resolves (infinity where the scale is held), and the
        variance where nothing is known.
    overall : array of shape (D,)
        Variances of all rows.
    scale : array of shape (D, D), (D,) or (1,), optional
        The scale so far.
    """

    freedom: float
    lean: float
    shrinkage: float
    narrowest: float
    rest: float
    rounding: Array
    resolved: Array
    unknown: Array
    overall: Array
    scale: Array | None

    def numbers(self, structure: StructureShape) -> Array:
        """All of it, one after the other, the scale last."""
        known = self.scale is not None
        single = (self.freedom, self.lean, self.shrinkage, self.narrowest, float(known), self.rest)
        scale = np.zeros(structure[1:]) if self.scale is None else self.scale
        parts = (self.rounding, self.resolved, self.unknown, self.overall, scale.ravel())
        return np.concatenate((single, *parts), dtype=np.float64)


def steps_of(
    n_features: int,
    location: PerFeature,
    precision: PerFeature,
    shape: PerFeature,
    scale: PerFeature,
    *,
    relative: bool,
    power: int,
) -> ComponentSteps | None:
    """Return steps whose numbers are given for all D features at once or for each.

    None where they are beyond float64.
    """
    given = (location, precision, shape, scale)
    table = np.array([np.broadcast_to(part, n_features) for part in given], dtype=np.float64)
    if not np.isfinite(table).all():
        return None
    return ComponentSteps(table[0], table[1], table[2], table[3], relative, power)


def matrix_steps_of(
    n_features: int,
    location: PerFeature,
    shrinkage: float | Array,
    freedom: float | Array,
    scale: Array,
) -> MatrixSteps | None:
    """Return steps whose location is given for all D features at once or for each.

    None where they are beyond float64.
    """
    centre = np.array(np.broadcast_to(location, n_features), dtype=np.float64)
    matrix = np.array(scale, dtype=np.float64, order="C")
    numbers = (float(shrinkage), float(freedom))
    if not all(np.isfinite(part).all() for part in (centre, matrix, *numbers)):
        return None
    return MatrixSteps(centre, *numbers, matrix)


@final
@dataclass(frozen=True, eq=False)
class ClusterSteps:
    """The conjugate prior of a cluster whose features have variances, or known ones.

    Parameters
    ----------
    location : array of shape (D,)
        Expected means.
    shrinkage : array of shape (D,)
        Precisions of the means in units of the cluster's own.
    shape, scale : array of shape (D,)
        Of the inverse gamma distributions of the variances, the same D times where they are one;
        known variances are the ``scale``.
    is_shared : bool
        Whether one variance serves all features.
    is_known : bool
        Whether the variances are known.
    """

    location: Array
    shrinkage: Array
    shape: Array
    scale: Array
    is_shared: bool = False
    is_known: bool = False


def cluster_steps_of(
    n_features: int,
    location: PerFeature,
    shrinkage: PerFeature,
    shape: PerFeature,
    scale: PerFeature,
    *,
    is_shared: bool = False,
    is_known: bool = False,
) -> ClusterSteps | None:
    """Return steps whose numbers are given for all D features at once or for each.

    None where they are beyond float64.
    """
    given = (location, shrinkage, shape, scale)
    table = np.array([np.broadcast_to(part, n_features) for part in given], dtype=np.float64)
    if not (np.isfinite(table).all() and (table[1:] > 0.0).all()):
        return None
    return ClusterSteps(table[0], table[1], table[2], table[3], is_shared, is_known)


@final
@dataclass(frozen=True, eq=False)
class PartitionSteps:
    """What a partition of N rows is worth before they are seen, up to a constant.

    ``sum_j log_size[n_j] + sum_{s < t} log_new[s]`` for clusters of sizes n_1 ... n_t.

    Parameters
    ----------
    log_join : array of shape (N + 1,)
        Log weight of joining a cluster of n other rows; the first is not used.
    log_size : array of shape (N + 1,)
        Sums of ``log_join[1]`` to ``log_join[n - 1]``; zero for n of 0 and 1.
    log_new : array of shape (N + 1,)
        Log weight of a new cluster beside t others; minus infinity where there can be no more.
    """

    log_join: Array
    log_size: Array
    log_new: Array

    @classmethod
    def of(cls, shift: float, log_new: Array) -> "PartitionSteps":
        """Return the steps of a partition in which a cluster of n rows is worth n + shift.

        Parameters
        ----------
        shift : float
            Above -1.
        log_new : array of shape (N + 1,)
            Log weight of a new cluster beside t others.
        """
        log_join = np.zeros_like(log_new)
        log_join[1:] = np.log(np.arange(1, log_new.size) + shift)
        log_size = np.zeros_like(log_new)
        log_size[1:] = np.cumsum(log_join)[:-1]
        return cls(log_join, log_size, log_new)


@final
@dataclass(frozen=True, eq=False)
class ChainSteps:
    """All steps of a chain.

    Parameters
    ----------
    weights : WeightSteps
        Prior of the weights.
    components : ComponentSteps or MatrixSteps
        Priors of means and scales.
    """

    weights: WeightSteps
    components: ComponentSteps | MatrixSteps


@final
@dataclass(frozen=True, eq=False)
class ChainDraws:
    """What some sweeps of a chain found.

    Parameters
    ----------
    weights, means, variances : array of shape (S, K), (S, K, D), (S, *structure)
        Draws that were kept: variances (K or 1, D or 1), or covariances (K or 1, D, D).
    log_likelihood : array of shape (T,)
        Log likelihood of the rows at the draw of each of the T sweeps, in nats.
    log_prior : array of shape (T,)
        Log prior density of each, up to one constant, in nats.
    last : tuple of arrays of shape (K,), (K, D), structure
        Weights, means and variances at which the next sweep begins.
    """

    weights: Array
    means: Array
    variances: Array
    log_likelihood: Array
    log_prior: Array
    last: tuple[Array, Array, Array]


def kept_before(sweep: int, warmup: int, thin: int) -> int:
    """Return how many draws are kept before a sweep: each ``thin``-th after the warm-up."""
    return max(0, sweep - warmup) // thin
