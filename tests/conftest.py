"""Fixtures shared by all tests: seeds, every registered member, and examples of every prior.

Members come from the registries, so that a new one is tested unasked; a new prior needs an entry
in ``PRIOR_EXAMPLES`` (a law says so where it is missing).
"""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from covering_array import missed, spare
from laws.running import FREE
from mixtura.engines import ENGINES, Engine, ReferenceEngine
from mixtura.engines.native import NativeEngine
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.inference.starts import INITIALIZERS, Initializer
from mixtura.model import MixtureModel
from mixtura.priors import (
    PRIORS,
    ComponentPrior,
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
    WeightPrior,
    Wishart,
)

# The same examples on every machine and run: a red law stays red until it is mended.
settings.register_profile(
    "laws",
    derandomize=True,
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("laws")

SEED = 20_240_229
"""Of every random number in the tests that hypothesis does not choose; any other would do."""


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Leave full products to the slow tests."""
    spare(metafunc)


def pytest_collection_finish() -> None:
    """Refuse tests that take turns where they are too few for all pairs of their parameters."""
    if missed():
        raise pytest.UsageError(f"marked in_turn, but these pairs meet in no test: {missed()}")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without looking for garbage among the modules and tests, which stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a fresh stream, the same in every test."""
    return np.random.default_rng(SEED)


@pytest.fixture(params=FREE, scope="session")
def family(request: pytest.FixtureRequest) -> CovarianceFamily:
    """Return every registered covariance family that has a structure shape of its own."""
    return FAMILIES[request.param]


EXPANDED = {
    "native, expanded form": NativeEngine(expanded_from=0),
}
"""Engines as they are with many rows."""


@pytest.fixture(params=[*sorted(ENGINES), *EXPANDED], scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    """Return every registered engine, those with two forms in both of them."""
    if request.param in EXPANDED:
        return EXPANDED[request.param]
    return ENGINES[request.param]()


@pytest.fixture(scope="session")
def reference_engine() -> Engine:
    """Return the oracle."""
    return ReferenceEngine()


@pytest.fixture(params=sorted(INITIALIZERS), scope="session")
def initializer(request: pytest.FixtureRequest) -> Initializer:
    """Return every registered start."""
    return INITIALIZERS[request.param]


# ----------------------------------------------------------------------- examples of priors


def matrix_scale(n_features: int) -> np.ndarray:
    """Return a positive-definite matrix (D, D) that is not diagonal."""
    root = np.eye(n_features) + 0.3 * np.tri(n_features, k=-1)
    return root @ root.T * np.linspace(1.0, 2.0, n_features).mean()


def _ramp(low: float, high: float, size: int) -> np.ndarray:
    return np.linspace(low, high, size)


PRIOR_EXAMPLES: dict[str, list[Callable[[int, int], Prior]]] = {
    "Dirichlet": [
        lambda K, D: Dirichlet(),
        lambda K, D: Dirichlet(0.5),
        lambda K, D: Dirichlet(7.3),
        lambda K, D: Dirichlet(_ramp(1.5, 4.0, K)),
    ],
    "DirichletProcess": [
        lambda K, D: DirichletProcess(1.3),
        lambda K, D: DirichletProcess(0.5),
        lambda K, D: DirichletProcess(Gamma(3.0, 1.5)),
    ],
    "PitmanYor": [
        lambda K, D: PitmanYor(1.2, 0.25),
        lambda K, D: PitmanYor(3.0, 0.0),
        lambda K, D: PitmanYor(Gamma(2.5, 2.0), 0.4),
    ],
    "MixtureOfFiniteMixtures": [
        lambda K, D: MixtureOfFiniteMixtures(1.3, 0.7),
        lambda K, D: MixtureOfFiniteMixtures(0.5),
        lambda K, D: MixtureOfFiniteMixtures(1.0, 3.0),
    ],
    "FlatWeights": [lambda K, D: FlatWeights()],
    "FlatComponents": [
        lambda K, D: FlatComponents(1e-9),
        lambda K, D: FlatComponents(np.geomspace(1e-9, 1e-7, D)),
    ],
    "Independent": [
        lambda K, D: Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0)),
        lambda K, D: Independent(Normal(0.5, 2.0), variance=InverseGamma(2.5, 1.3)),
        lambda K, D: Independent(Normal(-0.5, 3.0), LogNormal(0.3, 0.8)),
        lambda K, D: Independent(Normal(1.0, 3.0), variance=LogNormal(-0.4, 1.4)),
        lambda K, D: Independent(
            Normal(_ramp(-1.0, 1.0, D), _ramp(1.0, 4.0, D)),
            InverseGamma(_ramp(1.0, 3.0, D), _ramp(0.4, 2.0, D)),
        ),
        lambda K, D: Independent(
            Normal(_ramp(-1.0, 1.0, D), 2.0),
            variance=LogNormal(_ramp(-1.0, 1.0, D), _ramp(0.5, 2.0, D)),
        ),
        lambda K, D: Independent(Normal(0.5, 2.0), HalfNormal(1.7)),
        lambda K, D: Independent(Normal(0.5, 2.0), variance=HalfNormal(_ramp(0.5, 3.0, D))),
        lambda K, D: Independent(
            Normal(0.3, 3.0), variance=InverseGamma(2.0, Gamma(6.0 * K, 2.0 * K))
        ),
        lambda K, D: Independent(
            Normal(0.3, 3.0), InverseGamma(2.5, Gamma(0.7, _ramp(0.5, 2.0, D), 0.3))
        ),
    ],
    "KnownScale": [
        lambda K, D: KnownScale(0.8),
        lambda K, D: KnownScale(1.3, Normal(0.5, 2.0)),
        lambda K, D: KnownScale(_ramp(0.5, 2.0, D), Normal(_ramp(-1.0, 1.0, D), 3.0)),
    ],
    "NormalInverseGamma": [
        lambda K, D: NormalInverseGamma(),
        lambda K, D: NormalInverseGamma(_ramp(-1.0, 2.0, D), 0.7, 3.0, 1.7),
        lambda K, D: NormalInverseGamma(0.3, _ramp(0.1, 2.0, D), 2.0, 0.6),
        lambda K, D: NormalInverseGamma(0.3, 0.2, _ramp(1.0, 2.0, D), _ramp(0.3, 2.0, D)),
        lambda K, D: NormalInverseGamma(0.3, 0.7, 2.0, Gamma(8.0 * K, 3.0 * K)),
        lambda K, D: NormalInverseGamma(0.3, 0.2, 1.5, Gamma(0.6, _ramp(0.5, 2.0, D), 0.4)),
    ],
    "NormalInverseWishart": [
        lambda K, D: NormalInverseWishart(),
        lambda K, D: NormalInverseWishart(_ramp(-1.0, 2.0, D), 0.7, D + 5.5, _ramp(0.5, 2.0, D)),
        lambda K, D: NormalInverseWishart(0.4, 2.5, D - 0.2, matrix_scale(D)),
        lambda K, D: NormalInverseWishart(
            0.4, 0.7, D + 3.5, Wishart((K + 1.0) * (D + 3.0), matrix_scale(D) / (5.0 + 8.0 * K))
        ),
        lambda K, D: NormalInverseWishart(
            0.4, 0.7, D + 2.5, Gamma(0.7, _ramp(0.5, 2.0, D), _ramp(0.3, 0.6, D))
        ),
    ],
    "Wishart": [
        lambda K, D: Wishart(D + 2.5, 0.4),
        lambda K, D: Wishart(D - 0.3, _ramp(0.3, 2.0, D)),
        lambda K, D: Wishart(D + 7.0, matrix_scale(D)),
    ],
    "Gamma": [
        lambda K, D: Gamma(),
        lambda K, D: Gamma(2.7, 0.3),
        lambda K, D: Gamma(_ramp(0.5, 4.0, D), _ramp(0.1, 9.0, D)),
        lambda K, D: Gamma(_ramp(0.5, 4.0, D), 2.0, _ramp(0.0, 3.0, D)),
    ],
    "HalfNormal": [
        lambda K, D: HalfNormal(),
        lambda K, D: HalfNormal(_ramp(0.2, 5.0, D)),
    ],
    "InverseGamma": [
        lambda K, D: InverseGamma(),
        lambda K, D: InverseGamma(2.7, 0.3),
        lambda K, D: InverseGamma(_ramp(0.5, 4.0, D), _ramp(0.1, 9.0, D)),
    ],
    "LogNormal": [
        lambda K, D: LogNormal(),
        lambda K, D: LogNormal(-1.2, 0.3),
        lambda K, D: LogNormal(_ramp(-1.0, 4.0, D), _ramp(0.1, 3.0, D)),
    ],
    "Normal": [
        lambda K, D: Normal(),
        lambda K, D: Normal(3.0, 0.4),
        lambda K, D: Normal(_ramp(-1.0, 4.0, D), _ramp(0.1, 3.0, D)),
    ],
}
"""Examples of every registered prior by class name, as functions of K and D."""


