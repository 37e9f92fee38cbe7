"""Rows of a scan, as an estimator fits them, answers about them and shows them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Tile
from mixtura.data.row_scans import OpenedScan, RowScan
from mixtura.data.table_output import write_pieces
from mixtura.engines import Engine
from mixtura.errors import DataError, InvalidArgumentError
from mixtura.posteriors import Posterior
from mixtura.typing import Array

PICTURED = 1 << 13
"""Rows of a scan, about, that pictures and reports show."""


def scan_for(estimator: Any, scan: RowScan) -> RowScan:
    """Return a scan of the columns that an estimator was fitted to, where both have names."""
    known = vars(estimator).get("feature_names_in_")
    if known is None or not scan.is_named:
        return scan
    return scan.with_columns([str(name) for name in known])


def opened_scan(
    estimator: Any, scan: RowScan, others: dict[str, Any], *, reset: bool
) -> OpenedScan:
    """Return the rows of a scan, whose features an estimator gets or must have.

    Parameters
    ----------
    estimator : GaussianMixtureModel
        With ``reset`` it gets their number and names.
    scan : RowScan
        The rows.
    others : dict
        What was given beside them; a scan says it itself.
    reset : bool
        Whether these are the first rows that the estimator sees.

    Raises
    ------
    InvalidArgumentError
        If something else was given beside the scan.
    DataError
        If the rows cannot be used, or have other features.
    """
    for name, value in others.items():
        if value is not None:
            raise InvalidArgumentError(
                "belongs to the scan: name its column when scanning", argument=name
            )
    if not reset:
        scan = scan_for(estimator, scan)
    report = print if vars(estimator).get("verbose") else None
    if reset:
        opened = scan.opened(to_fit=True, report=report)
        vars(estimator)["n_features_in_"] = len(scan.names)
        vars(estimator).pop("feature_names_in_", None)
        if scan.is_named:
            vars(estimator)["feature_names_in_"] = np.asarray(scan.names, dtype=object)
        return _on_cluster(scan, opened)
    if len(scan.names) != estimator.n_features_in_:
        raise DataError(
            f"{scan.label}: has {len(scan.names)} columns, and the model was fitted to "
            f"{estimator.n_features_in_}"
        )
    return _on_cluster(scan, scan.opened(to_fit=False, report=report))


def _on_cluster(scan: RowScan, opened: OpenedScan) -> OpenedScan:
    """Return the rows of a scan where they are swept: on the workers of its cluster, if any."""
    rows = opened.rows
    if scan.cluster is None or isinstance(rows, ArrayRows):
        return opened
    from mixtura.data.streamed_rows import StreamedRows
    from mixtura.engines.distributed.cluster_scans import cluster_rows

    assert isinstance(rows, StreamedRows)
    elsewhere: Any = rows.once("cluster", lambda: cluster_rows(rows, scan.cluster))
    return replace(opened, rows=elsewhere)


def named_groups(X: Any, rows: ArrayRows | PartedRows, groups: Any, *, reset: bool) -> Any:
    """Return the groups of rows, or of rows that lie elsewhere those that differ."""
    if isinstance(rows, PartedRows):
        return rows.words[1]
    return X.opened(to_fit=reset).groups if isinstance(X, RowScan) else groups


def told(rows: ArrayRows | PartedRows, tell: Callable[[ArrayRows], Any], axis: int = 0) -> Any:
    """Return what is told of rows, of those of a scan tile by tile."""
    if isinstance(rows, ArrayRows):
        return tell(rows)
    return np.concatenate([tell(tile.rows) for tile in rows.tiles()], axis=axis)


def scored(
    rows: ArrayRows | PartedRows, posterior: Posterior, engine: Engine
) -> tuple[float, float]:
    """Return log likelihood and weight of the rows that have cells, of a scan tile by tile."""
    log_likelihood = total = 0.0
    tell = partial(_scored_tile, posterior, engine)
    parts = (tell(Tile(0, 0, rows)),) if isinstance(rows, ArrayRows) else rows.each(tell)
    for one, weight in parts:
        log_likelihood += one
        total += weight
    return log_likelihood, total


def _scored_tile(posterior: Posterior, engine: Engine, tile: Tile) -> tuple[float, float]:
    some = tile.rows.with_cells
    by_row = posterior.log_predictive(some, engine)
    weights = np.ones_like(by_row) if some.weights is None else some.weights
    return float(weights @ by_row), float(weights.sum())


Lost = TypeVar("Lost", float, Array)

Loss: TypeAlias = Callable[[Array, Array | None], Lost]
"""What assigning rows loses, of responsibilities (n, K) and weights; one number or several."""


def _lost_of_tile(posterior: Posterior, engine: Engine, loss: Loss[Lost], tile: Tile) -> Lost:
    some = tile.rows.with_cells
    return loss(posterior.responsibilities(some, engine), some.weights)


def lost_by_assignment(
    rows: ArrayRows | PartedRows,
    posterior: Posterior,
    engine: Engine,
    loss: Loss[Lost],
) -> Lost:
    """Return what assigning the rows that have cells to components loses, in nats.

    Parameters
    ----------
    rows : ArrayRows or PartedRows
        The rows.
    posterior : Posterior
        What is known of the parameters.
    engine : Engine
        What scores rows.
    loss : callable
        Takes responsibilities (n, K) and weights, and returns the loss summed over rows.
    """
    if isinstance(rows, ArrayRows):
        return loss(posterior.responsibilities(rows, engine), rows.weights)
    first, *others = rows.each(partial(_lost_of_tile, posterior, engine, loss))
    return sum(others, first)


def written(
    scan: Any,
    rows: ArrayRows | PartedRows,
    tell: Callable[[ArrayRows], Array],
    names: list[str],
    to: str | Path,
    n_draws: int = 1,
) -> Path:
    """Write what is told of rows to a file, with the rows' numbers from 1.

    Parameters
    ----------
    scan : RowScan or rows
        Where the rows are from.
    rows : ArrayRows or PartedRows
        The rows.
    tell : callable
        Returns numbers (n,), (n, columns) or (draws, n, columns) of the rows of a tile.
    names : list of str
        Names of the columns.
    to : str or Path
        The file, as :func:`write_pieces` takes it.
    n_draws : int
        Number of draws.
    """

    return write_pieces(to, numbered_names(names, n_draws), table_pieces(scan, rows, tell))


def numbered_names(names: Sequence[str], n_draws: int = 1) -> list[str]:
    """Return names of columns after that of the rows' numbers, each once."""
    lead = ["row"] if n_draws == 1 else ["draw", "row"]
    return [*lead, *(f"{name}_kept" if name in lead else name for name in names)]


