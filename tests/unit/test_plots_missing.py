"""Pictures of missing cells, and of values in their place."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from mixtura import GaussianMixtureModel, plots
from mixtura.errors import InvalidArgumentError
from mixtura.reports import as_html


def gapped_rows(n_features: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((120, n_features)) + 6.0 * (np.arange(120) % 2)[:, None]
    rows[rng.random(rows.shape) < 0.25] = np.nan
    return rows


def squares(ax: Any) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Return where filled and empty squares are, as (line, column)."""
    full, empty = (part.get_offsets().astype(int) for part in ax.collections)
    return {(int(y), int(x)) for x, y in full}, {(int(y), int(x)) for x, y in empty}


def test_each_pattern_has_its_line_and_count() -> None:
    rows = gapped_rows()
    counts = Counter(map(tuple, np.isnan(rows).tolist()))
    ax = plots.missing(rows, feature_names=["$a$", "b", "c"])
    ax.figure.canvas.draw()
    full, empty = squares(ax)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert len(labels) == len(counts)
    seen = {}
    for line, label in enumerate(labels):
        pattern = tuple((line, column) in empty for column in range(3))
        assert all(((line, column) in full) != pattern[column] for column in range(3))
        seen[pattern] = int(label.split()[0])
    assert seen == dict(counts)
    assert list(seen.values()) == sorted(seen.values(), reverse=True)
    assert ax.get_xticklabels()[0].get_text() == "$a$"


def test_rare_patterns_and_full_columns_are_counted() -> None:
    rows = gapped_rows(30)
    ax = plots.missing(rows, max_patterns=5)
    assert len(ax.get_yticklabels()) == 5
    assert len(ax.get_xticklabels()) == 24
    said = ax.get_title(loc="left")
    total = sum(int(text.get_text().split()[0]) for text in ax.get_yticklabels())
    assert f"of {120 - total} rows" in said
    assert "columns with most missing cells" in said
    with pytest.raises(InvalidArgumentError, match="must hold rows"):
        plots.missing(np.empty((0, 2)))


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_imputed_values_are_marked(n_features: int) -> None:
    rows = gapped_rows(n_features)
    gmm = GaussianMixtureModel(2).fit(rows)
    axes = np.ravel(np.asarray(gmm.plot_clusters(), dtype=object))
    hollow = 0
    for ax in axes:
        for part in ax.collections:
            if isinstance(part, PathCollection):
                faces = np.atleast_2d(part.get_facecolors())
                hollow += int((faces[:, 3] == 0.0).sum())
    # Rows without any value are told by the weights and drawn where they are expected.
    pairs = [(i, j) for i in range(n_features) for j in range(i)] or [(0, 0)]
    missing = np.isnan(rows)
    expected = sum(int((missing[:, i] | missing[:, j]).sum()) for i, j in pairs)
    assert hollow == expected
    gmm.plot_uncertainty().figure.canvas.draw()
    gmm.plot_swarm().figure.canvas.draw()
    np.ravel(np.asarray(gmm.plot_density(), dtype=object))[0].figure.canvas.draw()


def test_reports_of_rows_with_holes_show_them() -> None:
    rows = gapped_rows()
    html = as_html(GaussianMixtureModel(2).fit(rows).report())
    assert "Missing cells by pattern" in html
    assert "hollow: imputed values" in html
    full = np.where(np.isnan(rows), 0.0, rows)
    assert "Missing cells by pattern" not in as_html(GaussianMixtureModel(2).fit(full).report())
