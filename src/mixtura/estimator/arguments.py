"""Where strings and plain values become objects: the estimator's and the command's arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.errors import InvalidArgumentError, ModelFileError, Setting
from mixtura.estimator.choices import FAMILIES, INFERENCES, INITIALIZERS
from mixtura.estimator.known_parameters import fit_of_parameters
from mixtura.families import MCLUST_NAMES, CovarianceFamily, families_like, univariate
from mixtura.fit import Inference, Start
from mixtura.inference.starts import Elicitation, Elicited, Initializer, given_start
from mixtura.messages.conversion import short_repr
from mixtura.messages.lazy import LazyModule
from mixtura.messages.validation import (
    Jobs,
    MappingOrNone,
    OneOf,
    PairAbove,
    Parameter,
    Real,
    Seed,
    Verbosity,
    Volume,
    Whole,
    WholeByName,
)
from mixtura.model import MixtureModel
from mixtura.priors import ComponentPrior, Dirichlet, FlatWeights, WeightPrior
from mixtura.priors.elicitation import likelihood_floor

if TYPE_CHECKING:
    from mixtura.diagnostics import candidates, partition_draws
else:  # a fit needs neither
    candidates = LazyModule("mixtura.diagnostics.candidates")
    partition_draws = LazyModule("mixtura.diagnostics.partition_draws")


def inference_method(value: Any) -> Inference:
    """Return the inference method of a name or an object."""
    given = PARAMETERS["inference"].read(value, "inference")
    return given if isinstance(given, Inference) else INFERENCES[given]()


def options_of(value: Any) -> dict[str, bool | int | float | str | None]:
    """Return the options of an inference object that differ from its defaults, for a file.

    Callables and the like are left out, for files hold no code, and what shows in no answer.
    """
    if not isinstance(value, Inference) or not is_dataclass(value):
        return {}
    chosen = {}
    for option in fields(value):
        given = getattr(value, option.name)
        given = given.item() if isinstance(given, np.generic) else given
        stored = option.metadata.get("stored", True)
        plain = given is None or isinstance(given, (bool, int, float, str))
        if stored and plain and given != option.default:
            chosen[option.name] = given
    return chosen


def stored_method(name: str, options: Mapping[str, Any]) -> str | Inference:
    """Return an inference method as its name and the options of a file describe it."""
    if name not in INFERENCES:
        raise ModelFileError(f"inference={short_repr(name)} is unknown here")
    if not options:
        return name
    method: Any = INFERENCES[name]()
    unknown = set(options) - {option.name for option in fields(method)}
    if unknown:
        raise ModelFileError(f"inference={name!r} has no option {sorted(unknown)[0]!r} here")
    try:
        return type(method)(**options)
    except InvalidArgumentError as error:
        raise ModelFileError(f"an option of the method is not valid: {error}") from None


def check_stored(given: Mapping[str, Any]) -> None:
    """Check the parameters that a file gives an estimator.

    Raises
    ------
    ModelFileError
        If one has a value that is not allowed.
    """
    try:
        check_parameters(given)
    except InvalidArgumentError as error:
        raise ModelFileError(f"a parameter of the estimator is not valid: {error}") from None


def covariance_family(value: Any, argument: str = "covariance_type") -> CovarianceFamily:
    """Return the covariance family of a name."""
    return FAMILIES[OneOf(FAMILIES).read(value, argument)]


def family_names(value: Any, argument: str) -> list[str]:
    """Return the names of the covariance families that a name, "all" or a pattern stands for.

    Raises
    ------
    InvalidArgumentError
        If it stands for none.
    """
    found = families_like(value) if isinstance(value, str) else []
    if not found:
        raise InvalidArgumentError(
            f"must be {', '.join(map(repr, FAMILIES))}, mclust's "
            f"{', '.join(map(repr, MCLUST_NAMES))}, 'all', or a pattern such as 'V**'; "
            f"got {short_repr(value)}",
            argument=argument,
        )
    return found


def family_of_rows(value: Any, n_features: int) -> CovarianceFamily:
    """Return the covariance family of a name for D features: of one, the family that coincides."""
    family = covariance_family(value)
    return univariate(family, (2, 3)) if n_features == 1 and family.is_restricted else family


def families_for(prior: ComponentPrior, n_components: int, n_features: int) -> list[str]:
    """Return the names of the families that a prior is for, in a space of D features."""
    return [
        name
        for name, family in FAMILIES.items()
        if n_features == 1
        or (
            len(family.structure(n_components, n_features)) in prior.structure_dimensions
            and not (family.is_restricted and prior.restriction_refusal(family.structure(2, 2)))
        )
    ]


def criterion(value: Any, method: Inference) -> "candidates.Criterion":
    """Return the criterion of a name; the method's default for None."""
    criteria = candidates.CRITERIA
    if isinstance(value, str):
        value = candidates.ALSO_CALLED.get(value, value)
    if value is None:
        return criteria["elbo" if method.bounds_evidence else "bic"]
    if not isinstance(value, str) or value not in criteria:
        raise InvalidArgumentError(
            f"must be None, {_choices(criteria)}; got {short_repr(value)}", argument="criterion"
        )
    if value == "elbo" and not method.bounds_evidence:
        raise InvalidArgumentError(
            *(Setting("criterion", "elbo"), " needs ", Setting("inference", "vb"), ": "),
            *(Setting("inference", method.name), " has no lower bound of the evidence; "),
            remedy="take 'bic', 'icl' or 'aic'",
        )
    return criteria[value]


