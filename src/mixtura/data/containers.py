"""Tables and tensors of other libraries, told by what they can do: none of them is imported."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from mixtura.errors import DataError

Columns = Mapping[Any, Any]


def columns_of(X: Any) -> Columns | None:
    """Return the named columns of a table that is no frame; None where X is no such table.

    Mappings of columns, structured and record arrays, tables of astropy, data sets of xarray and
    Arrow streams.

    Raises
    ------
    DataError
        If a data set's variables do not lie along one dimension.
    """
    if isinstance(X, Mapping) and not hasattr(X, "tocsr"):  # a kind of sparse matrix is a mapping
        return dict(X.items()) if not _is_data_set(X) else _variables(X)
    if isinstance(X, np.ndarray) and X.dtype.names:
        return {name: X[name] for name in X.dtype.names}
    table: Any = X
    if hasattr(table, "colnames") and hasattr(table, "as_array"):
        return columns_of(table.as_array())
    if _is_data_set(X):
        return _variables(X)
    return None


def _is_data_set(X: Any) -> bool:
    return hasattr(X, "data_vars") and hasattr(X, "dims")


def _variables(X: Any) -> Columns:
    """Return the variables of a data set, which must lie along one dimension."""
    columns = {name: variable.values for name, variable in X.data_vars.items()}
    if not columns or any(np.ndim(column) != 1 for column in columns.values()):
        raise DataError(
            "X is a data set whose variables do not lie along one dimension: pass its columns, as "
            "X.to_dataframe() has them, or one array"
        )
    return columns


def matrix_of(X: Any) -> tuple[Any, tuple[Any, ...] | None]:
    """Return the matrix within an annotated one, and the names of its columns, where it has some.

    Labelled arrays of xarray, annotated matrices of anndata, tensors of PyTorch whatever they
    hold; anything else is returned as it is.
    """
    if hasattr(X, "var_names") and hasattr(X, "obs_names") and hasattr(X, "X"):
        return X.X, tuple(X.var_names)
    if hasattr(X, "dims") and hasattr(X, "coords") and hasattr(X, "values"):
        along = X.dims[1] if len(X.dims) == 2 else None
        names = tuple(X.coords[along].values.tolist()) if along in X.coords else None
        return X.values, names
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.Tensor):
        plain = X.detach().cpu()
        return (plain if plain.dtype in (torch.float64, torch.float32) else plain.double()), None
    return X, None
