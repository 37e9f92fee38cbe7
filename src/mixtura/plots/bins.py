"""Bins of histograms: of rounded numbers each holds equally many of the possible values."""

import numpy as np

from mixtura.diagnostics.data_warnings import spacing
from mixtura.plots.observations import subsample
from mixtura.typing import Array

LOOKED_AT = 1 << 13
"""Values by which the spacing of a column is found."""


def bin_edges(values: Array, low: float, high: float, n_bins: int) -> Array | None:
    """Return the edges of about so many bins from ``low`` to ``high`` or a little beyond.

    Of a column of rounded numbers (counts, ratings, decimals) the width is a multiple of their
    spacing, and edges lie midway between two of them: bins of another width would hold now more,
    now fewer of the values that there can be, and show teeth that are not in the data.

    Parameters
    ----------
    values : array of shape (N,)
        The data, from which the spacing is found.
    low, high : float
        What the bins are to hold, at least.
    n_bins : int
        Number of bins of a column that is not rounded.

    Returns
    -------
    array of shape (n + 1,), or None where the range is too small for its magnitude
    """
    some, _ = subsample(values.size, LOOKED_AT)
    apart = spacing(values[some])
    if apart > 0.0:
        steps = max(1, round((high - low) / (n_bins * apart)))
        width = steps * apart
        first = float(values.min()) - 0.5 * apart
        first -= width * np.ceil(max(0.0, first - low) / width)
        number = int(np.ceil((high + 0.49 * apart - first) / width))
        edges = first + width * np.arange(max(1, number) + 1)
    else:
        edges = np.linspace(low, high, n_bins + 1)
    return edges if (np.diff(edges) > 0).all() else None
