"""What the covariances of a restricted family are chosen by: a power and a scatter of each."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.typing import Array

FAINT = 1e-12
"""Share of all rows by which a component without rows is told the pooled covariance."""


@final
@dataclass(frozen=True, eq=False)
class CovarianceTerms:
    """The function of covariances that an M-step of a restricted family minimises.

    ``sum_k count[k] log det Sigma_k + trace(scatter[k] Sigma_k^-1)``, twice the negative log
    density of rows and means, and of the prior, but for constants.

    Parameters
    ----------
    count : array of shape (K,)
        Rows, and what means and prior are worth in rows.
    scatter : array of shape (K, D, D) or (K, D)
        Second moments about the means and the prior's scale, of matrices or of variances.
    floor : array of shape (D,), optional
        The smallest variances that are allowed.
    is_lifted : bool
        Whether rows were blurred by these: of components that have collapsed no digit matters.
    """

    count: Array
    scatter: Array
    floor: Array | None = None
    is_lifted: bool = False

    @property
    def occupied(self) -> "CovarianceTerms":
        """The same, with a faint share of the pooled scatter for components that have no rows."""
        empty = self.count <= 0.0
        if not empty.any():
            return self
        faint, total = FAINT, max(self.count.sum(), np.finfo(np.float64).tiny)
        own = empty.reshape(-1, *(1,) * (self.scatter.ndim - 1))
        pooled = faint * np.maximum(self.scatter, 0.0 if self.scatter.ndim == 2 else -np.inf).sum(
            axis=0
        )
        return replace(
            self,
            count=np.where(empty, faint * total, self.count),
            scatter=np.where(own, pooled, self.scatter),
        )

    @property
    def lifted(self) -> "CovarianceTerms":
        """The same, with each row blurred by the smallest variances that are allowed."""
        floor = np.zeros(self.scatter.shape[-1]) if self.floor is None else self.floor
        own = self.count.reshape(-1, *(1,) * (self.scatter.ndim - 1))
        more = np.diag(floor) if self.scatter.ndim == 3 else floor
        return replace(self, scatter=self.scatter + own * more, is_lifted=True)

    @property
    def pooled(self) -> "CovarianceTerms":
        """The same of all components together, each with its share: what never fails."""
        share = (self.count / self.count.sum()).reshape(-1, *(1,) * (self.scatter.ndim - 1))
        return replace(self.lifted, scatter=share * self.lifted.scatter.sum(axis=0))

    @property
    def is_flat(self) -> bool:
        """Whether a component's own scatter is below the floor in some direction."""
        return self.floor is not None and self.is_narrow(
            self.scatter / self.count.reshape(-1, *(1,) * (self.scatter.ndim - 1))
        )

    def is_narrow(self, covariances: Array) -> bool:
        """Whether covariances of the scatter's shape are not finite or below the floor."""
        if not np.isfinite(covariances).all():
            return True
        if self.floor is None:
            return False
        if covariances.ndim == 2:
            return bool((covariances < self.floor).any())
        unit = np.sqrt(self.floor)
        lowest = np.linalg.eigvalsh(covariances / unit[:, None] / unit)[:, 0]
        return bool((lowest < 1.0).any())

    def value(self, covariances: Array) -> float:
        """Return the function at covariances of the scatter's shape; infinity of singular ones."""
        if covariances.ndim == 2:
            logs = np.log(covariances).sum(axis=1)
            traces = (self.scatter / covariances).sum(axis=1)
        else:
            logs = np.linalg.slogdet(covariances)[1]
            try:
                traces = np.trace(np.linalg.solve(covariances, self.scatter), axis1=1, axis2=2)
            except np.linalg.LinAlgError:
                return np.inf
        found = float(self.count @ logs + traces.sum())
        return found if np.isfinite(found) else np.inf
