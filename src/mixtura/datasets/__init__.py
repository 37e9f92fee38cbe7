"""Two small data sets that the documentation and the tests share; see PROVENANCE.md."""

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, final

import numpy as np

from mixtura.errors import InvalidArgumentError, MissingExtraError
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset", "load_faithful", "load_iris"]


@final
@dataclass(frozen=True, eq=False)
class Dataset:
    """Numbers with their names, and the known groups where there are any.

    Parameters
    ----------
    name : str
        Name of the data set.
    data : array of shape (N, D)
        Float64 measurements.
    feature_names : tuple of str of length D
        Names of the columns.
    target : array of shape (N,) or None
        Known group of each row, an index into ``target_names``; never used by a fit.
    target_names : tuple of str or None
        Names of the groups.
    description : str
        What was measured, in which units, by whom.
    """

    name: str
    data: Array
    feature_names: tuple[str, ...]
    target: IntegerArray | None
    target_names: tuple[str, ...] | None
    description: str

    def column(self, name: str) -> Array:
        """Return one feature as a matrix, ready for ``fit``.

        Parameters
        ----------
        name : str
            One of ``feature_names``.

        Returns
        -------
        array of shape (N, 1)
            A copy of the feature.

        Raises
        ------
        InvalidArgumentError
            If there is no such feature.
        """
        if name not in self.feature_names:
            known = ", ".join(self.feature_names)
            raise InvalidArgumentError(f"{self.name} has no feature {name!r}; it has {known}")
        return self.data[:, [self.feature_names.index(name)]]

    def frame(self) -> "pd.DataFrame":
        """Return the features as a pandas frame, with the group's name as column ``target``.

        Returns
        -------
        pandas.DataFrame
            N rows and D columns, and one more where the groups are known.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError(
                "Dataset.frame() needs pandas: pip install pandas, or use .data"
            ) from None
        frame = pd.DataFrame(self.data, columns=list(self.feature_names))
        if self.target is not None and self.target_names is not None:
            frame["target"] = [self.target_names[k] for k in self.target]
        return frame


def load_iris() -> Dataset:
    """Return Anderson's irises: 150 flowers of three species, four lengths each.

    Returns
    -------
    Dataset
        ``data`` of shape (150, 4) in cm: sepal_length, sepal_width, petal_length, petal_width;
        ``target`` is the species. The values are those of scikit-learn 0.20 and later.
    """
    header, rows = _rows("iris.csv")
    species = tuple(dict.fromkeys(row[-1] for row in rows))
    return Dataset(
        name="iris",
        data=np.array([row[:-1] for row in rows], dtype=np.float64),
        feature_names=tuple(header[:-1]),
        target=np.array([species.index(row[-1]) for row in rows], dtype=np.intp),
        target_names=species,
        description=(
            "Length and width, in centimetres, of the sepals and petals of 150 irises, 50 each of "
            "the species setosa, versicolor and virginica. Collected by E. Anderson, published by "
            "R. A. Fisher (1936)."
        ),
    )


def load_faithful() -> Dataset:
    """Return Old Faithful: 272 eruptions of the geyser.

    Returns
    -------
    Dataset
        ``data`` of shape (272, 2) in minutes: eruptions (how long one lasted) and waiting (until
        the next one). No groups are known.
    """
    header, rows = _rows("faithful.csv")
    return Dataset(
        name="faithful",
        data=np.array(rows, dtype=np.float64),
        feature_names=tuple(header),
        target=None,
        target_names=None,
        description=(
            "Duration of 272 eruptions of the Old Faithful geyser in Yellowstone National Park, "
            "and waiting time until the next one, both in minutes, as in R's datasets::faithful "
            "(Härdle 1991)."
        ),
    )


def _rows(file: str) -> tuple[list[str], list[list[str]]]:
    text = files(__name__).joinpath(file).read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    return header, rows
