"""Which features tell the components apart."""

import numpy as np

from mixtura.fit import Fit
from mixtura.messages.validation import FeatureIndex
from mixtura.typing import Array, IntegerArray


def standard_deviations(fit: Fit) -> Array:
    """Return the components' standard deviation of each feature, shape (K, D)."""
    model = fit.model
    variances = model.family.variances(
        fit.parameters.covariances, model.n_components, model.n_features
    )
    return np.sqrt(variances)


def feature_separation(fit: Fit) -> Array:
    """Return the share of each feature's variance that lies between components, shape (D,).

    0 where all components have one mean; 1 where they have no width.
    """
    parameters = fit.parameters
    weights, means = parameters.weights, parameters.means
    # In units of each feature's largest value, where squares neither overflow nor underflow.
    deviations = standard_deviations(fit)
    unit = np.maximum(np.abs(means - means[0]).max(axis=0), deviations.max(axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    centred = (means - means[0]) / unit
    between = weights @ (centred - weights @ centred) ** 2
    total = between + weights @ (deviations / unit) ** 2
    return between / np.where(total > 0, total, 1.0)


def best_features(fit: Fit, limit: int) -> tuple[IntegerArray, str]:
    """Return at most ``limit`` features, in the data's order, and the sentence that says so."""
    n_features = fit.model.n_features
    if n_features <= limit:
        return np.arange(n_features), ""
    order = np.argsort(-feature_separation(fit), kind="stable")
    return (
        np.sort(order[:limit]),
        f"the {limit} of {n_features} features that separate the components best",
    )


def feature_position(fit: Fit, feature: int | str) -> int:
    """Return the position of a feature given by name or number.

    Raises
    ------
    InvalidArgumentError
        If the fit has no such feature.
    """
    return FeatureIndex(fit.feature_names).read(feature, "feature")
