"""From the options of ``mixtura fit`` to an estimator."""

from abc import ABC
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, final

from mixtura.cli.priors import PriorTexts, component_prior, weight_prior
from mixtura.cli.streams import Progress, Talk
from mixtura.cli.wording import counted
from mixtura.errors import InvalidArgumentError, either
from mixtura.estimator.choices import FAMILIES, INFERENCES

if TYPE_CHECKING:
    from mixtura.estimator import GaussianMixtureModel


class MethodSettings(ABC):  # noqa: B024 - what they have in common are their fields
    """Options of one method; None for its own defaults."""

    def given(self) -> dict[str, Any]:
        """Return the options that were used, by the names of the method's class."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if value is not None}

    def check(self, inference: str) -> None:
        """Refuse the options with a method that does not have them."""
        given = self.given().keys()
        if not given <= options_of(inference):
            options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            methods = either([name for name in INFERENCES if given <= options_of(name)])
            raise InvalidArgumentError(f"{options}: only with --inference {methods}")


def options_of(inference: str) -> set[str]:
    """Return the names of a method's options."""
    return {field.name for field in fields(INFERENCES[inference])}  # type: ignore[arg-type]


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

    effective_draws: int | None = None
    max_draws: int | None = None


@final
@dataclass(frozen=True)
class CheckpointSettings(MethodSettings):
    """Where, and samplers how often, a fit keeps how far it is; None for its own defaults.

    Parameters
    ----------
    checkpoint : str or None
        The file.
    checkpoint_seconds : float or None
        Seconds from one writing to the next.
    """

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
    background : str or None
        "uniform", or the volume of a background.
    background_prior : tuple of float or None
        Beta prior of its weight; None for a uniform one.
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
    background: str | None = None
    background_prior: tuple[float, float] | None = None

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
        if self.method.uses_flat_priors and (weight, component) != (None, None):
            raise InvalidArgumentError(
                f"--inference {self.inference} has flat priors: leave "
                f"{' and '.join(self.priors.given())} out, or use --inference map"
            )
        self.method.check_installed()
        for settings in self._of_methods:
            settings.check(self.inference)
        if self.enough.given() and self.sampler.draws is not None:
            raise InvalidArgumentError(
                "--draws: a number of draws, or --effective-draws and --max-draws, not both"
            )
        if self.checkpoint.given() and self.checkpoint.checkpoint is None:
            raise InvalidArgumentError("--checkpoint-seconds: needs --checkpoint FILE")
        if self.checkpoint.checkpoint is None:  # which is checked among the other files
            self._method()

    def possible_covariances(self, number: int) -> list[str]:
        """Return the covariances that the priors are for, where there are so many columns."""
        from mixtura.estimator.arguments import families_for

        prior = component_prior(self.priors)
        return list(FAMILIES) if prior is None else families_for(prior, self.components, number)

    def check_columns(self, number: int) -> None:
        """Refuse a covariance that the priors are not for, now that the columns are known."""
        possible = self.possible_covariances(number)
        if FAMILIES.name(self.covariance) not in possible:
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
            "background": self._background(),
            "background_prior": self.background_prior,
        }

    @property
    def method(self) -> type[Any]:
        """The class of the method."""
        return INFERENCES[self.inference]

    @property
    def _of_methods(self) -> tuple[MethodSettings, ...]:
        return self.sampler, self.enough, self.checkpoint, self.svi

    def _background(self) -> str | float | None:
        given = self.background
        return given if given in (None, "uniform") else float(given)

    def _method(self, progress: Progress | None = None) -> Any:
        given: dict[str, Any] = {}
        for settings in self._of_methods:
            given |= settings.given()
        if self.enough.given():
            given["draws"] = None
        # The checkpoint outlives the fit until its results are delivered.
        always = {"keep_checkpoint": True, "progress": progress}
        known = options_of(self.inference)
        given |= {name: value for name, value in always.items() if name in known}
        return self.method(**given)
