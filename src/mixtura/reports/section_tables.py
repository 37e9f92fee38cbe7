"""The tables and listings of a section that every renderer shows."""

from mixtura.reports.content import Section
from mixtura.reports.numbers import count, exact, significant
from mixtura.reports.tables import Table, name, truncated

MAX_STARTS = 20


def scores(section: Section) -> tuple[tuple[str, str], ...]:
    """Return objective, criteria and the like as pairs of term and value."""
    told = section.scores
    best = section.starts[section.best]
    ended = "converged" if best.converged else "not converged"
    listed = [
        (told.objective_name, f"{exact(told.objective)} nats"),
        ("log likelihood", f"{exact(told.log_likelihood)} nats"),
        ("BIC", exact(told.bic)),
        ("AIC", exact(told.aic)),
    ]
    if told.icl is not None:
        listed.append(("ICL", exact(told.icl)))
    listed += [
        ("free parameters", count(told.n_parameters)),
        (_steps(section), f"{best.n_iter:,} ({ended})"),
        ("rows", count(section.n_rows)),
    ]
    if section.total_weight != section.n_rows:
        listed.append(("total weight", significant(section.total_weight, 6)))
    return tuple(listed)


def _steps(section: Section) -> str:
    """Return what the steps of a run are called."""
    return "iterations" if section.convergence is None else "sweeps"


CRITERIA_NOTE = "Of fits to the same rows, the one with the smaller BIC, AIC or ICL is preferred."


def starts(section: Section) -> Table:
    """Return the starts, best first."""
    order = sorted(
        range(len(section.starts)),
        key=lambda i: (i != section.best, -section.starts[i].objective),
    )
    rows = []
    for i in order:
        start = section.starts[i]
        kept = "kept" if i == section.best else ""
        settled = "yes" if start.converged else "no"
        rows.append(
            (str(i + 1), start.name, exact(start.objective), count(start.n_iter), settled, kept)
        )
    shown, note = truncated(rows, MAX_STARTS, "starts")
    columns = (
        "start",
        "kind",
        f"{section.scores.objective_name} (nats)",
        _steps(section),
        "converged",
        "",
    )
    return Table("Starts", columns, shown, note, n_labels=2)


def correlations(section: Section, per_block: int = 8) -> tuple[Table, ...]:
    """Return the correlations between features within components; none where they are not free."""
    matrices = section.correlations
    if matrices is None:
        return ()
    features = section.components.features
    pairs = [(i, j) for i in range(len(features)) for j in range(i)]
    tables = []
    for begin in range(0, matrices.shape[0], per_block):
        block = range(begin, min(begin + per_block, matrices.shape[0]))
        tied = matrices.shape[0] == 1 and section.components.n_components > 1
        heads = ["all components"] if tied else [section.components.name(k) for k in block]
        rows = tuple(
            (
                f"{name(features[j], 24)} and {name(features[i], 24)}",
                *(f"{matrices[k, i, j]:.3f}" for k in block),
            )
            for i, j in pairs
        )
        tables.append(Table("Correlations within components", ("features", *heads), rows))
    return tuple(tables)
