"""From the options of ``mixtura select`` to a choice."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, final

from mixtura.cli.inputs import given_rows
from mixtura.cli.priors import weight_prior
from mixtura.cli.settings import FitSettings
from mixtura.cli.streams import Talk, tell
from mixtura.cli.wording import counted, in_options, quoted
from mixtura.errors import InvalidArgumentError, either
from mixtura.estimator.choices import FAMILIES, families_like

if TYPE_CHECKING:
    from mixtura.cli.scanned_tables import ScannedTable
    from mixtura.data.tabular import FileTable
    from mixtura.diagnostics.candidates import Candidate
    from mixtura.estimator.selection import Selection

MOST = 1_000
"""Numbers of components that may be asked for at a time."""


def numbers_of(text: str) -> list[int]:
    """Return the numbers of components that ``1:10``, ``2,3,5`` or ``1:3,8`` stands for.

    Raises
    ------
    InvalidArgumentError
        If the text cannot be understood, or stands for too many.
    """
    ranges = [_range(part) for part in text.split(",")]
    if any(part is None for part in ranges):
        raise InvalidArgumentError(
            "--components must look like 1:10 or 2,3,5, numbers from 1 up; got " + quoted(text)
        )
    if sum(len(part) for part in ranges if part is not None) > MOST:
        raise InvalidArgumentError(
            f"--components must be at most {MOST:,} numbers; got {quoted(text)}"
        )
    return list(dict.fromkeys(number for part in ranges if part is not None for number in part))


def _range(text: str) -> range | None:
    """Return the numbers from the first to the last, both included; None for anything else."""
    first, colon, last = text.strip().partition(":")
    ends = [first, last if colon else first]
    if not all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
        return None
    begin, end = map(int, ends)
    return range(begin, end + 1) if 1 <= begin <= end else None


def names_of(text: str) -> list[str]:
    """Return the families of ``full,diag``, ``all`` or ``V**``, each once.

    Raises
    ------
    InvalidArgumentError
        If one of them is unknown.
    """
    found: dict[str, str] = {}
    for name in (part.strip() for part in text.split(",")):
        names = families_like(name)
        if not names:
            raise InvalidArgumentError(
                f"--families must be of {', '.join(FAMILIES)}, with commas between them, or all, "
                f"or a pattern of mclust's names such as V**; got {quoted(name)}"
            )
        for one in names:
            found.setdefault(FAMILIES.name(one), one)
    return list(found.values())


@final
@dataclass(frozen=True)
class Choice:
    """What ``mixtura select`` was asked for.

    Parameters
    ----------
    numbers : list of int
        Numbers of components.
    families : list of str
        Names of covariance families.
    criterion : str or None
        What chooses; None for the default.
    jobs : int or None
        Number of fits at a time.
    settings : FitSettings
        The rest, the same for every candidate.
    """

    numbers: list[int]
    families: list[str]
    criterion: str | None
    jobs: int | None
    settings: FitSettings

    def check(self) -> None:
        """Refuse options that contradict each other, before any data are read."""
        if self.criterion == "elbo" and not self.settings.method.bounds_evidence:
            raise InvalidArgumentError("--criterion elbo needs --inference vb")
        self.settings.check()
        prior = weight_prior(self.settings.priors)
        if len(self.numbers) > 1 and prior is not None and prior.has_random_number:
            raise InvalidArgumentError(
                "--weight-prior finite-mixtures is a prior on the number of components, which has "
                "a posterior of its own: use mixtura fit, with the largest number as --components"
            )

    def check_columns(self, number: int) -> None:
        """Refuse families of which the priors are for none, now that the columns are known."""
        possible = self.settings.possible_covariances(number)
        if not set(possible) & {FAMILIES.name(name) for name in self.families}:
            raise InvalidArgumentError(
                f"--mean-prior does not go with --families {','.join(self.families)} where there "
                f"are {counted(number, 'column')}: take of {either(possible)}"
            )

    def run(self, table: "FileTable | ScannedTable", talk: Talk) -> "Selection":
        """Fit every candidate and choose."""
        from mixtura.estimator.selection import select as choose

        total = len(self.numbers) * len(self.families)
        with talk.counting("fitting", total) as advance:
            return choose(
                given_rows(table),
                self.numbers,
                self.families,
                criterion=self.criterion,
                sample_weight=table.weights,
                measurement_error=table.errors,
                labels=table.labels,
                groups=table.groups,
                n_jobs=self.jobs,
                progress=partial(_told, talk, advance),
                **self.settings.parameters(talk),
            )


def _told(
    talk: Talk, advance: Callable[[], None], candidate: "Candidate", n_ended: int, n_all: int
) -> None:
    advance()
    if talk.verbose:
        ended = candidate.error or f"BIC {candidate.bic:.2f}"
        of = f"K = {candidate.n_components}, {candidate.covariance_type}"
        tell(f"{n_ended} of {n_all}: {of}: {in_options(ended)}")
