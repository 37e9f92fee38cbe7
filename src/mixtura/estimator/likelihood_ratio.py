"""The bootstrap likelihood-ratio test for the number of components."""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from typing import Any, final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.diagnostics.posterior_summaries import counted_rows
from mixtura.engines import best_engine
from mixtura.errors import (
    DegenerateComponentWarning,
    InvalidArgumentError,
    MixturaError,
    MixturaWarning,
    UnknownArgumentError,
)
from mixtura.estimator import GaussianMixtureModel, arguments
from mixtura.fit import Fit
from mixtura.inference.in_threads import answers
from mixtura.inference.point_estimates import ML
from mixtura.inference.progress import teller
from mixtura.inference.replicates import Refit, drawn_from
from mixtura.messages.validation import Called, Real, Whole
from mixtura.typing import Array

PROGRESS = Called("the replicates that are done and all", optional=False, or_flag=True)

LEVEL = Real(0.0, 1.0, above=True, below=True)

Progress = bool | Callable[[int, int], None]


@final
@dataclass(frozen=True, eq=False)
class LikelihoodRatioTest:
    """One test of K components against K + 1.

    Parameters
    ----------
    n_components : int
        The number K that is tested.
    statistic : float
        Twice by how much K + 1 components are more likely, in nats.
    p_value : float
        Share of the replicates, the rows themselves among them, whose statistic is as large.
    replicates : array of shape (B,)
        Statistics of rows drawn from the fit of K components.
    n_failed : int
        Replicates that are left out, as a component collapsed or there was no fit.
    """

    n_components: int
    statistic: float
    p_value: float
    replicates: Array
    n_failed: int


