"""From the options of ``mixtura fit`` to an estimator."""

from abc import ABC
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, final

from mixtura.cli.priors import PriorTexts, component_prior, weight_prior
from mixtura.cli.streams import Progress, Talk
from mixtura.cli.wording import counted
from mixtura.errors import InvalidArgumentError, either

if TYPE_CHECKING:
    from mixtura.estimator import GaussianMixtureModel


class MethodSettings(ABC):
    """Options of one method; None for its own defaults."""

    methods: ClassVar[tuple[str, ...]]

    def given(self) -> dict[str, Any]:
        """Return the options that were used, by the names of the method's class."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if value is not None}

    def check(self, inference: str) -> None:
        """Refuse the options with any other method."""
        if self.given() and inference not in self.methods:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in self.given())
            methods = either(list(self.methods))
            raise InvalidArgumentError(f"{options}: only with --inference {methods}")


@final
@dataclass(frozen=True)
class SamplerSettings(MethodSettings):
    """Options of Gibbs sampling, collapsed or not, and of NUTS; None for their own defaults.

    Parameters
    ----------
    chains : int or None
        Number of chains.
    draws : int or None
        Draws that are kept of each chain.
    warmup : int or None
        Sweeps or draws of each chain before the first of them.
    """

    methods = ("gibbs", "collapsed", "nuts")

    chains: int | None = None
    draws: int | None = None
    warmup: int | None = None


@final
@dataclass(frozen=True)
class SufficiencySettings(MethodSettings):
    """When Gibbs sampling, collapsed or not, has drawn enough; None for its own defaults.

    Parameters
    ----------
    effective_draws : int or None
        Effective draws that are wanted.
    max_draws : int or None
        Draws of each chain at which it gives up.
    """

    methods = ("gibbs", "collapsed")

    effective_draws: int | None = None
    max_draws: int | None = None


@final
@dataclass(frozen=True)
class CheckpointSettings(MethodSettings):
    """Where and how often Gibbs sampling keeps its chains; None for its own defaults.

    Parameters
    ----------
    checkpoint : str or None
        The file.
    checkpoint_seconds : float or None
        Seconds from one writing to the next.
    """

    methods = ("gibbs", "collapsed")

    checkpoint: str | None = None
    checkpoint_seconds: float | None = None


@final
@dataclass(frozen=True)
class SviSettings(MethodSettings):
    """Options of Pyro's stochastic variational inference; None for its own defaults.

    Parameters
    ----------
    steps : int or None
        Number of gradient steps.
    learning_rate : float or None
        Adam's learning rate.
    print_every : int or None
        Steps between two lines of progress.
    """

    methods = ("svi",)

    steps: int | None = None
    learning_rate: float | None = None
    print_every: int | None = None


@final
@dataclass(frozen=True)
class FitSettings:
    """What ``mixtura fit`` was asked for.

    Parameters
    ----------
    components : int
        Number of components.
    covariance, inference, init : str
        Names of the covariance family, of the method and of the start.
    priors : PriorTexts
        The priors as they were written.
    n_init, max_iter, tol : int, int, float
        Limits; None for the defaults.
    seed : int
        Source of all randomness.
    sampler, enough, checkpoint, svi : settings of methods
        Options of the samplers, of Gibbs sampling alone (when to stop, what to keep), and of SVI.
    """

    components: int
    covariance: str
    inference: str
    priors: PriorTexts
    init: str
    n_init: int | None
    max_iter: int | None
    tol: float | None
    seed: int
    sampler: SamplerSettings = SamplerSettings()
    enough: SufficiencySettings = SufficiencySettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    svi: SviSettings = SviSettings()

    def check(self) -> None:
        """Refuse options that contradict each other, before any data are read.

        Raises
        ------
        InvalidArgumentError
            If the priors cannot be understood, or options do not go together.
        MissingExtraError
            If Pyro is needed and not installed.
        """
        weight, component = weight_prior(self.priors), component_prior(self.priors)
        if self.inference == "ml" and (weight, component) != (None, None):
            raise InvalidArgumentError(
                f"--inference ml has flat priors: leave {' and '.join(self.priors.given())} out, "
                "or use --inference map"
            )
        if self.inference in ("svi", "nuts"):
            from mixtura.ppl.extra import require_pyro

            require_pyro()
            self._method()
        for settings in (self.sampler, self.enough, self.checkpoint, self.svi):
            settings.check(self.inference)
        if self.enough.given() and self.sampler.draws is not None:
            raise InvalidArgumentError(
                "--draws: a number of draws, or --effective-draws and --max-draws, not both"
            )
        if self.checkpoint.given() and self.checkpoint.checkpoint is None:
            raise InvalidArgumentError("--checkpoint-seconds: needs --checkpoint FILE")

    def possible_covariances(self, number: int) -> list[str]:
        """Return the covariances that the priors are for, where there are so many columns."""
        from mixtura.families import FAMILIES

        prior = component_prior(self.priors)
        return [
            name
            for name, family in FAMILIES.items()
            if prior is None
            or number == 1
            or len(family.structure(self.components, number)) in prior.structure_dimensions
        ]

    def check_columns(self, number: int) -> None:
        """Refuse a covariance that the priors are not for, now that the columns are known."""
        possible = self.possible_covariances(number)
        if self.covariance not in possible:
            raise InvalidArgumentError(
                f"--mean-prior does not go with --covariance {self.covariance} where there are "
                f"{counted(number, 'column')}: add --covariance diag (or {either(possible[1:])})"
            )

    def estimator(self, talk: Talk, progress: Progress) -> "GaussianMixtureModel":
        """Return the estimator that is to be fitted, which reports its progress."""
        from mixtura.estimator import GaussianMixtureModel

        parameters = self.parameters(talk, progress)
        return GaussianMixtureModel(self.components, covariance_type=self.covariance, **parameters)

    def parameters(self, talk: Talk, progress: Progress | None = None) -> dict[str, Any]:
        """Return the estimator's parameters, but for its size and its family."""
        return {
            "weight_prior": weight_prior(self.priors),
            "component_prior": component_prior(self.priors),
            "inference": self._method(progress),
            "init": self.init,
            "n_init": self.n_init,
            "max_iter": self.max_iter,
            "tol": self.tol,
            "random_state": self.seed,
            "verbose": int(talk.verbose),
        }

    def _method(self, progress: Progress | None = None) -> Any:
        if self.inference in CheckpointSettings.methods:
            from mixtura.inference import CollapsedGibbs, Gibbs

            # The file outlives the fit until its results are delivered.
            given = self.sampler.given() | self.checkpoint.given() | self.enough.given()
            if self.enough.given():
                given["draws"] = None
            method = Gibbs if self.inference == "gibbs" else CollapsedGibbs
            return method(**given, keep_checkpoint=True, progress=progress)
        if self.inference == "nuts" and self.sampler.given():
            from mixtura.ppl import NUTS

            return NUTS(**self.sampler.given())
        if self.inference == "svi" and self.svi.given():
            from mixtura.ppl import SVI

            return SVI(**self.svi.given())
        return self.inference
