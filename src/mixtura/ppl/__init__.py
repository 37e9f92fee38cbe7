"""The model as a Pyro program, and inference by Pyro: the only place that imports torch or pyro.

Importing this package imports neither; they are loaded when something here is called.
"""

from collections.abc import Callable
from typing import Any

from mixtura.model import MixtureModel
from mixtura.ppl.extra import require_pyro
from mixtura.ppl.nuts import NUTS
from mixtura.ppl.svi import SVI


def to_pyro(model: MixtureModel) -> Callable[..., Any]:
    """Return the model as a Pyro program ``program(data=None, n_rows=None)``.

    The program has these sample sites, all float64:

    ``p``
        Mixture weights, shape (K,).
    ``mu``
        Component means, shape (K,) with one feature, otherwise (K, D).
    ``sigma``, ``variance`` or ``Sigma``
        What the component prior is stated on: standard deviations, variances, or covariance
        matrices. Standard deviations and variances have shape (K,) with one feature or spherical
        covariances, otherwise (K, D); matrices (K, D, D). Tied families have one site without the
        K, outside the plate over components. ``KnownScale`` has no such site.
    ``z``
        Component of each row, shape (N,), enumerated in parallel where enumeration is on.
    ``x``
        Rows, shape (N,) with one feature, otherwise (N, D); observed where data are given.

    Where ``sigma`` is not sampled it is a deterministic site: the components' marginal standard
    deviations. An unknown concentration of a process is integrated out of the density of ``p``,
    and has no site. The plates are ``components`` and ``data``, both at dimension -1.

    Parameters
    ----------
    model : MixtureModel
        A model with proper priors.

    Returns
    -------
    callable
        ``program(data=None, n_rows=None)``, which returns the rows. ``data`` has shape (N, D), or
        (N,) with one feature; without it ``n_rows`` rows are drawn.

    Raises
    ------
    MissingExtraError
        If torch or pyro is not installed.
    InvalidArgumentError
        If a prior is flat, so that there is nothing to draw from, or nobody has written it as a
        program.
    """
    require_pyro()
    from mixtura.ppl.program import build_program

    return build_program(model)


__all__ = ["NUTS", "SVI", "to_pyro"]
