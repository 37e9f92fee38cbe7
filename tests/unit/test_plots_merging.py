"""The picture of components that become clusters."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from test_plots_examples import HOSTILE_NAMES

from mixtura import GaussianMixtureModel, plots
from mixtura.data import Classes
from mixtura.datasets import load_faithful
from mixtura.diagnostics.entropy_merging import entropy_tree

SHARES = np.array([[0.5, 0.5, 0.0], [0.6, 0.4, 0.0], [0.1, 0.0, 0.9], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def gmm() -> GaussianMixtureModel:
    return GaussianMixtureModel(3).fit(load_faithful().data)


def test_entropies_lines_and_choice_are_drawn_beside_the_tree(gmm) -> None:
    tree = entropy_tree(SHARES)
    curve, branches = plots.merging(gmm.fit_, tree, 2)
    np.testing.assert_array_equal(curve.lines[0].get_xydata()[:, 1], tree.entropies)
    np.testing.assert_array_equal(curve.lines[-1].get_xydata(), [[2.0, tree.entropies[1]]])
    entries = [text.get_text() for text in curve.get_legend().get_texts()]
    assert entries == ["entropy", "two lines that meet at 2", "taken: 2"]
    assert branches.get_title(loc="left") == "dotted: 2 clusters"
    assert [t.get_text() for t in branches.get_yticklabels()] == [
        f"component {k}" for k in range(3)
    ]


@pytest.mark.parametrize("n_components", [1, 2, 25])
def test_few_and_many_components_can_be_drawn(n_components: int) -> None:
    gmm = GaussianMixtureModel(n_components, covariance_type="tied").fit(load_faithful().data)
    figure = Figure(figsize=(8, 3))
    axes = gmm.plot_merging(ax=figure.subplots(1, 2))
    assert axes[0].figure is figure
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()


def test_rows_are_drawn_by_cluster() -> None:
    x = load_faithful().data
    gmm = GaussianMixtureModel(3, covariance_type="tied").fit(x)
    merged = gmm.merge_components(n_clusters=2)
    own = merged._as_fit()
    # The mixture's mean and covariance are those of its clusters.
    np.testing.assert_allclose(own.parameters.weights, merged.weights)
    moments = []
    for fit in (own, gmm.fit_):
        model, found = fit.model, fit.parameters
        matrices = model.family.expand(found.covariances, model.n_components, 2)
        mean = found.weights @ found.means
        apart = found.means - mean
        whole = np.tensordot(found.weights, matrices, 1) + (found.weights * apart.T) @ apart
        moments.append((mean, whole))
    for of_clusters, of_components in zip(*moments, strict=True):
        np.testing.assert_allclose(of_clusters, of_components, rtol=1e-10)
    axes = merged.plot_clusters(ax=Figure(figsize=(5, 5)).subplots(2, 2))
    points = [collection.get_offsets() for collection in axes[1, 0].collections[:2]]
    assert [len(drawn) for drawn in points] == np.bincount(merged.labels).tolist()
    assert merged.plot_clusters(x[:50], ax=Figure().subplots()).figure is not None


@pytest.mark.parametrize("name", HOSTILE_NAMES[:4])
def test_names_of_classes_are_text(gmm, name: str) -> None:
    fit = replace(gmm.fit_, classes=Classes((name,), (1,)))
    axes = plots.merging(fit, entropy_tree(SHARES), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes[0].figure.canvas.draw()
    assert not any(text.get_parse_math() for text in axes[1].get_yticklabels())
