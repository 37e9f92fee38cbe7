"""Scoring passes: score_samples and predict_proba."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from benchmarks import ours
from benchmarks.cases import Case
from benchmarks.context import Context
from benchmarks.floor import scoring_work
from benchmarks.generators import random_mixture
from benchmarks.peers import scikit_learn
from benchmarks.starts import StartParameters
from benchmarks.table import (
    Table,
    factor_cell,
    ratio_cell,
    seconds_cell,
    time_cell,
)
from benchmarks.timing import Contender, measure
from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.engines import ENGINES

ESTIMATOR, PEER = "estimator", "GaussianMixture"

FITTED_ROWS = 5000
"""Rows that the estimator is fitted to before it scores all of them."""

NOTES = [
    "The public methods of fitted estimators with the same parameters, checks of the input "
    "included (row 'estimator'), and the engines' own passes without those checks.",
    "scikit-learn: at the better of one and several BLAS threads, and with one feature at the "
    "fastest of its full, diagonal and spherical forms.",
    "Difference: largest absolute difference from scikit-learn, of log densities relative to the "
    "largest of them.",
]

COLUMNS = [
    "N, D, K",
    "structure",
    "pass",
    "by",
    "mixtura",
    PEER,
    "ratio",
    "floor",
    "mixtura / floor",
    "difference",
]

PASSES = ("score_samples", "predict_proba")


def measure_scoring(context: Context) -> Table:
    """Return the table of scoring passes."""
    settings = context.settings
    table = Table("scoring", "one scoring pass", NOTES, COLUMNS)
    for case in settings.cases:
        rows = random_mixture(case).draw(case.n_rows)
        for structure in settings.structures:
            estimator = _fitted(rows, case, structure)
            for called in PASSES:
                context.report(f"scoring: {case.label}, {structure}, {called}")
                _add_rows(table, context, case, structure, called, rows, estimator)
    return table


def _fitted(rows: np.ndarray, case: Case, structure: str) -> GaussianMixtureModel:
    some = rows[: max(FITTED_ROWS, 20 * case.n_components)]
    return ours.quiet_fit(some, case.n_components, covariance_type=structure, max_iter=5)


def _add_rows(
    table: Table,
    context: Context,
    case: Case,
    structure: str,
    called: str,
    rows: np.ndarray,
    estimator: GaussianMixtureModel,
) -> None:
    settings = context.settings
    scorers = _scorers(estimator, called)
    contenders = [
        Contender(name, name, settings.threads, partial(_warmed_up, scorer, rows))
        for name, scorer in scorers.items()
    ]
    contenders += _peers(settings.threads, structure, called, rows, estimator)
    times = measure(contenders, settings.plan)
    table.record(f"{case.label}, {structure}, {called}", times)
    written = {"score_samples": 1, "predict_proba": case.n_components}[called]
    least = scoring_work(case, structure, written).seconds(context.rates)
    expected = getattr(estimator.to_sklearn(), called)(rows)
    for name, scorer in scorers.items():
        cells = [case.label, structure, called, name, time_cell(times[name])]
        cells += [time_cell(times[PEER]), ratio_cell(times[PEER], times[name])]
        cells += [seconds_cell(least), factor_cell(times[name].median / least)]
        largest = max(1.0, float(np.abs(expected).max()))
        difference = float(np.abs(scorer(rows) - expected).max()) / largest
        table.add([*cells, f"{difference:.1e}"])


def _scorers(
    estimator: GaussianMixtureModel, called: str
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the estimator's method and every engine's pass."""
    potentials = estimator.posterior_.potentials
    of_engine = {"score_samples": "log_density", "predict_proba": "responsibilities"}[called]
    scorers: dict[str, Callable[[np.ndarray], np.ndarray]] = {ESTIMATOR: getattr(estimator, called)}
    for name, make in ENGINES.items():
        method = getattr(make(), of_engine)
        scorers[f"{name} engine"] = lambda rows, method=method: method(ArrayRows(rows), potentials)
    return scorers


def _warmed_up(
    scorer: Callable[[np.ndarray], np.ndarray], rows: np.ndarray
) -> Callable[[], np.ndarray]:
    scorer(np.ascontiguousarray(rows[:1000]))
    return partial(scorer, rows)


def _peers(
    threads: int, structure: str, called: str, rows: np.ndarray, estimator: GaussianMixtureModel
) -> list[Contender]:
    sizes = (len(estimator.weights_), rows.shape[1])
    matrices = estimator.fit_.model.family.expand(estimator.fit_.parameters.covariances, *sizes)
    start = StartParameters(estimator.weights_, estimator.means_, matrices)

    def prepare(form: str) -> Callable[[], Any]:
        return partial(getattr(scikit_learn.fitted_mixture(start, form), called), rows)

    return [
        Contender(f"{PEER} {form}, {number} thr.", PEER, number, partial(prepare, form))
        for form, number in product(
            scikit_learn.forms(structure, rows.shape[1]), scikit_learn.thread_numbers(threads)
        )
    ]
