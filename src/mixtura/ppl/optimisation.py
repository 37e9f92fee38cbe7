"""One run of SVI in Pyro: program, guide, loss and descent."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from pyro.infer.autoguide import AutoDelta
from pyro.infer.autoguide.initialization import init_to_median, init_to_value
from pyro.nn import PyroParam

from mixtura.data import ArrayRows, PartedRows, Rows
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.ppl.descent import Control, Descent, descend
from mixtura.ppl.isolation import isolated
from mixtura.ppl.observed_program import build_observed_program, observed_arguments
from mixtura.ppl.program import as_rows, build_program, build_weighted_program
from mixtura.ppl.relative_coordinates import relative_coordinates
from mixtura.ppl.sites import from_sites, to_sites
from mixtura.priors.dirichlet import SMALLEST_WEIGHT


def ascend(
    model: MixtureModel,
    rows: Rows,
    start: MixtureParameters | None,
    seed: int,
    control: Control,
    tell: Callable[[int, float], None],
) -> tuple[Descent, MixtureParameters]:
    """Maximise the log joint density with Pyro; return the descent of the loss and the estimate.

    Parameters
    ----------
    model : MixtureModel
        Model in the units of the rows.
    rows : Rows
        The data.
    start : MixtureParameters, optional
        Where to begin; by default where AutoDelta does, at medians of draws from the prior.
    seed : int
        Seed of torch's random numbers.
    control : Control
        Options of the optimiser. Coordinates are relative to the start where it is adaptive.
    tell : callable
        Called with the number of steps made so far and the loss they led to.

    Returns
    -------
    Descent, MixtureParameters
        The losses; without any where Pyro cannot evaluate the start, which is then the estimate.
    """
    n_entries = rows.n_rows * rows.n_features * model.n_components
    with isolated(seed, n_entries):
        program, elbo, arguments = _objective(model, rows)
        try:
            guide = _guide(model, program, start, arguments)
            if control.adaptive and start is not None:
                _make_relative(guide, model, start)
        except torch.linalg.LinAlgError:
            # Matrices that are singular to torch; the engines lift them and can go on.
            if start is None:
                raise
            return Descent((), is_settled=False, is_broken=True), start
        descent = descend(
            lambda: elbo.differentiable_loss(program, guide, *arguments),
            list(guide.parameters()),
            control,
            tell,
        )
        return descent, from_sites(model, guide.median())


def _objective(model: MixtureModel, rows: Rows) -> tuple[Callable[..., Any], Any, tuple[Any, ...]]:
    """Return program, loss and the program's arguments."""
    if isinstance(rows, ArrayRows) and not rows.is_complete:
        program = build_observed_program(model)
        return program, Trace_ELBO(max_plate_nesting=1), observed_arguments(rows)
    if isinstance(rows, PartedRows):
        raise rows.too_many("inference='svi'")
    blocks = list(rows.blocks())
    values = np.concatenate([block.values for block in blocks])
    weights = np.concatenate([block.row_weights for block in blocks])
    if (weights == 1.0).all():
        data = as_rows(values, model.n_features)
        return build_program(model), TraceEnum_ELBO(max_plate_nesting=1), (data,)
    counted = weights > 0
    data = as_rows(values[counted], model.n_features)
    arguments = (data, torch.as_tensor(weights[counted]))
    return build_weighted_program(model), Trace_ELBO(max_plate_nesting=1), arguments


def _guide(
    model: MixtureModel,
    program: Callable[..., Any],
    start: MixtureParameters | None,
    arguments: tuple[Any, ...],
) -> AutoDelta:
    """Return AutoDelta over the continuous sites, its parameters created."""
    begin = init_to_median
    if start is not None:
        values = to_sites(model, start)
        # AutoDelta moves the logarithms of weights, and that of zero could not move.
        values["p"] = values["p"].clamp(min=SMALLEST_WEIGHT)
        begin = init_to_value(values=values)
    guide = AutoDelta(poutine.block(program, hide=["z"]), init_loc_fn=begin)
    guide(*arguments)
    return guide


def _make_relative(guide: AutoDelta, model: MixtureModel, start: MixtureParameters) -> None:
    """Replace the guide's parameters by coordinates relative to the start."""
    for name, relative in relative_coordinates(model, start).items():
        setattr(guide, name, PyroParam(getattr(guide, name), relative))
