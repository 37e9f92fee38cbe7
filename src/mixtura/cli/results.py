"""What ``mixtura fit`` found: printed, and written to the files that were asked for."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, final

import typer

from mixtura.cli.delimited_output import (
    DELIMITERS,
    DIGITS,
    assignment_columns,
    delimited,
    is_binary,
)
from mixtura.cli.failures import ExitCode
from mixtura.cli.outputs import Output, write_output
from mixtura.cli.resuming import remember
from mixtura.cli.scanned_tables import ScannedTable, deliver_pieces, told_pieces
from mixtura.cli.settings import FitSettings
from mixtura.cli.streams import Talk, is_decorated, result, result_width, show
from mixtura.errors import InterruptedWarning, InvalidArgumentError

if TYPE_CHECKING:
    from mixtura.data import ArrayRows
    from mixtura.data.tabular import FileTable
    from mixtura.diagnostics.bootstrap_draws import Bootstrap
    from mixtura.estimator import GaussianMixtureModel
    from mixtura.fit import Fit
    from mixtura.reports import Report, Summary
    from mixtura.typing import IntegerArray

Maker: TypeAlias = Callable[[str], str | bytes]
"""Makes a file's content of its name."""

CHECKPOINT = "checkpoint"
"""What is written while the model is fitted, and deleted in the end."""

PAGE = (".html", ".htm")
"""How the name of a report may end."""


@final
@dataclass(frozen=True)
class FitFiles:
    """The files that ``mixtura fit`` writes.

    Parameters
    ----------
    report, assignments, save : str or None
        Where the report, the table of assignments and the model go.
    checkpoint : str or None
        Where the chains are kept until all the rest is delivered.
    """

    report: str | None
    assignments: str | None
    save: str | None
    checkpoint: str | None = None

    def outputs(self) -> dict[str, Output]:
        """Return the files that were asked for, by what they hold."""
        asked = {
            "report": ("--report", self.report, PAGE),
            "assignments": ("--assignments", self.assignments, tuple(DELIMITERS)),
            "model": ("--save", self.save, ()),
            CHECKPOINT: ("--checkpoint", self.checkpoint, ()),
        }
        return {
            what: Output(option, path, suffixes, may_exist=what == CHECKPOINT)
            for what, (option, path, suffixes) in asked.items()
            if path is not None
        }


@final
@dataclass(frozen=True, eq=False)
class Findings:
    """A fit with the rows that it is shown on.

    Parameters
    ----------
    gmm : GaussianMixtureModel
        The fitted model.
    table : FileTable or ScannedTable
        The rows.
    seed : int or None
        Seed of the run, where it is known.
    title : str or None
        What stands above a report.
    names : tuple of str
        Names of the components; none where they keep their numbers.
    bootstrap : Bootstrap or None
        Where the intervals of a point fit are from.
    told : tuple of str
        Further sentences for the reader.
    clusters : integer array of shape (N,) or None
        Cluster of each row, where components were merged.
    """

    gmm: "GaussianMixtureModel"
    table: "FileTable | ScannedTable"
    seed: int | None = None
    title: str | None = None
    names: tuple[str, ...] = ()

    @property
    def fit(self) -> "Fit":
        """The fit, its components under their names.

        Raises
        ------
        InvalidArgumentError
            If there are other than K names.
        """
        return self.gmm.fit_.named(self.names) if self.names else self.gmm.fit_

    bootstrap: "Bootstrap | None" = None
    told: tuple[str, ...] = ()
    clusters: "IntegerArray | None" = None

    @property
    def is_interrupted(self) -> bool:
        """Whether the fit was stopped before its end."""
        return any(doubt.category is InterruptedWarning for doubt in self.gmm.fit_.doubts)

    @property
    def rows(self) -> "ArrayRows":
        """The rows that were fitted, with what is known of them; of a loaded model the table's."""
        return self.table.rows if "_training" not in vars(self.gmm) else self.gmm._shown(None)

    @property
    def of_sample(self) -> tuple[str, ...]:
        """What is said where a sample of the rows is shown; nothing where all are."""
        from mixtura.data import PartedRows
        from mixtura.estimator.scanned_rows import sample_sentence

        kept = vars(self.gmm).get("_training")
        if isinstance(self.table, ScannedTable) and kept is None:
            kept = self.table.scan.opened(to_fit=False).rows
        if not isinstance(kept, PartedRows):
            return ()
        return (sample_sentence(self.rows.n_rows, kept.n_rows),)

    def report(self, *, pictures: bool) -> "Report":
        """Return the report of the fit on the rows."""
        from mixtura.engines import best_engine
        from mixtura.reports import build_report

        rows, posterior, engine = self.rows.with_cells, self.gmm.posterior_, best_engine(1)
        return build_report(
            self.fit,
            rows,
            labels=posterior.labels(rows, engine),
            responsibilities=posterior.responsibilities(rows, engine),
            weights=rows.weights,
            engine=engine,
            source=self.table.source,
            notes=(*self.table.notes, *self.told, *self.of_sample),
            seed=self.seed,
            pictures=pictures,
            **({} if self.title is None else {"title": self.title}),
            bootstrap=self.bootstrap,
        )

    def page(self) -> str:
        """Return the report with its pictures as a page of HTML."""
        from mixtura.reports.html import as_html

        return as_html(self.report(pictures=True))

    def json(self) -> str:
        """Return the report as strict JSON."""
        from mixtura.reports.json import as_json

        return as_json(self.report(pictures=False)).rstrip("\n")

    def summary(self) -> "Summary":
        """Return the components as a table; doubts are told as warnings, not here."""
        from mixtura.diagnostics.posterior_summaries import occupied
        from mixtura.engines import best_engine
        from mixtura.reports import summarize

        rows, posterior, engine = self.rows.with_cells, self.gmm.posterior_, best_engine(1)
        summary = summarize(
            self.fit,
            responsibilities=posterior.responsibilities(rows, engine),
            weights=rows.weights,
            occupied=occupied(posterior, rows, engine),
            bootstrap=self.bootstrap,
            told=self.told,
        )
        return replace(summary, doubts=(), sentences=(*summary.sentences, *self.of_sample))

    def assignments(self, path: str) -> str:
        """Return the table of assignments for a file of that name."""
        from mixtura.engines import best_engine

        responsibilities = self.gmm.posterior_.responsibilities(self.rows, best_engine(1))
        assert not isinstance(self.table, ScannedTable)  # of which it is written piece by piece
        numbers = self.table.numbers
        names, columns = assignment_columns(
            *(self.gmm.labels_, responsibilities, numbers, len(self.gmm.means_))
        )
        if self.clusters is not None:
            names.insert(2, "cluster")
            columns.insert(2, self.clusters)
        return delimited(names, columns, path)


