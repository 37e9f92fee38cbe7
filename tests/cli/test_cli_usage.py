"""Options: their values, their help, and what is refused."""

import dataclasses
import inspect
import re
import subprocess
import sys
from typing import Any, get_args

import numpy as np
import pytest

from mixtura import NUTS, SVI, GaussianMixtureModel, Gibbs, __version__
from mixtura.cli import method_options, options
from mixtura.cli.priors import PriorTexts, component_prior, weight_prior
from mixtura.cli.settings import SviSettings
from mixtura.cli.wording import OPTION_OF, in_options
from mixtura.data.number_format import NumberFormat
from mixtura.diagnostics.candidates import CRITERIA
from mixtura.errors import InvalidArgumentError, Message, Setting
from mixtura.estimator.arguments import PARAMETERS
from mixtura.estimator.choices import FAMILIES, INFERENCES, INITIALIZERS
from mixtura.priors import (
    PRIORS,
    DirichletProcess,
    Gamma,
    Independent,
    InverseGamma,
    KnownScale,
    MixtureOfFiniteMixtures,
    Normal,
    PitmanYor,
    PositivePrior,
)

COMMANDS = ("demo", "select", "fit", "predict", "sample", "report")


@pytest.mark.parametrize(
    ("wrong", "registry"),
    [
        ("fit {} --covariance", FAMILIES),
        ("fit {} --init", INITIALIZERS),
        ("fit {} --inference", INFERENCES),
        ("select {} --criterion", CRITERIA),
        ("select {} --families", FAMILIES),
    ],
)
def test_choices_are_those_of_the_registries(run, small, monkeypatch, wrong, registry) -> None:
    monkeypatch.setitem(registry, "newest", object())
    said = run(*wrong.replace("{}", str(small)).split(), "nonsense").error
    assert f"{', '.join(registry)}" in said
    assert said.index("newest") > 0


def test_names_are_known_before_their_members_are_loaded() -> None:
    code = """if True:
    import sys
    from mixtura.estimator.choices import FAMILIES, INFERENCES, INITIALIZERS
    print(*FAMILIES, *INFERENCES, *INITIALIZERS)
    assert not {"numpy", "scipy"} & set(sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*FAMILIES, *INFERENCES, *INITIALIZERS]


@pytest.mark.parametrize("registry", [FAMILIES, INFERENCES, INITIALIZERS])
def test_members_have_the_names_that_they_are_registered_by(registry) -> None:
    assert {name: member.name for name, member in registry.items()} == {n: n for n in registry}


def declared(method: type, name: str) -> Any:
    """Return what an option of a method's class may be."""
    return next(
        field.metadata["kind"] for field in dataclasses.fields(method) if field.name == name
    )


DECLARED = [
    (options.Jobs, PARAMETERS["n_jobs"]),
    (options.Runs, PARAMETERS["n_init"]),
    (options.Iterations, PARAMETERS["max_iter"]),
    (options.Tolerance, PARAMETERS["tol"]),
    (options.Seed, PARAMETERS["random_state"]),
    (method_options.Chains, declared(Gibbs, "chains")),
    (method_options.Draws, declared(Gibbs, "draws")),
    (method_options.Warmup, declared(Gibbs, "warmup")),
    (method_options.EffectiveDraws, declared(Gibbs, "effective_draws")),
    (method_options.MostDraws, declared(Gibbs, "max_draws")),
    (method_options.CheckpointSeconds, declared(Gibbs, "checkpoint_seconds")),
    (method_options.Steps, declared(SVI, "steps")),
    (method_options.PrintEvery, declared(SVI, "print_every")),
]


def test_options_begin_where_the_parameters_do_that_they_set() -> None:
    for option, parameter in DECLARED:
        _, information = get_args(option)
        smallest = information.min
        assert parameter.accepts(type(smallest)(smallest))
        if option is not options.Jobs:  # the class also takes -1
            assert not parameter.accepts(smallest - 1)


