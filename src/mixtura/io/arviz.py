"""Draws as an xarray tree, in the groups and dimensions that ArviZ expects."""

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any, final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.diagnostics.partition_draws import occupied_components
from mixtura.diagnostics.posterior_summaries import draws_of
from mixtura.engines import Engine
from mixtura.errors import MissingExtraError
from mixtura.fit import Fit
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.typing import Array

INSTALL = 'pip install "mixtura[arviz]"'
"""The command that installs what this module needs."""

MOST_NUMBERS = 20_000_000
"""Numbers for rows under all draws together, unless the user asks for more."""


def require_xarray() -> None:
    """Raise MissingExtraError, which names the install command, unless xarray can be imported."""
    try:
        found = find_spec("xarray") is not None
    except ValueError:  # a module without a spec, as a block of imports leaves it
        found = False
    if not found:
        raise MissingExtraError(f"to_arviz needs xarray: {INSTALL}")


def to_datatree(fit: Fit, rows: ArrayRows, engine: Engine, n_draws: int | None = None) -> Any:
    """Return the draws of a fit and what they say of rows as an ``xarray.DataTree``.

    Groups ``posterior``, ``sample_stats``, ``log_prior``, ``log_likelihood`` and
    ``posterior_predictive`` have the same draws, whose numbers are in the coordinate ``draw``;
    ``prior`` and ``prior_predictive`` as many draws in one chain, ``observed_data`` the rows. One
    feature, or one component, has no dimension of its own. Components are along
    ``mixture_component``, since ArviZ's tables of prior sensitivity have a ``component`` of theirs.

    Parameters
    ----------
    fit : Fit
        A fit whose posterior holds draws.
    rows : ArrayRows
        The rows that were fitted.
    engine : Engine
        What scores them.
    n_draws : int, optional
        Draws of each chain, evenly spaced; all where there are no more. By default as many as give
        at most 20 million numbers for the rows.

    Raises
    ------
    MissingExtraError
        If xarray is not installed.
    InvalidArgumentError
        If the fit has no draws.
    """
    posterior, values = draws_of(fit, "to_arviz"), rows.values
    require_xarray()
    from xarray import DataTree

    most = posterior.n_chains * n_draws if n_draws else MOST_NUMBERS // max(1, values.size)
    kept, some = posterior.kept(most), posterior.thinned(most)
    every = {"chain": np.arange(posterior.n_chains), "draw": kept}
    names = _Names.of(fit, len(values))
    densities = some.log_densities(rows, engine)
    rng = np.random.default_rng(0)
    replicated = rows.observed_like(some.replicates(len(values), rng), rng)
    by_draw = ("chain", "draw")
    groups = {
        "/": _dataset({}, {}, _attributes(fit, posterior.log_joint.shape[1], kept.size)),
        "/posterior": names.dataset(
            by_draw, every, {**_parameters(some), **_number(some)}, "components after relabelling"
        ),
        "/sample_stats": names.dataset(by_draw, every, _statistics(some, rows, engine)),
        "/log_prior": names.dataset(by_draw, every, _log_priors(some)),
        "/log_likelihood": names.dataset(by_draw, every, {"x": (("obs",), densities)}),
        "/posterior_predictive": names.dataset(
            by_draw, every, {"x": (("obs", "feature"), replicated)}
        ),
        "/observed_data": names.dataset((), {}, {"x": (("obs", "feature"), values)}),
    }
    return DataTree.from_dict(groups | _priors(fit.model, names, some.n_draws, len(values)))


@final
@dataclass(frozen=True, eq=False)
class _Names:
    """Dimensions of a fit, and the names along each of them."""

    coordinates: dict[str, Any]
    single: frozenset[str]

    @classmethod
    def of(cls, fit: Fit, n_rows: int) -> "_Names":
        model, names = fit.model, list(fit.feature_names)
        coordinates = {
            "mixture_component": np.arange(model.n_components),
            "feature": names,
            "other_feature": names,
            "obs": np.arange(n_rows),
        }
        single = {name for name in list(coordinates)[:3] if len(coordinates[name]) == 1}
        return cls(coordinates, frozenset(single))

    def dataset(
        self,
        leading: tuple[str, ...],
        coordinates: dict[str, Any],
        variables: dict[str, tuple[tuple[str, ...], Array]],
        numbering: str = "",
    ) -> Any:
        """Return a data set of arrays, each with its dimensions after the leading ones."""
        kept, used = {}, set()
        for name, (dimensions, array) in variables.items():
            single = [len(leading) + i for i, one in enumerate(dimensions) if one in self.single]
            own = tuple(one for one in dimensions if one not in self.single)
            kept[name] = ((*leading, *own), array.squeeze(tuple(single)))
            used |= set(own)
        along = {name: at for name, at in self.coordinates.items() if name in used}
        return _dataset(kept, coordinates | along, {"numbering": numbering} if numbering else {})


