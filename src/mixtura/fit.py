"""What a run returns, and what it is given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, final

import numpy as np

from mixtura.data import Classes, Rows, Unobserved
from mixtura.data.scaling import safe_factor
from mixtura.data.ties import largest_ties, ties_at, ties_in_plane
from mixtura.engines import Engine
from mixtura.engines.resolution import ColumnResolution
from mixtura.errors import Doubt, InvalidArgumentError, LabelsWarning
from mixtura.messages.conversion import short_repr
from mixtura.messages.named_options import NamedOptions
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.validation import Parameter, Texts
from mixtura.model import MixtureModel
from mixtura.posteriors import Posterior
from mixtura.typing import Array, IntegerArray

TOLD_SIDES = 6
"""Sides of a background's box that are told."""

LARGE_LOG = 230.0
"""Logarithm of a volume that is told as such."""


def option(default: Any, kind: Parameter, *, stored: bool = True, shown: bool = True) -> Any:
    """Return a field of a method's class that says what it may be.

    Parameters
    ----------
    default : object
        Its default.
    kind : Parameter
        What it may be.
    stored : bool
        Whether model files keep it, as they do with what shows in an answer.
    shown : bool
        Whether the method's ``repr`` shows it.
    """
    return field(default=default, repr=shown, metadata={"kind": kind, "stored": stored})


@final
@dataclass(frozen=True)
class Run:
    """One start and where it led.

    Parameters
    ----------
    start : str
        Name of the start.
    objectives : tuple of float
        Objective after each iteration, in nats; the first belongs to the start.
    converged : bool
        Whether the objective settled before the limit of iterations.
    """

    start: str
    objectives: tuple[float, ...]
    converged: bool

    @property
    def objective(self) -> float:
        """The last objective."""
        return self.objectives[-1]

    @property
    def n_iter(self) -> int:
        """Number of iterations after the start."""
        return len(self.objectives) - 1


@final
@dataclass(frozen=True, eq=False)
class OnlineStatistics:
    """What a fit remembers of its rows, so that further rows can be added.

    Parameters
    ----------
    statistics : SufficientStatistics
        Moments of the rows under their responsibilities, in the data's units; in place of the
        data term they hold the entropy of the responsibilities, in nats.
    n_rows : int
        Number of rows that were seen, a row that came twice counted twice.
    weight : float
        Sum of their weights.
    """

    statistics: SufficientStatistics
    n_rows: int
    weight: float


