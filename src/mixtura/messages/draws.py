"""Draws of the parameters of a mixture, as chains make them and posteriors keep them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, final

import numpy as np

from mixtura.messages.parameters import MixtureParameters
from mixtura.typing import Array, IntegerArray

PARAMETERS = ("weights", "means", "covariances")
DENSITIES = ("log_likelihood", "log_joint")
"""Names of the arrays, also in a file of chains."""


@final
@dataclass(frozen=True, eq=False)
class Draws:
    """Parameters drawn by one chain, or by C chains side by side, and the densities along them.

    Parameters
    ----------
    weights : array of shape (S, K) or (C, S, K)
        Mixture weights.
    means : array of shape (S, K, D) or (C, S, K, D)
        Component means.
    covariances : array of shape (S, *structure) or (C, S, *structure)
        Covariances or variances.
    log_likelihood, log_joint : array of shape (S,) or (C, S)
        Log likelihood of the rows, and with the log density of what is random beside them, in
        nats. Of chains on their way at each of T sweeps, of which S are kept, and the joint
        density up to one constant for the whole chain.
    """

    weights: Array
    means: Array
    covariances: Array
    log_likelihood: Array
    log_joint: Array

    def __repr__(self) -> str:
        return f"<Draws of shape {self.shape}, components and features {self.means.shape[-2:]}>"

    @classmethod
    def joined(cls, stretches: Sequence["Draws"]) -> Self:
        """Return stretches of one chain that follow each other as one."""
        return cls(*(np.concatenate(parts) for parts in _by_field(stretches)))

    @classmethod
    def beside(cls, chains: Sequence["Draws"]) -> Self:
        """Return chains of the same length side by side."""
        return cls(*(np.stack(parts) for parts in _by_field(chains)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (S,) or (C, S) of what has one number for each draw."""
        return self.weights.shape[:-1]

    def at(self, *index: int) -> MixtureParameters:
        """Return one draw: the number of the chain where there are several, and that within it."""
        return MixtureParameters(*(getattr(self, name)[index] for name in PARAMETERS))

    def kept(self, draws: IntegerArray | slice, sweeps: IntegerArray | slice | None = None) -> Self:
        """Return some draws of each chain; the densities at some sweeps, by default the same."""
        before = (slice(None),) * (len(self.shape) - 1)
        of = dict.fromkeys(PARAMETERS, draws)
        of |= dict.fromkeys(DENSITIES, draws if sweeps is None else sweeps)
        return replace(
            self, **{name: getattr(self, name)[(*before, some)] for name, some in of.items()}
        )

    def relabelled(self, orders: IntegerArray) -> Self:
        """Return the draws of C chains with component ``orders[c, s, k]`` as number k."""
        return replace(self, **{name: in_order(getattr(self, name), orders) for name in PARAMETERS})

    def rescaled(self, scale: Array) -> Self:
        """Return draws of the mixture of ``x * scale``; the densities stay as they are."""
        covariances = self.covariances
        if covariances.ndim - len(self.shape) == 3:
            covariances = covariances * scale[:, None] * scale
        else:
            width = covariances.shape[-1]
            covariances = covariances * scale[:width] * scale[:width]
        return replace(self, means=self.means * scale, covariances=covariances)


def _by_field(several: Sequence[Draws]) -> list[list[Array]]:
    return [[getattr(one, field.name) for one in several] for field in fields(Draws)]


def in_order(draws: Any, permutations: IntegerArray) -> Any:
    """Return draws (C, S, K or 1, ...) with component ``permutations[c, s, k]`` as number k.

    What the components share, with a length of 1 in place of K, is returned as it is.
    """
    if draws.shape[2] == 1:
        return draws
    order = permutations.reshape(permutations.shape + (1,) * (draws.ndim - 3))
    return np.take_along_axis(draws, order, axis=2)