def partition_loss(value: Any) -> "partition_draws.PartitionLoss":
    """Return the distance between partitions of a name, or the one given."""
    losses = {
        "variation-of-information": partition_draws.VARIATION_OF_INFORMATION,
        "binder": partition_draws.BINDER,
    }
    if isinstance(value, partition_draws.PartitionLoss):
        return value
    return losses[OneOf(losses).read(value, "loss")]


def share(value: Any, name: str) -> float:
    """Return a validated number above 0 and at most 1."""
    return Real(0.0, 1.0, above=True).read(value, name)


def number_of_jobs(value: Any) -> int:
    """Return a number of threads: 1 for None, counted from all processors where negative."""
    given = PARAMETERS["n_jobs"].read(value, "n_jobs")
    if given is None:
        return 1
    from joblib import effective_n_jobs

    return effective_n_jobs(given)


def number_of_threads(value: Any) -> int | None:
    """Return the limit that a number of jobs sets to the threads of a sweep; None for no limit."""
    return None if value is None else number_of_jobs(value)


@final
@dataclass(frozen=True, eq=False)
class _Prior(Parameter):
    """A prior, or None for the default."""

    kind: type
    names: str

    @property
    def accepted(self) -> str:
        return f"None, {self.names}"

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, self.kind)


@final
class _Method(Parameter):
    """The name of an inference method, or one with its options."""

    @property
    def accepted(self) -> str:
        return f"{_choices(INFERENCES)} or an inference object such as mixtura.MAP()"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Inference) or (isinstance(value, str) and value in INFERENCES)


@final
class _Beginning(Parameter):
    """The name of a start, or what may be one; rows say later whether it is."""

    @property
    def accepted(self) -> str:
        return f"{_choices(INITIALIZERS)}, an array or a fitted model"

    def accepts(self, value: Any) -> bool:
        return value in INITIALIZERS if isinstance(value, str) else value is not None


PARAMETERS: dict[str, Parameter] = {
    "n_components": Whole(1, 1_000_000),
    "covariance_type": OneOf(FAMILIES),
    "weight_prior": _Prior(
        WeightPrior, "Dirichlet, DirichletProcess, PitmanYor or MixtureOfFiniteMixtures"
    ),
    "component_prior": _Prior(
        ComponentPrior, "NormalInverseWishart, NormalInverseGamma, Independent or KnownScale"
    ),
    "components_per_class": WholeByName(1),
    "background": Volume(),
    "background_prior": PairAbove(),
    "fixed": MappingOrNone(),
    "inference": _Method(),
    "init": _Beginning(),
    "n_init": Whole(1, 100_000, optional=True),
    "max_iter": Whole(0, 10**15, optional=True),
    "tol": Real(optional=True),
    "random_state": Seed(),
    "n_jobs": Jobs(),
    "verbose": Verbosity(),
}
"""What each parameter of the estimator may be."""


def check_parameters(given: Mapping[str, Any]) -> None:
    """Check every parameter of an estimator, before any work is done.

    Raises
    ------
    InvalidArgumentError
        If one has a value that is not allowed; it names the first.
    """
    for name, kind in PARAMETERS.items():
        kind.read(given[name], name)


def parameter(given: Mapping[str, Any], name: str) -> Any:
    """Return one parameter of an estimator as it is used."""
    return PARAMETERS[name].read(given[name], name)


@final
@dataclass(frozen=True, eq=False)
class Priors:
    """Both priors of a model, and how they came about.

    Parameters
    ----------
    weights : WeightPrior
        Prior of the weights.
    components : ComponentPrior
        Prior of the components.
    assumptions : tuple of str
        What was assumed where a prior was not given.
    found : Elicited, optional
        What was found in the data on the way to a default.
    """

    weights: WeightPrior
    components: ComponentPrior
    assumptions: tuple[str, ...]
    found: Elicited | None = None


