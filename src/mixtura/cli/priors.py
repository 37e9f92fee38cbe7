"""Priors as the user writes them: ``normal:0,10``."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from mixtura.errors import InvalidArgumentError

if TYPE_CHECKING:
    from mixtura.priors import ComponentPrior, WeightPrior

MEAN_PRIOR = "normal:M,SD"
SPREAD_PRIOR = "NAME:A,B"
WEIGHT_PRIOR = "NAME:A,..."


@final
@dataclass(frozen=True)
class PriorTexts:
    """The priors as they stand on the command line.

    Parameters
    ----------
    mean, scale, variance, weight : str or None
        What follows ``--mean-prior``, ``--scale-prior``, ``--variance-prior``, ``--weight-prior``.
    """

    mean: str | None = None
    scale: str | None = None
    variance: str | None = None
    weight: str | None = None

    def given(self) -> list[str]:
        """Return the options that were used."""
        texts = {
            "--mean-prior": self.mean,
            "--scale-prior": self.scale,
            "--variance-prior": self.variance,
            "--weight-prior": self.weight,
        }
        return [option for option, text in texts.items() if text is not None]


def weight_prior(texts: PriorTexts) -> "WeightPrior | None":
    """Return the prior of the weights, or None for the default."""
    import numpy as np

    from mixtura.priors import Dirichlet

    if texts.weight is None:
        return None

    def dirichlet(*numbers: float) -> Dirichlet:
        return Dirichlet(numbers[0] if len(numbers) == 1 else np.array(numbers))

    name, _, rest = texts.weight.partition(":")
    if name.strip().lower() == "dirichlet":
        example = "dirichlet:1 or dirichlet:1,2"
        return _parsed("--weight-prior", texts.weight, example, {"dirichlet": dirichlet}, None)
    return _process(name.strip().lower(), rest, texts.weight)


def _process(name: str, rest: str, text: str) -> "WeightPrior":
    """Return a prior that finds the number of components.

    A process is its name, its concentration or ``gamma:SHAPE,RATE``, its discount; finite mixtures
    their name, the concentration and, unless numbers are equally probable, the rate.
    """
    from mixtura.priors import DirichletProcess, Gamma, MixtureOfFiniteMixtures, PitmanYor

    kinds: dict[str, Callable[..., WeightPrior]] = {
        "dirichlet-process": DirichletProcess,
        "pitman-yor": PitmanYor,
        "finite-mixtures": MixtureOfFiniteMixtures,
    }
    of_mixtures = 2 if "," in rest else 1
    counts = {"dirichlet-process": 1, "pitman-yor": 2, "finite-mixtures": of_mixtures}
    example = (
        "dirichlet:1, dirichlet-process:1, dirichlet-process:gamma:1,1, pitman-yor:1,0.25, "
        "pitman-yor:gamma:1,1,0.25, finite-mixtures:1 or finite-mixtures:1,3"
    )

    def with_gamma(shape: float, rate: float, *others: float) -> "WeightPrior":
        return kinds[name](Gamma(shape, rate), *others)

    count = counts.get(name)
    if count is None or not rest.strip().lower().startswith("gamma:"):
        return _parsed("--weight-prior", text, example, kinds, count)
    numbers = rest.strip()[len("gamma:") :]
    shown = f"gamma:{numbers}"
    return _parsed("--weight-prior", shown, example, {"gamma": with_gamma}, count + 1)


def component_prior(texts: PriorTexts) -> "ComponentPrior | None":
    """Return the prior of means and scales, or None for the default from the data.

    Raises
    ------
    InvalidArgumentError
        If a text cannot be understood, or one of the two parts is missing.
    """
    from mixtura.priors import HalfNormal, Independent, InverseGamma, LogNormal, Normal

    if texts.mean is None and texts.scale is None and texts.variance is None:
        return None
    spreads = {
        "inverse-gamma": InverseGamma,
        "log-normal": LogNormal,
        "half-normal": HalfNormal,
    }
    example = (
        "inverse-gamma:1,1, inverse-gamma:2,gamma:0.2,10, log-normal:0,2, half-normal:3 or, of "
        "standard deviations, known:0.1"
    )
    _check_name("--mean-prior", texts.mean, ["normal"], "normal:0,10")
    _check_name("--scale-prior", texts.scale, [*spreads, "known"], example)
    _check_name("--variance-prior", texts.variance, list(spreads), example)
    if texts.mean is None or (texts.scale is None) == (texts.variance is None):
        raise InvalidArgumentError(
            "--mean-prior needs one of --scale-prior and --variance-prior beside it, and they "
            "need --mean-prior: for example --mean-prior normal:0,10 --scale-prior "
            f"inverse-gamma:1,1; got {' '.join(texts.given())}"
        )
    if texts.scale is not None and texts.scale.strip().lower().startswith("known:"):
        return _known_scale(texts.mean, texts.scale)
    mean = _parsed("--mean-prior", texts.mean, "normal:0,10", {"normal": Normal}, 2)
    if texts.scale is not None:
        return Independent(mean, _spread("--scale-prior", texts.scale, example, spreads))
    spread = _spread("--variance-prior", texts.variance or "", example, spreads)
    return Independent(mean, variance=spread)


def _spread(option: str, text: str, example: str, kinds: Mapping[str, Callable[..., Any]]) -> Any:
    """Return the prior of spreads; an inverse gamma's scale may be ``gamma:SHAPE,RATE[,MIN]``."""
    from mixtura.priors import Gamma, InverseGamma

    name, _, rest = text.strip().lower().partition(":")
    if name == "half-normal":
        return _parsed(option, text, example, kinds, 1)
    shape, _, gamma = rest.partition(",gamma:")
    if not gamma:
        return _parsed(option, text, example, kinds, 2)

    def learned(shape: float, *numbers: float) -> InverseGamma:
        return InverseGamma(shape, Gamma(*numbers))

    count = 1 + (3 if gamma.count(",") > 1 else 2)
    shown = f"{name}:{shape},{gamma}"
    return _parsed(option, shown, example, {"inverse-gamma": learned}, count)


def _known_scale(mean: str, scale: str) -> "ComponentPrior":
    """Return the prior of normal means under ``known:SD``, or one number for each column."""
    import numpy as np

    from mixtura.priors import KnownScale, Normal

    normal = _parsed("--mean-prior", mean, "normal:0,10", {"normal": Normal}, 2)

    def known(*numbers: float) -> KnownScale:
        return KnownScale(numbers[0] if len(numbers) == 1 else np.array(numbers), normal)

    return _parsed("--scale-prior", scale, "known:0.1 or known:0.1,2", {"known": known}, None)


def _check_name(option: str, text: str | None, names: Iterable[str], example: str) -> None:
    """Refuse a prior, where one is given, whose name is none of these."""
    name = "" if text is None else text.partition(":")[0].strip().lower()
    if text is not None and name not in names:
        raise InvalidArgumentError(
            f"{option}: there is no prior {name!r} here; it must look like {example}; got {text!r}"
        )


def _parsed(
    option: str, text: str, example: str, kinds: Mapping[str, Callable[..., Any]], count: int | None
) -> Any:
    name, _, rest = text.partition(":")
    try:
        numbers = [float(number) for number in rest.split(",")]
    except ValueError:
        numbers = []
    _check_name(option, text, kinds, example)
    kind = kinds[name.strip().lower()]
    if not numbers or count not in (None, len(numbers)):
        raise InvalidArgumentError(f"{option} must look like {example}; got {text!r}")
    try:
        return kind(*numbers)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{option} {text}: {error}") from None
