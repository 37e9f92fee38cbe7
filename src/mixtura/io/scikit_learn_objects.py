"""Fits as the objects of other libraries."""

from typing import Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.typing import Array

SCIKIT_LEARN_FAMILIES = {"tied_diag": "diag", "tied_spherical": "spherical"}
"""What scikit-learn's mixture calls a family that it has only in a more general form."""


def to_sklearn(fit: Fit, covariance_type: str) -> Any:
    """Return a fitted :class:`sklearn.mixture.GaussianMixture` with the fit's density.

    Families that scikit-learn lacks become the more general ones that it has: "full" and "diag",
    and "spherical".
    """
    from sklearn.mixture import GaussianMixture

    if fit.model.background is not None:
        raise InvalidArgumentError(
            "scikit-learn's mixtures have no background: fit with background=None"
        )
    model, parameters = fit.model, fit.parameters
    sizes = (model.n_components, model.n_features)
    family = FAMILIES[covariance_type]
    known = SCIKIT_LEARN_FAMILIES.get(family.name, family.name)
    if family.is_restricted:
        known = "full" if len(family.structure(*sizes)) == 3 else "diag"
    target = FAMILIES[known]
    covariances = family.placed(parameters.covariances, *sizes)
    wanted = target.structure(*sizes)
    covariances = np.broadcast_to(covariances, wanted).copy()
    mixture: Any = GaussianMixture(model.n_components, covariance_type=known)
    mixture.weights_ = parameters.weights.copy()
    mixture.means_ = parameters.means.copy()
    mixture.covariances_ = target.public(covariances)
    mixture.precisions_cholesky_ = target.public(target.precision_cholesky(covariances))
    mixture.precisions_ = _precisions(mixture.precisions_cholesky_, len(wanted) == 3)
    mixture.converged_ = fit.converged
    mixture.n_iter_ = fit.n_iter
    mixture.lower_bound_ = fit.log_likelihood / max(fit.total_weight, np.finfo(float).tiny)
    mixture.n_features_in_ = model.n_features
    return mixture


def _precisions(factor: Array, matrix: bool) -> Array:
    return factor @ np.swapaxes(factor, -1, -2) if matrix else factor**2
