"""Chains in a file, from which a fit that was cut off goes on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.errors import InvalidArgumentError, ModelFileError, Setting
from mixtura.fit import Problem, Start
from mixtura.inference.mcmc.chain_runs import Runner, State
from mixtura.io.archive import read_archive, write_archive
from mixtura.io.model_file import prior_to_json

FORMAT = "mixtura checkpoint"
VERSION = 2

RESULTS = "results"
"""Where a header keeps the files that were made of the chains so far."""


@final
@dataclass(frozen=True)
class Checkpoint(Generic[State]):
    """A file that holds the chains of one fit.

    Parameters
    ----------
    path : Path
        The file.
    fit : str
        Digest of the fit; chains of another are refused.
    runner : Runner
        What the chains have in common.
    results : mapping of str to str
        What earlier interruptions made of the chains (:func:`record_results`), which
        stays in the file.
    """

    path: Path
    fit: str
    runner: Runner[State]
    results: Mapping[str, str] = field(default_factory=dict)

    def save(self, states: Sequence[State]) -> None:
        """Write chains that stand at the same sweep, in place of those before.

        Raises
        ------
        InvalidArgumentError
            If the file cannot be written.
        """
        described, arrays = self.runner.packed(states)
        header = {"format": FORMAT, "version": VERSION, "fit": self.fit, **described}
        header[RESULTS] = dict(self.results)
        write_archive(self.path, header, arrays, overwrite=True)

    def load(self, chains: int) -> list[State] | None:
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
                Setting("checkpoint"),
                f" {label} is of another fit: rows, model, options and ",
                Setting("random_state"),
                " (a number) must be those that it was begun with; delete it, or name another file",
            )
        try:
            return self.runner.restored(header, arrays, chains)
        except (KeyError, TypeError, ValueError, OverflowError, IndexError):
            raise ModelFileError(f"{label} does not describe chains of this fit") from None

    def remove(self) -> None:
        """Delete the file, if it is there."""
        self.path.unlink(missing_ok=True)


def recorded_results(path: Path) -> dict[str, str]:
    """Return paths and SHA-256 digests of the files that were made of the chains in a checkpoint.

    Nothing where there is no checkpoint, or none that can be read: the fit says what is wrong.
    """
    if not path.is_file():
        return {}
    try:
        header, _ = read_archive(path, "checkpoint")
    except ModelFileError:
        return {}
    found = header.get(RESULTS) if isinstance(header, dict) else None
    return {str(name): str(digest) for name, digest in dict(found or {}).items()}


def record_results(path: Path, results: Mapping[str, str]) -> None:
    """Keep in a checkpoint which files were made of its chains, for whoever replaces them.

    Parameters
    ----------
    path : Path
        The checkpoint.
    results : mapping of str to str
        Paths of files and their SHA-256 digests.

    Raises
    ------
    ModelFileError
        If the checkpoint cannot be read.
    InvalidArgumentError
        If it cannot be written.
    """
    header, arrays = read_archive(path, "checkpoint")
    header[RESULTS] = {**header.get(RESULTS, {}), **results}
    write_archive(path, header, arrays, overwrite=True)


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
    rows = problem.rows
    if isinstance(rows, ArrayRows) and rows.labels is not None:
        digest.update(f"labels {rows.labels.classes.sizes}".encode())
        digest.update(rows.labels.codes.astype(np.int64).tobytes())
        if rows.labels.groups is not None:
            digest.update(rows.labels.groups.astype(np.int64).tobytes())
    for block in rows.blocks():
        for part in (block.values, block.weights):
            if part is not None:
                digest.update(f"{part.dtype.str}{part.shape}".encode())
                digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
