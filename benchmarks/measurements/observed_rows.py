"""EM of rows with missing cells and with measurement errors, against complete exact rows."""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import logsumexp

from benchmarks.cases import Case
from benchmarks.context import Context
from benchmarks.generators import random_mixture
from benchmarks.starts import StartParameters, near_truth
from benchmarks.table import Table, difference_cell, ratio_cell, time_cell
from benchmarks.timing import Contender, measure
from mixtura.data import ArrayRows
from mixtura.engines import ENGINES
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.priors import FlatComponents, FlatWeights

SEED = 15
MISSING = Case(100_000, 10, 5)
ERRORS = Case(100_000, 5, 5)
HIDDEN = 0.1

NOTES = [
    "One EM iteration of maximum likelihood on the native engine, family full, from the same "
    "parameters: potentials, sweep and M-step. Ratio: time over that of the rows above without "
    "holes and errors, in the same round.",
    "10 % at random: every cell is missing with probability .1. Blocks: of every third row the "
    "first three columns, of another third the last four.",
    "NumPy: extreme deconvolution [Bovy2011] in NumPy, all (N, K, D, D) matrices at once "
    "as astroML's XDGMM has them; at 2 threads of BLAS where these help. Difference: of the log "
    "likelihood from that of the native engine, relative.",
]

COLUMNS = ["rows", "N, D, K", "time", "ratio", "difference"]


def measure_observed_rows(context: Context) -> Table:
    """Return the table of one EM iteration of rows as they were observed."""
    table = Table(
        "observed_rows", "one EM iteration of incomplete and inexact rows", NOTES, COLUMNS
    )
    _missing(table, context)
    _errors(table, context)
    return table


def _missing(table: Table, context: Context) -> None:
    case, rng = MISSING.held_to(context.settings.rows_at_most), np.random.default_rng(SEED)
    mixture = random_mixture(case)
    rows, start = mixture.draw(case.n_rows), near_truth(mixture)
    at_random, blocks = rows.copy(), rows.copy()
    at_random[rng.random(rows.shape) < HIDDEN] = np.nan
    third = rng.integers(0, 3, len(rows))
    blocks[third == 1, :3] = np.nan
    blocks[third == 2, -4:] = np.nan
    sets = {"complete": rows, "10 % at random": at_random, "blocks, 3 patterns": blocks}
    made = {name: iteration(ArrayRows(own), start) for name, own in sets.items()}
    _add(table, context, case, {name: (run, None) for name, run in made.items()})


def _errors(table: Table, context: Context) -> None:
    case, rng = ERRORS.held_to(context.settings.rows_at_most), np.random.default_rng(SEED)
    mixture = random_mixture(case)
    rows, start = mixture.draw(case.n_rows), near_truth(mixture)
    errors = rng.uniform(0.2, 0.8, rows.shape)
    inexact = iteration(ArrayRows(rows, errors=errors**2), start)
    covariances = errors[:, :, None] ** 2 * np.eye(rows.shape[1])
    by_numpy = partial(deconvolution_step, rows, covariances, start)
    runs = {
        "complete": (iteration(ArrayRows(rows), start), None),
        "an error for each cell": (inexact, None),
        "an error for each cell, NumPy": (by_numpy, inexact),
    }
    _add(table, context, case, runs)


Step = Callable[[], float]


def _add(
    table: Table, context: Context, case: Case, runs: dict[str, tuple[Step, Step | None]]
) -> None:
    context.report(f"observed_rows: {case.label}")
    threads = context.settings.threads
    contenders = [Contender(n, n, threads, lambda run=run: run) for n, (run, _) in runs.items()]
    times = measure(contenders, context.settings.plan)
    table.record(case.label, times)
    for name, (run, judge) in runs.items():
        difference = "" if judge is None else difference_cell(run(), judge())
        ratio = ratio_cell(times[name], times["complete"])
        table.add([name, case.label, time_cell(times[name]), ratio, difference])


def iteration(rows: ArrayRows, start: StartParameters) -> Step:
    """Return one EM iteration of our own, which returns the log likelihood before it."""
    engine, (n_components, n_features) = ENGINES["native"](), start.means.shape
    floor = FlatComponents(np.full(n_features, 1e-12))
    model = MixtureModel(n_components, n_features, FlatWeights(), floor, FAMILIES["full"])
    covariances = start.structured("full").reshape(model.structure)
    begin = MixtureParameters(start.weights, start.means, covariances)

    def run() -> float:
        statistics = engine.sweep(rows, model.potentials(begin), Soft())
        model.mode(statistics)
        return float(statistics.log_normalizer)

    return run


def deconvolution_step(rows: np.ndarray, errors: np.ndarray, start: StartParameters) -> float:
    """Take one EM step of extreme deconvolution; return the log likelihood before it."""
    n_features = rows.shape[1]
    means, covariances = start.means, start.structured("full")
    total = covariances[None] + errors[:, None]
    inverse = np.linalg.inv(total)
    apart = rows[:, None] - means[None]
    pulled = np.einsum("nkij,nkj->nki", inverse, apart)
    squares = np.einsum("nki,nki->nk", apart, pulled)
    logs = np.linalg.slogdet(total)[1] + n_features * np.log(2.0 * np.pi)
    scores = np.log(start.weights) - 0.5 * (squares + logs)
    sums = logsumexp(scores, axis=1)
    shares = np.exp(scores - sums[:, None])
    counts = shares.sum(axis=0)
    expected = means + np.einsum("kij,nkj->nki", covariances, pulled)
    left = covariances[None] - covariances[None] @ inverse @ covariances[None]
    new = np.einsum("nk,nki->ki", shares, expected) / counts[:, None]
    offsets = expected - new[None]
    spread = np.einsum("nk,nki,nkj->kij", shares, offsets, offsets, optimize=True)
    spread += np.einsum("nk,nkij->kij", shares, left)
    spread /= counts[:, None, None]
    return float(sums.sum())
