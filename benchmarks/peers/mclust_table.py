"""R's mclust, run where it is installed: its table of BIC, and the data that it ships."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import final

import numpy as np

TABLE = """
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
rows <- as.matrix(read.csv(given[1], header = FALSE))
set.seed(0)
seconds <- system.time(found <- mclustBIC(rows, G = 1:as.integer(given[2]), verbose = FALSE))[3]
table <- as.data.frame(as.table(matrix(found, nrow(found), dimnames = dimnames(found))))
write.table(table, given[3], row.names = FALSE, col.names = FALSE, sep = ",", quote = FALSE)
cat(seconds)
"""

DATA = """
suppressMessages(library(mclust))
folder <- commandArgs(trailingOnly = TRUE)[1]
for (name in c("acidity", "banknote", "chevron", "cross", "diabetes", "EuroUnemployment",
               "Baudry_etal_2010_JCGS_examples", "GvHD", "thyroid", "wdbc", "wreath"))
    data(list = name, package = "mclust")
numbers <- function(table) Filter(is.numeric, as.data.frame(table))
tables <- list(
    iris = iris, faithful = faithful, diabetes = diabetes, thyroid = thyroid,
    banknote = banknote, wreath = wreath, chevron = chevron, cross = cross[, -1],
    unemployment = EuroUnemployment, acidity = acidity, Test1D = Test1D,
    ex4.1 = ex4.1, ex4.2 = ex4.2, ex4.3 = ex4.3, ex4.4.1 = ex4.4.1, ex4.4.2 = ex4.4.2,
    wdbc = wdbc[, c("Texture_mean", "Area_extreme", "Smoothness_extreme")],
    GvHD = GvHD.control[seq(1, nrow(GvHD.control), 5), ])
for (name in names(tables))
    write.table(format(numbers(tables[[name]]), digits = 17, trim = TRUE),
                file.path(folder, paste0(name, ".csv")), row.names = FALSE, col.names = FALSE,
                sep = ",", quote = FALSE)
"""
"""Where a table has thousands of rows, every fifth of them; the radiologists' three of wdbc."""

UNIVARIATE = {"E": "EEE", "V": "VVV"}
"""mclust's names for one column, and what they are called here."""

LIMIT = 900.0
"""Seconds that a table may take."""


@final
@dataclass(frozen=True, eq=False)
class MclustTable:
    """What mclust finds.

    Parameters
    ----------
    bic : dict
        BIC by family and number of components, with the sign that makes smaller better; NaN where
        mclust has none.
    seconds : float
        How long it took.
    """

    bic: dict[tuple[str, int], float]
    seconds: float

    @property
    def best(self) -> tuple[str, int]:
        """Family and number of the smallest BIC."""
        return min(self.bic, key=lambda key: (np.isnan(self.bic[key]), self.bic[key]))


def mclust_table(rows: np.ndarray, most: int) -> MclustTable | None:
    """Return mclust's table for 1 to ``most`` components, or None where R or mclust fails."""
    with tempfile.TemporaryDirectory() as folder:
        table, answer = Path(folder) / "rows.csv", Path(folder) / "table.csv"
        np.savetxt(table, rows, delimiter=",", fmt="%.17g")
        said = _run(TABLE, str(table), str(most), str(answer))
        if said is None:
            return None
        lines = [line.split(",") for line in answer.read_text(encoding="utf-8").split()]
    found = {
        (UNIVARIATE.get(family, family), int(number)): -float("nan" if value == "NA" else value)
        for number, family, value in lines
    }
    return MclustTable(found, float(said))


@lru_cache(maxsize=1)
def mclust_data() -> dict[str, np.ndarray]:
    """Return the data that mclust and R ship, by name; none where R or mclust is not there."""
    with tempfile.TemporaryDirectory() as folder:
        if _run(DATA, folder) is None:
            return {}
        paths = sorted(Path(folder).glob("*.csv"))
        return {path.stem: np.loadtxt(path, delimiter=",", ndmin=2) for path in paths}


def _run(text: str, *words: str) -> str | None:
    """Return what a script prints; None where it fails."""
    command = shutil.which("Rscript")
    if command is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "run.R"
        script.write_text(text, encoding="utf-8")
        try:
            ended = subprocess.run(
                [command, str(script), *words],
                check=True,
                capture_output=True,
                timeout=LIMIT,
                text=True,
            )
        except (subprocess.SubprocessError, OSError):
            return None
    return ended.stdout