def _parameters(posterior: DrawsPosterior) -> dict[str, Any]:
    """Return the drawn parameters with their dimensions."""
    covariances, dimensions = _public(posterior.model, posterior.covariances)
    return {
        "weights": (("mixture_component",), posterior.weights),
        "means": (("mixture_component", "feature"), posterior.means),
        "scales": (("mixture_component", "feature"), posterior.scales),
        "covariances": (dimensions, covariances),
    }


def _number(posterior: DrawsPosterior) -> dict[str, Any]:
    """Return the drawn number of components where it has a prior."""
    if not posterior.model.weight_prior.has_random_number:
        return {}
    return {"number_of_components": ((), posterior.used_components)}


def _statistics(posterior: DrawsPosterior, rows: ArrayRows, engine: Engine) -> dict[str, Any]:
    """Return what is known of each draw, besides its parameters."""
    counted: dict[str, Any] = {}
    if posterior.model.weight_prior.finds_components:
        own = posterior.partitions
        found = None if own is None else own.occupied.astype(np.intp)
        if found is None and posterior.n_draws * rows.n_rows <= MOST_NUMBERS:
            found = occupied_components(posterior.allocations(rows, engine))
        if found is not None:
            counted["n_occupied"] = ((), found)
    return {
        "lp": ((), posterior.log_joint),
        "log_likelihood": ((), posterior.log_likelihood),
        "number_when_drawn": (("mixture_component",), posterior.numbers),
        **counted,
    }


def _log_priors(posterior: DrawsPosterior) -> dict[str, Any]:
    """Return the log prior densities of weights, and of means and covariances, of each draw."""
    model, shape = posterior.model, posterior.log_joint.shape
    found = np.empty((2, posterior.n_draws))
    for number in range(posterior.n_draws):
        drawn = posterior.draw(number)
        found[:, number] = (
            model.weight_prior.log_density(drawn.weights),
            model.component_prior.log_density(drawn.means, drawn.covariances),
        )
    weights, components = found.reshape(2, *shape)
    return {"weights": ((), weights), "components": ((), components)}


def _priors(model: MixtureModel, names: _Names, n_draws: int, n_rows: int) -> dict[str, Any]:
    """Return the groups of draws from the prior, one chain of them."""
    rng = np.random.default_rng(0)
    drawn = [model.sample_prior(n_rows, rng) for _ in range(n_draws)]
    weights, means, covariances = (
        np.array([getattr(one.parameters, name) for one in drawn])[None]
        for name in ("weights", "means", "covariances")
    )
    shown, dimensions = _public(model, covariances)
    parameters = {
        "weights": (("mixture_component",), weights),
        "means": (("mixture_component", "feature"), means),
        "scales": (("mixture_component", "feature"), np.array([one.scales for one in drawn])[None]),
        "covariances": (dimensions, shown),
    }
    rows = {"x": (("obs", "feature"), np.array([one.rows for one in drawn])[None])}
    by_draw, along = ("chain", "draw"), {"chain": np.arange(1), "draw": np.arange(n_draws)}
    return {
        "/prior": names.dataset(by_draw, along, parameters, "components as they were drawn"),
        "/prior_predictive": names.dataset(by_draw, along, rows),
    }


def _dataset(variables: dict[str, Any], coordinates: dict[str, Any], attributes: Any = None) -> Any:
    from xarray import Dataset

    return Dataset(variables, coordinates, attributes)


def _attributes(fit: Fit, n_drawn: int, n_kept: int) -> dict[str, Any]:
    return {
        "inference_library": "mixtura",
        "inference_library_version": metadata.version("mixtura"),
        "inference_method": fit.method,
        "draws_of_each_chain": f"{n_kept} of {n_drawn}",
    }


def _public(model: MixtureModel, covariances: Array) -> tuple[Array, tuple[str, ...]]:
    """Return draws of covariances without the axes of length one that say what is shared."""
    structure, K, D = model.structure, model.n_components, model.n_features
    lengths = (("mixture_component", K), ("feature", D), ("other_feature", D))
    shared = [
        axis
        for axis, (size, (_, length)) in enumerate(zip(structure, lengths, strict=False))
        if size != length
    ]
    named = (name for name, _ in lengths[: len(structure)])
    dimensions = tuple(name for axis, name in enumerate(named) if axis not in shared)
    return covariances.squeeze(tuple(axis + 2 for axis in shared)), dimensions
