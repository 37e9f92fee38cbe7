"""pomegranate's mixture, where it is installed; nothing of it is required."""

import time
from importlib.util import find_spec
from typing import Any, final

import numpy as np

from benchmarks.starts import StartParameters
from benchmarks.timing import NotRunError

STRUCTURES = ("full", "diag")
"""Those of its structures that can be started from given parameters."""


TRIAL = 100
"""A trial runs on this fraction of the rows."""

LARGE = 100_000
"""From so many rows on there is a trial first: memory and time may not suffice."""


def iteration(
    start: StartParameters, structure: str, rows: np.ndarray, limit: float
) -> "Iteration":
    """Return one iteration, unless a hundredth of the rows shows that it takes too long.

    Raises
    ------
    NotRunError
        If pomegranate is not installed, cannot run the structure, or would take longer than
        ``limit`` seconds.
    """
    if find_spec("pomegranate") is None:
        raise NotRunError("not run: not installed")
    if structure not in STRUCTURES:
        raise NotRunError("not run: cannot start from given parameters")
    if len(rows) >= LARGE:
        trial = Iteration(start, structure, rows[: len(rows) // TRIAL])
        trial()
        began = time.perf_counter()
        trial()
        seconds = TRIAL * (time.perf_counter() - began)
        if seconds > limit:
            raise NotRunError(f"not run: would take about {seconds:.0f} s")
    return Iteration(start, structure, rows)


@final
class Iteration:
    """One EM iteration in float64, always from the same parameters."""

    def __init__(self, start: StartParameters, structure: str, rows: np.ndarray) -> None:
        import torch

        self._rows = torch.from_numpy(rows)
        self._start, self._structure = start, structure
        self.model: Any = None

    def __call__(self) -> None:
        """Run the iteration; building the model anew is part of it, and takes microseconds."""
        self.model = self._mixture()
        self.model.summarize(self._rows)
        self.model.from_summaries()

    def _mixture(self) -> Any:
        import torch
        from pomegranate.distributions import Normal
        from pomegranate.gmm import GeneralMixtureModel

        covariances = self._start.structured(self._structure)
        components = [
            Normal(
                torch.from_numpy(mean.copy()),
                torch.from_numpy(covariance.copy()),
                covariance_type=self._structure,
            )
            for mean, covariance in zip(self._start.means, covariances, strict=True)
        ]
        return GeneralMixtureModel(components, priors=torch.from_numpy(self._start.weights.copy()))
