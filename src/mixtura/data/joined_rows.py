"""Rows in memory that lie in several parts, as one."""

import numpy as np

from mixtura.data.known_labels import KnownLabels
from mixtura.data.memory import ArrayRows
from mixtura.typing import Array


def joined(parts: list[ArrayRows]) -> ArrayRows:
    """Return rows that lie in several parts, one after the other, as one."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    weights = errors = None
    if any(part.weights is not None for part in parts):
        ones = [np.ones(part.n_rows) if part.weights is None else part.weights for part in parts]
        weights = np.concatenate(ones)
    if any(part.errors is not None for part in parts):
        errors = np.concatenate([_own_errors(part) for part in parts])
    values = np.concatenate([part.values for part in parts])
    return ArrayRows(values, weights, first.factor, errors, None, _joined_labels(parts))


def _joined_labels(parts: list[ArrayRows]) -> KnownLabels | None:
    """Return labels of parts, one after the other; groups of different parts are different."""
    known = [part.labels for part in parts]
    classes = next((one.classes for one in known if one is not None), None)
    if classes is None:
        return None
    sizes = [part.n_rows for part in parts]
    codes, groups, n_groups = [], [], 0
    for one, size in zip(known, sizes, strict=True):
        nothing = np.full(size, -1, dtype=np.intp)
        codes.append(nothing if one is None else one.codes)
        own = nothing if one is None or one.groups is None else one.groups
        groups.append(np.where(own >= 0, own + n_groups, -1))
        n_groups = max(n_groups, int(groups[-1].max(initial=-1)) + 1)
    has_groups = any(one is not None and one.groups is not None for one in known)
    return KnownLabels(
        np.concatenate(codes), classes, np.concatenate(groups) if has_groups else None
    )


def _own_errors(rows: ArrayRows) -> Array:
    if rows.errors is None:
        return np.zeros(rows.values.shape)
    return np.broadcast_to(rows.errors, (rows.n_rows, *rows.errors.shape[1:]))
