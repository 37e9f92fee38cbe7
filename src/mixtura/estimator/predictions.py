"""What a fitted estimator answers about rows: the base of the class."""

from abc import ABC
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, DensityMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mixtura.data import ArrayRows, Classes, KnownLabels, PartedRows
from mixtura.data.frames import default_names
from mixtura.data.kept_rows import KeptRows
from mixtura.data.known_labels import known_labels, with_groups
from mixtura.data.measurement_errors import error_variances
from mixtura.data.parted_rows import classified_rows
from mixtura.data.row_scans import RowScan
from mixtura.data.row_weights import row_weights
from mixtura.diagnostics import information_criteria
from mixtura.engines import Engine, best_engine
from mixtura.errors import InvalidArgumentError, UnknownArgumentError
from mixtura.estimator import arguments, row_validation
from mixtura.estimator.collections import collection_rows, is_collection, told_of_collection
from mixtura.estimator.foreign_names import unknown, with_options
from mixtura.estimator.scanned_rows import (
    lost_by_assignment,
    opened_scan,
    scan_for,
    scored,
    shown_sample,
    told,
    written,
)
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
    _training: KeptRows | PartedRows

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
    ) -> Any:
        others = {
            "sample_weight": sample_weight,
            "measurement_error": measurement_error,
            "labels": labels,
            "groups": groups,
        }
        if isinstance(X, RowScan):
            return self._scanned(X, others, reset=reset)
        if is_collection(X):
            rows, words = collection_rows(self, X, others, reset=reset)
            has_groups = words[1] is not None
            return self._classified(rows, words[0], has_groups=has_groups, reset=reset)
        values = self._validated(X, reset=reset)
        weights = None if sample_weight is None else self._weights(sample_weight, values)
        names = getattr(self, "feature_names_in_", None)
        errors = error_variances(measurement_error, values, names)
        known = None if labels is None else self._labels(labels, len(values), reset=reset)
        known = known if groups is None else with_groups(known, groups, len(values))
        return ArrayRows(values, weights, None, errors, None, known)

    def _scanned(self, scan: RowScan, others: dict[str, Any], *, reset: bool) -> Any:
        """Return the rows of a scan, with what is known of their components where they are few."""
        opened = opened_scan(self, scan, others, reset=reset)
        rows = opened.rows
        if isinstance(rows, PartedRows):
            has_groups = opened.groups is not None
            return self._classified(rows, opened.labels, has_groups=has_groups, reset=reset)
        if not isinstance(rows, ArrayRows) or (opened.labels is None and opened.groups is None):
            return rows
        n_rows, known = rows.n_rows, None
        if opened.labels is not None:
            known = self._labels(opened.labels, n_rows, reset=reset)
        if opened.groups is not None:
            known = with_groups(known, opened.groups, n_rows)
        return rows.with_labels(known)

    def _classified(
        self, rows: PartedRows, labels: Any, *, has_groups: bool, reset: bool
    ) -> PartedRows:
        """Return rows in parts with the classes of their labels, of which those that differ come.

        Parameters
        ----------
        rows : PartedRows
            Of each tile the labels are numbers of those that differ.
        labels : array, optional
            Those that differ; None where the rows have none.
        has_groups : bool
            Whether the rows have groups.
        reset : bool
            Whether these are the first rows.
        """
        known = None
        if labels is not None and len(labels):
            known = self._labels(labels, len(labels), reset=reset)
        if known is None and not has_groups:
            return rows
        if known is None:
            known = KnownLabels(np.full(len(labels) if labels is not None else 0, -1), Classes())
        return classified_rows(rows, known.codes, known.classes)

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

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def _rows(self, X: Any, measurement_error: Any = None) -> Any:
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
            rows = self._checked_rows(X, None, measurement_error, labels, None, reset=False)
            return shown_sample(rows, self._engine())
        if not hasattr(self, "_training"):
            raise InvalidArgumentError(
                "the training rows are not kept by partial_fit, in files and in pickles: pass X"
            )
        if isinstance(self._training, PartedRows):
            return shown_sample(self._training, self._engine())
        return self._training.read()

    def predict(
        self, X: Any, measurement_error: Any = None, *, to: str | Path | None = None
    ) -> Any:
        """Return the most probable component of each row, shape (N,).

        Here and below, missing cells of a row and its errors, as ``fit`` takes them, are integrated
        out; a row without values goes by the weights.

        Parameters
        ----------
        X : array, frame or scan of shape (N, D)
            The rows.
        measurement_error : array, optional
            Their errors, as for ``fit``.
        to : str or Path, optional
            A file that is written in place of what would be returned: ``.parquet``, ``.arrow`` or
            ``.csv``, with the rows' numbers from 1. Of a scan it is written piece by piece.

        Returns
        -------
        integer array of shape (N,), or the Path of the file
        """
        check_is_fitted(self)
        return self._told(X, measurement_error, self.posterior_.labels, ["component"], to)

    def predict_proba(
        self, X: Any, measurement_error: Any = None, *, to: str | Path | None = None
    ) -> Any:
        """Return the probability of each component for each row, shape (N, K).

        With a background shape (N, K + 1): its probability comes last. ``to`` names a file, as for
        ``predict``.
        """
        check_is_fitted(self)
        n_components = len(self.weights_)
        names = [f"probability_{k}" for k in range(n_components)]
        names += ["probability_background"] * (self.fit_.n_parts - n_components)
        return self._told(X, measurement_error, self.posterior_.responsibilities, names, to)

    def _told(
        self,
        X: Any,
        measurement_error: Any,
        tell: Callable[[ArrayRows, Engine], Any],
        names: list[str],
        to: str | Path | None,
    ) -> Any:
        """Return what is told of rows, or write it to a file."""
        if is_collection(X) and to is None:
            return told_of_collection(self, X, tell, names, self._engine())
        rows, engine = self._rows(X, measurement_error), self._engine()
        if to is None:
            return told(rows, lambda some: tell(some, engine))
        source = scan_for(self, X) if isinstance(X, RowScan) else X
        return written(source, rows, lambda some: tell(some, engine), names, to)

    def transform(self, X: Any) -> Array:
        """Return the responsibilities of each row, shape (N, K)."""
        return self.predict_proba(X)

    def score_samples(
        self, X: Any, measurement_error: Any = None, *, to: str | Path | None = None
    ) -> Any:
        """Return the log predictive density of each row, shape (N,), in nats.

        Of the values that were observed: of true ones, or with errors of measured ones. That of a
        row without values is zero. ``to`` names a file, as for ``predict``.
        """
        check_is_fitted(self)
        return self._told(X, measurement_error, self.posterior_.log_predictive, ["log_density"], to)

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
        rng = self._generator(random_state, "assignments")

        def draw(some: ArrayRows) -> Any:
            seed = int(rng.integers(2**63))
            return self.posterior_.sample_assignments(some, self._engine(), n_draws, seed)

        return told(rows, draw, axis=1)

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
        loss = lost_by_assignment(rows, self.posterior_, self._engine(), ASSIGNMENT_LOSSES[how])
        return information_criteria.icl(log_likelihood, self.fit_.model.n_parameters, total, loss)

    def _scored(
        self, X: Any, sample_weight: Any, measurement_error: Any
    ) -> tuple[float, float, ArrayRows | PartedRows]:
        """Return the log likelihood of the rows that have cells, their weight, and these rows."""
        check_is_fitted(self)
        given = self._checked_rows(X, sample_weight, measurement_error, None, None, reset=False)
        rows = given.with_cells
        return (*scored(rows, self.posterior_, self._engine()), rows)

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
