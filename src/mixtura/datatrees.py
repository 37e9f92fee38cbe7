"""Draws as an xarray tree, in the groups and dimensions that ArviZ expects."""

from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np

from mixtura.data import ArrayRows
from mixtura.diagnostics.partitions import occupied_components
from mixtura.engines import Engine
from mixtura.errors import MissingExtraError
from mixtura.fit import Fit
from mixtura.judgements import BLOCK, MOST_ALLOCATED, draws_of
from mixtura.model import MixtureModel
from mixtura.typing import Array

INSTALL = 'pip install "mixtura[arviz]"'
"""The command that installs what this module needs."""


def require_xarray() -> None:
    """Raise MissingExtraError, which names the install command, unless xarray can be imported."""
    try:
        found = find_spec("xarray") is not None
    except ValueError:  # a module without a spec, as a block of imports leaves it
        found = False
    if not found:
        raise MissingExtraError(f"to_arviz needs xarray: {INSTALL}")


def to_datatree(fit: Fit, values: Array, engine: Engine) -> Any:
    """Return the draws of a fit and what they say of rows as an ``xarray.DataTree``.

    Groups ``posterior`` and ``sample_stats`` have all draws; ``log_likelihood`` and
    ``posterior_predictive`` at most 1000 (fewer of very many rows), evenly spaced in each chain,
    whose numbers are in the coordinate ``draw``; ``observed_data`` has the rows.

    Parameters
    ----------
    fit : Fit
        A fit whose posterior holds draws.
    values : array of shape (N, D)
        The rows that were fitted.
    engine : Engine
        What scores them.

    Raises
    ------
    MissingExtraError
        If xarray is not installed.
    InvalidArgumentError
        If the fit has no draws.
    """
    posterior = draws_of(fit, "to_arviz")
    require_xarray()
    from xarray import DataTree

    n_chains, n_draws = posterior.log_joint.shape
    most = min(MOST_ALLOCATED, max(n_chains, 5 * BLOCK // max(1, values.size)))
    some, kept = posterior.thinned(most), posterior.kept(most)
    every, few = (
        {"chain": np.arange(n_chains), "draw": draws} for draws in (np.arange(n_draws), kept)
    )
    components = {"component": np.arange(fit.model.n_components)}
    features = {"feature": list(fit.feature_names)}
    rows = {"obs": np.arange(len(values))}
    matrix = len(fit.model.structure) == 3
    also = {"other_feature": list(fit.feature_names)} if matrix else {}
    covariances, dimensions = _public(fit.model, posterior.covariances)
    by_draw, by_component = ("chain", "draw"), ("chain", "draw", "component")
    numbers = {}
    if fit.model.weight_prior.has_random_number:
        numbers["number_of_components"] = (by_draw, posterior.used_components)
    counted = {}
    if fit.model.weight_prior.finds_components:
        own = posterior.partitions
        found = None if own is None else own.occupied.astype(np.intp)
        if found is None and posterior.n_draws * len(values) <= 5 * BLOCK:
            found = occupied_components(posterior.allocations(ArrayRows(values), engine))
        if found is not None:
            counted["n_occupied"] = (by_draw, found)
    densities = some.log_densities(ArrayRows(values), engine)
    replicated = some.replicates(len(values), np.random.default_rng(0))
    return DataTree.from_dict(
        {
            "/": _dataset({}, {}, _attributes(fit)),
            "/posterior": _dataset(
                {
                    "weights": (by_component, posterior.weights),
                    "means": ((*by_component, "feature"), posterior.means),
                    "scales": ((*by_component, "feature"), posterior.scales),
                    "covariances": ((*by_draw, *dimensions), covariances),
                    **numbers,
                },
                every | components | features | also,
                {"numbering": "components after renumbering"},
            ),
            "/sample_stats": _dataset(
                {
                    "lp": (by_draw, posterior.log_joint),
                    "log_likelihood": (by_draw, posterior.log_likelihood),
                    "number_when_drawn": (by_component, posterior.numbers),
                    **counted,
                },
                every | components,
            ),
            "/log_likelihood": _dataset({"x": ((*by_draw, "obs"), densities)}, few | rows),
            "/posterior_predictive": _dataset(
                {"x": ((*by_draw, "obs", "feature"), replicated)}, few | rows | features
            ),
            "/observed_data": _dataset({"x": (("obs", "feature"), values)}, rows | features),
        }
    )


def _dataset(variables: dict[str, Any], coordinates: dict[str, Any], attributes: Any = None) -> Any:
    from xarray import Dataset

    return Dataset(variables, coordinates, attributes)


def _attributes(fit: Fit) -> dict[str, str]:
    return {
        "inference_library": "mixtura",
        "inference_library_version": metadata.version("mixtura"),
        "inference_method": fit.method,
    }


def _public(model: MixtureModel, covariances: Array) -> tuple[Array, tuple[str, ...]]:
    """Return draws of covariances without the axes of length one that say what is shared."""
    structure, K, D = model.structure, model.n_components, model.n_features
    lengths = (("component", K), ("feature", D), ("other_feature", D))
    shared = [
        axis
        for axis, (size, (_, length)) in enumerate(zip(structure, lengths, strict=False))
        if size != length
    ]
    named = (name for name, _ in lengths[: len(structure)])
    dimensions = tuple(name for axis, name in enumerate(named) if axis not in shared)
    return covariances.squeeze(tuple(axis + 2 for axis in shared)), dimensions