@pytest.fixture(scope="session")
def prior_examples() -> dict[str, list[Callable[[int, int], Prior]]]:
    """Return the table of examples."""
    return PRIOR_EXAMPLES


@dataclass(frozen=True, eq=False)
class ComponentCase:
    """One component prior with one family and sizes that it is for."""

    prior: ComponentPrior
    family: CovarianceFamily
    n_components: int
    n_features: int

    @property
    def structure(self) -> tuple[int, ...]:
        return self.family.structure(self.n_components, self.n_features)

    name: str = ""

    @property
    def factors(self) -> tuple[str, ...]:
        """Return what a covering array is to combine: every prior with every family and size.

        Examples of a prior are told by their numbers: each is taken, with some family.
        """
        member = type(self.prior).__name__
        number = self.name.removeprefix(member)
        return member, number, self.family.name, f"{self.n_components} {self.n_features}"

    @property
    def is_proper(self) -> bool:
        try:
            sizes = (self.structure, self.n_components, self.n_features)
            self.prior.draw(np.random.default_rng(0), *sizes)
        except InvalidArgumentError:
            return False
        return True


def _component_cases() -> list:
    cases = []
    for name, cls in PRIORS.items():
        if not issubclass(cls, ComponentPrior):
            continue
        for number, example in enumerate(PRIOR_EXAMPLES.get(name, [])):
            for family in FAMILIES.values():
                if family.is_restricted:  # to a prior they are their family without restrictions
                    continue
                for n_components, n_features in ((2, 3), (3, 1)):
                    prior = example(n_components, n_features)
                    structure = family.structure(n_components, n_features)
                    try:
                        prior.check(structure, n_components, n_features)
                    except InvalidArgumentError:
                        continue
                    if len(structure) not in prior.structure_dimensions:
                        continue
                    sizes, known = (n_components, n_features), f"{name}{number}"
                    case = ComponentCase(prior, family, *sizes, known)
                    label = f"{known}-{family.name}-K{n_components}D{n_features}"
                    cases.append(pytest.param(case, id=label))
    return cases


