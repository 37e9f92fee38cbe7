"""Workers of a Dask cluster that sweep DATA: of a scheduler's, or started for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mixtura.errors import DataError, InvalidArgumentError, MissingExtraError

PATIENCE = 20
"""Seconds after which a scheduler is taken to be gone."""


@contextmanager
def swept_by(address: str | None, workers: int | None) -> Iterator[Any]:
    """Yield a client whose workers sweep DATA; None where nothing was asked for.

    Parameters
    ----------
    address : str or None
        Address of a scheduler, such as ``tcp://scheduler:8786``.
    workers : int or None
        Number of processes of one thread that are started on this machine.

    Raises
    ------
    InvalidArgumentError
        If both are given.
    MissingExtraError
        If Dask is not installed.
    DataError
        If no scheduler answers.
    """
    if address is None and workers is None:
        yield None
        return
    if address is not None and workers is not None:
        raise InvalidArgumentError("--cluster and --workers: take one of them")
    try:
        import distributed
    except ImportError:
        raise MissingExtraError(
            '--cluster and --workers need Dask: pip install "mixtura[dask]"'
        ) from None
    if workers is not None:
        options = {"threads_per_worker": 1, "dashboard_address": None}
        with (
            distributed.LocalCluster(n_workers=workers, **options) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise DataError(f"--cluster {address}: no scheduler answers") from error
    with client:
        yield client
