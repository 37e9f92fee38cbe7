"""What a report holds: plain frozen data, whichever way it is shown."""

from dataclasses import dataclass, field
from typing import final

from mixtura.reports.component_tables import Components
from mixtura.reports.convergence import ConvergenceTable
from mixtura.reports.fit_comparison import Comparison
from mixtura.reports.headline import Certainty
from mixtura.reports.tables import Table
from mixtura.typing import Array


@final
@dataclass(frozen=True)
class Picture:
    """A drawing and the numbers behind it.

    Parameters
    ----------
    name : str
        Name of the plot in :data:`mixtura.plots.PLOTS`.
    title, caption : str
        What it shows, and how to read it.
    svg : str
        The drawing: an ``svg`` element that can stand in an HTML page.
    table : Table
        The same as numbers.
    """

    name: str
    title: str
    caption: str
    svg: str
    table: Table


@final
@dataclass(frozen=True)
class StartOutcome:
    """One start and where it led.

    Parameters
    ----------
    name : str
        Name of the start.
    n_iter : int
        Iterations.
    converged : bool
        Whether it settled.
    objective : float
        Last objective, in nats.
    """

    name: str
    n_iter: int
    converged: bool
    objective: float


@final
@dataclass(frozen=True)
class Scores:
    """Numbers by which a fit is judged, in nats or as the criteria are signed.

    Parameters
    ----------
    objective_name : str
        What the method maximised.
    objective, log_likelihood : float
        Its value and the log likelihood at the estimate.
    n_parameters : int
        Number of free parameters.
    bic, aic : float
        Information criteria; smaller is better.
    icl : float, optional
        Integrated completed likelihood; None without responsibilities.
    """

    objective_name: str
    objective: float
    log_likelihood: float
    n_parameters: int
    bic: float
    aic: float
    icl: float | None


@final
@dataclass(frozen=True, eq=False)
class Section:
    """One fit, told.

    Parameters
    ----------
    title : str
        Heading of the section.
    headline : tuple of str
        The answer in a few sentences.
    doubts : tuple of str
        What the reader should know before relying on it.
    components : Components
        Weights, sizes, means and standard deviations.
    covariance_type : str
        Name of the covariance family.
    covariances : array
        Covariances in the public shape of the family, in squared units of the data.
    correlations : array of shape (K or 1, D, D), optional
        Correlations within components, where they are free and D is between 2 and 10.
    model : tuple of (str, str)
        Terms of the model and what is said about them.
    method, method_words : str
        Name of the inference method, and a sentence on it.
    scores : Scores
        Objective, log likelihood and criteria.
    starts : tuple of StartOutcome
        Every start.
    best : int
        Position of the start that was kept.
    assumptions : tuple of str
        What was assumed on the user's behalf.
    certainty : Certainty, optional
        How sure the assignments are; None without rows.
    n_rows : int
        Number of rows that were fitted.
    n_rows_shown : int
        Number of rows that sizes, certainty and pictures are of.
    total_weight : float
        Sum of the weights of the rows that were fitted.
    pictures : tuple of Picture
        Drawings; empty where none were asked for.
    convergence : ConvergenceTable, optional
        How far draws can be believed; None without draws.
    """

    title: str
    headline: tuple[str, ...]
    doubts: tuple[str, ...]
    components: Components
    covariance_type: str
    covariances: Array
    correlations: Array | None
    model: tuple[tuple[str, str], ...]
    method: str
    method_words: str
    scores: Scores
    starts: tuple[StartOutcome, ...]
    best: int
    assumptions: tuple[str, ...]
    certainty: Certainty | None
    n_rows: int
    n_rows_shown: int
    total_weight: float
    pictures: tuple[Picture, ...] = ()
    convergence: ConvergenceTable | None = None


@final
@dataclass(frozen=True, eq=False)
class Report:
    """One or more fits of the same rows, told.

    Parameters
    ----------
    title : str
        Heading; may be a user's text, which renderers escape.
    sections : tuple of Section
        The fits.
    source : str, default=""
        Where the rows came from; a user's text.
    notes : tuple of str
        Further sentences for the reader; users' text.
    provenance : tuple of (str, str)
        Versions, seed and date.
    comparison : Comparison, optional
        The fits side by side, where there are several.
    pictures : tuple of Picture
        Drawings of the rows alone.
    """

    title: str
    sections: tuple[Section, ...]
    source: str = ""
    notes: tuple[str, ...] = ()
    provenance: tuple[tuple[str, str], ...] = field(default=())
    comparison: Comparison | None = None
    pictures: tuple[Picture, ...] = ()

    def __repr__(self) -> str:
        # The whole would be tens of thousands of characters of numbers and drawings.
        fits = "1 fit" if len(self.sections) == 1 else f"{len(self.sections)} fits"
        return f"<Report {self.title!r} of {fits}; mixtura.reports.write_report writes it>"