@final
@dataclass(frozen=True, eq=False)
class Fit:
    """The result of a run: frozen, independent of estimator and rows.

    Parameters
    ----------
    model : MixtureModel
        The model that was fitted.
    posterior : Posterior
        What is known about the parameters.
    method : str
        Name of the inference method.
    objective : float
        Objective at the estimate, in nats, all constants included.
    objective_name : str
        What the objective is: "log joint density" or "log likelihood".
    log_likelihood : float
        Log likelihood of the (weighted) rows at the estimate, in nats.
    runs : tuple of Run
        Every start.
    best : int
        Position in ``runs`` of the one that was kept.
    n_rows : int
        Number of rows N.
    total_weight : float
        Sum of the row weights; N without weights.
    seconds : float
        Wall-clock time of the run.
    feature_names : tuple of str
        Names of the D features; data, to be escaped wherever they are shown.
    assumptions : tuple of str
        Plain sentences on what was assumed on the user's behalf.
    doubts : tuple of Doubt
        What its reader should know before relying on the answer.
    online : OnlineStatistics, optional
        What further rows are added to; None where the method cannot go on from a fit.
    unobserved : Unobserved
        What was not observed of the rows.
    classes : Classes
        What the labels of rows were, and the components of each; none where none was known.
    """

    model: MixtureModel
    posterior: Posterior
    method: str
    objective: float
    objective_name: str
    log_likelihood: float
    runs: tuple[Run, ...]
    best: int
    n_rows: int
    total_weight: float
    seconds: float
    feature_names: tuple[str, ...]
    assumptions: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    online: OnlineStatistics | None = None
    unobserved: Unobserved = field(default_factory=Unobserved)
    classes: Classes = field(default_factory=Classes)

    def __repr__(self) -> str:
        sizes = f"K = {self.model.n_components}, D = {self.model.n_features}"
        end = ""
        if not self.posterior.is_drawn:
            settled = "converged" if self.converged else "not converged"
            end = f", {settled} after {self.n_iter:,} iterations"
        return (
            f"<Fit of {self.n_rows:,} rows by {self.method}: {sizes}, {self.objective_name} "
            f"{self.objective:.6g} nats{end}>"
        )

    @property
    def n_parts(self) -> int:
        """Number of parts that rows may be of: the components, and the background if any."""
        return self.model.n_components + (self.model.background is not None)

    @property
    def background_weight(self) -> float:
        """Weight of the background; zero without one."""
        if self.model.background is None:
            return 0.0
        return max(1.0 - float(self.parameters.weights.sum()), 0.0)

    @property
    def total_name(self) -> str:
        """What tables and pictures call the density of all parts together."""
        if self.model.background is None:
            return "all components"
        return "all components and background"

    @property
    def told(self) -> tuple[str, ...]:
        """What a reader should know of the rows and of the background, in sentences."""
        background = self.model.background
        if background is None:
            return self.unobserved.sentences
        log_volume, given = background.log_volume, background.volume is not None
        sides = ", ".join(
            f"{name} {low:.4g} to {high:.4g}"
            for name, low, high in zip(
                self.feature_names[:TOLD_SIDES], background.lower, background.upper, strict=False
            )
        )
        more = len(self.feature_names) - TOLD_SIDES
        rest = f" and {more} more columns" if more > 0 else ""
        volume = (
            f"e^{log_volume:.4g}" if abs(log_volume) > LARGE_LOG else f"{np.exp(log_volume):.4g}"
        )
        source = "as given" if given else "that of the box"
        return (
            *self.unobserved.sentences,
            f"A background has weight {self.background_weight:.3g}: uniform on the box {sides}"
            f"{rest}, with a density of one over the volume {volume} ({source}).",
        )

    def named(self, names: Sequence[str]) -> "Fit":
        """Return the fit with names for its components, for pictures and reports.

        Parameters
        ----------
        names : sequence of str, length K
            A different name for each component, in order.

        Raises
        ------
        InvalidArgumentError
            If there are other than K names, or two are alike or empty.
        """
        number = self.model.n_components
        kind = Texts(f"{number} different names, one for each component in order")
        found = tuple(name.strip() for name in kind.read(names, "component_names"))
        if len(found) != number or len(set(found)) != number or not all(found):
            raise InvalidArgumentError(
                f"must be {kind.accepted}; got {short_repr(list(found))}",
                argument="component_names",
            )
        return replace(self, classes=Classes(found, (1,) * number))

    def component_name(self, number: int, *, short: bool = False) -> str:
        """Return what tables and pictures call a component: the name of its label, or its number.

        Parameters
        ----------
        number : int
            The component; K for the background.
        short : bool
            Whether the number stands alone.
        """
        names = self.classes.component_names()
        if number == self.model.n_components:
            return "background"
        if number < len(names):
            return names[number]
        return str(number) if short else f"component {number}"

    @property
    def parameters(self) -> MixtureParameters:
        """The point estimate."""
        return self.posterior.parameters

    @property
    def tells_components(self) -> bool:
        """Whether averages by component mean something: not where draws mix their numbers.

        Neither under a process, whose components a draw may relabel, nor after a LabelsWarning.
        """
        if not self.posterior.is_drawn:
            return True
        prior = self.model.weight_prior
        is_process = prior.finds_components and not prior.has_random_number
        mixed = any(issubclass(doubt.category, LabelsWarning) for doubt in self.doubts)
        return not is_process and not mixed

    @property
    def converged(self) -> bool:
        """Whether the run that was kept converged."""
        return self.runs[self.best].converged

    @property
    def n_iter(self) -> int:
        """Iterations of the run that was kept."""
        return self.runs[self.best].n_iter

    @property
    def history(self) -> tuple[float, ...]:
        """Objectives of the run that was kept."""
        return self.runs[self.best].objectives


@final
@dataclass(frozen=True, eq=False)
class Start:
    """First statistics of a run.

    Parameters
    ----------
    name : str
        What the history calls it.
    statistics : SufficientStatistics
        Moments of the rows under the first responsibilities.
    """

    name: str
    statistics: SufficientStatistics


