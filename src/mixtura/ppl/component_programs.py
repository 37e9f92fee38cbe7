"""Component priors as Pyro statements; a new prior is one class and one registry entry here."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar, cast, final

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.ops.indexing import Vindex

from mixtura.messages.linalg import covariance_factor
from mixtura.model import MixtureModel
from mixtura.ppl.inverse_wishart import InverseWishart
from mixtura.ppl.shared_scales import SharedScaleSpreads
from mixtura.ppl.tensors import tensor, without_program
from mixtura.priors import (
    ComponentPrior,
    HalfNormal,
    Independent,
    InverseGamma,
    KnownScale,
    LogNormal,
    NormalInverseGamma,
    NormalInverseWishart,
    PositivePrior,
)
from mixtura.priors.hierarchies import HierarchicalPrior
from mixtura.typing import Array

PriorT = TypeVar("PriorT", bound=ComponentPrior)


class ComponentProgram(ABC, Generic[PriorT]):
    """The component prior of one model, as Pyro statements.

    Parameters
    ----------
    model : MixtureModel
        The model; what its covariances share decides on the shapes of the sites.
    """

    def __init__(self, model: MixtureModel) -> None:
        self.model, self.prior = model, cast(PriorT, model.component_prior)
        self.spread: Any = None
        self.n_components, self.n_features = model.n_components, model.n_features
        # Sizes of one more, so that a length of one can only mean sharing.
        structure = model.family.structure(model.n_components + 1, model.n_features + 1)
        self.is_tied = structure[0] == 1
        self.mean_dim = 0 if self.n_features == 1 else 1
        self.is_matrix = len(structure) == 3
        self.spread_dim = 2 if self.is_matrix else (0 if structure[1] == 1 else self.mean_dim)

    @property
    @abstractmethod
    def spread_site(self) -> str | None:
        """Name of what the prior is stated on: ``sigma``, ``variance`` or ``Sigma``.

        None where covariances are known.
        """

    @property
    def known_covariances(self) -> Array:
        """Covariances in the structure shape where no site has them."""
        raise NotImplementedError

    @property
    def spread_shape(self) -> tuple[int, ...]:
        """Shape of what the covariances are sampled as."""
        shared = () if self.is_tied else (self.n_components,)
        return shared + (self.n_features,) * self.spread_dim

    @abstractmethod
    def sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Sample the components; return means and the factors of the covariances.

        Factors are Cholesky factors of matrices of more than one feature, otherwise standard
        deviations.
        """

    def emission(self, means: torch.Tensor, factors: torch.Tensor, z: torch.Tensor) -> Any:
        """Return the distribution of rows that belong to components ``z``."""
        factor_dim = self.spread_dim if self.n_features > 1 else 0
        chosen = factors if self.is_tied else _picked(factors, z, factor_dim)
        return self.rows(_picked(means, z, self.mean_dim), chosen)

    def rows(self, means: torch.Tensor, factors: torch.Tensor) -> Any:
        """Return the distribution of rows around means."""
        if self.n_features == 1:
            return dist.Normal(means, factors)
        if self.is_matrix:
            return dist.MultivariateNormal(means, scale_tril=factors)
        deviations = factors if self.spread_dim == 1 else factors[..., None]
        return dist.Normal(means, deviations).to_event(1)

    def plate(self) -> Any:
        """Return the plate over components."""
        return pyro.plate("components", self.n_components, dim=-1)

    @property
    def learns_scale(self) -> bool:
        """Whether the spreads depend on each other, by a scale that is integrated out."""
        return isinstance(self.prior, HierarchicalPrior) and self.prior.learns_scale

    def spread_plate(self, plate: Any) -> AbstractContextManager[Any]:
        """Return the plate of the covariances: none where they are shared, or one event."""
        return nullcontext() if self.is_tied or self.learns_scale else plate

    def sampled_spreads(self, plate: Any) -> torch.Tensor:
        """Sample what the prior is stated on."""
        assert self.spread_site is not None
        with self.spread_plate(plate):
            values = pyro.sample(self.spread_site, self.spread)
        size = len(self.spread_shape)
        if self.learns_scale and not self.is_tied and values.dim() > size:
            # Beside one event samples that Pyro has stacked have the plate's axis, of length one.
            return values.squeeze(-1 - size)
        return values

    def spreads(self, independent: Callable[[], Any]) -> Any:
        """Return the distribution of the spreads: of each, or of all under a learned scale."""
        if not self.learns_scale:
            return independent()
        is_deviation = self.spread_site == "sigma"
        return SharedScaleSpreads(self.model, self.spread_shape, is_deviation)

    def per_feature(self, value: Any) -> torch.Tensor:
        """Return a hyperparameter of the means, of shape (D,), or () with one feature."""
        full = tensor(np.broadcast_to(value, (self.n_features,)))
        return full.reshape(()) if self.mean_dim == 0 else full

    def per_spread(self, value: Any) -> torch.Tensor:
        """Return a hyperparameter of the spread, of shape (D,), or () where it is one number."""
        return self.per_feature(value) if self.spread_dim == 1 else tensor(value).reshape(())


def _picked(values: torch.Tensor, z: torch.Tensor, event_dim: int) -> torch.Tensor:
    """Return ``values[z]``, also where Pyro has stacked samples to the left of the components."""
    if values.dim() == event_dim + 1:
        return values[z]
    stacked = Vindex(values.unsqueeze(-2 - event_dim))
    return stacked[(..., z, *[slice(None)] * event_dim)]