def test_every_prior_of_a_scale_can_be_written() -> None:
    written = {
        "InverseGamma": "inverse-gamma:1,2",
        "LogNormal": "log-normal:1,2",
        "HalfNormal": "half-normal:2",
    }
    known = {name for name, kind in PRIORS.items() if issubclass(kind, PositivePrior)}
    assert known == set(written)
    for name, text in written.items():
        prior = component_prior(PriorTexts(mean="normal:0,10", scale=text))
        assert prior is not None
        assert type(prior.scale).__name__ == name


def test_scales_can_be_learned() -> None:
    text = "inverse-gamma:2,gamma:0.2,10"
    prior = component_prior(PriorTexts(mean="normal:0,10", variance=text))
    expected = Independent(Normal(0.0, 10.0), variance=InverseGamma(2.0, Gamma(0.2, 10.0)))
    assert repr(prior) == repr(expected)
    prior = component_prior(PriorTexts(mean="normal:0,10", scale="Inverse-Gamma:2,Gamma:.2,10,.1"))
    expected = Independent(Normal(0.0, 10.0), InverseGamma(2.0, Gamma(0.2, 10.0, 0.1)))
    assert repr(prior) == repr(expected)
    for wrong in ("inverse-gamma:2,gamma:1", "log-normal:2,gamma:1,2", "inverse-gamma:gamma:1,2"):
        with pytest.raises(InvalidArgumentError, match=r"must look like|no prior"):
            component_prior(PriorTexts(mean="normal:0,10", scale=wrong))


def test_scales_can_be_known() -> None:
    prior = component_prior(PriorTexts(mean="normal:1,10", scale="known:0.1"))
    assert repr(prior) == repr(KnownScale(0.1, Normal(1.0, 10.0)))
    prior = component_prior(PriorTexts(mean="normal:1,10", scale="known:0.1,3"))
    assert isinstance(prior, KnownScale)
    assert list(np.ravel(prior.scale)) == [0.1, 3.0]
    with pytest.raises(InvalidArgumentError, match=r"known:0\.1 or known:0\.1,2"):
        component_prior(PriorTexts(mean="normal:1,10", scale="known:wide"))


def test_dirichlet_of_one_or_many() -> None:
    assert weight_prior(PriorTexts()) is None
    assert weight_prior(PriorTexts(weight="dirichlet:0.5")).concentration == 0.5
    assert list(weight_prior(PriorTexts(weight="dirichlet:1,2,3")).concentration) == [1, 2, 3]


def test_processes_are_written_with_a_concentration_or_its_prior() -> None:
    process = weight_prior(PriorTexts(weight="dirichlet-process:2"))
    assert repr(process) == repr(DirichletProcess(2.0))
    process = weight_prior(PriorTexts(weight="Pitman-Yor:1,0.25"))
    assert repr(process) == repr(PitmanYor(1.0, 0.25))
    process = weight_prior(PriorTexts(weight="dirichlet-process:gamma:1,3"))
    assert repr(process) == repr(DirichletProcess(Gamma(1.0, 3.0)))
    process = weight_prior(PriorTexts(weight="pitman-yor:gamma:1,3,0.5"))
    assert repr(process) == repr(PitmanYor(Gamma(1.0, 3.0), 0.5))
    for text, numbers in (("finite-mixtures:0.5", (0.5,)), ("finite-mixtures:1,3", (1.0, 3.0))):
        given = weight_prior(PriorTexts(weight=text))
        assert repr(given) == repr(MixtureOfFiniteMixtures(*numbers))
    for text in (
        *("chinese:1", "dirichlet-process:1,2", "pitman-yor:gamma:1", "pitman-yor:1,1"),
        *("finite-mixtures", "finite-mixtures:1,2,3", "finite-mixtures:gamma:1,1"),
        *("finite-mixtures:gamma:1", "finite-mixtures:0"),
    ):
        with pytest.raises(InvalidArgumentError, match="--weight-prior"):
            weight_prior(PriorTexts(weight=text))