def table_pieces(
    scan: Any, rows: ArrayRows | PartedRows, tell: Callable[[ArrayRows], Array]
) -> Iterator[list[np.ndarray]]:
    """Yield the columns of a table of what is told of rows: their numbers from 1, and the rest.

    Parameters
    ----------
    scan : RowScan or rows
        Where the rows are from.
    rows : ArrayRows or PartedRows
        The rows.
    tell : callable
        Returns numbers (n,), (n, columns) or (draws, n, columns) of the rows of a tile; where
        there are several draws their numbers from 1 are the first column.
    """
    if not isinstance(scan, RowScan):
        for tile in rows.tiles():
            yield _columns(np.arange(tile.start, tile.stop), tell(tile.rows))
        return
    if isinstance(rows, ArrayRows):
        positions = np.concatenate(list(scan.positions(rows)))
        for tile in rows.tiles():
            yield _columns(positions[tile.start : tile.stop], tell(tile.rows))
        return
    where_of = scan.positions(scan.opened(to_fit=False).rows)
    for tile, where in zip(rows.tiles(), where_of, strict=True):
        yield _columns(where, tell(tile.rows))


def _columns(positions: np.ndarray, found: Array) -> list[np.ndarray]:
    numbers = positions + 1
    if found.ndim == 3:
        draws, n_rows = np.arange(1, len(found) + 1), found.shape[1]
        lead = [np.tile(numbers, len(draws))]
        if len(draws) > 1:
            lead = [np.repeat(draws, n_rows), *lead]
        return [*lead, *found.reshape(-1, found.shape[2]).T.copy()]
    table = found[:, None] if found.ndim == 1 else found
    return [numbers, *(np.ascontiguousarray(column) for column in table.T)]


def shown_sample(rows: ArrayRows | PartedRows, engine: Engine) -> ArrayRows:
    """Return rows to be shown: of a scan that is streamed about so many, chosen by contents."""
    return rows if isinstance(rows, ArrayRows) else engine.subsample(rows, PICTURED)


def sample_sentence(n_shown: int, n_rows: int) -> str:
    """Return what a report says of rows of which it shows a sample."""
    return (
        f"Tables and pictures of rows show {n_shown:,} of the {n_rows:,} rows of a scan, chosen by "
        "their contents."
    )
