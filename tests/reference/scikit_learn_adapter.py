"""This package's estimator behind the names of scikit-learn's mixtures, for its tests."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky
from sklearn.utils.validation import check_is_fitted

from mixtura import GaussianMixtureModel
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    NormalInverseGamma,
    NormalInverseWishart,
)

STARTS = {
    "kmeans": "kmeans",
    "k-means++": "kmeans",
    "random": "random",
    "random_from_data": "random",
}
"""scikit-learn's ``init_params``, and the start that is nearest to each."""

ANSWERS = ("predict", "predict_proba", "score", "score_samples", "sample", "aic", "bic")
"""Methods that are passed on."""

PROCESS = "dirichlet_process"


class Adapted(BaseEstimator):
    """What both mixtures of scikit-learn have in common."""

    def fit(self, X, y=None):
        """Fit this package's model, and take over what it found."""
        given = self._given(X) | {"tol": self.tol * len(X)}  # here it is of the sum
        if self.warm_start and hasattr(self, "fitted"):
            given["init"] = self.fitted
        self.fitted = GaussianMixtureModel(**given).fit(X)
        for name in ("weights_", "means_", "covariances_", "precisions_", "converged_", "n_iter_"):
            setattr(self, name, getattr(self.fitted, name))
        self.precisions_cholesky_ = _compute_precision_cholesky(
            self.covariances_, self.covariance_type
        )
        self.lower_bounds_ = list(self.fitted.objective_history_ / len(X))
        self.lower_bound_ = self.fitted.objective_ / len(X)
        return self

    def fit_predict(self, X, y=None):
        """Fit, and return the labels."""
        return self.fit(X).fitted.labels_

    def __getattr__(self, name):
        if name not in ANSWERS:
            raise AttributeError(name)

        def asked(*values):
            check_is_fitted(self, "fitted")
            return getattr(self.fitted, name)(*values)

        return asked

    def _n_parameters(self):
        return self.fitted.fit_.model.n_parameters

    def _common(self):
        return {
            "n_components": self.n_components,
            "covariance_type": self.covariance_type,
            "init": STARTS[self.init_params],
            "n_init": self.n_init,
            "max_iter": self.max_iter,
            "random_state": self.random_state,
            "verbose": self.verbose,
        }


class GaussianMixture(Adapted):
    """Maximum likelihood; ``reg_covar`` has no counterpart, for variances have a floor."""

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        tol=1e-3,
        reg_covar=1e-6,
        max_iter=100,
        n_init=1,
        init_params="kmeans",
        weights_init=None,
        means_init=None,
        precisions_init=None,
        random_state=None,
        warm_start=False,
        verbose=0,
        verbose_interval=10,
    ):
        values = {name: value for name, value in locals().items() if name != "self"}
        for name, value in values.items():
            setattr(self, name, value)

    def _given(self, X):
        given = self._common() | {"inference": "ml"}
        inits = (self.weights_init, self.means_init, self.precisions_init)
        if all(value is None for value in inits):
            return given
        if self.weights_init is None and self.precisions_init is None:
            return given | {"init": self.means_init, "n_init": None}
        begun = GaussianMixtureModel(**(given | {"max_iter": 0})).fit(X)
        weights, means, precisions = inits
        start = GaussianMixtureModel.from_parameters(
            begun.weights_ if weights is None else weights,
            begun.means_ if means is None else means,
            begun.covariances_ if precisions is None else self._inverse(precisions),
            covariance_type=self.covariance_type,
        )
        return given | {"init": start, "n_init": None}

    def _inverse(self, precisions):
        matrices = self.covariance_type in ("full", "tied")
        return np.linalg.inv(precisions) if matrices else 1.0 / np.asarray(precisions)


class BayesianGaussianMixture(Adapted):
    """Variational Bayes under the priors that scikit-learn's parameters name."""

    def __init__(
        self,
        *,
        n_components=1,
        covariance_type="full",
        tol=1e-3,
        reg_covar=1e-6,
        max_iter=100,
        n_init=1,
        init_params="kmeans",
        weight_concentration_prior_type=PROCESS,
        weight_concentration_prior=None,
        mean_precision_prior=None,
        mean_prior=None,
        degrees_of_freedom_prior=None,
        covariance_prior=None,
        random_state=None,
        warm_start=False,
        verbose=0,
        verbose_interval=10,
    ):
        values = {name: value for name, value in locals().items() if name != "self"}
        for name, value in values.items():
            setattr(self, name, value)

    def _given(self, X):
        concentration = self.weight_concentration_prior
        concentration = 1.0 / self.n_components if concentration is None else concentration
        is_process = self.weight_concentration_prior_type == PROCESS
        weights = (DirichletProcess if is_process else Dirichlet)(concentration)
        return self._common() | {
            "inference": "vb",
            "weight_prior": weights,
            "component_prior": self._component_prior(np.asarray(X, dtype=float)),
        }

    def _component_prior(self, X):
        """Return the prior; scikit-learn's covariance prior is the scale of its Wishart."""
        size = X.shape[1]
        mean = X.mean(axis=0) if self.mean_prior is None else self.mean_prior
        shrinkage = 1.0 if self.mean_precision_prior is None else self.mean_precision_prior
        freedom = self.degrees_of_freedom_prior
        freedom = size if freedom is None else freedom
        if self.covariance_type in ("full", "tied"):
            scale = np.atleast_2d(np.cov(X.T))
            scale = scale if self.covariance_prior is None else self.covariance_prior
            return NormalInverseWishart(mean, shrinkage, freedom, scale)
        scale = np.var(X, axis=0, ddof=1)
        scale = scale.mean() if self.covariance_type == "spherical" else scale
        scale = scale if self.covariance_prior is None else self.covariance_prior
        return NormalInverseGamma(mean, shrinkage, freedom / 2.0, np.asarray(scale) / 2.0)

    @property
    def _priors(self):
        model = self.fitted.fit_.model
        return model.weight_prior, model.component_prior

    @property
    def weight_concentration_prior_(self):
        """The concentration of the prior that was fitted."""
        return self._priors[0].concentration

    @property
    def mean_precision_prior_(self):
        """The shrinkage of the prior that was fitted."""
        return self._priors[1].shrinkage

    @property
    def mean_prior_(self):
        """The mean of the prior that was fitted."""
        return self._priors[1].mean

    @property
    def degrees_of_freedom_prior_(self):
        """The degrees of freedom of the prior that was fitted."""
        return self._priors[1].degrees_of_freedom

    @property
    def covariance_prior_(self):
        """The scale of the prior that was fitted, as scikit-learn counts it."""
        prior = self._priors[1]
        is_matrix = isinstance(prior, NormalInverseWishart)
        return prior.scale if is_matrix else 2.0 * prior.scale

    @property
    def weight_concentration_(self):
        """The counts of the fitted factor of the weights, as scikit-learn has them."""
        counts = self.fitted.posterior_.statistics.of_weights
        if self.weight_concentration_prior_type != PROCESS:
            return self.weight_concentration_prior_ + counts
        after = np.concatenate([np.cumsum(counts[::-1])[-2::-1], [0.0]])
        return 1.0 + counts, self.weight_concentration_prior_ + after
