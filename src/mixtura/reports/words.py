"""The model and the method in plain words."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mixtura.fit import Fit
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    FlatComponents,
    FlatWeights,
    Gamma,
    HalfNormal,
    Independent,
    InverseGamma,
    KnownScale,
    LogNormal,
    MixtureOfFiniteMixtures,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    PitmanYor,
    Prior,
    Wishart,
)
from mixtura.reports.numbers import significant

MAX_LISTED = 6
"""Values of a hyperparameter that are listed; of more, only their range is told."""

METHODS = {
    "map": "Exact maximum a posteriori: the mode of the posterior density in the parameters as "
    "stated above, searched for from every start.",
    "ml": "Maximum likelihood, searched for from every start; priors are flat.",
    "vb": "Variational Bayes: the closest posterior in which assignments and parameters are "
    "independent.",
    "collapsed": "Collapsed Gibbs sampling of partitions, parameters integrated out.",
    "gibbs": "Blocked Gibbs sampling of the posterior.",
    "svi": "Stochastic variational inference with Pyro: gradient steps on the log joint density, "
    "assignments summed out.",
    "nuts": "Hamiltonian Monte Carlo (no-U-turn sampler) with Pyro.",
}
"""One sentence for each inference method, by its name."""


def method_words(name: str) -> str:
    """Return a sentence on an inference method."""
    return METHODS.get(name, f"Inference method {name!r}.")


def model_words(fit: Fit) -> tuple[tuple[str, str], ...]:
    """Return the model as pairs of a term and what is said about it."""
    model = fit.model
    plural = "s" if model.n_components != 1 else ""
    if model.n_components > 1:
        likelihood = (
            f"Every row belongs to one of {model.n_components} component{plural}, to component k "
            "with probability p_k; the rows of component k are normally distributed about its mean."
        )
    else:
        likelihood = "All rows are drawn from one normal distribution."
    if model.background is not None:
        own, others = model.background.concentration
        rest = likelihood[0].lower() + likelihood[1:]
        likelihood = (
            "A row belongs to a uniform background with probability b, a priori "
            f"Beta({own:g}, {others:g}). Otherwise {rest}"
        )
    return (
        ("rows", likelihood),
        ("covariances", _sentence(model.family.description)),
        ("weights", _sentence(prior_words(model.weight_prior))),
        *component_words(model.component_prior),
    )


def component_words(prior: Prior) -> tuple[tuple[str, str], ...]:
    """Return what is said about the prior of means and spreads."""
    if isinstance(prior, Independent):
        on = "variances" if prior.is_on_variance else "standard deviations"
        return (
            ("means", _sentence(prior_words(prior.mean))),
            (on, _sentence(f"{prior_words(prior.spread)}, independent of the means")),
        )
    return (("means and covariances", _sentence(prior_words(prior))),)


def prior_words(prior: Prior) -> str:
    """Return a prior in words; an unknown one by its name and hyperparameters."""
    words = PRIOR_WORDS.get(type(prior))
    if words is not None:
        return words(prior)
    listed = ", ".join(
        f"{key.replace('_', ' ')} {number_words(value)}"
        for key, value in prior.hyperparameters().items()
    )
    return f"{type(prior).__name__}({listed})" if listed else type(prior).__name__


def number_words(value: Any) -> str:
    """Return a hyperparameter: a number, a short list, or the range of a long one."""
    if isinstance(value, Prior):
        return prior_words(value)
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return str(value)
    if array.ndim == 0:
        return significant(float(array))
    if array.ndim == 1 and array.size <= MAX_LISTED:
        return "(" + ", ".join(significant(v) for v in array) + ")"
    if array.ndim == 2:
        diagonal = number_words(np.diag(array))
        return f"matrix with diagonal {diagonal}"
    return f"{array.size} values between {significant(array.min())} and {significant(array.max())}"


def _dirichlet(prior: Dirichlet) -> str:
    text = f"Dirichlet distribution with concentration {number_words(prior.concentration)}"
    if np.all(np.asarray(prior.concentration) == 1.0):
        return f"{text}, which makes all sets of weights equally probable"
    if np.all(np.asarray(prior.concentration) < 1.0):
        return f"{text}, which favours leaving components empty"
    return text


def _concentration(value: float | Gamma) -> str:
    if isinstance(value, Gamma):
        return f"its concentration unknown, {PRIOR_WORDS[Gamma](value)}"
    return f"concentration {number_words(value)}"


def _finite_mixtures(prior: MixtureOfFiniteMixtures) -> str:
    numbers = "all numbers of components up to the largest equally probable"
    if prior.rate is not None:
        numbers = (
            "number of components less one from a Poisson distribution with rate "
            f"{number_words(prior.rate)}, cut off at the largest"
        )
    return (
        f"{numbers}; weights of those in use Dirichlet with {_concentration(prior.concentration)}"
    )


def scale_words(prior: Prior) -> str:
    """Return a scale matrix, number or numbers, or how it is learned."""
    scale = prior.hyperparameters()["scale"]
    if not isinstance(scale, Prior):
        return f"scale {number_words(scale)}"
    diagonal = isinstance(prior, NormalInverseWishart) and isinstance(scale, Gamma)
    kind = "diagonal scale with entries" if diagonal else "scale"
    return f"a {kind} learned from all components together, from a {prior_words(scale)}"


def _gamma(prior: Gamma) -> str:
    text = (
        f"gamma distribution with shape {number_words(prior.shape)} and rate "
        f"{number_words(prior.rate)}"
    )
    return f"{text} above {number_words(prior.minimum)}" if prior.is_truncated else text


def _normal_inverse_gamma(prior: NormalInverseGamma) -> str:
    return (
        f"variances from an inverse gamma distribution with shape {number_words(prior.shape)} and "
        f"{scale_words(prior)}; means normal about {number_words(prior.mean)}, "
        f"with the variance of the component divided by {number_words(prior.shrinkage)}"
    )


def _normal_inverse_wishart(prior: NormalInverseWishart) -> str:
    freedom = prior.degrees_of_freedom
    counted = "D + 2" if freedom is None else number_words(freedom)
    return (
        f"covariance matrices from an inverse Wishart distribution with {counted} degrees of "
        f"freedom and {scale_words(prior)}; means normal about "
        f"{number_words(prior.mean)}, with the covariance of the component divided by "
        f"{number_words(prior.shrinkage)}"
    )


def _flat_components(prior: FlatComponents) -> str:
    return (
        "flat: all means and covariances are equally probable, but no variance is below "
        f"{number_words(prior.minimum_variance)}"
    )


PRIOR_WORDS: dict[type[Prior], Callable[[Any], str]] = {
    Dirichlet: _dirichlet,
    DirichletProcess: lambda prior: f"Dirichlet process, {_concentration(prior.concentration)}",
    PitmanYor: lambda prior: (
        f"Pitman-Yor process with discount {number_words(prior.discount)}, "
        f"{_concentration(prior.concentration)}"
    ),
    MixtureOfFiniteMixtures: _finite_mixtures,
    Gamma: _gamma,
    Wishart: lambda prior: (
        f"Wishart distribution with {number_words(prior.degrees_of_freedom)} degrees of freedom "
        f"and scale {number_words(prior.scale)}"
    ),
    HalfNormal: lambda prior: f"half-normal distribution with scale {number_words(prior.scale)}",
    FlatWeights: lambda prior: "flat: all sets of weights are equally probable",
    FlatComponents: _flat_components,
    Normal: lambda prior: (
        f"normal distribution with mean {number_words(prior.location)} and standard deviation "
        f"{number_words(prior.scale)}"
    ),
    InverseGamma: lambda prior: (
        f"inverse gamma distribution with shape {number_words(prior.shape)} and "
        f"{scale_words(prior)}"
    ),
    LogNormal: lambda prior: (
        f"log-normal distribution: the logarithm has mean {number_words(prior.location)} and "
        f"standard deviation {number_words(prior.scale)}"
    ),
    KnownScale: lambda prior: (
        f"standard deviations known to be {number_words(prior.scale)}; means "
        f"{prior_words(prior.mean)}"
    ),
    NormalInverseGamma: _normal_inverse_gamma,
    NormalInverseWishart: _normal_inverse_wishart,
}
"""How each prior is told; a new one is one entry here, and is shown as its repr without."""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