def _recorded(sigma: torch.Tensor) -> torch.Tensor:
    # Outside the plate: inside, Pyro gives a deterministic site a log density of the default
    # dtype, which TraceEnum_ELBO cannot multiply with one of float64.
    return pyro.deterministic("sigma", sigma)


@final
class IndependentProgram(ComponentProgram[Independent]):
    """The article's statements."""

    def __init__(self, model: MixtureModel) -> None:
        super().__init__(model)
        mean = self.prior.mean
        location, scale = self.per_feature(mean.location), self.per_feature(mean.scale)
        self.mean = dist.Normal(location, scale).to_event(self.mean_dim)
        self.spread = self.spreads(
            lambda: self._positive(self.prior.spread).to_event(self.spread_dim)
        )

    def _positive(self, prior: PositivePrior) -> Any:
        if isinstance(prior, InverseGamma):
            return dist.InverseGamma(self.per_spread(prior.shape), self.per_spread(prior.scale))
        if isinstance(prior, LogNormal):
            return dist.LogNormal(self.per_spread(prior.location), self.per_spread(prior.scale))
        if isinstance(prior, HalfNormal):
            return dist.HalfNormal(self.per_spread(prior.scale))
        raise without_program(prior)

    @property
    def spread_site(self) -> str:
        return "variance" if self.prior.is_on_variance else "sigma"

    def sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        plate = self.plate()
        with plate:
            mu = pyro.sample("mu", self.mean)
        spread = self.sampled_spreads(plate)
        return mu, _recorded(spread.sqrt()) if self.prior.is_on_variance else spread


@final
class NormalInverseGammaProgram(ComponentProgram[NormalInverseGamma]):
    """Variances, and means given them."""

    spread_site = "variance"

    def __init__(self, model: MixtureModel) -> None:
        super().__init__(model)
        self.spread = self.spreads(
            lambda: dist.InverseGamma(
                self.per_spread(self.prior.shape), self.per_spread(self.prior.scale)
            ).to_event(self.spread_dim)
        )
        self.location = self.per_feature(self.prior.mean)
        self.widening = self.per_feature(self.prior.shrinkage).rsqrt()

    def sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        plate = self.plate()
        variance = self.sampled_spreads(plate)
        sigma = _recorded(variance.sqrt())
        deviations = sigma if self.spread_dim == self.mean_dim else sigma[..., None]
        means = dist.Normal(self.location, deviations * self.widening).to_event(self.mean_dim)
        with plate:
            mu = pyro.sample("mu", means)
        return mu, sigma


@final
class NormalInverseWishartProgram(ComponentProgram[NormalInverseWishart]):
    """Covariance matrices, and means given them."""

    spread_site = "Sigma"

    def __init__(self, model: MixtureModel) -> None:
        super().__init__(model)
        self.spread = self.spreads(self._matrices)
        self.location = self.per_feature(self.prior.mean)
        self.widening = tensor(self.prior.shrinkage).rsqrt()

    def _matrices(self) -> InverseWishart:
        size, freedom = self.n_features, self.prior.degrees_of_freedom
        scale = np.asarray(self.prior.scale)
        matrix = scale if scale.ndim == 2 else scale * np.eye(size)
        return InverseWishart(
            tensor(size + 2.0 if freedom is None else freedom), tensor(covariance_factor(matrix))
        )

    def sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        plate = self.plate()
        matrices = self.sampled_spreads(plate)
        sigma = matrices.diagonal(dim1=-2, dim2=-1).sqrt()
        sigma = _recorded(sigma.squeeze(-1) if self.mean_dim == 0 else sigma)
        factors = sigma if self.mean_dim == 0 else torch.linalg.cholesky(matrices)
        with plate:
            mu = pyro.sample("mu", self.rows(self.location, factors * self.widening))
        return mu, factors


@final
class KnownScaleProgram(ComponentProgram[KnownScale]):
    """Means alone; the standard deviations are constants."""

    spread_site = None

    def __init__(self, model: MixtureModel) -> None:
        super().__init__(model)
        mean = self.prior.mean
        location, scale = self.per_feature(mean.location), self.per_feature(mean.scale)
        self.mean = dist.Normal(location, scale).to_event(self.mean_dim)
        self.sigma = self.per_spread(self.prior.scale).expand(self.spread_shape)
        self.structure = model.structure

    @property
    def known_covariances(self) -> Array:
        return self.prior.variances(self.structure)

    def sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        with self.plate():
            mu = pyro.sample("mu", self.mean)
        return mu, _recorded(self.sigma)


COMPONENT_PROGRAMS: dict[type[ComponentPrior], type[ComponentProgram[Any]]] = {
    Independent: IndependentProgram,
    KnownScale: KnownScaleProgram,
    NormalInverseGamma: NormalInverseGammaProgram,
    NormalInverseWishart: NormalInverseWishartProgram,
}
"""Every component prior that has a program; a new one is one class and one entry here."""


def component_program(model: MixtureModel) -> ComponentProgram[Any]:
    """Return the component prior of a model as Pyro statements."""
    program = COMPONENT_PROGRAMS.get(type(model.component_prior))
    if program is None:
        raise without_program(model.component_prior)
    return program(model)
