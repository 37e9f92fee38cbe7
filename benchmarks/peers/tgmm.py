"""tgmm's mixture, where it is installed; nothing of it is required."""

from functools import partial
from typing import Any, final

import numpy as np

from benchmarks.peers.trials import check_installed, check_time
from benchmarks.starts import StartParameters
from benchmarks.timing import NotRunError

FORMS = {"full": "full", "diag": "diag", "spherical": "spherical", "tied": "tied_full"}
"""What it calls the structures."""


MOST_NUMBERS = 1 << 29
"""Size N K D above which its difference of every row from every mean would fill memory."""


def iteration(
    start: StartParameters, structure: str, rows: np.ndarray, limit: float
) -> "Iteration":
    """Return one iteration, unless a hundredth of the rows shows that it takes too long.

    Raises
    ------
    NotRunError
        If tgmm is not installed, has no such structure, or would take more than ``limit`` seconds
        or more memory than there is.
    """
    check_installed("tgmm")
    if structure not in FORMS:
        raise NotRunError("not run: no such structure")
    if rows.size * len(start.weights) > MOST_NUMBERS:
        raise NotRunError("not run: too little memory")
    check_time(partial(Iteration, start, structure), rows, limit)
    return Iteration(start, structure, rows)


@final
class Iteration:
    """One EM iteration in float64, always from the same parameters."""

    def __init__(self, start: StartParameters, structure: str, rows: np.ndarray) -> None:
        import torch
        from tgmm import GaussianMixture

        self._rows = torch.from_numpy(rows)
        self._start, form = start, FORMS[structure]
        n_components, n_features = start.means.shape
        self.model: Any = GaussianMixture(
            n_components, n_features, covariance_type=form, reg_covar=0.0
        )
        self._tensors = {
            name: torch.from_numpy(np.ascontiguousarray(values))
            for name, values in (
                ("weights_", start.weights),
                ("means_", start.means),
                ("covariances_", start.structured(structure)),
            )
        }

    def __call__(self) -> None:
        """Run the iteration."""
        for name, tensor in self._tensors.items():
            setattr(self.model, name, tensor.clone())
        shares, _ = self.model._e_step(self._rows)
        self.model._m_step(self._rows, shares)
