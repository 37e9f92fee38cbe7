"""What every pass over a piece of rows hands to the library."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mixtura.data import Block
from mixtura.engines.native.library import address
from mixtura.messages.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft, row_key
from mixtura.messages.prior_arrays import Restriction
from mixtura.typing import Array, IntegerArray, StructureShape

SOFT, HARD, SAMPLED, GIVEN, LABELLED = range(5)
"""Numbers of the assignments."""

SINGLE, DOUBLE, LABEL = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)

Threads: TypeAlias = Callable[..., int]
"""Returns how many threads may share so many multiplications."""

REAL = frozenset("fiub")
"""Kinds of NumPy's types whose numbers the library can take."""

SMALL = 1 << 17
"""Multiplications below which a pass is never shared by threads, as the library has it."""


def contiguous(values: Any, number_type: np.dtype[Any]) -> Any:
    """Return numbers of a type one after the other, each where its size divides its address."""
    values = np.asanyarray(values)
    if values.dtype.kind not in REAL or isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            f"numbers are wanted, none of them masked; got {type(values)} of {values.dtype}"
        )
    values = np.ascontiguousarray(values, number_type)
    return values if values.flags.aligned else values.copy()


def unmasked(numbers: Array) -> Array:
    """Return numbers that were put together, or raise a TypeError where some of them are masked."""
    if isinstance(numbers, np.ma.MaskedArray):
        raise TypeError("masked numbers have no place in a sweep")
    return numbers


def rows_of(piece: Block, n_features: int) -> tuple[Array, bool]:
    """Return rows as a contiguous array of float32 or float64, and whether they are float32."""
    values = piece.values
    if values.ndim != 2 or values.shape[1] != n_features:
        raise ValueError(f"rows of shape {values.shape} where {n_features} features are known")
    single = values.dtype == SINGLE
    return contiguous(values, SINGLE if single else DOUBLE), single


def weights_of(piece: Block) -> Array | None:
    """Return the weights of rows, contiguous, if they have any."""
    if piece.weights is None:
        return None
    weights = contiguous(piece.weights, DOUBLE)
    if weights.shape != piece.values.shape[:1]:
        raise ValueError(f"{len(piece.values)} rows have weights of shape {weights.shape}")
    return weights


def address_of(array: Array | IntegerArray | None) -> int | None:
    """Return where an array lies, or None where there is none."""
    return None if array is None else address(array)


def check_structure(structure: StructureShape, n_components: int, n_features: int) -> None:
    """Raise a ValueError if no structure of covariances has this shape."""
    shared = (1, n_components), (1, n_features)
    known = len(structure) == 2 and structure[0] in shared[0] and structure[1] in shared[1]
    square = (n_features, n_features)
    if len(structure) == 3:
        known = structure[0] in shared[0] and structure[1:] == square
    if not known or n_components < 1 or n_features < 1:
        raise ValueError(
            f"a structure {structure} of {n_components} components and {n_features} features"
        )


def check_restriction(
    restriction: Restriction, structure: StructureShape, n_components: int
) -> None:
    """Raise a ValueError if covariances of this shape cannot share what a restriction says."""
    if restriction == Restriction.NONE:
        return
    along_features = restriction.name.endswith("I")
    if structure[0] != n_components or len(structure) != (2 if along_features else 3):
        raise ValueError(f"a structure {structure} of {restriction.name}")


def assigned(
    assignment: Assignment, piece: Block, n_components: int
) -> tuple[int, int, Array | None]:
    """Return the assignment's number, key, and responsibilities or labels that were given."""
    if isinstance(assignment, Soft):
        return SOFT, 0, None
    if isinstance(assignment, Hard):
        return HARD, 0, None
    if isinstance(assignment, Sampled):
        return SAMPLED, row_key(assignment.seed, assignment.sweep), None
    n_rows = len(piece.values)
    rows = slice(piece.start, piece.start + n_rows)
    handed: Any
    if isinstance(assignment, Labelled):
        labels = np.asarray(assignment.labels[rows])
        number, handed = LABELLED, contiguous(labels, LABEL)
        expected: tuple[int, ...] = (n_rows,)
        # As a natural number a label below zero is a large one.
        if labels.dtype.kind == "f" or handed.view(np.uint64).max(initial=0) >= n_components:
            raise ValueError(
                f"labels are wanted that are whole numbers from 0 to {n_components - 1}"
            )
    elif isinstance(assignment, Given):
        number, handed = GIVEN, contiguous(assignment.responsibilities[rows], DOUBLE)
        expected = (n_rows, n_components)
    else:
        raise TypeError(f"the native engine does not know {assignment!r}")
    if handed.shape != expected:
        raise ValueError(f"an assignment of shape {handed.shape} where {expected} is needed")
    return number, 0, handed
