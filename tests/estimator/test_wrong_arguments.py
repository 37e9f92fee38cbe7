"""What no argument can be: one mixtura error that names the argument, in one line, before work."""

import dataclasses
import inspect
import warnings

import numpy as np
import pytest

import mixtura
from mixtura import GaussianMixtureModel, Gibbs, load, priors, select
from mixtura.datasets import load_faithful
from mixtura.errors import MixturaError
from mixtura.estimator.arguments import PARAMETERS

WRONG = {
    "list": [],
    "dict": {},
    "text": "nonsense",
    "empty text": "",
    "null byte": "\x00",
    "number as text": "0",
    "huge": 10**30,
    "below": -7,
    "fraction": -1.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "object": object(),
    "masked": np.ma.masked,
    "complex": 1j,
    "bytes": b"x",
    "array": np.array([1, 2]),
    "class": int,
    "set": set(),
    "ragged": [1, [2]],
    "date": np.datetime64("2020-01-01"),
    "array of text": np.array("a"),
    "lines": "two\nlines",
}
"""Values that are wrong nearly everywhere."""

ROWS = load_faithful().data[:40]
PRIORS = {name: getattr(priors, name) for name in priors.__all__ if name[0].isupper()}
PRIORS = {
    name: kind
    for name, kind in PRIORS.items()
    if inspect.isclass(kind) and dataclasses.is_dataclass(kind) and not inspect.isabstract(kind)
}
NEEDED = {
    "KnownScale": {"scale": 1.0},
    "Wishart": {"degrees_of_freedom": 5.0},
    "Independent": {"mean": priors.Normal(), "scale": priors.InverseGamma()},
}
METHODS = [
    mixtura.MAP, mixtura.ML, mixtura.VB, mixtura.Gibbs, mixtura.CollapsedGibbs,
    mixtura.SVI, mixtura.NUTS,
]  # fmt: skip


def check(call, name):
    """Call with every wrong value; return how many were refused."""
    refused = 0
    for label, value in WRONG.items():
        try:
            call(value)
        except MixturaError as error:
            said = str(error)
            assert name in said, (label, said)
            assert said.isprintable(), (label, said)
            assert len(said) < 500, (label, said)
            refused += 1
    return refused


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) - {"verbose"}))
def test_parameters_of_the_estimator(name):
    def call(value):
        GaussianMixtureModel(**({"n_components": 2} | {name: value})).fit(ROWS)

    assert check(call, name) >= 18


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_options_of_methods(kind):
    for field in dataclasses.fields(kind):
        assert "kind" in field.metadata, field.name  # declared, and so checked when it is made
        refused = check(lambda value, name=field.name: kind(**{name: value}), field.name)
        assert refused >= (14 if field.name == "checkpoint" else 18), field.name


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_hyperparameters(name):
    for field in dataclasses.fields(PRIORS[name]):
        given = dict(NEEDED.get(name, {}))
        if field.name == "variance":
            given.pop("scale")
        call = lambda value, given=given, at=field.name: PRIORS[name](**(given | {at: value}))  # noqa: E731
        assert check(call, field.name) >= 12, field.name


@pytest.fixture(scope="module")
def sampled():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mixtura.errors.MixturaWarning)  # of so few draws
        return GaussianMixtureModel(2, inference=Gibbs(2, 40, 20), random_state=0).fit(ROWS)


VIEWS = [
    ("plot_swarm", "feature"), ("plot_swarm", "ax"), ("plot_objective", "ax"),
    ("plot_density", "feature"), ("plot_density", "ax"), ("plot_clusters", "ax"),
    ("plot_uncertainty", "ax"), ("consensus", "loss"), ("consensus", "level"),
    ("plot_trace", "feature"), ("plot_trace", "ax"), ("plot_rank", "feature"),
    ("plot_posterior", "ax"), ("plot_co_clustering", "ax"),
    ("plot_predictive_check", "n_replicates"), ("plot_predictive_check", "ax"),
    ("predict", "to"), ("predict_proba", "to"), ("score_samples", "to"), ("report", "title"),
    ("report", "component_names"), ("report", "measurement_error"), ("report", "labels"),
    ("impute", "n_draws"), ("impute", "random_state"), ("plot_projection", "labels"),
    ("plot_projection", "n_directions"), ("merge_components", "by"),
    ("merge_components", "n_clusters"), ("bootstrap", "method"), ("icl", "assignment"),
    ("sample", "n_samples"), ("sample", "random_state"), ("sample_prior", "n_rows"),
    ("sample_prior", "n_features"), ("to_pyro", "n_features"), ("to_arviz", "n_draws"),
]  # fmt: skip


@pytest.mark.parametrize(("view", "name"), VIEWS)
def test_arguments_of_answers(sampled, view, name):
    call, given = getattr(sampled, view), {}
    if "X" in inspect.signature(call).parameters and view != "report":
        given["X"] = ROWS
    least = 14 if (view, name) == ("report", "title") else 18
    assert check(lambda value: call(**given, **{name: value}), name) >= least


def test_paths(sampled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (
        load,
        lambda path: sampled.save(path, overwrite=True),
        lambda path: sampled.write_report(path, overwrite=True),
    ):
        for wrong in ("", ".", "\x00", 7, None, [], b"x", np.ma.masked):
            with pytest.raises(MixturaError, match="path must"):
                call(wrong)


@pytest.mark.parametrize(
    "name", ["components", "families", "criterion", "n_jobs", "random_state", "progress"]
)
def test_arguments_of_select(name):
    given = {"components": [1], "families": ["full"]}
    assert check(lambda value: select(ROWS, **(given | {name: value})), name) >= 16


def test_truth_values_are_no_numbers():
    for name in set(PARAMETERS) - {"verbose"}:
        with pytest.raises(MixturaError, match=f"{name} must"):
            GaussianMixtureModel(**({"n_components": 2} | {name: True})).fit(ROWS)
    for make in (priors.Dirichlet, priors.KnownScale, mixtura.Gibbs):
        with pytest.raises(MixturaError, match="must be"):
            make(True)


@pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")  # of so few draws
def test_progress_is_a_bar_or_a_function(capsys):
    seen = []
    for progress in (True, False, None, lambda done, total: seen.append((done, total))):
        method = Gibbs(2, 20, 10, progress=progress)
        GaussianMixtureModel(2, inference=method, random_state=0).fit(ROWS)
        said = capsys.readouterr().err
        assert ("30 of 30 sweeps" in said) == (progress is True)
    assert seen[-1] == (30, 30)