def test_options_of_svi_are_fields_of_the_class() -> None:
    fields = {field.name for field in dataclasses.fields(SVI)}
    assert {field.name for field in dataclasses.fields(SviSettings)} <= fields


def test_messages_say_parameters_as_options() -> None:
    parameters = set(inspect.signature(GaussianMixtureModel).parameters)
    parameters |= set(inspect.signature(GaussianMixtureModel.fit).parameters)
    of_methods = {
        field.name for method in (SVI, NUTS, Gibbs) for field in dataclasses.fields(method)
    }
    of_text = {field.name for field in dataclasses.fields(NumberFormat)}
    assert set(OPTION_OF) - parameters - of_methods - of_text == {"n_samples", "component_names"}
    several = ("gibbs", "nuts")
    for part, in_python, in_command in (
        (Setting("max_iter"), "max_iter", "--max-iter"),
        (Setting("inference", "map"), "inference='map'", "--inference map"),
        (Setting("inference", several), "inference='gibbs' or 'nuts'", "--inference gibbs or nuts"),
        (Setting("init", spelled="a start"), "a start", "--init"),
        (Setting("draws", also="warmup"), "draws and warmup", "--draws and --warmup"),
        (Setting("target_accept"), "target_accept", "target_accept"),
    ):
        said = Message("raise ", part)
        assert (said, in_options(said)) == (f"raise {in_python}", f"raise {in_command}")
    assert in_options("column 'tol' is constant") == "column 'tol' is constant"


def test_version(run) -> None:
    assert run("--version").out == f"mixtura {__version__}\n"