def _instances(base: type, *, exclude: tuple[type, ...] = ()) -> list:
    return [
        pytest.param(example(3, 3), id=f"{name}{number}")
        for name, cls in PRIORS.items()
        if issubclass(cls, base) and not issubclass(cls, exclude)
        for number, example in enumerate(PRIOR_EXAMPLES.get(name, []))
    ]


@pytest.fixture(params=_component_cases(), scope="session")
def component_case(request: pytest.FixtureRequest) -> ComponentCase:
    """Return every example of a component prior with every family that it is for."""
    return request.param


@pytest.fixture(params=_instances(WeightPrior), scope="session")
def weight_prior(request: pytest.FixtureRequest) -> WeightPrior:
    """Return every example of a weight prior, for three components."""
    return request.param


@pytest.fixture(
    params=_instances(Prior, exclude=(WeightPrior, ComponentPrior, Wishart)), scope="session"
)
def univariate_prior(request: pytest.FixtureRequest) -> Prior:
    """Return every example of a univariate prior, for three features."""
    return request.param


@pytest.fixture
def weighted_model(weight_prior: WeightPrior) -> MixtureModel:
    """Return a model with every example of a proper weight prior."""
    if type(weight_prior) is FlatWeights:
        pytest.skip("an improper prior has no program")
    if isinstance(weight_prior, MixtureOfFiniteMixtures):
        pytest.skip("weights that may be zero have no density in sticks; refused: test_ppl_laws")
    prior = KnownScale(0.8, Normal(0.5, 2.0))
    return MixtureModel(3, 2, weight_prior, prior, FAMILIES["tied_diag"])