@final
@dataclass(frozen=True)
class Extras:
    """What is to be said of a fit beside its components.

    Parameters
    ----------
    bootstrap : int or None
        Number of replicates.
    clusters : str or None
        How components are merged.
    """

    bootstrap: int | None
    clusters: str | None

    def check(self, settings: FitSettings) -> None:
        """Raise InvalidArgumentError where the method is not one of point fits."""
        if self.bootstrap is not None and not settings.method.is_point:
            raise InvalidArgumentError(
                f"--bootstrap: is for point fits, and --inference {settings.inference} has "
                "intervals of its own, or none: use --inference map or ml"
            )

    def of(self, findings: Findings) -> Findings:
        """Return findings with what was asked for."""
        gmm = findings.gmm
        if self.bootstrap is not None:
            made = gmm.bootstrap(n_replicates=self.bootstrap)
            findings = replace(findings, bootstrap=made)
        if self.clusters is not None:
            merged = gmm.merge_components(by=self.clusters)
            findings = replace(findings, told=merged.sentences, clusters=merged.labels)
        return findings


def deliver_fit(
    findings: Findings, outputs: Mapping[str, Output], talk: Talk, *, json: bool, force: bool
) -> None:
    """Write the files that were asked for and print the result.

    Raises
    ------
    InvalidArgumentError
        If a file cannot be written after all.
    Exit
        If the fit was interrupted, or has not converged.
    """
    answer = partial(result, findings.json()) if json else partial(show_summary, findings.summary())
    deliver_files(findings, outputs, talk, answer, force=force)


def deliver_files(
    findings: Findings,
    outputs: Mapping[str, Output],
    talk: Talk,
    answer: Callable[[], None],
    *,
    force: bool,
    makers: Mapping[str, Maker] = MappingProxyType({}),
) -> None:
    """Write files, then print an answer, even if a file cannot be written.

    Parameters
    ----------
    findings : Findings
        What they are about.
    outputs : mapping of str to Output
        Where they go, by what they hold.
    talk : Talk
        How much is said.
    answer : callable
        Prints the answer.
    force : bool
        Whether existing files may be replaced.
    makers : mapping of str to callable
        What makes further contents of the name of a file.
    """
    pieces = None
    if isinstance(findings.table, ScannedTable) and "assignments" in outputs:
        pieces = outputs["assignments"]
        outputs = {what: output for what, output in outputs.items() if what != "assignments"}
    makers = {
        "report": lambda path: findings.page(),
        "assignments": findings.assignments,
        **makers,
    }
    contents = {what: makers[what](outputs[what].path) for what in makers if what in outputs}
    checkpoint, written, complete = outputs.get(CHECKPOINT), list[Output](), False
    try:
        for what, content in contents.items():
            write_output(outputs[what], content, force=force)
            written.append(outputs[what])
            talk.note(f"wrote {outputs[what].path}")
        if pieces is not None and isinstance(findings.table, ScannedTable):
            digits = None if is_binary(pieces) else DIGITS
            told = told_pieces(findings.gmm, findings.table, proba=True, digits=digits)
            deliver_pieces(told, pieces, talk, force=force)
            written.append(pieces)
        if "model" in outputs:
            model = outputs["model"]
            findings.gmm.save(model.target, overwrite=force or model.may_exist)
            written.append(model)
            talk.note(f"wrote {model.path}")
        complete = not findings.is_interrupted
    finally:
        if not complete:
            remember(written, checkpoint)
        answer()
    if not complete:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if checkpoint is not None:
        checkpoint.target.unlink(missing_ok=True)
    if not findings.gmm.converged_:
        raise typer.Exit(ExitCode.NOT_CONVERGED)


def show_summary(summary: "Summary") -> None:
    """Print the components, in colour on a terminal that can."""
    from mixtura.reports import summary_renderable

    if is_decorated(sys.stdout):
        show(summary_renderable(summary, result_width()))
    else:
        result(summary.to_text(result_width()).rstrip("\n"))
