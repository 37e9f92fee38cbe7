"""Files that are whole or not there."""

import os
import tempfile
from pathlib import Path

from mixtura.errors import InvalidArgumentError


def write_atomically(path: str | Path, content: bytes, *, overwrite: bool) -> None:
    """Write a file under a temporary name in its folder, then rename it.

    Parameters
    ----------
    path : str or Path
    content : bytes
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InvalidArgumentError
        If the file exists and may not be replaced, or its folder cannot be written to.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise InvalidArgumentError(
            f"{str(path)!r} exists: choose another name, or pass overwrite=True"
        )
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    except OSError as error:
        raise InvalidArgumentError(f"{str(path)!r} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise InvalidArgumentError(f"{str(path)!r} cannot be written: {error.strerror}") from None
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