@final
@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodRatioTests:
    """Tests of one component against two, of two against three, and so on.

    Parameters
    ----------
    tests : tuple of LikelihoodRatioTest
        The tests, to the first whose p-value is above the level.
    level : float
        The level.
    model : GaussianMixtureModel
        The fit of the number of components that is taken.
    is_ended : bool
        Whether a test was above the level, and not merely the last that was asked for.
    is_collapsed : bool
        Whether the tests ended because of one component more one collapses.
    """

    tests: tuple[LikelihoodRatioTest, ...]
    level: float
    model: GaussianMixtureModel
    is_ended: bool
    is_collapsed: bool = False

    @property
    def n_components(self) -> int:
        """The smallest number of components that the rows do not speak against."""
        return self.model.n_components

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the tests as columns: ``pandas.DataFrame(found.to_dict())``."""
        rows = [asdict(test) for test in self.tests]
        names = ("n_components", "statistic", "p_value", "n_failed")
        return {name: [row[name] for row in rows] for name in names}

    def __repr__(self) -> str:
        told = ["K     against   statistic   p-value   replicates"]
        told += [
            f"{test.n_components:<5} {test.n_components + 1:<9} {test.statistic:9.3f}   "
            f"{test.p_value:7.4f}   {len(test.replicates):10,}"
            for test in self.tests
        ]
        lost = sum(test.n_failed for test in self.tests)
        if lost:
            told.append(f"{lost:,} replicates with a collapsed component are left out.")
        said = f"{self.n_components} at the level {self.level:g}"
        more = "" if self.is_ended else ", or more: raise max_components"
        if self.is_collapsed:
            more = ", or more, which the rows cannot tell: a component collapses"
        return "\n".join([*told, f"Number of components: {said}{more}."])


def bootstrap_lrt(
    X: Any,
    covariance_type: str = "full",
    *,
    max_components: int = 9,
    n_replicates: int = 999,
    level: float = 0.05,
    sample_weight: Any = None,
    measurement_error: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    progress: Progress = False,
    **options: Any,
) -> LikelihoodRatioTests:
    """Test one component against two, then two against three, until no more are called for.

    Twice the difference of two maximum log likelihoods has no chi-square distribution here; it is
    drawn: rows from the fit of K components are fitted by K and by K + 1 [McLachlan1987]_. A
    replicate is never given less of a search for its maximum than the rows.

    Parameters
    ----------
    X : array or frame of shape (N, D), or one named column
        The rows, as for :meth:`GaussianMixtureModel.fit`.
    covariance_type : str, default="full"
        Name of the covariance family.
    max_components : int, default=9
        The largest number K that is tested against K + 1.
    n_replicates : int, default=999
        Number of replicates B of each test.
    level : float, default=0.05
        The first p-value above it ends the tests.
    sample_weight : array of shape (N,), optional
        Whole numbers, which count rows.
    measurement_error : array, optional
        Errors of the rows, as for :meth:`GaussianMixtureModel.fit`.
    n_jobs : int, optional
        Number of replicates at a time. Answers do not depend on it.
    random_state : int, Generator, SeedSequence, RandomState or None, default=None
        Source of all randomness.
    progress : bool or callable, default=False
        True draws a bar for each test; a function is called with the replicates that are done and
        all of the test.
    **options
        Further parameters of :class:`GaussianMixtureModel`, such as ``init`` and ``n_init``.

    Returns
    -------
    LikelihoodRatioTests

    Raises
    ------
    InvalidArgumentError
        If an argument has a value that is not allowed.

    Examples
    --------
    >>> from mixtura import bootstrap_lrt
    >>> from mixtura.datasets import load_faithful
    >>> found = bootstrap_lrt(load_faithful().data, "tied", n_replicates=19, random_state=0)
    >>> found.tests[0].p_value
    0.05
    """
    Whole(1).read(max_components, "max_components")
    Whole(2).read(n_replicates, "n_replicates")
    PROGRESS.read(progress, "progress")
    level = LEVEL.read(level, "level")
    if (n_replicates + 1) * level < 1.0 - 1e-9:
        raise InvalidArgumentError(
            f"must be at least {ceil(1.0 / level - 1e-9) - 1:,} at the level {level:g}, since no "
            f"p-value is smaller than one over the replicates and one more; got {n_replicates}",
            argument="n_replicates",
        )
    for name, own in (("n_components", "max_components"), ("families", "covariance_type")):
        if name in options:
            raise UnknownArgumentError(
                "is no parameter of bootstrap_lrt", argument=name, remedy=f"give {own}"
            )
    for name in ("labels", "groups", "fixed", "background", "inference"):
        if options.get(name) is not None:
            raise InvalidArgumentError(
                "is not taken by bootstrap_lrt, which compares maximum likelihood fits of plain "
                "mixtures",
                argument=name,
            )
    root = arguments.seed_sequence(random_state)
    make = partial(
        GaussianMixtureModel,
        covariance_type=covariance_type,
        inference="ml",
        random_state=root,
        n_jobs=1,
        **options,
    )
    workers, tell = arguments.number_of_jobs(n_jobs), teller(progress, "replicates")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)
        own = make(1)
        checked = own._checked_rows(X, sample_weight, measurement_error, None, None, reset=True)
        rows = counted_rows(checked.with_cells, "bootstrap_lrt")
        own._fit_rows(rows)
        tests: list[LikelihoodRatioTest] = []
        is_collapsed = False
        while not (tests and tests[-1].p_value > level) and len(tests) < max_components:
            more = _fitted(own, make, rows)
            if more is None and not tests:
                raise InvalidArgumentError(
                    "has no maximum with two components, one of which collapses onto rows: take "
                    "another covariance_type, such as 'tied'",
                    argument="X",
                )
            if more is None:
                is_collapsed = True
                break
            seed = np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, len(tests)))
            found = _test(own, more, rows, make, seed.spawn(n_replicates), workers, tell)
            tests.append(found)
            own = own if found.p_value > level else more
    own.set_params(random_state=random_state, n_jobs=n_jobs)
    is_ended = tests[-1].p_value > level
    return LikelihoodRatioTests(tuple(tests), level, own, is_ended, is_collapsed)


STARTS = ("kmeans", "quantile")
"""Starts that are tried where the first one leads to a component that collapses."""


def _fitted(own: GaussianMixtureModel, make: Any, rows: ArrayRows) -> GaussianMixtureModel | None:
    """Return the fit of one component more, from the first start that leads to a sound one."""
    for start in (None, *STARTS):
        more = _grown(own, make if start is None else partial(make, init=start))
        if _highest([more._fit_rows(rows)]) is not None:
            return more
    return None


def _grown(own: GaussianMixtureModel, make: Any) -> GaussianMixtureModel:
    """Return an estimator of one component more, which knows the same features."""
    more = make(own.n_components + 1)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(own, name):
            setattr(more, name, getattr(own, name))
    return more


def _test(
    own: GaussianMixtureModel,
    more: GaussianMixtureModel,
    rows: ArrayRows,
    make: Any,
    seeds: list[np.random.SeedSequence],
    workers: int,
    tell: Callable[[int, int], None] | None,
) -> LikelihoodRatioTest:
    """Return the test of a fit against that of one component more."""
    statistic = max(2.0 * (more.fit_.log_likelihood - own.fit_.log_likelihood), 0.0)
    refit, draw = Refit(own.fit_, ML(), best_engine(1)), drawn_from(own.fit_)

    def run(seed: np.random.SeedSequence) -> float | None:
        drawn = draw(rows, np.random.default_rng(seed))
        try:
            smaller = [refit.of(drawn), _grown(own, lambda k: make(k - 1))._fit_rows(drawn)]
            larger = _fitted(own, make, drawn)
        except (MixturaError, ValueError, ArithmeticError):
            return None
        lower = _highest(smaller)
        if lower is None or larger is None:
            return None
        return max(2.0 * (larger.fit_.log_likelihood - lower), 0.0)

    found: list[float] = []
    for number, one in enumerate(answers(run, seeds, workers), start=1):
        found += [] if one is None else [one]
        if tell is not None:
            tell(number, len(seeds))
    reached = np.array(found)
    p_value = (1 + int((reached >= statistic).sum())) / (1 + reached.size)
    size, lost = own.n_components, len(seeds) - reached.size
    return LikelihoodRatioTest(size, float(statistic), p_value, reached, lost)


def _highest(fits: list[Fit]) -> float | None:
    """Return the highest log likelihood of fits none of whose components collapsed."""
    sound = [
        fit.log_likelihood
        for fit in fits
        if not any(issubclass(doubt.category, DegenerateComponentWarning) for doubt in fit.doubts)
    ]
    return max(sound) if sound else None
