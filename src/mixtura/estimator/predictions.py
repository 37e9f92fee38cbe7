"""What a fitted estimator answers about rows: the base of the class."""

from abc import ABC
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, DensityMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mixtura.data import ArrayRows, KnownLabels
from mixtura.data.frames import default_names
from mixtura.data.kept_rows import KeptRows
from mixtura.data.known_labels import known_labels, with_groups
from mixtura.data.measurement_errors import error_variances
from mixtura.data.row_weights import row_weights
from mixtura.diagnostics import information_criteria
from mixtura.engines import Engine, best_engine
from mixtura.errors import InvalidArgumentError, UnknownArgumentError
from mixtura.estimator import arguments, row_validation
from mixtura.estimator.foreign_names import unknown, with_options
from mixtura.fit import Fit
from mixtura.messages import validation
from mixtura.posteriors import Posterior
from mixtura.typing import Array, IntegerArray

ASSIGNMENT_LOSSES = {
    "soft": information_criteria.assignment_entropy,
    "hard": information_criteria.assignment_loss,
}
"""What ICL adds to BIC, but for a factor of two, by name."""

ASSIGNMENTS = validation.OneOf(ASSIGNMENT_LOSSES)


class Predictions(TransformerMixin, DensityMixin, BaseEstimator, ABC):
    """Labels, probabilities, densities and draws of rows, and how rows and fits come in."""

    covariance_type: str
    background: Any
    inference: Any
    n_jobs: Any
    random_state: Any
    fit_: Fit
    posterior_: Posterior
    labels_: IntegerArray
    n_features_in_: int
    feature_names_in_: Any
    _training: KeptRows

    def _adopt(self, fit: Fit) -> None:
        """Set the fitted attributes from a fit."""
        parameters = fit.parameters
        sizes = parameters.means.shape
        family = arguments.covariance_family(self.covariance_type)
        self.fit_ = fit
        self.weights_ = parameters.weights
        self.background_weight_ = fit.background_weight
        self.means_ = parameters.means
        self.covariances_ = family.public(family.placed(parameters.covariances, *sizes))
        self.scales_ = np.sqrt(fit.model.family.variances(parameters.covariances, *sizes))
        self.posterior_ = fit.posterior
        self.objective_ = fit.objective
        self.objective_history_ = np.asarray(fit.history)
        self.converged_ = fit.converged
        self.n_iter_ = fit.n_iter

    @property
    def precisions_(self) -> Array:
        """Inverse covariances, in the shape of ``covariances_``."""
        check_is_fitted(self)
        model = self.fit_.model
        family = arguments.covariance_family(self.covariance_type)
        structure = family.structure(model.n_components, model.n_features)
        factor = family.precision_cholesky(np.reshape(self.covariances_, structure))
        is_matrix = factor.ndim == 3
        return family.public(factor @ factor.swapaxes(1, 2) if is_matrix else factor * factor)

    def _engine(self) -> Engine:
        return best_engine(arguments.number_of_threads(self.n_jobs))

    def _validated(self, X: Any, *, reset: bool) -> Array:
        return row_validation.checked_rows(self, X, reset=reset)

    def _weights(self, sample_weight: Any, values: Array) -> Array:
        return row_weights(sample_weight, len(values))

    def _checked_rows(
        self,
        X: Any,
        sample_weight: Any,
        measurement_error: Any,
        labels: Any,
        groups: Any,
        *,
        reset: bool,
    ) -> ArrayRows:
        values = self._validated(X, reset=reset)
        weights = None if sample_weight is None else self._weights(sample_weight, values)
        names = getattr(self, "feature_names_in_", None)
        errors = error_variances(measurement_error, values, names)
        known = None if labels is None else self._labels(labels, len(values), reset=reset)
        known = known if groups is None else with_groups(known, groups, len(values))
        return ArrayRows(values, weights, None, errors, None, known)

    def _labels(self, labels: Any, n_rows: int, *, reset: bool) -> KnownLabels | None:
        given = vars(self)
        n_components, per_class = (
            arguments.parameter(given, name) for name in ("n_components", "components_per_class")
        )
        earlier = None if reset else self.fit_.classes
        background = self.background is not None
        return known_labels(labels, n_rows, n_components, per_class, earlier, background=background)

    def _output_kind(self) -> str:
        """Return the kind of frame that ``set_output`` asks for; "default" for none."""
        own = vars(self).get("_sklearn_output_config", {})
        return str(own.get("transform", get_config()["transform_output"]))

    def _rows(self, X: Any, measurement_error: Any = None) -> ArrayRows:
        check_is_fitted(self)
        return self._checked_rows(X, None, measurement_error, None, None, reset=False)

    def _feature_names(self) -> tuple[str, ...]:
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            return default_names(self.n_features_in_)
        return tuple(str(name) for name in names)

    def _shown(self, X: Any, measurement_error: Any = None, labels: Any = None) -> ArrayRows:
        check_is_fitted(self)
        if X is not None:
            return self._checked_rows(X, None, measurement_error, labels, None, reset=False)
        if not hasattr(self, "_training"):
            raise InvalidArgumentError(
                "the training rows are not kept by partial_fit, in files and in pickles: pass X"
            )
        return self._training.read()

    def predict(self, X: Any, measurement_error: Any = None) -> IntegerArray:
        """Return the most probable component of each row, shape (N,).

        Here and below, missing cells of a row and its errors, as ``fit`` takes them, are integrated
        out; a row without values goes by the weights.
        """
        rows = self._rows(X, measurement_error)
        return self.posterior_.labels(rows, self._engine())

    def predict_proba(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the probability of each component for each row, shape (N, K).

        With a background shape (N, K + 1): its probability comes last.
        """
        rows = self._rows(X, measurement_error)
        return self.posterior_.responsibilities(rows, self._engine())

    def transform(self, X: Any) -> Array:
        """Return the responsibilities of each row, shape (N, K)."""
        return self.predict_proba(X)

    def score_samples(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the log predictive density of each row, shape (N,), in nats.

        Of the values that were observed: of true ones, or with errors of measured ones. That of a
        row without values is zero.
        """
        rows = self._rows(X, measurement_error)
        return self.posterior_.log_predictive(rows, self._engine())

    def score(  # type: ignore[override]  # DensityMixin's does nothing
        self, X: Any, y: Any = None, sample_weight: Any = None, measurement_error: Any = None
    ) -> float:
        """Return the average log predictive density of the rows, in nats.

        Here and in criteria, rows without any value do not count.
        """
        log_likelihood, total, _ = self._scored(X, sample_weight, measurement_error)
        return log_likelihood / total if total > 0.0 else 0.0

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[Array, IntegerArray]:
        """Draw rows (n_samples, D) from the fitted mixture, and their components (n_samples,).

        ``random_state`` is the estimator's own where None.
        """
        check_is_fitted(self)
        n_samples = validation.whole_number(n_samples, "n_samples", 1)
        return self.posterior_.sample(n_samples, self._generator(random_state, "sample"))

    def sample_assignments(
        self, X: Any, n_draws: int = 1, random_state: Any = None
    ) -> IntegerArray:
        """Draw components for each row from their posterior probabilities.

        Parameters
        ----------
        X : array or frame of shape (N, D)
        n_draws : int, default=1
        random_state : int, Generator, SeedSequence, RandomState or None
            The estimator's own where None.

        Returns
        -------
        integer array of shape (n_draws, N)
        """
        rows = self._rows(X)
        n_draws = validation.whole_number(n_draws, "n_draws", 1)
        seed = int(self._generator(random_state, "assignments").integers(2**63))
        return self.posterior_.sample_assignments(rows, self._engine(), n_draws, seed)

    def bic(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return the Bayesian information criterion on the rows; smaller is better."""
        log_likelihood, total, _ = self._scored(X, sample_weight, measurement_error)
        return information_criteria.bic(log_likelihood, self.fit_.model.n_parameters, total)

    def aic(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return Akaike's information criterion on the rows; smaller is better."""
        log_likelihood, _, _ = self._scored(X, sample_weight, measurement_error)
        return information_criteria.aic(log_likelihood, self.fit_.model.n_parameters)

    def icl(
        self,
        X: Any,
        sample_weight: Any = None,
        measurement_error: Any = None,
        *,
        assignment: str = "soft",
    ) -> float:
        """Return the integrated completed likelihood on the rows; smaller is better.

        With ``assignment="soft"`` BIC plus twice the entropy of the assignments
        [McLachlanPeel2000]_; with "hard", as it was defined [Biernacki2000]_ and as mclust has it,
        minus twice the log probability of the most probable assignment.
        """
        how = ASSIGNMENTS.read(assignment, "assignment")
        log_likelihood, total, rows = self._scored(X, sample_weight, measurement_error)
        shares = self.posterior_.responsibilities(rows, self._engine())
        loss = ASSIGNMENT_LOSSES[how](shares, rows.weights)
        return information_criteria.icl(log_likelihood, self.fit_.model.n_parameters, total, loss)

    def _scored(
        self, X: Any, sample_weight: Any, measurement_error: Any
    ) -> tuple[float, float, ArrayRows]:
        """Return the log likelihood of the rows that have cells, their weight, and these rows."""
        check_is_fitted(self)
        given = self._checked_rows(X, sample_weight, measurement_error, None, None, reset=False)
        rows = given.with_cells
        by_row = self.posterior_.log_predictive(rows, self._engine())
        weights = np.ones_like(by_row) if rows.weights is None else rows.weights
        return float(weights @ by_row), float(weights.sum()), rows

    def _generator(self, random_state: Any, purpose: str) -> np.random.Generator:
        root = arguments.seed_sequence(self.random_state if random_state is None else random_state)
        key = int.from_bytes(purpose.encode()[:4], "little")
        return np.random.default_rng(
            np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, key))
        )

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_training"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fit_")

    @property
    def _n_features_out(self) -> int:
        return self.weights_.shape[0] + (self.fit_.model.background is not None)

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; ``weight_prior__concentration`` is an option of one of them.

        Parameters
        ----------
        **params : Any
            New values. Options of a prior or a method make a new prior or method.

        Returns
        -------
        self

        Raises
        ------
        UnknownArgumentError
            If a name is none of the parameters.
        InvalidArgumentError
            If an option's value is not accepted.
        """
        current = self.get_params(deep=False)
        whole = with_options(params, current)
        for name in whole:
            if name.partition("__")[0] not in current:
                raise unknown(name, current, type(self).__name__)
            if name not in current:
                raise UnknownArgumentError(
                    f"is no parameter: {name.partition('__')[0]} has no options here",
                    argument=name,
                )
        return super().set_params(**whole)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of ``transform``: component0, component1, ...

        Parameters
        ----------
        input_features : array of str, shape (D,), optional
            Names of the columns of the rows, which are checked.

        Returns
        -------
        array of str, shape (K,), with one more for a background

        Raises
        ------
        InvalidArgumentError
            If the names are not those of the fitted rows, or not D.
        """
        check_is_fitted(self)
        if input_features is not None:
            known = getattr(self, "feature_names_in_", None)
            names_in = np.asarray(input_features, dtype=object)
            if known is not None and not np.array_equal(known, names_in):
                raise InvalidArgumentError(
                    "is not equal to feature_names_in_, the names of the fitted columns",
                    argument="input_features",
                )
            if names_in.shape != (self.n_features_in_,):
                raise InvalidArgumentError(
                    f"should have length equal to number of features ({self.n_features_in_}); "
                    f"got {names_in.size}",
                    argument="input_features",
                )
        names = [f"component{k}" for k in range(self.weights_.shape[0])]
        names += ["background"] * (self._n_features_out - len(names))
        return np.asarray(names, dtype=object)
