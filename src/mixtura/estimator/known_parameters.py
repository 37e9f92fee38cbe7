"""A fit from parameters that are known, rather than found in rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtura.data.frames import default_names
from mixtura.errors import InvalidArgumentError, NotNumbersError
from mixtura.families import CovarianceFamily
from mixtura.fit import Fit, Run
from mixtura.messages.conversion import as_float64
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.validation import Texts
from mixtura.model import MixtureModel
from mixtura.posteriors import PointPosterior
from mixtura.priors import FlatComponents, FlatWeights
from mixtura.typing import Array

LARGEST_MEAN = 1e152
"""Size of values whose squares float64 can hold."""

ROUNDING = 1e-8
"""How far the sum of weights may be from one, and matrices from symmetric, relatively."""


def fit_of_parameters(
    weights: Any,
    means: Any,
    covariances: Any,
    family: CovarianceFamily,
    names: Sequence[str] | None = None,
) -> Fit:
    """Return a fit of no rows at a mixture's parameters.

    Parameters
    ----------
    weights : array of shape (K,)
        Non-negative, of sum one.
    means : array of shape (K, D)
        Component means.
    covariances : array
        In the public shape of the family.
    family : CovarianceFamily
        What the covariances share.
    names : sequence of D str, optional
        Names of the features.

    Raises
    ------
    InvalidArgumentError
        If they are not the parameters of a mixture; it names which.
    """
    shares, centres = _numbers(weights, "weights", 1), _numbers(means, "means", 2)
    sizes = n_components, n_features = centres.shape
    if shares.shape != (n_components,):
        raise InvalidArgumentError(
            f"must be one for each of the {n_components} rows of means; got shape {shares.shape}",
            argument="weights",
        )
    if (shares < 0.0).any() or abs(shares.sum() - 1.0) > ROUNDING:
        raise InvalidArgumentError(
            "must be non-negative numbers whose sum is 1", argument="weights"
        )
    if not (np.abs(centres) < LARGEST_MEAN).all():
        raise InvalidArgumentError(
            "must be of a size that float64 can square, below 1e152", argument="means"
        )
    spreads = _covariances(covariances, family, *sizes)
    Texts("names, one for each column of means", optional=True).read(names, "feature_names")
    if names is not None and len(names) != n_features:
        raise InvalidArgumentError(
            f"must be {n_features} names, one for each column of means; got {len(names)}",
            argument="feature_names",
        )
    prior = FlatComponents(float(np.finfo(float).tiny))
    model = MixtureModel(n_components, n_features, FlatWeights(), prior, family)
    return Fit(
        model=model,
        posterior=PointPosterior(
            MixtureParameters(shares / shares.sum(), centres, spreads), family
        ),
        method="ml",
        objective=0.0,
        objective_name="log likelihood",
        log_likelihood=0.0,
        runs=(Run("given parameters", (0.0,), True),),
        best=0,
        n_rows=0,
        total_weight=0.0,
        seconds=0.0,
        feature_names=default_names(n_features) if names is None else tuple(names),
        assumptions=("The parameters were given, not fitted: there are no rows behind them.",),
    )


def _numbers(value: Any, name: str, n_dimensions: int) -> Array:
    """Return finite numbers of so many dimensions, none of which is empty."""
    try:
        array = as_float64(value)
    except NotNumbersError as error:
        raise InvalidArgumentError(f"must hold numbers; it holds {error}", argument=name) from None
    if array.ndim != n_dimensions or not array.size or not np.isfinite(array).all():
        raise InvalidArgumentError(
            f"must be finite numbers in {n_dimensions} dimension(s); got shape {array.shape}",
            argument=name,
        )
    return array.copy()


def _covariances(
    covariances: Any, family: CovarianceFamily, n_components: int, n_features: int
) -> Array:
    """Return covariances in the family's structure shape."""
    structure = family.structure(n_components, n_features)
    public = np.shape(family.public(np.ones(structure)))
    found = _numbers(covariances, "covariances", len(public))
    if found.shape != public:
        raise InvalidArgumentError(
            f"must have shape {public} for covariance_type={family.name!r}; got {found.shape}",
            argument="covariances",
        )
    found = found.reshape(structure)
    matrices = family.expand(found, n_components, n_features)
    deviations = np.sqrt(np.maximum(np.einsum("kdd->kd", matrices), 0.0))
    valid = bool((deviations > 0.0).all())
    if valid:
        correlations = matrices / deviations[:, :, None] / deviations[:, None, :]
        valid = np.allclose(correlations, correlations.transpose(0, 2, 1), rtol=0.0, atol=ROUNDING)
        valid = valid and bool(np.linalg.eigvalsh(correlations).min() > 0.0)
    if not valid:
        raise InvalidArgumentError(
            "must be symmetric and positive definite", argument="covariances"
        )
    return found