@final
@dataclass(frozen=True, eq=False)
class ScaledProblem:
    """A problem in units whose squares neither overflow nor underflow.

    Parameters
    ----------
    model, rows : MixtureModel, Rows
        In those units.
    factor : array of shape (D,), optional
        What the data's units were multiplied by; None where they are safe as they are.
    """

    model: MixtureModel
    rows: Rows
    factor: Array | None


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """Everything an inference method needs.

    Parameters
    ----------
    model : MixtureModel
        Model in the data's units.
    rows : Rows
        The data.
    engine : Engine
        Where sweeps run.
    starts : callable
        Returns the starts for (model, rows), which may have been rescaled.
    keep_numbering : bool
        Whether the user gave the components their numbers (a given start, unequal weight priors).
    max_iter, tol : int, float
        Limits of the estimator; None for the method's own.
    seed : SeedSequence
        Source of every random stream of the run.
    feature_names : tuple of str
        Names of the features.
    assumptions, doubts : tuples
        What is known before the run, passed on to the fit.
    report : callable
        Called with one line of progress text.
    n_jobs : int
        Largest number of threads.
    resolution : ColumnResolution, optional
        What the columns can tell apart, in the data's units, by which collapsed components are
        known.
    """

    model: MixtureModel
    rows: Rows
    engine: Engine
    starts: Callable[[MixtureModel, Rows], list[Start]]
    keep_numbering: bool
    max_iter: int | None
    tol: float | None
    seed: np.random.SeedSequence
    feature_names: tuple[str, ...]
    assumptions: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    report: Callable[[str], None] = field(default=lambda line: None)
    n_jobs: int = 1
    resolution: ColumnResolution | None = None

    @property
    def may_move(self) -> bool:
        """Whether components may be merged, split and dropped on the way.

        Not where labels hold their numbers, of rows in groups, and beside a background.
        """
        return not self.rows.is_labelled and self.model.background is None

    def stream(self, *key: int) -> np.random.SeedSequence:
        """Return the random stream of a purpose, the same however often it is asked for."""
        spawn_key = (*self.seed.spawn_key, *key)
        return np.random.SeedSequence(self.seed.entropy, spawn_key=spawn_key)

    def refuse_unbounded(self) -> None:
        """Raise InvalidArgumentError where prior and rows leave no posterior mode to find."""
        model = self.model
        reason = model.component_prior.unbounded(model.structure, model.n_features)
        if reason is not None:
            raise InvalidArgumentError(reason)
        self._refuse_ties(of_mode=True)

    def refuse_improper(self) -> None:
        """Raise InvalidArgumentError where tied rows leave no proper posterior."""
        self._refuse_ties(of_mode=False)

    def _refuse_ties(self, *, of_mode: bool) -> None:
        model = self.model
        bounds = model.component_prior.tie_bounds(model.structure, model.n_features)
        if bounds is None:
            return
        if bounds.point is None:
            ties = largest_ties(self.rows, bounds.n_spreads, by_row=bounds.by_row)
        elif bounds.in_plane:
            ties = ties_in_plane(self.rows, bounds.point)
        else:
            ties = ties_at(self.rows, bounds.point, by_row=bounds.by_row)
        total = self.rows.total_weight
        if not all(bounds.bears(one, total, of_mode=of_mode) for one in ties):
            what = "columns that depend on each other" if bounds.in_plane else "so many tied rows"
            raise InvalidArgumentError(
                f"{type(model.component_prior).__name__} has no proper posterior with {what}: "
                "components may shrink onto them without end; ",
                remedy=bounds.remedy,
            )

    def in_safe_units(self) -> ScaledProblem:
        """Return model and rows in the units in which the rows are to be swept."""
        common = self.model.family.has_common_unit
        factor = safe_factor(self.rows.magnitude(), common=common)
        if factor is None:
            return ScaledProblem(self.model, self.rows, None)
        return ScaledProblem(self.model.rescaled(factor), self.rows.rescaled(factor), factor)


class Inference(NamedOptions, ABC):
    """An inference method with its options.

    Implementations are frozen dataclasses whose fields are the method's own options.
    """

    name: ClassVar[str]
    objective_name: ClassVar[str] = "log joint density"
    uses_flat_priors: ClassVar[bool] = False
    bounds_evidence: ClassVar[bool] = False
    """Whether the objective is a lower bound of the log evidence."""
    averages_parameters: ClassVar[bool] = False
    """Whether parameters of a fit are averages over the posterior rather than its mode."""
    is_point: ClassVar[bool] = False
    """Whether a fit is the mode of a posterior or of a likelihood, and can begin anywhere."""
    takes_labels: ClassVar[bool] = True
    """Whether components of rows may be known."""
    takes_fixed: ClassVar[bool] = False
    """Whether parameters of components may be given."""
    takes_restricted: ClassVar[bool] = False
    """Whether components may share volume, shape or orientation alone."""
    default_max_iter: ClassVar[int]

    def __post_init__(self) -> None:
        """Check every option against its declaration."""
        for known in fields(self):  # type: ignore[arg-type]  # implementations are dataclasses
            kind = known.metadata.get("kind")
            if kind is not None:
                kind.read(getattr(self, known.name), f"{type(self).__name__} {known.name}")

    @classmethod
    def check_installed(cls) -> None:
        """Raise MissingExtraError where the method needs something that is not installed."""

    @property
    def default_starts(self) -> int | None:
        """How many starts are made where the user does not say; None for the start's own number."""
        return None

    @property
    def needs_number_as_seed(self) -> bool:
        """Whether the fit may be begun in one process and go on in another."""
        return False

    @abstractmethod
    def fit(self, problem: Problem) -> Fit:
        """Run the method and return its result."""


class AddsRows(Inference):
    """A method that can add rows to a fit."""

    @abstractmethod
    def update(self, problem: Problem, earlier: Fit | None) -> Fit:
        """Return the fit with the problem's rows added; the first where ``earlier`` is None."""


def canonical_order(parameters: MixtureParameters) -> IntegerArray:
    """Return the order in which components are numbered: by their means, feature by feature."""
    return np.lexsort(parameters.means.T[::-1])


def order_of_free(parameters: MixtureParameters, held: IntegerArray) -> IntegerArray:
    """Return the canonical order of components but those that are held, which keep their places."""
    if not held.size:
        return canonical_order(parameters)
    order = np.arange(len(parameters.means))
    free = np.setdiff1d(order, held)
    order[free] = free[np.lexsort(parameters.means[free].T[::-1])]
    return order
