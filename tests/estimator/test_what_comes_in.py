"""Rows, weights and starts of every kind: taken for what they are, or refused in one line."""

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_faithful
from mixtura.errors import MixturaError
from mixtura.priors import Dirichlet, KnownScale


@pytest.fixture(scope="module")
def rows():
    return load_faithful().data


@pytest.fixture(scope="module")
def gmm(rows):
    return GaussianMixtureModel(2).fit(rows)


def one_line(error):
    """The message of a mixtura error, which is one line."""
    assert isinstance(error, MixturaError)
    (line,) = str(error).splitlines()
    return line


def refusal(call):
    with pytest.raises(MixturaError) as caught:
        call()
    return one_line(caught.value)


def test_masked_cells_are_refused_as_nan_is(rows, gmm):
    gapped = rows.copy()
    gapped[3, 1] = np.nan
    masked = np.ma.masked_invalid(gapped)
    masked.data[3, 1] = -999.0
    for ask in (GaussianMixtureModel(2).fit, gmm.predict, gmm.score_samples, gmm.report):
        said = refusal(lambda ask=ask: ask(masked))
        assert "row 3, column 1" in said
        assert said == refusal(lambda ask=ask: ask(gapped))


def test_masked_weights_starts_and_priors_are_refused(rows):
    weights = np.ma.array(np.ones(272), mask=np.arange(272) == 7)
    said = refusal(lambda: GaussianMixtureModel(2).fit(rows, sample_weight=weights))
    assert said.startswith("sample_weight ")
    assert "row 7" in said
    means = np.ma.array([[2.0, 55.0], [4.0, 80.0]], mask=[[False, False], [False, True]])
    assert refusal(lambda: GaussianMixtureModel(2, init=means).fit(rows)).startswith("init ")
    assert "concentration must" in refusal(lambda: Dirichlet(np.ma.masked))
    masked = np.ma.array([1.0, 2.0], mask=[0, 1])
    assert "scale must" in refusal(lambda: KnownScale(masked))
