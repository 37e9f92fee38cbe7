"""What the draws of a posterior say once rows are at hand."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.diagnostics.bridge_proposals import SymmetricProposal
from mixtura.diagnostics.consensus import Grouping, consensus_partition, credible_ball
from mixtura.diagnostics.convergence_diagnostics import FEWEST_DRAWS, mean_error
from mixtura.diagnostics.evidence import (
    MISSED,
    MOST_COMPONENTS,
    Evidence,
    averaged,
    bridge_evidence,
)
from mixtura.diagnostics.exploration import unvisited
from mixtura.diagnostics.partition_draws import PartitionLoss, occupied_components
from mixtura.diagnostics.predictive import PredictiveAccuracy
from mixtura.engines import Engine
from mixtura.engines.grouped import units_of
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.fit import Fit
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior, Posterior
from mixtura.typing import Array, BooleanArray, IntegerArray

MOST_ALLOCATED = 1_000
"""Draws for which each row gets a component: at most so many, evenly spaced in each chain."""

MOST_COUNTED, FEWEST_COUNTED = 2_000_000, 20
"""Rows that get components under all draws together where groups are counted; draws at least."""

MOST_JUDGED = 4_000
"""Draws by which predictions are judged, and values that a proposal makes for a bridge."""

MOST_PAIRED = 5_000
"""Rows of which every two are compared."""

MOST_REPLICATED = 20_000_000
"""Numbers in all replicates of the data together."""

BLOCK = 4_000_000
"""Log densities of rows under draws that are held at once."""

Judge = Callable[[Array], PredictiveAccuracy]
AnyArray = TypeVar("AnyArray", Array, IntegerArray)


def draws_of(fit: Fit, what: str) -> DrawsPosterior:
    """Return the draws of a fit.

    Raises
    ------
    InvalidArgumentError
        If the fit has none.
    """
    if not isinstance(fit.posterior, DrawsPosterior):
        raise InvalidArgumentError(
            f"{what} needs draws of the posterior, which ",
            Setting("inference", fit.method),
            " does not make",
            remedy=("fit with ", Setting("inference", ("gibbs", "collapsed", "nuts"))),
        )
    return fit.posterior


def allocations(posterior: DrawsPosterior, rows: ArrayRows, engine: Engine) -> IntegerArray:
    """Return components of each row under at most 1000 draws, more of few rows, shape (C, S, N).

    The same ones each time: those of the draw's own partition where it was one of the rows, drawn
    given its parameters otherwise. A row counts once, whatever its weight.
    """
    most = max(MOST_ALLOCATED, MOST_COUNTED // max(1, rows.n_rows))
    return posterior.allocations(rows, engine, most)


def occupied(
    posterior: Posterior, rows: Rows, engine: Engine, most: int = MOST_ALLOCATED
) -> IntegerArray | None:
    """Return how many components hold rows under at most so many draws, shape (C, S).

    The same ones each time, fewer of very many rows. A row counts once, whatever its weight. Where
    the draws are partitions of these rows the numbers are theirs, under all draws. None without
    draws, of no rows and of a single component.
    """
    is_one = posterior.parameters.weights.size == 1
    if not isinstance(posterior, DrawsPosterior) or is_one or not rows.n_rows:
        return None
    own = posterior.occupied(_weighing(rows))
    if own is not None:
        return own
    allocated = posterior.allocations(rows, engine, _counted(most, rows.n_rows))
    found = occupied_components(allocated)
    if posterior.model.background is None:
        return found
    # Rows of the background are a group, but of no component.
    return found - (allocated == posterior.model.n_components).any(axis=-1)


def rest_has_rows(posterior: DrawsPosterior, rows: Rows, engine: Engine, most: int) -> BooleanArray:
    """Return whether the last component holds rows under at most so many draws, shape (C, S).

    Of a process cut off that is all that was cut off, where numbers are those of the draws.
    """
    last = posterior.model.n_components - 1
    allocated = posterior.allocations(rows, engine, _counted(most, rows.n_rows))
    return np.asarray((allocated == last).any(axis=-1))


def _counted(most: int, n_rows: int) -> int:
    """Return how many draws rows are counted under."""
    return min(most, max(FEWEST_COUNTED, MOST_COUNTED // n_rows))


def _weighing(rows: Rows) -> Rows:
    """Return the rows without those of weight zero, which no fit has seen."""
    if not isinstance(rows, ArrayRows) or rows.weights is None:
        return rows
    some = rows.taken(rows.weights > 0.0)
    return ArrayRows(some.values, None, some.factor, some.errors)


def together(allocated: AnyArray) -> AnyArray:
    """Return what there is of each draw, (C, S, ...), with chains one after the other."""
    return allocated.reshape(-1, *allocated.shape[2:])


def check_pairs(n_rows: int, what: str) -> None:
    """Raise InvalidArgumentError where rows are too many to compare every two."""
    if n_rows > MOST_PAIRED:
        raise InvalidArgumentError(
            f"{what} compares every two rows and takes at most {MOST_PAIRED:,} rows; "
            f"got {n_rows:,}: pass some of them as X"
        )


def grouping(allocated: IntegerArray, loss: PartitionLoss, level: float) -> Grouping:
    """Return the consensus of allocations (C, S, N), and the ball around it."""
    draws = together(allocated)
    found = consensus_partition(draws, loss)
    ball = credible_ball(found.labels, draws, loss, level)
    return Grouping(found.labels, found.expected_loss, ball, level)


def counted_rows(rows: ArrayRows, what: str) -> ArrayRows:
    """Return rows repeated as often as their weights say.

    Raises
    ------
    InvalidArgumentError
        If a weight is not a whole number.
    """
    weights = rows.weights
    if weights is None:
        return rows
    counts = np.rint(weights)
    broken = weights[counts != weights]
    if broken.size:
        raise InvalidArgumentError(
            f"{what} needs whole numbers as sample_weight, which count rows; got {broken[0]}"
        )
    return rows.copies(counts.astype(np.intp))


def check_rows(posterior: DrawsPosterior, rows: ArrayRows, engine: Engine, what: str) -> None:
    """Raise InvalidArgumentError unless the rows have the log likelihood that the fit has."""
    number = int(np.argmax(posterior.log_joint))
    told = float(posterior.log_likelihood.flat[number])
    (found,) = _log_likelihoods(posterior.model, [posterior.draw(number)], rows, engine)
    if not np.isclose(found, told, rtol=1e-6, atol=1e-6 * rows.n_rows):
        raise InvalidArgumentError(
            f"{what} is about the rows that were fitted, weights included: X must be those rows, "
            "or left out"
        )


def accuracy(
    judge: Judge, posterior: DrawsPosterior, rows: ArrayRows, engine: Engine
) -> PredictiveAccuracy:
    """Return an estimate of predictive accuracy from at most 4000 draws, found block by block.

    Parameters
    ----------
    judge : callable
        ``loo`` or ``waic``, which look at each row by itself; at each group of rows as a whole.
    posterior : DrawsPosterior
        The draws.
    rows : ArrayRows
        The rows, without weights.
    engine : Engine
        What scores them.
    """
    drawn = posterior.thinned(MOST_JUDGED)
    step = max(1, BLOCK // drawn.n_draws)
    if rows.is_grouped:
        logs = (_by_unit(drawn, some, engine) for some in _whole_groups(rows, step))
    else:
        logs = (drawn.log_densities(some, engine) for some in rows.batches(step))
    parts = [judge(one) for one in logs]
    by_row, fitted, diagnostic = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("by_row", "fitted_by_row", "diagnostic")
    )
    return PredictiveAccuracy(by_row, fitted, diagnostic, parts[0].largest_diagnostic)


def _whole_groups(rows: ArrayRows, most: int) -> Iterator[ArrayRows]:
    """Yield rows unit by unit, about so many at a time, no group cut."""
    units = units_of(rows)
    ends = np.cumsum(np.bincount(units.of_rows))
    begin = 0
    while begin < rows.n_rows:
        last = max(int(np.searchsorted(ends, begin + most, side="right")) - 1, 0)
        end = int(ends[last]) if ends[last] > begin else int(ends[ends > begin][0])
        yield rows.taken(units.order[begin:end])
        begin = end


def _by_unit(posterior: DrawsPosterior, rows: ArrayRows, engine: Engine) -> Array:
    """Return the log density of each group, or row on its own, under each draw, (C, S, U)."""
    units, logs = units_of(rows), posterior.log_densities(rows, engine)
    return np.moveaxis(units.summed(np.moveaxis(logs, -1, 0)), 0, -1)


def score_errors(posterior: DrawsPosterior, rows: ArrayRows, engine: Engine) -> Array:
    """Return the Monte Carlo standard error of each row's log predictive density, shape (N,).

    In nats, of the draws over which it is averaged, block by block.
    """
    drawn = posterior.averaged(rows.n_rows)
    if drawn.log_joint.shape[1] < FEWEST_DRAWS:
        return np.full(rows.n_rows, np.nan)
    step = max(1, BLOCK // drawn.n_draws)
    found = np.empty(rows.n_rows)
    for start, some in zip(range(0, rows.n_rows, step), rows.batches(step), strict=True):
        logs = drawn.log_densities(some, engine)
        densities = np.exp(logs - logs.max(axis=(0, 1)))
        # What does not vary from draw to draw has no error.
        errors = np.nan_to_num(mean_error(densities), nan=0.0)
        found[start : start + step] = errors / densities.mean(axis=(0, 1))
    return found


def replicates(posterior: DrawsPosterior, rows: ArrayRows, most: int, seed: int = 0) -> Array:
    """Return data sets drawn from the posterior predictive, shape (R, N, D).

    At most so many, each under another draw, evenly spaced in each chain, observed as the rows
    were: with their errors, and without the cells that they miss.
    """
    n_rows = rows.n_rows
    most = min(most, max(1, MOST_REPLICATED // (n_rows * posterior.model.n_features)))
    drawn = posterior.thinned(max(most, posterior.n_chains))
    rng = np.random.default_rng(seed)
    return rows.observed_like(together(drawn.replicates(n_rows, rng))[:most], rng)


def log_evidence(posterior: DrawsPosterior, rows: ArrayRows, engine: Engine) -> Evidence:
    """Return the log evidence by bridge sampling, in nats, over all numberings of the components.

    Those of which rows are known keep their numbers.

    The first half of each chain makes the proposal and the second half the bridge, and the other
    way round; the average of both.

    Raises
    ------
    InvalidArgumentError
        If the prior or the draws do not allow it.
    """
    n_draws = posterior.log_joint.shape[1]
    _check_bridge(posterior.model, n_draws)
    half = n_draws // 2
    ways = ((slice(0, half), half, n_draws), (slice(half, n_draws), 0, half))
    found = averaged([_bridge(posterior, rows, engine, *way) for way in ways])
    return replace(found, missed=_missed(posterior, rows, engine))


def _missed(posterior: DrawsPosterior, rows: ArrayRows, engine: Engine) -> float:
    """Return by how many nats the log joint density is higher where the chains never were."""
    weights = rows.weights
    if weights is not None and (weights != np.rint(weights)).any():
        return 0.0
    copies = counted_rows(rows, "log_evidence")
    few = posterior.thinned(MOST_ALLOCATED)
    priors = [few.model.log_prior(few.draw(s)) for s in range(few.n_draws)]
    log_joint = few.log_likelihood.ravel() + np.array(priors)
    best = few.draw(int(np.argmax(log_joint)))
    more = unvisited(few.model, copies, engine, best, float(log_joint.mean()))
    return more if more > 1.0 + MISSED * float(log_joint.std()) else 0.0


def _bridge(
    posterior: DrawsPosterior, rows: ArrayRows, engine: Engine, own: slice, begin: int, end: int
) -> Evidence:
    """Return the log evidence by draws from one on to another, the proposal fitted to others."""
    model = posterior.model
    parts = (posterior.weights, posterior.means, posterior.covariances)
    fitted = (together(part[:, own]) for part in parts)
    proposal = SymmetricProposal.fitted(*fitted, held=rows.held)
    most = max(FEWEST_DRAWS, MOST_JUDGED // posterior.n_chains)
    kept = begin + _spaced(end - begin, most)
    held = [part[:, kept] for part in parts]
    shape = held[0].shape[:2]
    volumes = [model.component_prior.log_volume(one) for one in together(held[2])]
    # Not the log joint density of the draws, which may be one of rows and partitions.
    drawn = (MixtureParameters(*one) for one in zip(*map(together, held), strict=True))
    of_draws = [model.log_prior(one) + more for one, more in zip(drawn, volumes, strict=True)]
    at_draws = posterior.log_likelihood[:, kept] + np.reshape(of_draws, shape)
    proposed = proposal.draw(at_draws.size, np.random.default_rng(0))
    made = [MixtureParameters(*one) for one in zip(*proposed, strict=True)]
    of_rows = _log_likelihoods(model, made, rows, engine)
    of_priors = [
        model.log_prior(one) + model.component_prior.log_volume(one.covariances) for one in made
    ]
    return bridge_evidence(
        at_draws,
        proposal.log_density(*(together(part) for part in held)).reshape(shape),
        of_rows + np.array(of_priors),
        proposal.log_density(*proposed),
    )


def _check_bridge(model: MixtureModel, n_draws: int) -> None:
    reason = ""
    if model.weight_prior.finds_components:
        reason = "a prior of the weights that finds the number of components"
    elif not model.weight_prior.is_exchangeable:
        reason = "a prior of the weights that tells components apart"
    elif model.component_prior.fixes_covariances:
        reason = "known scales"
    elif model.background is not None:
        reason = "a background"
    elif model.n_components > MOST_COMPONENTS:
        reason = f"more than {MOST_COMPONENTS} components"
    if reason:
        raise InvalidArgumentError(f"log_evidence is not available with {reason}")
    if n_draws < 2 * FEWEST_DRAWS:
        raise InvalidArgumentError(
            f"log_evidence needs at least {2 * FEWEST_DRAWS} draws of each chain; got {n_draws}"
        )


def _log_likelihoods(
    model: MixtureModel, made: list[MixtureParameters], rows: ArrayRows, engine: Engine
) -> Array:
    """Return the log likelihood of the (weighted) rows under each of some parameters."""
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    return np.array(
        [float(weights @ engine.log_density(rows, model.potentials(one))) for one in made]
    )


def _spaced(number: int, most: int) -> IntegerArray:
    kept = min(number, most)
    return (np.arange(kept) * number + number // 2) // kept
