"""Parameters by other packages' names, options inside of options, and grids over them."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mixtura import GaussianMixtureModel, bootstrap_lrt, select
from mixtura.errors import InvalidArgumentError, UnknownArgumentError
from mixtura.estimator.foreign_names import HINTS
from mixtura.inference import Gibbs
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

ROWS = np.random.default_rng(0).standard_normal((60, 2)) + 6.0 * (np.arange(60) % 2)[:, None]


@pytest.mark.parametrize("name", sorted(HINTS))
def test_foreign_names_are_explained(name: str) -> None:
    for ask in (
        lambda: GaussianMixtureModel(2, **{name: 1}),
        lambda: GaussianMixtureModel(2).set_params(**{name: 1}),
    ):
        with pytest.raises(UnknownArgumentError) as caught:
            ask()
        assert caught.value.argument == name
        assert str(caught.value.remedy) == HINTS[name]
    assert name not in inspect.signature(GaussianMixtureModel).parameters


def test_misspelled_names_get_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"n_component is no parameter.*mean n_components\?"):
        GaussianMixtureModel(n_component=2)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="it takes background, "):
        GaussianMixtureModel().set_params(zzz=1)


def test_the_signature_is_that_of_the_constructor() -> None:
    found = inspect.signature(GaussianMixtureModel).parameters
    assert set(found) == set(GaussianMixtureModel().get_params(deep=False))


def test_options_of_options_make_new_ones() -> None:
    prior, method = Dirichlet(2.0), Gibbs(draws=50)
    gmm = GaussianMixtureModel(2, weight_prior=prior, inference=method)
    assert gmm.get_params()["weight_prior__concentration"] == 2.0
    assert gmm.get_params()["inference__draws"] == 50
    gmm.set_params(weight_prior__concentration=3.0, inference__draws=60, inference__chains=2)
    assert gmm.weight_prior.concentration == 3.0
    assert (gmm.inference.draws, gmm.inference.chains) == (60, 2)
    assert (prior.concentration, method.draws) == (2.0, 50)
    gmm.set_params(inference="vb", inference__batch_size=20)
    assert gmm.inference.batch_size == 20
    implied = GaussianMixtureModel().set_params(weight_prior__concentration=4.0).weight_prior
    assert isinstance(implied, Dirichlet)
    assert implied.concentration == 4.0


def test_options_of_options_of_options() -> None:
    prior = Independent(mean=Normal(0.0, 10.0), variance=InverseGamma(2.0, 1.0))
    changed = prior.set_params(variance__shape=3.0, mean__scale=5.0)
    assert changed.get_params()["variance__shape"] == 3.0
    assert changed.mean.scale == 5.0
    assert prior.get_params()["variance__shape"] == 2.0
    with pytest.raises(InvalidArgumentError, match="mean__width is no option of"):
        prior.set_params(mean__width=1.0)


def test_unknown_options_are_refused_by_name() -> None:
    gmm = GaussianMixtureModel(2, weight_prior=Dirichlet(1.0))
    for name in ("weight_prior__alpha", "n_components__x", "other__x", "component_prior__scale"):
        with pytest.raises(InvalidArgumentError, match=name.partition("__")[2]) as caught:
            gmm.set_params(**{name: 1})
        assert caught.value.argument is not None
    with pytest.raises(InvalidArgumentError, match="concentration"):
        gmm.set_params(weight_prior__concentration=-1.0)


def test_a_grid_searches_a_prior() -> None:
    pipeline = make_pipeline(
        StandardScaler(), GaussianMixtureModel(3, weight_prior=Dirichlet(1.0), inference="vb")
    )
    name = "gaussianmixturemodel__weight_prior__concentration"
    grid = GridSearchCV(pipeline, {name: [0.1, 20.0]}, cv=2).fit(ROWS)
    assert grid.best_params_[name] in (0.1, 20.0)
    scores = grid.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]


def test_clones_share_priors_that_never_change() -> None:
    prior = Dirichlet([1.0, 2.0])
    copy = clone(GaussianMixtureModel(2, weight_prior=prior))
    assert copy.weight_prior is prior
    assert clone(prior) is prior


def test_no_iteration_gives_the_start() -> None:
    labels = (ROWS[:, 0] > 3.0).astype(int)
    for inference in ("map", "ml", "vb"):
        gmm = GaussianMixtureModel(2, init=labels, inference=inference, max_iter=0).fit(ROWS)
        assert gmm.n_iter_ == 0
        assert not gmm.converged_
        if inference == "ml":
            groups = [ROWS[labels == k] for k in (0, 1)]
            np.testing.assert_allclose(gmm.means_, [g.mean(axis=0) for g in groups], rtol=1e-12)
            np.testing.assert_allclose(
                gmm.covariances_, [np.cov(g.T, bias=True) for g in groups], rtol=1e-9
            )


def test_names_of_columns_are_checked_by_names_out() -> None:
    gmm = GaussianMixtureModel(2).fit(ROWS)
    assert list(gmm.get_feature_names_out(["a", "b"])) == ["component0", "component1"]
    with pytest.raises(ValueError, match="number of features"):
        gmm.get_feature_names_out(["a", "b", "c"])


@pytest.mark.parametrize(
    ("search", "name", "own"),
    [
        (select, "n_components", "components"),
        (select, "covariance_type", "families"),
        (bootstrap_lrt, "n_components", "max_components"),
        (bootstrap_lrt, "families", "covariance_type"),
    ],
)
def test_searches_say_what_takes_the_place_of_a_single_model(search, name: str, own: str) -> None:
    with pytest.raises(UnknownArgumentError, match=rf"{name} is no parameter.*give {own}"):
        search(ROWS, **{name: 2})
