"""What ``mixtura classify`` found: rows with their classes, and what is said of them."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from mixtura.cli.delimited_output import rounded
from mixtura.cli.inputs import RowSettings, read_rows_for
from mixtura.cli.streams import Talk
from mixtura.cli.wording import counted, quoted
from mixtura.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from mixtura.data.tabular import FileTable
    from mixtura.estimator.classifier import MixtureClassifier
    from mixtura.estimator.held_out_classes import ToldClasses
    from mixtura.reports import ClassifierSummary
    from mixtura.typing import Array, BooleanArray

FORMAT = "mixtura-classification"
VERSION = 1


@final
@dataclass(frozen=True, eq=False)
class KnownClasses:
    """Rows of DATA with their classes.

    Parameters
    ----------
    table : FileTable
        All rows.
    part : FileTable
        Those of known classes.
    classes : array of shape (M,)
        Their classes.
    """

    table: "FileTable"
    part: "FileTable"
    classes: "np.ndarray"

    @classmethod
    def of(cls, table: "FileTable", column: str, talk: Talk) -> "KnownClasses":
        """Return the rows of known classes, and say how many have none.

        Raises
        ------
        DataError
            If no row has a class.
        """
        import numpy as np

        labels = table.labels
        assert labels is not None
        known = np.array([one is not None for one in labels.tolist()])
        if not known.any():
            raise DataError(f"{table.source}: column {quoted(column)} has no class in any row")
        if not known.all():
            rows = counted(int((~known).sum()), "row")
            talk.note(f"{rows} without a class: not fitted")
        sizes = np.unique(labels[known].astype(str), return_counts=True)[1]
        if 2 * sizes.size > known.sum():
            talk.note(
                f"column {quoted(column)} has {counted(sizes.size, 'class', 'classes')} in "
                f"{counted(int(known.sum()), 'row')}: is it the column of the classes?"
            )
        elif (sizes == 1).any():
            single = counted(int((sizes == 1).sum()), "class", "classes")
            talk.note(f"{single} of a single row: left out of cross-validation")
        return cls(table, _taken(table, known), np.array(labels[known].tolist()))

    @property
    def names(self) -> "np.ndarray":
        """The classes, each once."""
        import numpy as np

        return np.unique(self.classes)

    def fit(self, classifier: "MixtureClassifier") -> None:
        """Fit a classifier to the rows of known classes."""
        part = self.part
        classifier.fit(part, self.classes, part.weights, part.errors)

    def validated(self, classifier: "MixtureClassifier", folds: int, workers: int) -> "ToldClasses":
        """Return the classes of the rows as fits to other rows tell them."""
        from mixtura.estimator.held_out_classes import cross_validated

        part = self.part
        return cross_validated(
            classifier,
            part.values,
            self.classes,
            folds,
            sample_weight=part.weights,
            measurement_error=part.errors,
            workers=workers,
        )


@final
@dataclass(frozen=True, eq=False)
class ClassFindings:
    """A fitted classifier, and what it says of rows.

    Parameters
    ----------
    classifier : MixtureClassifier
        The classifier.
    known : KnownClasses
        The rows of DATA.
    told : ToldClasses or None
        The classes of the rows of known classes as fits to other rows tell them.
    fresh : FileTable or None
        Rows of another table, with their classes where it has them.
    """

    classifier: "MixtureClassifier"
    known: KnownClasses
    told: "ToldClasses | None"
    fresh: "FileTable | None"

    def own(self) -> "ToldClasses":
        """Return the classes of the fitted rows as the fit tells them itself."""
        part = self.known.part
        return self._compared(part, self.known.classes)

    def of_fresh(self) -> "ToldClasses | None":
        """Return how the classes of the other table are told, where it has any."""
        import numpy as np

        table = self.fresh
        if table is None or table.labels is None:
            return None
        names = {str(one): one for one in self.classifier.classes_.tolist()}
        shown = np.array([str(one) in names for one in table.labels.tolist()])
        if not shown.any():
            return None
        classes = np.array([names[str(one)] for one in table.labels[shown].tolist()])
        return self._compared(_taken(table, shown), classes)

    def _compared(self, table: "FileTable", classes: "np.ndarray") -> "ToldClasses":
        import numpy as np

        from mixtura.estimator.held_out_classes import ToldClasses

        codes = np.searchsorted(self.classifier.classes_, classes)
        weights = np.ones(len(codes)) if table.weights is None else table.weights
        names = tuple(str(name) for name in self.classifier.classes_.tolist())
        found = self.classifier.predict_proba(table, table.errors)
        return ToldClasses(names, codes, found, weights)

    def comparisons(self) -> "list[tuple[str, str, ToldClasses]]":
        """Return key and title of each comparison of known and told classes."""
        found = [("fitted_rows", "The rows that were fitted", self.own())]
        if self.told is not None:
            found.append(("cross_validation", "Cross-validation", self.told))
        fresh = self.of_fresh()
        if fresh is not None:
            found.append(("predicted_rows", "The other table", fresh))
        return found

    def sentences(self) -> list[str]:
        """Return how often classes are missed."""
        said = []
        for _, title, told in self.comparisons():
            n_rows = int(told.told.sum())
            said.append(
                f"{title}: {counted(told.n_missed, 'row')} of {n_rows:,} missed "
                f"({100.0 * told.error:.1f} %), Brier score {told.brier:.4f}."
            )
        return said

    def picture(self, path: str) -> bytes:
        """Return the rows along the directions that tell the classes apart."""
        import numpy as np

        part, buffer = self.known.part, io.BytesIO()
        drawn = self.classifier.plot_projection(part, self.known.classes)
        figure = np.ravel(drawn)[0].figure
        figure.savefig(buffer, format=Path(path).suffix[1:].lower(), dpi=150)
        return buffer.getvalue()


def new_rows_for(
    classifier: "MixtureClassifier", source: str, column: str, talk: Talk, settings: RowSettings
) -> "FileTable":
    """Return the rows of another table, with their classes where it has the column of these."""
    if source != "-":  # which can be read once
        try:
            with_classes = replace(settings, labels=column)
            return read_rows_for(classifier, source, talk, with_classes)
        except DataError as error:
            if "there is no column" not in str(error):
                raise
    return read_rows_for(classifier, source, talk, settings)


def table_of_classes(
    findings: ClassFindings, *, proba: bool, digits: int | None
) -> "tuple[list[str], list[np.ndarray]]":
    """Return names and columns of a table of classes.

    Rows of DATA with a class are told by fits to other rows, where there was cross-validation.

    Parameters
    ----------
    findings : ClassFindings
        What was found.
    proba : bool
        Whether the probability of each class is a column.
    digits : int or None
        Their significant digits; all of them where None.
    """
    import numpy as np

    classifier, told = findings.classifier, findings.told
    table = findings.known.table if findings.fresh is None else findings.fresh
    shares = classifier.predict_proba(table, table.errors)
    if findings.fresh is None and told is not None:
        known = np.array([one is not None for one in findings.known.table.labels.tolist()])  # type: ignore[union-attr]
        places = np.flatnonzero(known)[told.told]
        shares[places] = told.probabilities[told.told]
    best = np.empty(len(shares), dtype=object)
    best[:] = classifier.classes_[shares.argmax(axis=1)].tolist()
    best[np.isnan(table.values).all(axis=1)] = None
    names, columns = ["row"], [table.numbers]
    if table.labels is not None:
        names.append("class")
        columns.append(table.labels)
    names.append("predicted")
    columns.append(best)
    if proba:
        names += [f"probability_{name}" for name in classifier.classes_.tolist()]
        columns += [rounded(column, digits) for column in shares.T]
    for name, cells in table.kept.items():
        names.append(f"{name}_kept" if name in names else name)
        columns.append(cells)
    return names, columns


def told_as_summary(findings: ClassFindings) -> "ClassifierSummary":
    """Return the classifier's summary with what is said of rows."""
    summary = findings.classifier.summary()
    confusions = tuple(
        (f"{title}: rows by class, and by the class that is told", told.names, _plain(told))
        for key, title, told in findings.comparisons()
        if key != "fitted_rows" or findings.told is None
    )
    said = (*summary.sentences, *findings.sentences())
    return replace(summary, sentences=said, confusions=confusions)


