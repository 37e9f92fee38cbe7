"""The short answer: a table of the components, for terminals, notebooks and data frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from mixtura.diagnostics.bootstrap_draws import Bootstrap
from mixtura.fit import Fit
from mixtura.posteriors import DrawsPosterior
from mixtura.reports.component_tables import Components
from mixtura.reports.headline import Certainty, certainty_sentence, opening
from mixtura.reports.markup import PER_BLOCK, fragment
from mixtura.reports.numbers import exact
from mixtura.reports.terminal import (
    WIDTH,
    doubtful,
    fitting,
    grid,
    literal,
    plain,
    terminal_width,
)
from mixtura.typing import IntegerArray

if TYPE_CHECKING:
    from rich.console import Group, RenderableType


@final
@dataclass(frozen=True, eq=False)
class Summary:
    """What ``summary()`` returns: print it, display it, or take its ``rows``.

    Parameters
    ----------
    components : Components
        The components.
    sentences : tuple of str
        What stands above the table.
    doubts : tuple of str
        What the reader should know before relying on it.
    """

    components: Components
    sentences: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each component, in full precision: ``DataFrame(summary.rows)``."""
        return self.components.records()

    def to_text(self, width: int | None = None) -> str:
        """Return the summary as plain text.

        Parameters
        ----------
        width : int, optional
            Characters in a line; by default those of the terminal.
        """
        width = terminal_width() if width is None else width
        return plain(summary_renderable(self, width), width)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        # What a REPL shows: the table rather than the fields.
        return str(self)

    def _repr_html_(self) -> str:
        return fragment(self.components.tables(PER_BLOCK), self.sentences, self.doubts)


def summary_renderable(summary: Summary, width: int = WIDTH) -> "Group":
    """Return the summary for a rich console of the given width."""
    from rich.console import Group

    parts: list[RenderableType] = [literal(sentence) for sentence in summary.sentences]
    parts += doubtful(summary.doubts)
    for table in fitting(summary.components, width):
        parts += ["", grid(table, titled=False)]
    return Group(*parts)


def summarize(
    fit: Fit,
    labels: Any = None,
    responsibilities: Any = None,
    *,
    weights: Any = None,
    occupied: IntegerArray | None = None,
    bootstrap: Bootstrap | None = None,
    told: Sequence[str] = (),
) -> Summary:
    """Return the summary of a fit.

    Parameters
    ----------
    fit : Fit
        The fit.
    labels : integer array of shape (N,), optional
        Component of each row; by default the most probable one, where responsibilities are given.
    responsibilities : array of shape (N, K), optional
        Probability of each component for each row.
    weights : array of shape (N,), optional
        Weights of the rows.
    occupied : integer array of shape (C, S), optional
        How many components hold rows under each of some draws.
    bootstrap : Bootstrap, optional
        Where the intervals of a point are from.
    told : sequence of str
        Further sentences for the reader.
    """
    components = Components.of(fit, labels, responsibilities, weights, occupied, bootstrap)
    sentences = [opening(components, fit.n_rows), *fit.told, *told]
    certainty = None if responsibilities is None else Certainty.of(responsibilities)
    if certainty is not None and components.n_components > 1:
        sentences.append(certainty_sentence(certainty))
    ended = "converged" if fit.converged else "not converged"
    step = "sweep" if isinstance(fit.posterior, DrawsPosterior) else "iteration"
    plural = "" if fit.n_iter == 1 else "s"
    sentences.append(
        f"{fit.objective_name[:1].upper()}{fit.objective_name[1:]} {exact(fit.objective)} nats "
        f"({fit.method}, {ended} after {fit.n_iter:,} {step}{plural})."
    )
    return Summary(components, tuple(sentences), tuple(d.message for d in fit.doubts))
