"""The class: scikit-learn's contract on top of model, inference and fit."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from sklearn.utils.metaestimators import available_if

from mixtura.data import ArrayRows, Classes, PartedRows
from mixtura.data.kept_rows import KeptRows
from mixtura.data.known_labels import group_names
from mixtura.errors import InvalidArgumentError
from mixtura.estimator import arguments, row_validation, slowness
from mixtura.estimator.analysis_views import AnalysisViews
from mixtura.estimator.foreign_names import explained
from mixtura.estimator.known_parameters import fit_of_parameters
from mixtura.estimator.problem import build_model, build_problem, build_update
from mixtura.fit import AddsRows, Fit
from mixtura.messages import validation
from mixtura.messages.background import UNIFORM
from mixtura.model import MixtureModel, PriorSample
from mixtura.typing import IntegerArray


def _adds_rows(estimator: Any) -> bool:
    """Return whether the method can add rows to a fit; of what is no method it is said later."""
    value = estimator.inference
    known = arguments.PARAMETERS["inference"].accepts(value)
    return not known or isinstance(arguments.inference_method(value), AddsRows)


def classes_of(rows: ArrayRows | PartedRows, earlier: Classes) -> Classes:
    """Return what the labels of rows are, or were before."""
    known = rows.labels if isinstance(rows, ArrayRows) else rows.known
    return earlier if known is None else known.classes


@final
class GaussianMixtureModel(AnalysisViews):
    """Bayesian Gaussian mixture model.

    Name the model once; every inference method returns the same fitted object.

    Parameters
    ----------
    n_components : int, default=1
        Number of components K.
    covariance_type : str, default="full"
        What they share: "full", "tied", "diag", "spherical", "tied_diag" or "tied_spherical", or
        one of mclust's fourteen names, which say whether volume, shape and orientation are equal,
        vary or are none: of these "VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV" and "EVV" are
        for "map" and "ml" alone.
    weight_prior : Dirichlet, DirichletProcess, PitmanYor or MixtureOfFiniteMixtures, optional
        Prior of the weights; uniform by default. Must be left out with ``inference="ml"``.
    component_prior : NormalInverseWishart, NormalInverseGamma, Independent or KnownScale, optional
        Prior of means and covariances; by default a weakly informative conjugate prior, about as
        wide as the groups that a search for starts finds in the rows.
    components_per_class : int or mapping, default=1
        How many components each class of the ``labels`` of ``fit`` has: one number for all, or a
        mapping from labels, those that it does not name having one.
    background : "uniform" or float, optional
        A further part of the mixture for rows that belong to no component, uniform on the box from
        the smallest to the largest value of each column: its density is one over the volume of
        the box, or over the volume that is given. What its weight leaves is shared by
        ``weight_prior``. Not with "svi" and "nuts".
    background_prior : tuple of two float, optional
        The prior of the background's weight is Beta(a, b): as if a rows of the background and b
        others had been seen; Beta(1, 1), which is uniform, by default. With "map" both are at least
        1; must be left out with "ml".
    fixed : mapping, optional
        Parameters that are given and stay: of "weights", "means" and "covariances", each a mapping
        from components, by number or by the name of their label, to values, such as
        ``{"means": {0: [0.0, 0.0]}}``; of a covariance that all share the value itself. With "map"
        and "ml", under priors whose best means do not depend on covariances.
    inference : str or Inference, default="map"
        "map" (exact posterior mode), "vb" (variational Bayes), "gibbs" or "collapsed" (Gibbs
        sampling), "ml" (maximum likelihood), "svi" or "nuts" (by Pyro; they need the extra
        ``pyro``), or an inference object with its options, such as ``Gibbs(draws=4000)``.
    init : str, array or fitted model, default="search"
        "search", "split" and "quantile" (deterministic), "kmeans", "random"; or means (K, D),
        labels (N,), responsibilities (N, K), or an earlier fit, also a fitted mixture or k-means of
        scikit-learn; of a frame of means the columns are those of the rows by name. With a given
        start component k stays component k, but under processes with "vb" and "collapsed", where
        components are numbered by size; otherwise they are numbered by their means, first feature
        first.
    n_init : int, optional
        Number of starts, of which the best is kept; by default 1 for "search", "split",
        "quantile" and given starts, 4 for "kmeans", 10 for "random".
    max_iter : int, optional
        Largest number of iterations; the method's own default where None. 0 gives the parameters
        of the start: those of the responsibilities that it has, or that rows have under the
        parameters it gives.
    tol : float, optional
        A run of "map", "vb" or "ml" has converged when its objective has no more than this to
        gain, in nats; no parameter is then further from the optimum than sqrt(2 tol) of its
        standard error. By default 1e-6; 0 goes on to the last digits. Under "svi" the relative
        gain at which optimisation ends, by default 1e-9.
    random_state : int, Generator, SeedSequence, RandomState or None, default=None
        Source of all randomness.
    n_jobs : int, optional
        Most threads, of sweeps and of starts; -1 for all processors, None for what the process
        may use in sweeps and one start at a time. Answers do not depend on it.
    verbose : int, default=0
        1 prints a line for every start.

    Attributes
    ----------
    weights_ : array of shape (K,)
        Mixture weights, of sum one, or one minus ``background_weight_``; these and the following
        are posterior means of "vb" and samplers.
    means_ : array of shape (K, D)
        Component means, in the data's units.
    covariances_ : array
        Covariances in squared units: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical,
        (D,) tied_diag, () tied_spherical.
    precisions_ : array
        Inverse covariances, in the same shapes.
    scales_ : array of shape (K, D)
        Marginal standard deviations, in the data's units.
    posterior_, fit_ : Posterior, Fit
        What is known about the parameters; the frozen result that plots and reports take.
    objective_ : float
        Log joint density ("map", "svi") or log likelihood ("ml") at the estimate, its mean over
        the draws (samplers), or the evidence lower bound ("vb"), in nats, with all constants.
    objective_history_ : array
        The objective after each iteration of the run that was kept.
    converged_, n_iter_ : bool, int
        Whether that run converged, and its number of iterations.
    background_weight_ : float
        Weight of the background; zero without one.
    labels_ : integer array of shape (N,)
        Component of each row, -2 (``mixtura.BACKGROUND``) for the background: the most probable
        one; after ``partial_fit`` of the last batch.
    n_features_in_ : int
        Number of features D.
    feature_names_in_ : array of shape (D,)
        Column names, where the data had names.

    Examples
    --------
    >>> from mixtura import GaussianMixtureModel
    >>> from mixtura.datasets import load_faithful
    >>> gmm = GaussianMixtureModel(2).fit(load_faithful().data)
    >>> gmm.means_.round(1)
    array([[ 2. , 54.5],
           [ 4.3, 80. ]])
    """

    @explained
    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        weight_prior: Any = None,
        component_prior: Any = None,
        components_per_class: Any = 1,
        background: Any = None,
        background_prior: Any = None,
        fixed: Any = None,
        inference: Any = "map",
        init: Any = "search",
        n_init: int | None = None,
        max_iter: int | None = None,
        tol: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.weight_prior = weight_prior
        self.component_prior = component_prior
        self.components_per_class = components_per_class
        self.background = background
        self.background_prior = background_prior
        self.fixed = fixed
        self.inference = inference
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        measurement_error: Any = None,
        labels: Any = None,
        groups: Any = None,
    ) -> Self:
        """Fit the model to rows.

        Cells that are NaN, null or masked are missing: the rest of their row counts, and they are
        taken as missing at random. Rows without a single value have no part in the fit.

        Parameters
        ----------
        X : array or frame of shape (N, D), or one named column
            NumPy array, pandas, polars or Arrow frame, or a Series; or a scan of rows that lie in
            files (:func:`mixtura.scan`).
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative weights; a weight of two counts as two rows.
        measurement_error : array, optional
            How far the values may be from the true ones, whose mixture is fitted: standard
            deviations (N, D), or (D,) for all rows, in the data's units, or covariances (N, D, D)
            of normal errors [Bovy2011]_. Exact where None.
        labels : array of shape (N,), optional
            Components that are known: whole numbers from 0, or names, which become those of the
            first components in alphabetical order; -1, None, NaN, NA or masked where unknown. All
            known is discriminant analysis, some known a semi-supervised fit; the log likelihood
            then has the logarithms of the weights of what is known. ``labels_`` keep what is known.
            With a background -2 (``mixtura.BACKGROUND``) says that a row is of it.
        groups : array of shape (N,), optional
            Rows of one group, named by a number or text, share a component; -1, None, NaN, NA or
            masked for rows on their own. A group counts once for the weights, its rows for the
            components. Not with "svi" and "nuts"; no batch may cut a group.

        Returns
        -------
        self

        Raises
        ------
        InvalidArgumentError
            If an argument has a value that is not allowed.
        ValueError
            If the data are not numbers in two dimensions, or infinite, or a column has no value.
        """
        given = (sample_weight, measurement_error, labels, groups)
        rows = self._checked_rows(X, *given, reset=True)
        row_validation.warn_of(self._fit_rows(rows).doubts)
        return self

    @available_if(_adds_rows)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        measurement_error: Any = None,
        labels: Any = None,
        groups: Any = None,
    ) -> Self:
        """Add rows to those seen so far; earlier rows are not needed again.

        The first call, on an estimator that is not fitted, is ``fit`` on the batch: it needs
        enough rows for a start, and priors left to their defaults are taken from it and stay.
        Later calls, also after ``fit`` and ``load``, keep the model and the components' numbers:
        the batch's statistics are found under the posterior so far, added to those of the rows
        before, and found anew until both agree, so that the batch counts once [NealHinton1998]_
        [CappeMoulines2009]_. ``MAP``, ``VB`` and ``ML`` have the options ``decay``, by which
        earlier rows fade, and ``n_rows``, for rows that come more than once [Hoffman2013]_.
        Without ``n_rows`` a row that comes again counts again: for several rounds over rows that
        are held use ``fit``, if need be with ``batch_size``.

        Afterwards ``labels_`` are of this batch, ``n_iter_`` and ``objective_history_`` of this
        call, and ``fit_.n_rows`` counts all rows (with ``n_rows`` it is that number).
        ``objective_`` and ``fit_.log_likelihood`` are what the responsibilities say that each
        batch had in its time: where every row counts alike, bounds from below.

        Parameters
        ----------
        X : array or frame of shape (N, D), or one named column
            The batch, with the features of the first one.
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative weights; a weight of two counts as two rows.
        measurement_error : array, optional
            Standard deviations or covariances of the rows' errors, as for ``fit``.
        labels : array of shape (N,), optional
            Known components, as for ``fit``; names are those of the first batch that had some.
        groups : array of shape (N,), optional
            Rows that share a component, as for ``fit``: all rows of a group must be in one batch.

        Returns
        -------
        self

        Raises
        ------
        InvalidArgumentError
            If a parameter changed that makes another model.
        AttributeError
            If the method cannot add rows: it can with "map", "vb" and "ml".
        ValueError
            If the data are not finite numbers in two dimensions, or float64 cannot hold them
            beside the earlier ones. What was fitted before stays as it was.
        """
        earlier: Fit | None = getattr(self, "fit_", None)
        rows = self._checked_rows(
            *(X, sample_weight, measurement_error, labels, groups), reset=earlier is None
        )
        met = self._met(groups, earlier)
        engine, given = self._engine(), self.get_params(deep=False)
        seen = rows.with_counted_labels.with_cells
        if earlier is None:
            method, problem = build_problem(given, seen, engine, self._feature_names())
        elif not seen.n_rows:
            self.labels_ = earlier.posterior.labels(rows, engine)
            return self
        else:
            method, problem = build_update(given, earlier, seen, engine)
        assert isinstance(method, AddsRows)  # else there is no partial_fit
        before = rows.unobserved if earlier is None else earlier.unobserved + rows.unobserved
        classes = classes_of(rows, Classes() if earlier is None else earlier.classes)
        fit = replace(method.update(problem, earlier), unobserved=before, classes=classes)
        labels = None if isinstance(rows, PartedRows) else fit.posterior.labels(rows, engine)
        self._adopt(fit)
        self._groups_met, self.labels_ = met, labels
        if labels is None:
            vars(self).pop("labels_")
        vars(self).pop("_training", None)
        row_validation.warn_of(fit.doubts)
        return self

    @classmethod
    def from_parameters(
        cls,
        weights: Any,
        means: Any,
        covariances: Any,
        *,
        covariance_type: str = "full",
        feature_names: Sequence[str] | None = None,
    ) -> Self:
        """Return a fitted model of known parameters; it predicts, scores, samples and saves.

        There are no rows behind it: its objective is the log likelihood of none. ``fit`` fits it
        anew, by maximum likelihood unless ``inference`` is set to another method.

        Parameters
        ----------
        weights : array of shape (K,)
            Mixture weights, of sum one.
        means : array of shape (K, D)
            Component means.
        covariances : array
            In the shape that ``covariances_`` has: (K, D, D) full, (D, D) tied, (K, D) diag, (K,)
            spherical, (D,) tied_diag, () tied_spherical; of the families that share volume, shape
            or orientation (K, D, D), or (K, D) of "VEI" and "EVI".
        covariance_type : str, default="full"
            What they share.
        feature_names : sequence of D str, optional
            Names of the features, which rows in frames must then have.

        Raises
        ------
        InvalidArgumentError
            If these are not the parameters of a mixture.
        """
        family = arguments.covariance_family(covariance_type)
        fit = fit_of_parameters(weights, means, covariances, family, feature_names)
        model = cls(fit.model.n_components, covariance_type=covariance_type, inference=fit.method)
        model.n_features_in_ = fit.model.n_features
        if feature_names is not None:
            model.feature_names_in_ = np.asarray(fit.feature_names, dtype=object)
        model._adopt(fit)
        return model

    def fit_predict(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        measurement_error: Any = None,
        labels: Any = None,
        groups: Any = None,
    ) -> IntegerArray:
        """Fit, and return the most probable component of each row, shape (N,)."""
        self.fit(X, y, sample_weight, measurement_error, labels, groups)
        # Of rows that are streamed no labels are kept.
        return self.labels_ if hasattr(self, "labels_") else self.predict(X)

    def _met(self, groups: Any, earlier: Fit | None) -> frozenset[str]:
        """Return the names of the groups of all batches; refuse those that come again."""
        before: frozenset[str] = vars(self).get("_groups_met", frozenset())
        before = frozenset() if earlier is None else before
        now = frozenset() if groups is None else group_names(groups)
        again = sorted(before & now)
        if again:
            raise InvalidArgumentError(
                f"has {again[0]!r}, of which an earlier batch had rows: a group must lie in one "
                "batch",
                argument="groups",
            )
        return before | now

    def _fit_rows(self, rows: ArrayRows | PartedRows) -> Fit:
        """Fit the model to checked rows, and return the fit that was adopted."""
        engine = self._engine()
        vars(self).pop("_groups_met", None)
        seen = rows.with_counted_labels.with_cells
        method, problem = build_problem(vars(self), seen, engine, self._feature_names())
        size = rows.n_rows * rows.n_features
        slowness.tell_once(size * problem.model.n_components)
        fit = replace(
            method.fit(problem), unobserved=rows.unobserved, classes=classes_of(rows, Classes())
        )
        self._adopt(fit)
        if isinstance(rows, PartedRows):
            vars(self).pop("labels_", None)
            self._training = rows
            return fit
        self.labels_ = fit.posterior.labels(rows, engine)
        self._training = rows.once("kept", lambda: KeptRows.of(rows))
        return fit

    def sample_prior(
        self, n_rows: int = 1, *, n_features: int | None = None, random_state: Any = None
    ) -> PriorSample:
        """Draw weights, parameters, assignments and rows from the prior.

        Works before any fit where ``component_prior`` is given; ``n_features`` is then 1 unless
        said otherwise. After a fit the fitted model's prior is used.
        """
        n_rows = validation.whole_number(n_rows, "n_rows", 1)
        model = self._described_model(n_features)
        return model.sample_prior(n_rows, self._generator(random_state, "prior"))

    def to_pyro(self, *, n_features: int | None = None) -> Any:
        """Return the model as a Pyro program; see :func:`mixtura.ppl.to_pyro`."""
        from mixtura.ppl import to_pyro

        model = self._described_model(n_features)
        if model.background is not None:
            raise InvalidArgumentError("the Pyro program has no background: use background=None")
        return to_pyro(model)

    def _described_model(self, n_features: int | None) -> MixtureModel:
        if hasattr(self, "fit_"):
            known = self.n_features_in_
            validation.Whole(known, known, optional=True).read(n_features, "n_features")
            return self.fit_.model
        if self.background is not None:
            raise InvalidArgumentError(
                "background is a box about the rows: fit first, or leave background out"
            )
        number = validation.whole_number_or_none(n_features, "n_features", 1)
        return build_model(self.get_params(deep=False), number or 1, None)[0]


def load(path: str | Path) -> GaussianMixtureModel:
    """Return the fitted model of a file written by :meth:`GaussianMixtureModel.save`.

    Raises
    ------
    ModelFileError
        If the file is damaged, foreign or of a newer version.
    """
    from mixtura.io.model_file import load_fit

    validation.FilePath().read(path, "path")
    stored = load_fit(path)
    model = stored.fit.model
    given = {"weight_prior", "component_prior"} - set(stored.default_priors)
    estimator = GaussianMixtureModel(
        model.n_components,
        covariance_type=stored.covariance_type,
        inference=arguments.stored_method(stored.fit.method, stored.options),
        **(stored.settings | {name: getattr(model, name) for name in given}),
    )
    arguments.check_stored(vars(estimator))
    if model.background is not None and model.background.concentration != UNIFORM:
        estimator.background_prior = model.background.concentration
    estimator.n_features_in_ = model.n_features
    if stored.named:
        estimator.feature_names_in_ = np.asarray(stored.fit.feature_names, dtype=object)
    estimator._adopt(stored.fit)
    if stored.groups:
        estimator._groups_met = frozenset(stored.groups)
    return estimator
