"""Reports as files."""

import os
from collections.abc import Callable
from pathlib import Path

from mixtura.errors import InvalidArgumentError
from mixtura.io.files import write_atomically
from mixtura.reports.content import Report
from mixtura.reports.fulltext import as_text
from mixtura.reports.html import as_html
from mixtura.reports.json import as_json

RENDERERS: dict[str, Callable[[Report], str]] = {
    ".html": as_html,
    ".htm": as_html,
    ".json": as_json,
    ".txt": as_text,
}
"""How a report is written, by the suffix of the file."""


def write_report(report: Report, path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write a report as HTML, JSON or plain text, whichever the file's suffix says.

    The file is written under a temporary name in the same folder and then renamed, so that no
    reader ever sees half of it.

    Parameters
    ----------
    report : Report
        The report.
    path : path
        Where to; ``.html``, ``.htm``, ``.json`` or ``.txt``.
    force : bool, default=False
        Whether to replace a file that is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidArgumentError
        If the suffix is unknown, the file exists and ``force`` is not given, or it cannot be
        written.
    """
    target = Path(path)
    render = RENDERERS.get(target.suffix.lower())
    if render is None:
        known = ", ".join(RENDERERS)
        raise InvalidArgumentError(
            f"must end in one of {known}; got {target.name!r}", argument="path"
        )
    write_atomically(target, render(report).encode("utf-8"), overwrite=force)
    return target
