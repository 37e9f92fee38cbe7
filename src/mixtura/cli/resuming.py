"""The same command again after an interruption: its own results may be replaced."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mixtura.cli.outputs import Output
from mixtura.errors import InvalidArgumentError, ModelFileError


def replaceable(outputs: Mapping[str, Output], checkpoint: Output | None) -> dict[str, Output]:
    """Return the outputs; those may exist that an interrupted run wrote, if nobody changed them.

    Parameters
    ----------
    outputs : mapping of str to Output
        The files that are asked for, by what they hold.
    checkpoint : Output or None
        Where the run keeps its chains and the digests of its results.
    """
    if checkpoint is None or not checkpoint.target.is_file():
        return dict(outputs)
    from mixtura.inference.mcmc.checkpoints import recorded_results

    own = recorded_results(checkpoint.target)
    return {
        what: replace(output, may_exist=True) if _is_own(output.target, own) else output
        for what, output in outputs.items()
    }


def remember(written: Iterable[Output], checkpoint: Output | None) -> None:
    """Record in the checkpoint which files a run has written that did not come to its end."""
    if checkpoint is None or not checkpoint.target.is_file():
        return
    from mixtura.inference.mcmc.checkpoints import record_results

    results = {str(output.target): _digest(output.target) for output in written}
    # Results and chains are safe; without the record --force is needed to replace them.
    with suppress(ModelFileError, InvalidArgumentError, OSError):
        record_results(checkpoint.target, results)


def _is_own(path: Path, own: Mapping[str, str]) -> bool:
    return str(path) in own and path.is_file() and _digest(path) == own[str(path)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
