"""How much memory rows of a scan may take."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixtura.errors import InvalidArgumentError

SHARE = 4
"""A scan takes one part in so many of what is free."""

UNKNOWN_FREE = 1 << 32
"""What is taken to be free where the system does not tell."""

UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
DECIMAL = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BINARY = {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}

_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*")
_CGROUPS = Path("/sys/fs/cgroup")


def memory_limit(memory: Any) -> int:
    """Return a limit of memory in bytes.

    Parameters
    ----------
    memory : int, float, str or None
        Bytes, or a text such as "2GB", "500 MB" or "1.5GiB"; None for a quarter of what is free.

    Raises
    ------
    InvalidArgumentError
        If it is none of these, or not above zero.
    """
    if memory is None:
        return free_memory() // SHARE
    size = None
    if isinstance(memory, str):
        found = _SIZE.fullmatch(memory)
        unit = (UNITS | DECIMAL | BINARY).get(found[2].upper()) if found else None
        size = None if found is None or unit is None else float(found[1]) * unit
    elif isinstance(memory, int | float) and not isinstance(memory, bool):
        size = float(memory)
    if size is None or not 1.0 <= size < 2.0**62:
        raise InvalidArgumentError(
            f"must be a number of bytes or a text such as '2GB' or '500MB'; got {memory!r}",
            argument="memory",
        )
    return int(size)


def free_memory() -> int:
    """Return the bytes of memory that this process may still take, as far as the system says."""
    limits = [free for free in (_available(), *_left_of_groups()) if free is not None]
    return max(0, min(limits, default=UNKNOWN_FREE))


def _available() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"MemAvailable:\s*(\d+) kB", text)
    return int(found[1]) << 10 if found else None


def _left_of_groups() -> Iterator[int | None]:
    """Yield what control groups leave, in either of their versions."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds and "memory" not in kinds.split(","):
            continue
        root = _CGROUPS / "memory" if kinds else _CGROUPS
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else None
        most, used = names or ("memory.max", "memory.current")
        folder = root / path.lstrip("/")
        for group in (folder, *folder.parents):
            yield _left(group / most, group / used)
            if group == root:
                break


def _left(most: Path, used: Path) -> int | None:
    try:
        return int(most.read_text()) - int(used.read_text())
    except (OSError, ValueError):  # no such file, or the word "max"
        return None


def shown_size(size: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000.0:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:.3g} TB"