def test_without_arguments_it_introduces_itself(run) -> None:
    done = run()
    assert (done.code, done.err) == (0, "")
    assert "mixtura demo" in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(run, command) -> None:
    done = run(command, "--help")
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.out)  # typer colours it where CI services run
    assert done.code == 0
    assert f"mixtura {command} " in said.replace(f"Usage: mixtura {command}", "")
    assert "mixtura[pyro]" in said or command != "fit"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("fit", "DATA"),
        ("fit {} --nonsense", "--nonsense"),
        ("nonsense", "nonsense"),
        ("fit {} -k 0", "-k"),
        ("fit {} -k two", "-k"),
        ("fit {} -k 1:4", "'1:4' is not a whole number of at least 1; mixtura select tries"),
        ("fit {} -k 2,3", "mixtura select tries several, as 1:4 or 2,3,5"),
        ("fit {} --seed -1", "--seed"),
        ("fit {} --n-init 0", "--n-init"),
        ("fit {} --max-iter -1", "--max-iter"),
        ("fit {} --tol -1", "--tol"),
        ("fit {} --tol nan", "--tol"),
        ("fit {} --covariance diagonal", "did you mean diag?"),
        ("fit {} --inference hmc", "map, vb, gibbs, collapsed, ml, svi"),
        ("fit {} --init Kmeans", "did you mean kmeans?"),
        ("fit {} --mean-prior normal:0,10", "--scale-prior"),
        ("fit {} --scale-prior inverse-gamma:1,1", "--mean-prior"),
        (
            "fit {} --mean-prior normal:0,10 --scale-prior inverse-gamma:1,1 "
            "--variance-prior inverse-gamma:1,1",
            "one of --scale-prior and --variance-prior",
        ),
        ("fit {} --mean-prior normal:0 --scale-prior inverse-gamma:1,1", "normal:0,10"),
        ("fit {} --mean-prior gauss:0,1 --scale-prior inverse-gamma:1,1", "'gauss:0,1'"),
        ("fit {} --scale-prior cauchy:1,1", "--scale-prior: there is no prior 'cauchy' here; it"),
        (
            "fit {} --mean-prior normal:0,1 --variance-prior known:1",
            "--variance-prior: there is no prior 'known' here",
        ),
        ("fit {} --weight-prior beta:1", "--weight-prior: there is no prior 'beta' here"),
        ("fit {} --mean-prior normal:0,x --scale-prior inverse-gamma:1,1", "'normal:0,x'"),
        ("fit {} --mean-prior normal:0,-1 --scale-prior inverse-gamma:1,1", "above zero"),
        ("fit {} --mean-prior normal:0,inf --scale-prior inverse-gamma:1,1", "finite"),
        ("fit {} --weight-prior dirichlet:0", "above zero"),
        ("fit {} --weight-prior 1", "dirichlet:1"),
        ("fit {} --weight-prior dirichlet:1,2,3", "2 components"),
        ("fit {} --inference ml --weight-prior dirichlet:1", "leave --weight-prior out"),
        ("fit {} --steps 10", "only with --inference svi"),
        ("fit {} --draws 10 --warmup 5", "--draws, --warmup: only with --inference gibbs"),
        ("fit {} --max-draws 100", "--max-draws: only with --inference gibbs or collapsed"),
        ("fit {} --inference gibbs --draws 9 --effective-draws 50", "not both"),
        ("fit {} --inference gibbs --max-iter 5", "has neither"),
        ("fit {} --inference collapsed --max-iter 5", "--draws and --warmup"),
        ("fit {} --inference collapsed --covariance tied", "--inference gibbs"),
        ("fit {} --inference svi --checkpoint c", "--checkpoint: only with --inference"),
        ("fit {} --inference gibbs --checkpoint-seconds 1", "needs --checkpoint FILE"),
        ("fit {} --inference gibbs --checkpoint c --checkpoint-seconds -1", "--checkpoint-seconds"),
        ("fit {} --inference gibbs --checkpoint .", "directory"),
        ("fit {} --inference gibbs --checkpoint m --save m", "same file"),
        ("fit {} --learning-rate 1 --print-every 2", "--learning-rate, --print-every"),
        ("fit {} --inference svi --learning-rate -1", "--learning-rate"),
        ("fit {} --report page.pdf", ".html"),
        ("fit {} --report -", "not standard output"),
        ("fit {} --assignments a.xlsx", ".csv or .tsv"),
        ("fit {} --save nowhere/m.mixtura", "no directory"),
        ("fit {} --save .", "directory"),
        ("fit {} --save a.html --report ./a.html", "same file"),
        ("fit {} --save {} --force", "would replace an input"),
        ("fit {} --save /dev/null --force", "not a regular file"),
        ("select", "DATA"),
        ("select {} -k 0", "--components must look like 1:10 or 2,3,5"),
        ("select {} --components 4:2", "'4:2'"),
        ("select {} --families full,oblong", "'oblong'"),
        ("select {} --families full,", "''"),
        ("select {} --criterion waic", "bic, icl, aic, elbo, icl_hard, cv"),
        ("select {} --criterion elbo", "--inference vb"),
        ("select {} --jobs 0", "--jobs"),
        ("select {} --plot k.pdf", ".svg or .png"),
        ("select {} --draws 10", "--draws: only with --inference gibbs"),
        (
            "select {} -k 2,3 --inference gibbs --weight-prior finite-mixtures:1",
            "which has a posterior of its own: use mixtura fit",
        ),
        ("select {} --inference ml --weight-prior dirichlet:1", "leave --weight-prior out"),
        ("select {} --save a.svg --plot a.svg", "same file"),
        ("predict {}", "DATA"),
        ("sample {} -n 0", "-n"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run, small, arguments, part) -> None:
    before = sorted(small.parent.iterdir())
    done = run(*arguments.replace("{}", str(small)).split())
    assert done.code == 2
    assert part in done.error
    assert done.out == ""
    assert sorted(small.parent.iterdir()) == before