def _plain(told: "ToldClasses") -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in told.confusion.tolist())


def told_as_json(findings: ClassFindings) -> str:
    """Return all of it as strict JSON."""
    import json

    from mixtura.reports.json import strict

    classifier, table = findings.classifier, findings.known.table
    classes = [
        {"name": name, "probability": prior, "components": number, "family": family}
        for name, prior, number, family in zip(
            classifier.classes_.tolist(),
            classifier.class_prior_.tolist(),
            classifier.components_per_class_,
            classifier.covariance_types_,
            strict=True,
        )
    ]
    told: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "source": table.source,
        "notes": list(table.notes),
        "features": list(table.names),
        "classes": classes,
        "log_likelihood": classifier.log_likelihood_,
        "n_parameters": classifier.n_parameters_,
        "bic": classifier.bic_,
        "candidates": classifier.to_dict(),
    }
    for key, _, one in findings.comparisons():
        told[key] = {
            "n_rows": int(one.told.sum()),
            "n_missed": one.n_missed,
            "error": one.error,
            "brier": one.brier,
            "confusion": one.confusion.tolist(),
        }
    return json.dumps(strict(told), indent=1, allow_nan=False)


def _taken(table: "FileTable", some: "BooleanArray") -> "FileTable":
    """Return some of the rows of a table."""

    def part(cells: "Array | None") -> Any:
        return None if cells is None else cells[some]

    return replace(
        table,
        values=table.values[some],
        weights=part(table.weights),
        errors=part(table.errors),
        labels=part(table.labels),
        groups=part(table.groups),
        positions=table.numbers[some] - 1,
        kept={name: cells[some] for name, cells in table.kept.items()},
    )
