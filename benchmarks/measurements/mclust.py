"""BIC of every family and number of components, cell by cell against the table of R's mclust."""

import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from benchmarks.context import Context
from benchmarks.peers.mclust_table import MclustTable, mclust_data, mclust_table
from benchmarks.table import Table, seconds_cell
from mixtura import select
from mixtura.diagnostics.candidates import Candidate
from mixtura.families import families_like

SAME = 0.01
"""Difference of BIC below which two cells are equal: mclust stops at a relative change of 1e-5."""

MOST = 9
"""The largest number of components, as mclust's default."""

DRAWN = "drawn"
"""Word of the sets whose family and number of groups are known."""

N_GROUPS, N_FEATURES, N_ROWS, MOST_DRAWN = 3, 3, 600, 4
"""Of drawn sets: groups, features and rows, and the largest number of components tried."""

SEEDS = 3

KINDS = ("equal", "higher", "lower", "flagged", "only here", "only there")
"""What a cell may be."""

NOTES = [
    "`select(X, families='all', components=range(1, 10), inference='ml')` against `mclustBIC` with "
    "its defaults. Equal: BIC within .01. Higher and lower are of the criterion as mclust has it, "
    "larger better. Flagged: a component has collapsed, so that the candidate is not chosen; "
    "those cells count nowhere else. Only here, only there: cells that the other has not.",
    "The best cell is the one that is chosen, with its BIC, smaller better as mixtura has it. "
    "Lower cells are told one by one in the JSON file.",
    "Drawn sets: three groups of one of the fourteen families, 600 rows in three columns, 1 to 4 "
    "components tried. Right: family and number of groups both.",
]


@final
@dataclass(frozen=True)
class Cells:
    """How the cells of a table compare.

    Parameters
    ----------
    counts : Counter
        Cells by what they are: equal, higher, lower, flagged, only here, only there.
    lower : tuple of dict
        The cells in which mixtura's BIC is worse, with by how much.
    """

    counts: Counter[str]
    lower: tuple[dict[str, object], ...]


def measure_mclust(context: Context) -> Table:
    """Return the table of cells, one row for each set; drawn sets together in two rows."""
    columns = ["set", "N", "D", *KINDS, "best", "mclust's best", "time", "mclust's time"]
    table = Table("mclust", "BIC of all families beside mclust's", NOTES, columns)
    for name, rows in mclust_data().items():
        if context.settings.wants(f"real {name}"):
            context.report(f"mclust: {name}")
            _compare(table, name, rows, MOST)
    if context.settings.wants(DRAWN):
        _drawn_sets(table, context)
    return table


def _compare(table: Table, name: str, rows: np.ndarray, most: int) -> None:
    peer = mclust_table(rows, most)
    if peer is None:
        return
    began = time.perf_counter()
    candidates, best = candidates_of(rows, most)
    seconds = time.perf_counter() - began
    cells = compared(candidates, peer)
    table.details.append({"set": name, **cells.counts, "lower_cells": list(cells.lower)})
    first = [name, *map(str, rows.shape), *(str(cells.counts[kind]) for kind in KINDS)]
    theirs = peer.best
    ours = f"{best.covariance_type},{best.n_components} {best.bic:.2f}"
    other = f"{theirs[0]},{theirs[1]} {peer.bic[theirs]:.2f}"
    table.add([*first, ours, other, seconds_cell(seconds), seconds_cell(peer.seconds)])


def candidates_of(rows: np.ndarray, most: int) -> tuple[tuple[Candidate, ...], Candidate]:
    """Return every candidate, and the chosen one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = select(rows, range(1, most + 1), "all", inference="ml")
    return chosen.table, chosen.best


def compared(candidates: tuple[Candidate, ...], peer: MclustTable) -> Cells:
    """Return how candidates compare with the cells of mclust's table."""
    known = {(family, k) for family, k in peer.bic if not np.isnan(peer.bic[family, k])}
    counts: Counter[str] = Counter()
    lower: list[dict[str, object]] = []
    for one in candidates:
        key = (one.covariance_type, one.n_components)
        if key not in known:
            counts["only here"] += not one.error and not one.collapsed
            continue
        known.discard(key)
        if one.error:
            counts["only there"] += 1
            continue
        theirs = peer.bic[key]
        lead = theirs - one.bic
        kind = "flagged" if one.collapsed else _kind(lead)
        counts[kind] += 1
        if kind == "lower":
            lower.append(
                {"family": one.covariance_type, "K": one.n_components, "BIC": one.bic, "by": -lead}
            )
    counts["only there"] += len(known)
    return Cells(counts, tuple(lower))


