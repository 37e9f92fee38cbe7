"""Model files with a checksum that is right and content that is false, as many as are wanted."""

import copy
import json

import numpy as np
from safetensors.numpy import save

from mixtura.io.archive import _digest

VALUES = [
    None, True, False, -1, 0, 1, 2, 1e999, -1e999, float("nan"), 10**30, -(10**30), 1.5, 1e-320,
    1e308, "", "text", "\x00", "a\nb", "\ud800", [], [1], ["a", "b"], [[1]], [None], {}, {"a": 1},
    "map", "full", "Dirichlet", "x" * 10_000, [0.5] * 1000,
]  # fmt: skip
"""What stands where something else should."""

NUMBERS = [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e308, 1e-320, 1e100, 2.0]


def places(header, path=()):
    """Yield the path of everything in a header."""
    parts = header.items() if isinstance(header, dict) else enumerate(header)
    for key, value in list(parts):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def _inner(header, place):
    for key in place[:-1]:
        header = header[key]
    return header


def _changed_header(header, rng):
    """Return a header in which one to three places are others, are gone, or are twice there."""
    header = copy.deepcopy(header)
    for _ in range(rng.integers(1, 4)):
        known = list(places(header))
        place = known[rng.integers(len(known))]
        inner, last = _inner(header, place), place[-1]
        how = rng.integers(6)
        if how == 0:
            del inner[last]
        elif how == 1 and isinstance(inner, list):
            inner.insert(last, copy.deepcopy(inner[last]))
        elif how == 2:
            other = known[rng.integers(len(known))]
            inner[last] = copy.deepcopy(_inner(header, other)[other[-1]])
        elif how == 3 and isinstance(inner, dict):
            inner[str(rng.integers(100))] = VALUES[rng.integers(len(VALUES))]
        else:
            inner[last] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    return header


def _changed_arrays(arrays, rng):
    """Return arrays of which one to three have other numbers, shapes or kinds, or are gone."""
    arrays = dict(arrays)
    for _ in range(rng.integers(1, 4)):
        name = sorted(arrays)[rng.integers(len(arrays))]
        array = arrays[name]
        how = rng.integers(9)
        if how == 0 and len(arrays) > 1:
            del arrays[name]
        elif how == 1:
            arrays[name] = arrays[sorted(arrays)[rng.integers(len(arrays))]]
        elif how == 2:
            arrays[name] = array[None]
        elif how == 3:
            arrays[name] = array[:0] if array.ndim else array.reshape(1)
        elif how == 4:
            kinds = [np.float32, np.int64, np.uint8, np.bool_, np.float16]
            with np.errstate(all="ignore"):
                arrays[name] = array.astype(kinds[rng.integers(len(kinds))])
        elif how == 5:
            arrays[f"{name}{rng.integers(9)}"] = array
        elif how == 6 and array.size:
            arrays[name] = np.resize(array, (array.size + 1,))
        elif array.size and array.dtype == np.float64:
            arrays[name] = array.copy()
            at = rng.integers(array.size, size=rng.integers(1, 4))
            arrays[name].reshape(-1)[at] = NUMBERS[rng.integers(len(NUMBERS))]
    return arrays


def _changed_text(text, rng):
    """Return a JSON text in which characters are others, or are gone."""
    at = int(rng.integers(len(text)))
    how = rng.integers(4)
    if how == 0:
        return text[:at] + text[at + int(rng.integers(1, 20)) :]
    if how == 1:
        return text[:at] + chr(rng.integers(32, 127)) + text[at + 1 :]
    if how == 2:
        end = at + int(rng.integers(1, 200))
        return text[:end] + text[at:end] + text[end:]
    return text[:at] + '[{"a":'[rng.integers(6)] * int(rng.integers(1, 3000)) + text[at:]


def tampered(header, arrays, rng):
    """Return the bytes of one file whose checksum is right, and whose content hardly is."""
    how = rng.integers(10)
    if how < 5:
        header = _changed_header(header, rng)
    if how in (4, 5, 6, 7, 8):
        arrays = _changed_arrays(arrays, rng)
    text = json.dumps(header)
    if how == 9:
        text = _changed_text(text, rng)
    text = text.encode("utf-8", "replace").decode()
    return save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        {"header": text, "sha256": _digest(text, arrays)},
    )
