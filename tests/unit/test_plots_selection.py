"""The picture of a criterion against the number of components."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from test_plots_examples import HOSTILE_NAMES

from mixtura import plots
from mixtura.diagnostics.candidates import CRITERIA, Candidate

BIC, ELBO = CRITERIA["bic"], CRITERIA["elbo"]
ROWS = (
    Candidate(3, "full", bic=12.0, elbo=-7.0),
    Candidate(1, "full", bic=20.0, elbo=-9.0),
    Candidate(1, "tied", bic=21.0, elbo=-9.5),
    Candidate(2, "tied", bic=15.0, elbo=-8.0),
    Candidate(4, "tied", error="no"),
)


def legend(ax) -> list[str]:
    """Return the entries of the legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_every_family_is_a_line_in_order_of_k_and_the_best_has_a_ring() -> None:
    ax = plots.selection(ROWS, BIC, 0)
    full, tied, ring = ax.lines
    np.testing.assert_array_equal(full.get_xydata(), [[1.0, 20.0], [3.0, 12.0]])
    np.testing.assert_array_equal(tied.get_xydata(), [[1.0, 21.0], [2.0, 15.0]])
    np.testing.assert_array_equal(ring.get_xydata(), [[3.0, 12.0]])
    assert full.get_color() != tied.get_color()
    assert full.get_marker() != tied.get_marker()
    assert ring.get_fillstyle() == "none"
    assert legend(ax) == ["full", "tied", "best: full, K = 3"]
    more = "the best K is the largest that was tried: try more"
    assert ax.get_title(loc="left") == f"{more}; 1 without a value"
    assert plots.selection(ROWS, BIC, 3).get_title(loc="left") == "1 without a value"
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_the_axis_says_which_way_is_better() -> None:
    assert plots.selection(ROWS, BIC).get_ylabel() == "BIC (smaller is better)"
    ax = plots.selection(ROWS, ELBO, 0)
    assert ax.get_ylabel() == "ELBO (larger is better)"
    assert ax.lines[0].get_ydata().tolist() == [-9.0, -7.0]


def test_collapsed_candidates_are_hollow_and_do_not_set_the_scale() -> None:
    rows = (*ROWS, Candidate(4, "full", bic=-900.0, collapsed=True))
    ax = plots.selection(rows, BIC, 0)
    assert len(ax.lines[0].get_xdata()) == 2
    (hollow,) = [line for line in ax.lines if line.get_ydata().tolist() == [-900.0]]
    assert hollow.get_markerfacecolor() != hollow.get_markeredgecolor()
    assert ax.get_ylim()[0] > 0.0
    assert "1 with a collapsed component" in ax.get_title(loc="left")
    alone = plots.selection(rows[-1:], BIC, 0)
    low, high = alone.get_ylim()
    assert low < -900.0 < high


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[-1:], ROWS[1:3], ()])
def test_few_candidates_can_be_drawn(rows) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.selection(rows, BIC).figure.canvas.draw()


def test_given_axes_and_figures_are_used() -> None:
    figure = Figure()
    ax = figure.add_subplot()
    assert plots.selection(ROWS, BIC, ax=ax) is ax
    assert plots.selection(ROWS, BIC, figure=figure).figure is figure


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_text_and_nothing_else(name: str) -> None:
    ax = plots.selection([Candidate(2, name, bic=1.0)], BIC, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.canvas.draw()
    for text in ax.get_legend().get_texts():
        assert not text.get_parse_math()
        assert "\x1b" not in text.get_text()
        assert "\n" not in text.get_text()
        assert len(text.get_text()) <= 90
