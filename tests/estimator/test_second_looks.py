"""Candidates that are fitted again from where others ended."""

import dataclasses
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mixtura import GaussianMixtureModel, select
from mixtura.data import ArrayRows
from mixtura.datasets import load_faithful
from mixtura.engines import best_engine
from mixtura.errors import MixturaWarning
from mixtura.estimator import second_looks
from mixtura.estimator.second_looks import Fitted, improved, may_look_twice
from mixtura.families import FAMILIES, MCLUST_ORDER, is_special_case, letters_of
from mixtura.inference.starts.ends import share_apart
from mixtura.inference.starts.guides import ModelGuide
from mixtura.inference.starts.handed_on import HandedOn, halved
from mixtura.messages.assignments import Soft

FREE = [name for name, family in FAMILIES.items() if not family.is_restricted]


def three_groups() -> tuple[np.ndarray, np.ndarray]:
    """Return rows of three groups that lie far apart, and the group of each."""
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1, 2], 30)
    centres = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])
    return centres[labels] + rng.standard_normal((90, 2)), labels


def stuck(rows: np.ndarray, labels: np.ndarray) -> GaussianMixtureModel:
    """Return a fit in which one component has two groups, and two have one together."""
    wrong = np.where(labels == 2, 1, 0)
    wrong[np.flatnonzero(labels == 2)[::2]] = 2
    gmm = GaussianMixtureModel(3, inference="ml", init=wrong).fit(rows)
    return gmm.set_params(init="search")


@pytest.mark.parametrize("shown", [("tied", 3), ("full", 4)])
def test_an_end_of_another_candidate_leads_out_of_a_local_optimum(shown) -> None:
    rows, labels = three_groups()
    bad = stuck(rows, labels)
    best = GaussianMixtureModel(3, inference="ml").fit(rows)
    assert bad.objective_ < best.objective_ - 10.0
    family, number = shown
    other = GaussianMixtureModel(number, covariance_type=family, inference="ml").fit(rows)
    found = improved(
        [Fitted(place, gmm, ArrayRows(rows)) for place, gmm in enumerate((bad, other))], 1
    )
    assert found[0].objective_ == pytest.approx(best.objective_, abs=1e-5)
    assert np.allclose(found[0].means_, best.means_, atol=1e-4)
    assert (found[0].init, found[0].max_iter) == ("search", None)


def test_nothing_is_fitted_again_where_a_start_was_given() -> None:
    assert may_look_twice(GaussianMixtureModel(2))
    others: list[dict[str, Any]] = [
        *({"init": "kmeans"}, {"n_init": 3}, {"background": "uniform"}, {"inference": "vb"})
    ]
    for more in others:
        assert not may_look_twice(GaussianMixtureModel(2, **more))


def test_no_special_case_is_more_likely() -> None:
    chosen = select(load_faithful().data[:120], (2, 3, 4), FREE, inference="ml")
    sound = [row for row in chosen.table if not row.collapsed]
    for row in sound:
        for other in sound:
            pair = FAMILIES[other.covariance_type], FAMILIES[row.covariance_type]
            if row.n_components == other.n_components and is_special_case(*pair):
                assert row.log_likelihood > other.log_likelihood - 1e-3, (row, other)


def test_answers_do_not_depend_on_threads() -> None:
    rows = load_faithful().data[:60]
    one, two = (
        select(rows, (2, 3), ("full", "tied", "diag"), inference="ml", n_jobs=n) for n in (1, 2)
    )
    for row, other in zip(one.table, two.table, strict=True):
        assert dataclasses.replace(row, seconds=0.0) == dataclasses.replace(other, seconds=0.0)


def test_letters_order_the_families() -> None:
    assert [letters_of(FAMILIES[name]) for name in MCLUST_ORDER] == list(MCLUST_ORDER)
    special = {
        name: [one for one in MCLUST_ORDER if is_special_case(FAMILIES[one], FAMILIES[name])]
        for name in ("VII", "EEE", "EVE")
    }
    assert special == {
        "VII": ["EII"],
        "EEE": ["EII", "EEI"],
        "EVE": ["EII", "EEI", "EVI", "EEE"],
    }


