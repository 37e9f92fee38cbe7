"""The bootstrap of a fitted estimator."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mixtura.data import ArrayRows
from mixtura.diagnostics.bootstrap_draws import Bootstrap
from mixtura.diagnostics.posterior_summaries import counted_rows
from mixtura.engines import Engine, best_engine
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.estimator import arguments
from mixtura.fit import Fit, Inference
from mixtura.inference.progress import teller
from mixtura.inference.replicates import Outcome, Refit, refitted, replicates_of, rescued
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.validation import Called, OneOf, Whole

PARAMETRIC = "parametric"
METHODS = OneOf(("nonparametric", "weighted", PARAMETRIC))
"""How replicates of the rows may be made."""

PROGRESS = Called("the replicates that are done and all", optional=False, or_flag=True)

Progress = bool | Callable[[int, int], None]


def bootstrap(
    given: dict[str, Any],
    fit: Fit,
    rows: ArrayRows,
    method: str,
    n_replicates: int,
    seed: np.random.SeedSequence,
    n_jobs: int,
    progress: Progress,
) -> Bootstrap:
    """Return fits of a model to replicates of its rows.

    Parameters
    ----------
    given : dict
        The estimator's parameters.
    fit : Fit
        Its fit.
    rows : ArrayRows
        The rows that were fitted.
    method : str
        How replicates are made.
    n_replicates : int
        How many.
    seed : SeedSequence
        Source of all randomness; each replicate has a stream of its own.
    n_jobs : int
        Number of threads.
    progress : bool or callable
        What is told of the replicates.

    Raises
    ------
    InvalidArgumentError
        If an argument has a value that is not allowed, or the fit is no point.
    """
    METHODS.read(method, "method")
    Whole(2).read(n_replicates, "n_replicates")
    PROGRESS.read(progress, "progress")
    way = point_method(given, fit, "bootstrap")
    rows = rows.with_counted_labels.with_cells
    if not rows.n_rows:
        raise InvalidArgumentError("bootstrap needs the rows that were fitted", remedy="pass X")
    if method == PARAMETRIC:
        rows = counted_rows(rows, "the parametric bootstrap")
    limits = (arguments.parameter(given, "max_iter"), arguments.parameter(given, "tol"))
    refit = Refit(fit, way, best_engine(1), *limits)
    streams = [
        np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))
        for number in range(n_replicates)
    ]
    made = replicates_of(method, fit)
    outcomes = refitted(refit, rows, made, streams, n_jobs, teller(progress, "replicates"))
    return _bootstrap(method, fit, outcomes)


def check_fitted_rows(fit: Fit, rows: ArrayRows, engine: Engine) -> None:
    """Raise InvalidArgumentError unless rows can be those of a fit.

    Their number is compared, and their log likelihood to a nat a row, which labels and groups of
    the fit may have moved.
    """
    if not fit.n_rows:  # parameters that were given
        return
    counted = rows.with_cells
    same = counted.n_rows == fit.n_rows
    if same and fit.total_weight == fit.n_rows:
        found = float(fit.posterior.log_predictive(counted, engine).sum())
        same = abs(found - fit.log_likelihood) <= fit.n_rows
    if not same:
        raise InvalidArgumentError(
            f"must be the {fit.n_rows:,} rows that were fitted", argument="X"
        )


def point_method(given: dict[str, Any], fit: Fit, what: str) -> Inference:
    """Return the method of a fit that is a point: "map" or "ml".

    Raises
    ------
    InvalidArgumentError
        If it is another one.
    """
    way = arguments.inference_method(given["inference"])
    fitted = arguments.inference_method(fit.method)
    if fitted.is_point and fit.method != way.name:
        raise InvalidArgumentError(
            f"was {fit.method!r} when the rows were fitted, and is {way.name!r}",
            argument="inference",
            remedy=("set it back for ", what, ", or call fit again"),
        )
    if not fitted.is_point:
        raise InvalidArgumentError(
            f"{what} is for point fits, and ",
            Setting("inference", fit.method),
            " has intervals of its own, or none",
            remedy=(
                "see posterior_.intervals(), or fit with ",
                Setting("inference", ("map", "ml")),
            ),
        )
    return way


def _bootstrap(method: str, fit: Fit, outcomes: list[Outcome]) -> Bootstrap:
    kept = rescued(outcomes)
    found = [one.parameters for one in kept if isinstance(one.parameters, MixtureParameters)]
    return Bootstrap(
        method,
        fit.parameters,
        fit.model.family,
        np.stack([one.weights for one in found]),
        np.stack([one.means for one in found]),
        np.stack([one.covariances for one in found]),
        len(outcomes) - len(kept),
        sum(not one.converged for one in kept),
        tuple(fit.component_name(k) for k in range(fit.model.n_components)),
    )
