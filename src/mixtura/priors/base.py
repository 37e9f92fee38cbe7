"""What a prior promises: K-sized statistics in, a posterior with a mode out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, PerFeature, StructureShape


class Prior(ABC):  # noqa: B024 - what its two kinds promise differs altogether
    """A distribution whose hyperparameters are the fields of a frozen dataclass."""

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_hyperparameters(cls, values: Mapping[str, Any]) -> Self:
        """Return the prior with the given hyperparameters."""
        return cls(**values)


class WeightPrior(Prior):
    """Prior of the mixture weights."""

    @abstractmethod
    def check(self, n_components: int) -> None:
        """Raise InvalidArgumentError unless the hyperparameters fit K components."""

    @abstractmethod
    def posterior(self, count: Array) -> "WeightPrior":
        """Return the posterior given the components' total responsibilities, shape (K,)."""

    @abstractmethod
    def mode(self, n_components: int) -> Array:
        """Return the weights of highest density, shape (K,)."""

    @abstractmethod
    def log_density(self, weights: Array) -> float:
        """Return the log density of weights of shape (K,), in nats, all constants included."""

    @abstractmethod
    def log_weight_gradient(self, n_components: int) -> Array:
        """Return the gradient of the log density in the logarithms of the weights, shape (K,)."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        """Return weights drawn from the prior, shape (K,)."""

    @property
    def is_exchangeable(self) -> bool:
        """Whether renumbering the components leaves the prior as it is."""
        return True

    def is_unbounded_at(self, weights: Array) -> bool:
        """Whether the weights lie where the density has no upper bound."""
        return False


class ComponentPosterior(ABC):
    """Posterior of means and covariances given (soft) assignments."""

    @abstractmethod
    def mode(self) -> tuple[Array, Array]:
        """Return the means (K, D) and covariances (structure shape) of highest density."""

    @abstractmethod
    def posterior(self, statistics: SufficientStatistics) -> "ComponentPosterior":
        """Return the posterior after further rows."""


class ComponentPrior(Prior):
    """Prior of the components' means and covariances.

    The structure shape says what the covariances share; a prior never learns a family's name.
    Densities are with respect to the coordinates that the class names (variances, standard
    deviations or covariance matrices), without any change of variables.
    """

    structure_dimensions: ClassVar[tuple[int, ...]]
    """Lengths of the structure shapes that the prior is for: 3 matrices, 2 variances."""

    @abstractmethod
    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        """Raise InvalidArgumentError unless prior and hyperparameters fit the structure."""

    @abstractmethod
    def posterior(self, statistics: SufficientStatistics) -> ComponentPosterior:
        """Return the posterior given sufficient statistics."""

    @abstractmethod
    def log_density(self, means: Array, covariances: Array) -> float:
        """Return the log density in nats, all constants included."""

    def allows(self, covariances: Array) -> bool:
        """Whether the density is positive at positive (definite) covariances."""
        return True

    @abstractmethod
    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Return the gradient of the log density in the means and in the covariances.

        Matrices are taken as functions of all their entries, so that the gradient is symmetric.
        """

    @abstractmethod
    def draw(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        """Return means (K, D) and covariances (structure shape) drawn from the prior."""

    @abstractmethod
    def rescaled(self, factor: Array) -> "ComponentPrior":
        """Return the prior of the components of ``x * factor``, factor of shape (D,)."""


def hyperparameter(
    value: Any, name: str, *, positive: bool = False, max_ndim: int = 1
) -> float | Array:
    """Return a validated hyperparameter: a float, or a float64 array where one was given."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name} must be a number or numbers; got {value!r}") from None
    if array.ndim > max_ndim or array.size == 0:
        raise InvalidArgumentError(
            f"{name} must be a number or an array of at most {max_ndim} dimension(s); "
            f"got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InvalidArgumentError(f"{name} must be finite; got {value!r}")
    if positive and not (array > 0).all():
        raise InvalidArgumentError(f"{name} must be above zero; got {value!r}")
    return float(array) if array.ndim == 0 else array


def check_per_feature(value: PerFeature, name: str, n_features: int) -> None:
    """Raise InvalidArgumentError unless a hyperparameter is one number or one per feature."""
    if np.ndim(value) > 0 and np.shape(value) != (n_features,):
        raise InvalidArgumentError(
            f"{name} must be one number or one for each of the {n_features} features; "
            f"got shape {np.shape(value)}"
        )


def unscaled(value: PerFeature, factor: Array, *, positive: bool = False) -> float | Array:
    """Return ``value * factor``, a float again where both are the same for all features."""
    limits = np.finfo(float)
    with np.errstate(over="ignore"):  # the largest number, where the product is larger
        product = np.asarray(value) * factor
    product = np.clip(product, limits.tiny if positive else -limits.max, limits.max)
    if np.ndim(value) == 0 and np.all(factor == factor[0]):
        return float(product[0])
    return product