@pytest.mark.parametrize("family", FREE)
def test_halves_are_the_whole(family: str) -> None:
    rows, _ = three_groups()
    gmm = GaussianMixtureModel(2, covariance_type=family, inference="ml").fit(rows)
    potentials = gmm.fit_.model.family.potentials(gmm.fit_.parameters)
    whole = best_engine(1).sweep(ArrayRows(rows), potentials, Soft())
    split = halved(whole, 1)
    again = split.merged([0, 1, 1])
    whole = whole.about(again.pivot)
    assert split.count == pytest.approx([whole.count[0], *2 * [0.5 * whole.count[1]]])
    for name in ("count", "first", "second"):
        assert np.allclose(getattr(again, name), getattr(whole, name), rtol=1e-9, atol=1e-6)
    # Halves of a normal distribution lie sqrt(2 / pi) standard deviations from its mean.
    shape = gmm.fit_.model.family.structure(1, 2)
    own = gmm.fit_.parameters.covariances[-1 if whole.structure[0] > 1 else 0]
    longest = np.linalg.eigvalsh(own).max() if len(shape) == 3 else own.max()
    apart = np.linalg.norm(split.pivot[1] - split.pivot[2])
    assert apart == pytest.approx(2.0 * np.sqrt(2.0 / np.pi * longest), rel=1e-4)


def test_a_split_leads_to_one_component_more() -> None:
    rows, _ = three_groups()
    two, three = (GaussianMixtureModel(k, inference="ml").fit(rows) for k in (2, 3))
    wide = int(np.argmax(two.weights_))
    led = GaussianMixtureModel(3, inference="ml", init=HandedOn(two.fit_, split=wide)).fit(rows)
    assert led.objective_ == pytest.approx(three.objective_, abs=1e-5)


@pytest.mark.parametrize(("inference", "n_rows"), [("map", 1), ("map", 5), ("ml", 6)])
def test_few_rows_give_no_warning_of_numbers(inference: str, n_rows: int) -> None:
    rows = np.random.default_rng(5).normal(size=(n_rows, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)
        warnings.simplefilter("error", RuntimeWarning)
        chosen = select(rows, range(1, 8), ["full", "VEV", "spherical", "EEE"], inference=inference)
    assert len(chosen.table) == 28


def test_partitions_differ_by_the_weight_of_rows() -> None:
    one, other = np.array([0, 0, 0, 1, 1, 2]), np.array([2, 2, 1, 0, 0, 1])
    assert share_apart(one, other, None) == pytest.approx(1.0 / 6.0)
    assert share_apart(one, other, np.array([1.0, 1.0, 3.0, 1.0, 1.0, 2.0])) == pytest.approx(1 / 3)
    assert share_apart(one, other, np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])) == 0.0


def test_rows_without_weight_make_no_other_end() -> None:
    labels = np.repeat([0, 1], 10)
    other = np.where(np.arange(20) < 2, 1, labels)

    def ended(place: int, own: np.ndarray, weights: np.ndarray) -> Any:
        model = SimpleNamespace(family=FAMILIES["full"])
        fit = SimpleNamespace(log_likelihood=-float(place), model=model)
        gmm = SimpleNamespace(labels_=own, n_components=2, fit_=fit)
        return Fitted(place, gmm, ArrayRows(np.zeros((20, 1)), weights))  # type: ignore[arg-type]

    for weight, n_ends in ((1.0, 1), (0.0, 0)):
        weights = np.where(np.arange(20) < 2, weight, 1.0)
        one, rival = ended(0, labels, weights), ended(1, other, weights)
        assert len(second_looks._of_families(one, [one, rival])) == n_ends


def test_a_short_climb_is_followed_where_it_is_near_or_promises_more(monkeypatch) -> None:
    rows, _ = three_groups()
    gmm = GaussianMixtureModel(3, inference="ml").fit(rows)
    one, start = Fitted(0, gmm, ArrayRows(rows)), HandedOn(gmm.fit_)
    guide, end = ModelGuide(gmm.fit_.model), gmm.fit_.log_likelihood

    def follows(own: float) -> bool:
        return second_looks._climbed(one, start, guide, own) is not None

    assert [follows(end + more) for more in (-0.5, 0.5, 2.0, -np.inf)] == [True, False, False, True]
    # It is also followed, at its own height, where the own end has collapsed.
    assert second_looks._promising(one, [start]) is None
    monkeypatch.setattr(Fitted, "collapsed", True)
    assert second_looks._promising(one, [start]) is not None
