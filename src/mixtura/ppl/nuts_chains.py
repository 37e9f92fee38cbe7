"""One chain of NUTS in Pyro: program, kernel and the draws of its sites."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS
from pyro.infer.autoguide.initialization import init_to_value

from mixtura.data import ArrayRows, PartedRows, Rows
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.ppl.isolation import isolated
from mixtura.ppl.observed_program import build_observed_program, observed_arguments
from mixtura.ppl.program import as_rows, build_program, build_weighted_program
from mixtura.ppl.sites import arrays_of, to_sites
from mixtura.priors.dirichlet import SMALLEST_WEIGHT
from mixtura.typing import Array


@final
@dataclass(frozen=True)
class Trajectories:
    """Options of the kernel.

    Parameters
    ----------
    draws, warmup : int
        Draws that are kept, and those before them, in which step size and masses are adapted.
    target_accept : float
        Acceptance probability at which the step size aims.
    max_tree_depth : int
        Trajectories have fewer than two to this power steps.
    """

    draws: int
    warmup: int
    target_accept: float
    max_tree_depth: int


def draw_chain(
    model: MixtureModel,
    rows: Rows,
    start: MixtureParameters,
    seed: int,
    plan: Trajectories,
    tell: Callable[[int], None],
) -> tuple[tuple[Array, Array, Array], int]:
    """Return the draws of one chain of Pyro's NUTS, the assignments summed out.

    Weights (S, K), means (S, K, D) and covariances (S, *structure), and how many of their
    trajectories left the region where the energy is conserved.

    Parameters
    ----------
    model : MixtureModel
        Model in the units of the rows.
    rows : Rows
        The data; rows of weight zero are left out.
    start : MixtureParameters
        Where the chain begins.
    seed : int
        Seed of torch's random numbers.
    plan : Trajectories
        Options of the kernel.
    tell : callable
        Called with the number of draws made so far, warm-up included.
    """
    n_entries = rows.n_rows * rows.n_features * model.n_components
    values = to_sites(model, start)
    values["p"] = values["p"].clamp(min=SMALLEST_WEIGHT)
    values["p"] = values["p"] / values["p"].sum()
    made, divergent = 0, 0

    def count(kernel: Any, *_: Any) -> None:
        nonlocal made, divergent
        made += 1
        if made == plan.warmup + plan.draws:
            # Here rather than of the sampler, which refuses to say it of fewer than four draws.
            divergent = len(kernel.diagnostics()["divergences"])
        tell(made)

    with isolated(seed, n_entries), warnings.catch_warnings():
        # Tracing fixes the shapes, which do not change from one step to the next.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
        program, arguments = target_program(model, rows)
        kernel = NUTS(
            program,
            target_accept_prob=plan.target_accept,
            max_tree_depth=plan.max_tree_depth,
            init_strategy=init_to_value(values=values),
            max_plate_nesting=1,
            jit_compile=True,
            ignore_jit_warnings=True,
        )
        sampler = MCMC(
            kernel,
            num_samples=plan.draws,
            warmup_steps=plan.warmup,
            hook_fn=count,
            disable_progbar=True,
            disable_validation=None,
        )
        sampler.run(*arguments)
        return arrays_of(model, sampler.get_samples()), divergent


def target_program(model: MixtureModel, rows: Rows) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the program and its arguments; with weights the one that counts rows by them."""
    if isinstance(rows, ArrayRows) and not rows.is_complete:
        return _stochastic(build_observed_program(model)), observed_arguments(rows)
    if isinstance(rows, PartedRows):
        raise rows.too_many("inference='nuts'")
    blocks = list(rows.blocks())
    values = np.concatenate([block.values for block in blocks])
    weights = np.concatenate([block.row_weights for block in blocks])
    if (weights == 1.0).all():
        return _stochastic(build_program(model)), (as_rows(values, model.n_features),)
    counted = weights > 0
    data = as_rows(values[counted], model.n_features)
    return _stochastic(build_weighted_program(model)), (data, torch.as_tensor(weights[counted]))


def _stochastic(program: Callable[..., Any]) -> Callable[..., Any]:
    """Return the program without its deterministic sites, which NUTS would keep among the draws."""
    return poutine.block(program, hide_fn=lambda site: site["infer"].get("_deterministic", False))
