"""Archives of named arrays with a JSON header: no code, a checksum, whole or not there."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixtura.errors import ModelFileError
from mixtura.files import write_atomically
from mixtura.typing import Array


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
    write_atomically(path, save(packed, metadata), overwrite=overwrite)


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
            arrays = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not a {what}, or damaged"
        raise ModelFileError(f"{label} cannot be read: {reason or 'damaged'}") from None
    if _digest(header, arrays) != claimed:
        raise ModelFileError(f"{label} is damaged or not a mixtura {what}: its checksum differs")
    try:
        return json.loads(header), arrays
    except ValueError:
        raise ModelFileError(f"{label} is not a mixtura {what}") from None


def _digest(header: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
