"""What parameters of other packages are called here, and options inside of options."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from mixtura.errors import UnknownArgumentError
from mixtura.estimator.choices import INFERENCES
from mixtura.messages.named_options import NamedOptions
from mixtura.priors import Dirichlet

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

_START = "give a start as init=, an array of means (K, D), labels (N,) or responsibilities (N, K)"
_PARAMETERS = (
    "give a start as init=GaussianMixtureModel.from_parameters(weights, means, covariances)"
)
_NUMBER = "the number of components is n_components"
_PRIOR = "give component_prior=NormalInverseWishart(mean, shrinkage, degrees_of_freedom, scale)"

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "reg_covar": "nothing is added to variances here: a prior keeps them above zero under "
        "inference='map', and a floor of 1e-12 of each column's variance under 'ml'",
        "warm_start": "give the earlier fit as init=",
        "init_params": "give a start as init=, such as 'search', 'split', 'kmeans' or 'random'",
        "means_init": _START,
        "weights_init": _PARAMETERS,
        "precisions_init": _PARAMETERS,
        "verbose_interval": "verbose=1 says what each start did",
        "weight_concentration_prior_type": "give weight_prior=Dirichlet(concentration) or "
        "DirichletProcess(concentration), with inference='vb'",
        "weight_concentration_prior": "give weight_prior=Dirichlet(concentration)",
        "mean_prior": _PRIOR,
        "mean_precision_prior": _PRIOR,
        "degrees_of_freedom_prior": _PRIOR,
        "covariance_prior": _PRIOR,
        "n_clusters": _NUMBER,
        "n_groups": _NUMBER,
        "k": _NUMBER,
        "K": _NUMBER,
        "G": "the number of components is n_components; mixtura.select tries several",
        "modelNames": "the family is covariance_type; mixtura.select tries several",
        "model": "the family is covariance_type",
        "family": "the family is covariance_type",
        "prior": "priors are weight_prior and component_prior",
        "seed": "the source of randomness is random_state",
        "method": "the method is inference",
        "sample_weight": "weights of rows are an argument of fit",
        "labels": "known labels of rows are an argument of fit",
        "groups": "groups of rows are an argument of fit",
        "measurement_error": "measurement errors are an argument of fit",
        "noise": "rows that belong nowhere are background='uniform'",
    }
)
"""What is meant here by parameters of scikit-learn, mclust and others."""


def unknown(name: str, known: Iterable[str], owner: str) -> UnknownArgumentError:
    """Return the error about a name that is no parameter, with the one that is meant."""
    known = list(known)
    hint = HINTS.get(name)
    if hint is None:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known)}"
    return UnknownArgumentError(f"is no parameter of {owner}", argument=name, remedy=hint)


def explained(init: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Return a constructor that says what is meant where a name is none of its parameters."""
    known = [name for name in inspect.signature(init).parameters if name != "self"]

    @functools.wraps(init)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        for name in kwargs:
            if name not in known:
                raise unknown(name, known, type(args[0]).__name__)
        return init(*args, **kwargs)

    return checked


def with_options(params: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the options that are named inside of others put in their place.

    Objects of options never change, so that ``weight_prior__concentration`` is another prior. A
    method that is given by name has its default options, and no ``weight_prior`` means Dirichlet.

    Parameters
    ----------
    params : mapping of str to Any
        New values; names as ``inference__draws`` are options of options.
    current : mapping of str to Any
        Values of all parameters of the estimator.
    """
    whole = {name: value for name, value in params.items() if "__" not in name}
    for name, value in params.items():
        outer, divider, inner = name.partition("__")
        if not divider or outer not in current:
            if divider:
                whole[name] = value
            continue
        part = whole.get(outer, current[outer])
        if outer == "inference" and isinstance(part, str) and part in INFERENCES:
            part = INFERENCES[part]()
        if outer == "weight_prior" and part is None:
            part = Dirichlet()
        if isinstance(part, NamedOptions):
            whole[outer] = part.changed({inner: value}, f"{outer}__")
        else:
            whole[name] = value
    return whole
