"""pomegranate's mixture, where it is installed; nothing of it is required."""

from functools import partial
from typing import Any, final

import numpy as np

from benchmarks.peers.trials import check_installed, check_time
from benchmarks.starts import StartParameters
from benchmarks.timing import NotRunError

STRUCTURES = ("full", "diag")
"""Those of its structures that can be started from given parameters."""


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
    check_installed("pomegranate")
    if structure not in STRUCTURES:
        raise NotRunError("not run: cannot start from given parameters")
    check_time(partial(Iteration, start, structure), rows, limit)
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
