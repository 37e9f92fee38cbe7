"""The start of R's mclust: model-based hierarchical clustering, run where R is installed."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SCRIPT = """
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
rows <- as.matrix(read.csv(given[1], header = FALSE))
model <- if (ncol(rows) == 1) "V" else given[3]
labels <- hclass(hc(rows, modelName = model), as.integer(given[2]))
write.table(labels, given[4], row.names = FALSE, col.names = FALSE)
"""

MODELS = {
    "full": "VVV",
    "tied": "EEE",
    "diag": "VVV",
    "spherical": "VII",
    "tied_diag": "EEE",
    "tied_spherical": "EII",
}
"""The models for which mclust has a hierarchy; it takes VVV for diagonal ones itself."""


def hierarchy(rows: np.ndarray, n_clusters: int, family: str) -> np.ndarray | None:
    """Return the cluster of each row (N,) from 0, or None where R or the hierarchy fails."""
    command = shutil.which("Rscript")
    if command is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script, table, labels = (Path(folder) / name for name in ("run.R", "rows.csv", "labels"))
        script.write_text(SCRIPT, encoding="utf-8")
        np.savetxt(table, rows, delimiter=",", fmt="%.17g")
        words = [command, str(script), str(table), str(n_clusters), MODELS[family], str(labels)]
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=120)
            found = np.loadtxt(labels, dtype=int, ndmin=1)
        except (subprocess.SubprocessError, OSError):
            return None
    return np.unique(found, return_inverse=True)[1] if found.size == len(rows) else None