def _kind(lead: float) -> str:
    if abs(lead) <= SAME:
        return "equal"
    return "higher" if lead > 0.0 else "lower"


def _drawn_sets(table: Table, context: Context) -> None:
    """Add how often family and number of the drawn sets are found, by either."""
    right: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    spent = {"ours": 0.0, "theirs": 0.0}
    number = 0
    for family, seed, rows in drawn_sets(1 if context.settings.quick else SEEDS):
        context.report(f"mclust: drawn {family}, {seed}")
        peer = mclust_table(rows, MOST_DRAWN)
        if peer is None:
            return
        began = time.perf_counter()
        candidates, best = candidates_of(rows, MOST_DRAWN)
        spent["ours"] += time.perf_counter() - began
        spent["theirs"] += peer.seconds
        cells = compared(candidates, peer)
        counts.update(cells.counts)
        theirs = peer.best
        wanted = (family, N_GROUPS)
        found = (best.covariance_type, best.n_components)
        right["ours"] += found == wanted
        right["theirs"] += theirs == wanted
        number += 1
        said = {"set": f"drawn {family} {seed}", "ours": list(found), "theirs": list(theirs)}
        table.details.append({**said, **cells.counts, "lower_cells": list(cells.lower)})
    first = [f"{DRAWN}, {number} sets", str(N_ROWS), str(N_FEATURES)]
    first += [str(counts[kind]) for kind in KINDS]
    found_by = [f"right {right[who]}" for who in ("ours", "theirs")]
    table.add([*first, *found_by, *(seconds_cell(spent[who]) for who in ("ours", "theirs"))])


def drawn_sets(n_seeds: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield families, seeds and rows of groups that share what the family says."""
    for place, family in enumerate(families_like("all")):
        for seed in range(n_seeds):
            rng = np.random.default_rng([41, place, seed])
            yield family, seed, drawn_rows(family, rng)


def drawn_rows(letters: str, rng: np.random.Generator) -> np.ndarray:
    """Return rows of three groups about 3.5 standard deviations apart, shares from .25 to .4."""
    shape, size = (N_GROUPS, N_FEATURES), (N_GROUPS, N_FEATURES, N_FEATURES)
    volumes = np.exp(rng.permutation([-0.8, 0.0, 0.8]))
    shapes = np.exp(np.stack([rng.permutation([-1.0, 0.2, 0.8]) for _ in range(N_GROUPS)]))
    shapes *= np.exp(np.outer(rng.permutation([-0.5, 0.0, 0.5]), [1.0, -1.0, 0.0]))
    axes = np.linalg.qr(rng.standard_normal(size))[0]
    if letters[0] == "E":
        volumes[:] = volumes[0]
    if letters[1] == "E":
        shapes[:] = shapes[0]
    if letters[2] == "E":
        axes[:] = axes[0]
    if letters[1] == "I":
        shapes[:] = 1.0
    if letters[2] == "I":
        axes[:] = np.eye(N_FEATURES)
    factors = axes * np.sqrt(volumes[:, None] * shapes)[:, None, :]
    labels = rng.choice(N_GROUPS, N_ROWS, p=[0.4, 0.35, 0.25])
    centres = 3.5 * np.array([[0.0, 0.0, 0.0], [1.0, 0.8, 0.0], [-0.6, 1.0, 0.8]])
    noise = rng.standard_normal((N_ROWS, *shape[1:]))
    return centres[labels] + np.einsum("nde,ne->nd", factors[labels], noise)
