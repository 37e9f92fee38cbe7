"""Archives of named arrays with a JSON header: no code, a checksum, whole or not there."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixtura.errors import ModelFileError
from mixtura.io.files import write_atomically
from mixtura.messages.conversion import short_repr
from mixtura.messages.validation import Parameter
from mixtura.typing import Array

MOST_ARRAYS = 4096
"""Arrays of an archive at most; a model file has less than thirty."""


def write_archive(
    path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, Array], *, overwrite: bool
) -> None:
    """Write arrays and a header to a file, under a temporary name first.

    Raises
    ------
    InvalidArgumentError
        If the file exists and may not be replaced, or its folder cannot be written to.
    """
    from safetensors.numpy import save

    packed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(header, allow_nan=False)
    metadata = {"header": text, "sha256": _digest(text, packed)}
    write_atomically(path, _in_order(save(packed, metadata)), overwrite=overwrite)


def _in_order(content: bytes) -> bytes:
    """Return an archive whose head is in the order of its names: safetensors' own is random."""
    size = int.from_bytes(content[:8], "little")
    head = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":"))
    packed = head.encode()
    packed += b" " * (-len(packed) % 8)
    return len(packed).to_bytes(8, "little") + packed + content[8 + size :]


def read_archive(
    path: str | Path, what: str, largest: int | None = None
) -> tuple[Any, dict[str, Array]]:
    """Return header and arrays of a file that :func:`write_archive` wrote.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file should hold, such as "model file", for messages.
    largest : int, optional
        Size from which on a file is refused unread.

    Raises
    ------
    ModelFileError
        If the file is too large, damaged or foreign.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    label = repr(str(path))
    try:
        if largest is not None and path.stat().st_size > largest:
            raise ModelFileError(f"{label} is larger than any {what} ({largest >> 30} GB)")
        with safe_open(path, framework="numpy") as archive:
            metadata = archive.metadata() or {}
            header, claimed = metadata.get("header", ""), metadata.get("sha256", "")
            names = list(archive.keys())
            if len(names) > MOST_ARRAYS:
                raise ModelFileError(f"{label} has more arrays than any {what}")
            arrays = {name: archive.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not a {what}, or damaged"
        raise ModelFileError(f"{label} cannot be read: {reason or 'damaged'}") from None
    if _digest(header, arrays) != claimed:
        raise ModelFileError(f"{label} is damaged or not a mixtura {what}: its checksum differs")
    try:
        return json.loads(header, parse_constant=_refused), arrays
    except (ValueError, RecursionError):
        raise ModelFileError(f"{label} is not a mixtura {what}") from None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def check_header(value: Any, description: Any, name: str = "the header") -> None:
    """Check a header against its description.

    Parameters
    ----------
    value : object
        What a file has, as JSON.
    description : Parameter, dict, list or tuple
        What it may be: a parameter; for a record a dictionary of descriptions by name; for a list
        of any length a list of the one description of its parts; for a list of one length a tuple
        of theirs. A name that ends in "?" may be missing, and what it has may be None.
    name : str
        What messages call it.

    Raises
    ------
    ModelFileError
        If it is anything else; the message says where.
    """
    if isinstance(description, Parameter):
        if not description.accepts(value):
            raise ModelFileError(
                f"{name} must be {description.accepted}; it is {short_repr(value)}"
            )
    elif isinstance(description, dict):
        _check_kind(value, dict, name, "a record")
        for key, inner in description.items():
            field = key.removesuffix("?")
            if field != key and value.get(field) is None:
                continue
            if field not in value:
                raise ModelFileError(f"{name} has no {field!r}")
            check_header(value[field], inner, field)
    else:
        _check_kind(value, list, name, "a list")
        if isinstance(description, tuple) and len(value) != len(description):
            raise ModelFileError(f"{name} must have {len(description)} parts; it has {len(value)}")
        kinds = description if isinstance(description, tuple) else description * len(value)
        for part, inner in zip(value, kinds, strict=True):
            check_header(part, inner, f"a part of {name}")


def _check_kind(value: Any, kind: type, name: str, accepted: str) -> None:
    if not isinstance(value, kind):
        raise ModelFileError(f"{name} must be {accepted}; it is {short_repr(value)}")


def _digest(header: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
