"""The measurements and their registry."""

from collections.abc import Callable

from benchmarks.context import Context
from benchmarks.measurements import (
    article,
    choice,
    climb,
    default_speed,
    defaults,
    gibbs,
    gibbs_sweep,
    mclust,
    memory,
    observed_rows,
    optimum,
    precision,
    process,
    scoring,
    starts,
    sweep,
    vb,
    whole_fits,
)
from benchmarks.table import Table

MEASUREMENTS: dict[str, Callable[[Context], Table]] = {
    "article": article.measure_article,
    "sweep": sweep.measure_sweep,
    "scoring": scoring.measure_scoring,
    "optimum": optimum.measure_optimum,
    "precision": precision.measure_precision,
    "process": process.measure_process,
    "memory": memory.measure_memory,
    "vb": vb.measure_vb,
    "climb": climb.measure_climb,
    "gibbs": gibbs.measure_gibbs,
    "gibbs_sweep": gibbs_sweep.measure_gibbs_sweep,
    "defaults": defaults.measure_defaults,
    "choice": choice.measure_choice,
    "mclust": mclust.measure_mclust,
    "starts": starts.measure_starts,
    "default_speed": default_speed.measure_default_speed,
    "observed_rows": observed_rows.measure_observed_rows,
    "whole_fits": whole_fits.measure_whole_fits,
}
"""Every measurement by name; a new one is one file and one entry here."""

DEFAULT = ("article", "sweep", "scoring", "optimum")
"""What is run where no name is given."""
