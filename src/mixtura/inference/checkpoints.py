"""Chains in a file, from which a fit that was cut off goes on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from mixtura.archives import read_archive, write_archive
from mixtura.errors import InvalidArgumentError, ModelFileError
from mixtura.fit import Problem, Start
from mixtura.inference.chains import ChainState, Sampler, Stretch, joined
from mixtura.parameters import MixtureParameters
from mixtura.storage import prior_to_json
from mixtura.typing import Array

FORMAT = "mixtura checkpoint"
VERSION = 1
CURRENT = ("weights", "means", "covariances")
PAST = (*CURRENT, "log_likelihood", "log_prior")


@final
@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the chains of one fit.

    Parameters
    ----------
    path : Path
        The file.
    fit : str
        Digest of the fit; chains of another are refused.
    """

    path: Path
    fit: str

    def save(self, states: Sequence[ChainState]) -> None:
        """Write chains that stand at the same sweep, in place of those before.

        Raises
        ------
        InvalidArgumentError
            If the file cannot be written.
        """
        arrays = {
            f"current_{name}": np.stack([getattr(state.current, name) for state in states])
            for name in CURRENT
        }
        if states[0].past:
            past = [joined(state.past) for state in states]
            arrays |= {name: np.stack([getattr(one, name) for one in past]) for name in PAST}
        header = {
            "format": FORMAT,
            "version": VERSION,
            "fit": self.fit,
            "row_seeds": [state.row_seed for state in states],
            "random": [state.random for state in states],
        }
        write_archive(self.path, header, arrays, overwrite=True)

    def load(self, sampler: Sampler, chains: int) -> list[ChainState] | None:
        """Return the chains in the file, or None where there is none.

        Raises
        ------
        InvalidArgumentError
            If the chains are those of another fit.
        ModelFileError
            If the file is damaged or foreign.
        """
        if not self.path.exists():
            return None
        header, arrays = read_archive(self.path, "checkpoint")
        label = repr(str(self.path))
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ModelFileError(f"{label} is not a mixtura checkpoint")
        if (header.get("version"), header.get("fit")) != (VERSION, self.fit):
            raise InvalidArgumentError(
                f"checkpoint {label} is of another fit: rows, model, options and random_state (a "
                "number) must be those that it was begun with; delete it, or name another file"
            )
        try:
            return _restored(header, arrays, sampler, chains)
        except (KeyError, TypeError, ValueError, OverflowError, IndexError):
            raise ModelFileError(f"{label} does not describe chains of this fit") from None

    def remove(self) -> None:
        """Delete the file, if it is there."""
        self.path.unlink(missing_ok=True)


def _restored(
    header: Mapping[str, Any], arrays: Mapping[str, Array], sampler: Sampler, chains: int
) -> list[ChainState]:
    """Return the chains; every size is checked, for compiled code does not."""
    model, plan = sampler.model, sampler.plan
    sizes = (model.n_components, model.n_features)
    shapes = {"weights": sizes[:1], "means": sizes, "covariances": model.structure}
    current = [_checked(arrays[f"current_{name}"], (chains, *shapes[name])) for name in CURRENT]
    past: list[Array] = []
    if PAST[-1] in arrays:
        sweeps = arrays[PAST[-1]].shape[-1]
        if sweeps > plan.sweeps:
            raise ValueError("more sweeps than the plan has")
        draws = plan.kept_before(sweeps)
        past = [_checked(arrays[name], (chains, draws, *shapes[name])) for name in CURRENT]
        past += [_checked(arrays[name], (chains, sweeps)) for name in PAST[len(CURRENT) :]]
    states = []
    for number in range(chains):
        np.random.PCG64(0).state = header["random"][number]  # checks it
        states.append(
            ChainState(
                MixtureParameters(*(part[number].copy() for part in current)),
                int(header["row_seeds"][number]),
                header["random"][number],
                (Stretch(*(part[number] for part in past)),) if past else (),
            )
        )
    return states


def _checked(array: Array, shape: tuple[int, ...]) -> Array:
    if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
        raise ValueError("not an array of finite numbers of this shape")
    return array


def digest_of(problem: Problem, starts: Sequence[Start], options: Mapping[str, int]) -> str:
    """Return a text that differs for fits whose draws differ.

    Parameters
    ----------
    problem : Problem
        Model, rows and seed.
    starts : sequence of Start
        Where the chains begin.
    options : mapping of str to int
        The method's own.
    """
    model = problem.model
    described = {
        "options": dict(options),
        "seed": [str(problem.seed.entropy), [int(key) for key in problem.seed.spawn_key]],
        "sizes": [model.n_components, model.n_features, model.structure],
        "priors": [prior_to_json(model.weight_prior), prior_to_json(model.component_prior)],
        "starts": [[start.name, start.statistics.count.round(3).tolist()] for start in starts],
        "numbering": problem.keep_numbering,
    }
    # Nine digits: what was summed up from the rows may differ in the last ones on another machine.
    rounded = json.loads(json.dumps(described), parse_float=lambda text: f"{float(text):.9g}")
    digest = hashlib.sha256(json.dumps(rounded, sort_keys=True).encode())
    for block in problem.rows.blocks():
        for part in (block.values, block.weights):
            if part is not None:
                digest.update(f"{part.dtype.str}{part.shape}".encode())
                digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
