"""SVI's options, history, printing and doubts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mixtura import SVI, GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.errors import (
    ConvergenceWarning,
    EmptyComponentWarning,
    InvalidArgumentError,
    MixturaWarning,
    StartsDisagreeWarning,
)
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

torch = pytest.importorskip("torch")
pyro = pytest.importorskip("pyro")

ARTICLE = {
    "weight_prior": Dirichlet(1.0),
    "component_prior": Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0)),
}
X = np.asarray(load_iris().data, dtype=float)[:, 2:3]


def article(inference: SVI, **options: Any) -> GaussianMixtureModel:
    return GaussianMixtureModel(2, inference=inference, **{"random_state": 0, **ARTICLE, **options})


def unsettled(inference: SVI, **options: Any) -> GaussianMixtureModel:
    with pytest.warns(MixturaWarning) as caught:
        fitted = article(inference, **options).fit(X)
    assert any("not settled" in str(warning.message) for warning in caught)
    return fitted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "SVI steps must be None or a whole number of at least 1; got 0"),
        ({"print_every": 0}, "SVI print_every must be None or a whole number"),
        (
            {"from_prior": True, "restarts": 0},
            "SVI restarts must be a whole number of at least 1",
        ),
        ({"learning_rate": 0.0}, "SVI learning_rate must be a number above 0; got 0.0"),
        ({"learning_rate": float("nan")}, "SVI learning_rate must be a number above 0; got nan"),
        ({"restarts": 2}, "set from_prior=True"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        SVI(**options)


def test_options_are_values() -> None:
    assert SVI() == SVI()
    assert SVI.article() == SVI(
        steps=3000, learning_rate=1e-3, print_every=100, from_prior=True, plain=True
    )


def test_history_is_the_objective_of_every_step() -> None:
    fit = unsettled(SVI(steps=30)).fit_
    assert fit.method == "svi"
    assert fit.objective_name == "log joint density"
    assert len(fit.history) == 31
    assert fit.n_iter == 30
    assert not fit.converged
    assert fit.history[-1] == fit.objective == pytest.approx(max(fit.history), rel=1e-14)
    assert [run.start for run in fit.runs] == ["search"]
    # The first is that of the start, and the last that of the estimate by other code.
    start = article("map", max_iter=1)
    begin = start.fit(X).objective_history_[0]
    assert fit.history[0] == pytest.approx(begin, rel=1e-12)
    exact = fit.log_likelihood + fit.model.log_prior(fit.parameters)
    assert fit.objective == pytest.approx(exact, rel=1e-14)


def test_max_iter_of_the_estimator_is_the_number_of_steps_unless_given() -> None:
    assert unsettled(SVI(), max_iter=7).n_iter_ == 7
    assert unsettled(SVI(steps=5), max_iter=7).n_iter_ == 5


def test_tol_of_the_estimator_ends_the_run_earlier() -> None:
    rough = article(SVI(), tol=1e-4).fit(X)
    assert rough.converged_
    assert rough.n_iter_ < article(SVI()).fit(X).n_iter_
    assert rough.objective_ == pytest.approx(-210.206, abs=0.1)


def test_the_loss_is_printed_like_the_article_does(capsys: pytest.CaptureFixture[str]) -> None:
    fit = unsettled(SVI(steps=25, print_every=10)).fit_
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"step {n}: loss {-fit.history[n]:.4f}" for n in (0, 10, 20)]


def test_nothing_is_printed_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    unsettled(SVI(steps=3))
    assert capsys.readouterr() == ("", "")


def test_lines_go_to_the_printer(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    unsettled(SVI(steps=2, print_every=2, printer=lines.append), verbose=1)
    assert [line.split(":")[0] for line in lines] == ["step 0", "step 2"]
    assert capsys.readouterr().out.startswith("start 1 (search): not settled after 2 steps at -")


def test_printed_losses_are_in_the_units_of_the_data() -> None:
    lines: list[str] = []
    model = GaussianMixtureModel(
        2, inference=SVI(steps=1, print_every=1, printer=lines.append), random_state=0
    )
    with pytest.warns(ConvergenceWarning):
        fit = model.fit(X * 1e120).fit_
    assert lines[0] == f"step 0: loss {-fit.history[0]:.4f}"
    exact = fit.log_likelihood + fit.model.log_prior(fit.parameters)
    assert fit.objective == pytest.approx(exact, rel=1e-12)


def test_a_broken_descent_keeps_the_best_step() -> None:
    with pytest.warns(ConvergenceWarning, match="no finite number.* lower learning_rate"):
        fit = article(SVI(learning_rate=1e3)).fit(X).fit_
    assert np.isfinite(fit.objective)
    assert fit.objective == pytest.approx(max(fit.history), rel=1e-14)
    assert fit.parameters.is_finite()


@pytest.mark.parametrize("family", ["full", "tied"])
def test_matrices_that_cannot_be_factorised_break_a_descent_gently(family: str) -> None:
    rows = np.asarray(load_iris().data, dtype=float)
    model = GaussianMixtureModel(
        3, covariance_type=family, inference=SVI(learning_rate=100.0), random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="lower learning_rate"):
        fit = model.fit(rows).fit_
    assert np.isfinite(fit.objective)


def test_an_emptied_component_keeps_the_floor_of_exact_map() -> None:
    rows = np.array([0.0, 0.1, -0.1, 0.05])[:, None]
    options = {"weight_prior": Dirichlet(0.01), "init": np.array([[1, 0]] * 4, dtype=float)}
    with pytest.warns(EmptyComponentWarning):
        exact = article("map", **options).fit(rows)
    with pytest.warns(EmptyComponentWarning):
        fitted = article(SVI(), **options).fit(rows)
    assert fitted.weights_.min() == pytest.approx(1e-12, rel=1e-6)
    assert fitted.objective_ == pytest.approx(exact.objective_, abs=1e-3)


def test_components_are_numbered_by_their_means_unless_the_user_did() -> None:
    ordered = unsettled(SVI(steps=2))
    assert ordered.means_[0] < ordered.means_[1]
    given = unsettled(SVI(steps=2), init=np.array([[5.0], [1.5]]))
    assert given.means_[0] > given.means_[1]


def test_several_starts_and_the_best_is_kept() -> None:
    rows = np.asarray(load_iris().data, dtype=float)
    model = GaussianMixtureModel(3, inference=SVI(steps=3), init="split", n_init=3, random_state=0)
    with pytest.warns(MixturaWarning) as caught:
        fit = model.fit(rows).fit_
    assert len(fit.runs) == 3
    assert fit.objective == max(run.objective for run in fit.runs)
    categories = {doubt.category for doubt in model.fit_.doubts}
    assert categories == {ConvergenceWarning, StartsDisagreeWarning}
    assert len(caught) == len(model.fit_.doubts)


@pytest.mark.parametrize("plain", [False, True])
def test_starts_from_the_prior_follow_the_seed(plain: bool) -> None:
    recipe = SVI(steps=2, from_prior=True, plain=plain)
    # Of the first seeds, some are drawn so far from all rows that one component takes them all.
    ends = [unsettled(recipe, random_state=seed).fit_.history[0] for seed in (0, *range(12))]
    assert ends[0] == ends[1]
    assert len({round(end, 3) for end in ends}) > 1


def test_the_article_recipe_is_the_article_written_out() -> None:
    """The same losses as Pyro gives for the article's own code, in float64."""
    import pyro.distributions as dist
    from pyro import infer, poutine
    from pyro.infer.autoguide import AutoDelta

    from mixtura.ppl.optimisation import ascend

    seeds: list[int] = []

    def spy(*arguments: Any) -> Any:
        seeds.append(arguments[3])
        return ascend(*arguments)

    recipe = replace(SVI.article(), steps=40, print_every=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixtura.ppl.optimisation.ascend", spy)
        fit = unsettled(recipe).fit_

    data = torch.tensor(X[:, 0])
    one = torch.ones((), dtype=torch.float64)

    def model(data: Any) -> None:
        p = pyro.sample("p", dist.Dirichlet(one.expand(2)))
        with pyro.plate("components", 2):
            mu = pyro.sample("mu", dist.Normal(0.0 * one, 10.0 * one))
            sigma = pyro.sample("sigma", dist.InverseGamma(one, one))
        with pyro.plate("data", len(data)):
            z = pyro.sample("z", dist.Categorical(p), infer={"enumerate": "parallel"})
            pyro.sample("x", dist.Normal(mu[z], sigma[z]), obs=data)

    with pyro.get_param_store().scope(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeds[0])
        guide = AutoDelta(poutine.block(model, expose=["p", "mu", "sigma"]))
        elbo = infer.TraceEnum_ELBO(max_plate_nesting=1)
        svi = infer.SVI(model, guide, pyro.optim.Adam({"lr": 1e-3}), elbo)
        losses = [svi.step(data) for _ in range(40)]
    np.testing.assert_allclose(fit.history[:40], -np.array(losses), rtol=1e-12)