def priors(
    weight_prior: Any,
    component_prior: Any,
    method: Inference,
    data: Elicitation | None,
    family: CovarianceFamily,
    n_components: int,
) -> Priors:
    """Return both priors and what was assumed where they were not given.

    ``data`` may be None where no data are at hand; then a component prior must be given.
    """
    if method.uses_flat_priors:
        return _flat_priors(weight_prior, component_prior, method, data)
    assumptions: list[str] = []
    if weight_prior is None:
        weight_prior = Dirichlet(1.0)
        assumptions.append("Weights: uniform prior, Dirichlet(1).")
    found = None
    if component_prior is None:
        if data is None:
            raise InvalidArgumentError(
                "is None, which means a prior taken from the data",
                argument="component_prior",
                remedy="fit first, or give a component_prior",
            )
        total = max(data.moments.total_weight, 1.0)
        found = data.groups(family, weight_prior.n_sharing(n_components, total))
        component_prior = found.prior(of_averages=method.averages_parameters)
        assumptions.append(
            "Components: weakly informative prior, about as wide as the groups that a search "
            "for starts finds."
        )
    return Priors(weight_prior, component_prior, tuple(assumptions), found)


def _flat_priors(
    weight_prior: Any, component_prior: Any, method: Inference, data: Elicitation | None
) -> Priors:
    for name, value in (("weight_prior", weight_prior), ("component_prior", component_prior)):
        if value is not None:
            raise InvalidArgumentError(
                *(Setting("inference", method.name), " has flat priors"),
                remedy=("leave ", Setting(name), " out, or use ", Setting("inference", "map")),
            )
    if data is None:
        raise InvalidArgumentError(
            *(
                Setting("inference", method.name),
                " has flat priors, from which nothing can be drawn",
            ),
            remedy=("use ", Setting("inference", "map")),
        )
    floor = "Variances are held above 1e-12 of each column's variance."
    return Priors(FlatWeights(), likelihood_floor(data.moments), (floor,))


MIXTURE = ("weights_", "means_", "covariances_", "covariance_type")
"""Attributes by which a fitted mixture of scikit-learn is known."""


def initializer(
    value: Any, n_components: int, rows: Rows, names: tuple[str, ...] | None = None
) -> Initializer:
    """Return the start of a name, array, frame, fit or fitted estimator."""
    value = PARAMETERS["init"].read(value, "init")
    if isinstance(value, str):
        return INITIALIZERS[value]
    return given_start(_learned(value), n_components, rows, names)


def _learned(value: Any) -> Any:
    """Return what a fitted estimator of this package or of scikit-learn knows; else the value."""
    for name in ("fit_", "cluster_centers_"):
        if hasattr(value, name):
            return getattr(value, name)
    if all(hasattr(value, name) for name in MIXTURE):
        family = FAMILIES[value.covariance_type]
        names = getattr(value, "feature_names_in_", None)
        return fit_of_parameters(value.weights_, value.means_, value.covariances_, family, names)
    return value


def starts_of(
    start: Initializer, n_init: int | None, engine: Engine, seed: np.random.SeedSequence
) -> Callable[[MixtureModel, Rows], list[Start]]:
    """Return the function that makes every start for a model and its rows."""
    number = start.default_starts if n_init is None else n_init
    streams = seed.spawn(number)

    def make(model: MixtureModel, rows: Rows) -> list[Start]:
        looked_at = engine.completed(rows) if start.needs_complete_rows else rows
        found = [
            start.statistics(model, looked_at, engine, i, stream)
            for i, stream in enumerate(streams)
        ]
        if not start.numbers_components:
            prior = model.weight_prior
            found = [one.permuted(prior.matching_order(one.count)) for one in found]
        return [Start(start.name, one) for one in found]

    return make


def seed_sequence(random_state: Any) -> np.random.SeedSequence:
    """Return the root of a run's random streams for any scikit-learn random state."""
    random_state = PARAMETERS["random_state"].read(random_state, "random_state")
    if random_state is None:
        return np.random.SeedSequence()
    if isinstance(random_state, np.random.SeedSequence):
        return np.random.SeedSequence(random_state.entropy, spawn_key=random_state.spawn_key)
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(int(random_state.randint(2**31)))
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(int(random_state.integers(2**63)))
    return np.random.SeedSequence(int(random_state))


def repeatable(random_state: Any, method: Inference) -> None:
    """Refuse a random state that is another when the same fit is run again, where that matters.

    A seed sequence is what ``select`` makes of a number.

    Raises
    ------
    InvalidArgumentError
        If the method keeps its chains in a file, and the random state is None or a generator.
    """
    is_fixed = isinstance(random_state, (int, np.integer, np.random.SeedSequence))
    if method.needs_number_as_seed and not is_fixed:
        raise InvalidArgumentError(
            *("must be a whole number with ", Setting("checkpoint", spelled="checkpoint=...")),
            f", or the chains could not be gone on with; got {short_repr(random_state)}",
            argument="random_state",
        )


def _choices(names: Any) -> str:
    return ", ".join(repr(name) for name in names)
