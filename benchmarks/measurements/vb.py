"""Variational Bayes: one iteration over one of EM, and what a fit tells rows over a point's."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, final

import numpy as np

from benchmarks import ours
from benchmarks.cases import Case
from benchmarks.context import Context, Settings
from benchmarks.generators import random_mixture
from benchmarks.measurements.sweep import VARIATIONAL, peers
from benchmarks.peers import scikit_learn
from benchmarks.starts import StartParameters, near_truth
from benchmarks.table import Table, ratio_cell, time_cell
from benchmarks.timing import Contender, Times, measure
from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.engines import best_engine
from mixtura.inference.states import Mode, State, StateSummary
from mixtura.inference.variational_bayes import Expected
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.priors import ComponentPrior, Independent, InverseGamma, Normal

VB, MAP, EM = "vb", "map", "em"
ITERATION, PASSES = "iteration", ("score_samples", "predict_proba")
FITTED_ROWS = 5000

NOTES = [
    "Iteration: all that lies between given statistics and the next ones with the objective. vb: "
    "posterior, expected potentials, sweep, divergence; map: mode, potentials, sweep, log prior; "
    "both under the default prior. em: the iteration of the table sweep, which has neither prior "
    "nor objective.",
    "Iteration under the independent prior (Normal means, InverseGamma standard deviations), "
    "whose factors are integrated numerically, in rows of their own: vb and map both under it.",
    "score_samples, predict_proba: the methods of estimators fitted to at most 5000 rows, or 20 "
    "for each component.",
    "BayesianGaussianMixture: its own _e_step, _m_step and lower bound, or its method, at the "
    "better of one and several BLAS threads, and with one feature at the fastest of its forms. "
    "Its densities are Gaussians, which take no account of the spread of the parameters.",
    "Times: median (smallest–largest) of interleaved rounds; ratios within rounds.",
]

COLUMNS = [
    "N, D, K",
    "structure",
    "what",
    "vb",
    "map",
    "vb / map",
    "em",
    "vb / em",
    VARIATIONAL,
    "ratio",
]


def measure_vb(context: Context) -> Table:
    """Return the table of variational Bayes."""
    table = Table("vb", "variational Bayes over point estimates", NOTES, COLUMNS)
    for case in context.settings.cases:
        mixture = random_mixture(case)
        rows, start = mixture.draw(case.n_rows), near_truth(mixture)
        for structure in context.settings.structures:
            context.report(f"vb: {case.label}, {structure}")
            _add_iterations(table, context.settings, case, structure, rows, start)
            for called in PASSES:
                _add_pass(table, context.settings, case, structure, rows, called)
    return table


@final
class SummaryIteration:
    """One iteration under a summary, always from the same statistics."""

    def __init__(
        self,
        summary: StateSummary,
        start: StartParameters,
        structure: str,
        rows: np.ndarray,
        prior: ComponentPrior | None,
    ) -> None:
        self.summary, self.rows, self.engine = summary, ArrayRows(rows), best_engine()
        n_components = len(start.weights)
        options = {"covariance_type": structure, "component_prior": prior, "init": start.means}
        self.model = ours.quiet_fit(rows, n_components, max_iter=1, **options).fit_.model
        covariances = start.structured(structure).reshape(self.model.structure)
        parameters = MixtureParameters(start.weights, start.means, covariances)
        potentials = self.model.potentials(parameters)
        self._statistics = self.engine.sweep(self.rows, potentials, Soft())

    def __call__(self) -> State:
        """Run the iteration."""
        return self.summary.state(self.model, self.rows, self.engine, self._statistics)


def _add_iterations(
    table: Table,
    settings: Settings,
    case: Case,
    structure: str,
    rows: np.ndarray,
    start: StartParameters,
) -> None:
    priors: dict[str, ComponentPrior | None] = {ITERATION: None}
    if structure in ("diag", "spherical"):
        spread = float(rows.std())
        prior = Independent(Normal(float(rows.mean()), spread), scale=InverseGamma(1.0, spread))
        priors[f"{ITERATION}, independent"] = prior
    for what, prior in priors.items():
        prepared: dict[str, Callable[[], Any]] = {
            name: partial(SummaryIteration, summary, start, structure, rows, prior)
            for name, summary in ((VB, Expected()), (MAP, Mode()))
        }
        prepared[EM] = ours.Iteration(best_engine(), start, structure, rows).warmed_up
        theirs = [p for p in peers(settings, structure, rows, start) if p.group == VARIATIONAL]
        _add_row(table, settings, [case.label, structure, what], prepared, theirs)


def _add_pass(
    table: Table, settings: Settings, case: Case, structure: str, rows: np.ndarray, called: str
) -> None:
    some = rows[: max(FITTED_ROWS, 20 * case.n_components)]
    fitted: dict[str, GaussianMixtureModel] = {
        name: ours.quiet_fit(
            some, case.n_components, covariance_type=structure, max_iter=5, inference=name
        )
        for name in (VB, MAP)
    }
    prepared = {
        name: partial(lambda estimator: partial(getattr(estimator, called), rows), estimator)
        for name, estimator in fitted.items()
    }
    sizes = (case.n_components, case.n_features)
    point = fitted[MAP].fit_
    matrices = point.model.family.expand(point.parameters.covariances, *sizes)
    start = StartParameters(point.parameters.weights, point.parameters.means, matrices)

    def prepare(form: str) -> Callable[[], Any]:
        return partial(getattr(scikit_learn.fitted_variational(start, form, some), called), rows)

    theirs = [
        Contender(f"{VARIATIONAL} {form}, {n} thr.", VARIATIONAL, n, partial(prepare, form))
        for form, n in product(
            scikit_learn.forms(structure, case.n_features),
            scikit_learn.thread_numbers(settings.threads),
        )
    ]
    _add_row(table, settings, [case.label, structure, called], prepared, theirs)


def _add_row(
    table: Table,
    settings: Settings,
    labels: list[str],
    prepared: dict[str, Callable[[], Any]],
    theirs: list[Contender],
) -> None:
    contenders = [
        Contender(name, name, settings.threads, prepare) for name, prepare in prepared.items()
    ]
    times = measure([*contenders, *theirs], settings.plan)
    table.record(", ".join(labels), times)
    cells = [time_cell(times[VB])]
    for name in (MAP, EM):
        known: Times | None = times.get(name)
        cells += ["–", "–"] if known is None else [time_cell(known), ratio_cell(times[VB], known)]
    cells += [time_cell(times[VARIATIONAL]), ratio_cell(times[VARIATIONAL], times[VB])]
    table.add([*labels, *cells])
