"""scikit-learn's own tests of its mixtures, from the installed wheel, asked of this package.

Their texts are not copied: each module is loaded with the adapter in the place of scikit-learn's
classes. What an error or a warning says is ours, so its words are not compared, its kind is.
"""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import sklearn.mixture

from reference.scikit_learn_adapter import BayesianGaussianMixture, GaussianMixture

FOLDER = Path(sklearn.mixture.__file__).parent / "tests"
MODULES = ("test_gaussian_mixture", "test_bayesian_mixture", "test_mixture")

JUDGED = "asks whether one iteration has converged; here that is judged over several of a run"
PRIVATE = "asks functions and methods that are private to scikit-learn"
LIBRARIES = "asks that arrays of other libraries come back; here every answer is NumPy's"

SAYS_NOTHING = {
    "test_gaussian_mixture": {
        "test_suffstat_sk_full": PRIVATE,
        "test_suffstat_sk_tied": PRIVATE,
        "test_suffstat_sk_diag": PRIVATE,
        "test_gaussian_suffstat_sk_spherical": PRIVATE,
        "test_compute_log_det_cholesky": PRIVATE,
        "test_gaussian_mixture_log_probabilities": PRIVATE,
        "test_gaussian_mixture_precisions_init": PRIVATE,
        "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": PRIVATE,
        "test_gaussian_mixture_array_api_compliance": LIBRARIES,
        "test_gaussian_mixture_raises_where_array_api_not_implemented": LIBRARIES,
        "test_warm_start": "counts two fits of one iteration as one of two; here the "
        "responsibilities under an earlier fit give parameters before the first iteration",
        "test_monotonic_likelihood": JUDGED,
        "test_max_iter_zero": "no iteration gives the parameters of the responsibilities under the "
        "means that were given, so that weights, means and covariances agree",
        "test_regularisation": "asks for an error where components collapse; here their variances "
        "are held above a floor, and a warning names them",
    },
    "test_bayesian_mixture": {
        "test_log_dirichlet_norm": PRIVATE,
        "test_log_wishart_norm": PRIVATE,
        "test_compare_covar_type": PRIVATE,
        "test_monotonic_likelihood": JUDGED,
        "test_bayesian_mixture_weights": "gives the last component of a truncated process a stick "
        "of its own and divides by the sum; here it has what is left, so that the sum is one",
    },
    "test_mixture": {
        "test_mixture_n_components_greater_than_n_samples_error": "asks for an error where there "
        "are fewer rows than components; here priors or floors decide, and a warning says so",
    },
}
"""Tests that say nothing about this package, or ask for what it means to do otherwise, and why."""


def loaded(name):
    """Return a module of scikit-learn's tests in which the adapters stand for its classes."""
    spec = importlib.util.spec_from_file_location(f"adapted_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    ours = {"GaussianMixture": GaussianMixture, "BayesianGaussianMixture": BayesianGaussianMixture}
    with patch.multiple(sklearn.mixture, **ours):
        spec.loader.exec_module(module)
    module.pytest = SimpleNamespace(
        raises=lambda kind, match=None: pytest.raises(kind),
        warns=lambda kind, match=None: pytest.warns(kind),
    )
    return module


def asked():
    """Return the tests that say something, each by what it is called here, and all names."""
    found, names = {}, set()
    for called in MODULES:
        module = loaded(called)
        for name, test in vars(module).items():
            if not name.startswith("test_") or test.__module__ != module.__name__:
                continue
            names.add((called, name))
            if name not in SAYS_NOTHING[called]:
                found[f"{called}_{name[5:]}"] = test
    return found, names


ASKED, NAMES = asked()
globals().update(ASKED)
pytestmark = pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")
"""Their rows are few and odd on purpose."""


def test_the_table_names_tests_that_there_are():
    listed = {(module, name) for module, reasons in SAYS_NOTHING.items() for name in reasons}
    assert listed <= NAMES
    assert len(ASKED) > 30


@pytest.fixture
def global_dtype():
    """The precision in which scikit-learn runs its tests unless told otherwise."""
    return np.float64


@pytest.fixture
def global_random_seed():
    """The seed with which it does."""
    return 42
