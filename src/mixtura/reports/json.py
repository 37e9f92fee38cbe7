"""A report as JSON: every number in full, nothing that strict readers refuse."""

import json
import math
from typing import Any

import numpy as np

from mixtura.reports.component_tables import Components
from mixtura.reports.content import Report, Section

FORMAT = "mixtura-report"
VERSION = 1


def as_json(report: Report) -> str:
    """Return the report as strict JSON: see :func:`content`."""
    return json.dumps(strict(content(report)), indent=1, allow_nan=False) + "\n"


def content(report: Report) -> dict[str, Any]:
    """Return the report as dictionaries, lists, numbers and arrays.

    Numbers have all their digits; what is not finite is ``null``. Feature names are in ``features``
    and everything by feature follows their order. Intervals are pairs of points below which a
    parameter lies with the two ``interval_probabilities``; ``null`` where the fit is a point.
    Pictures are left out.
    """
    told: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "title": report.title,
        "source": report.source,
        "notes": list(report.notes),
        "provenance": dict(report.provenance),
        "sections": [_section(section) for section in report.sections],
    }
    if report.comparison is not None:
        told["comparison"] = {
            "names": report.comparison.names,
            "quantities": [
                {"quantity": quantity, "values": values}
                for quantity, values in zip(
                    report.comparison.quantities, report.comparison.values, strict=True
                )
            ],
        }
    return told


def _section(section: Section) -> dict[str, Any]:
    components, scores = section.components, section.scores
    certainty = section.certainty
    return {
        "title": section.title,
        "headline": section.headline,
        "doubts": section.doubts,
        "assumptions": section.assumptions,
        "features": components.features,
        "n_rows": section.n_rows,
        "n_rows_shown": section.n_rows_shown,
        "total_weight": section.total_weight,
        "interval_probabilities": None
        if components.intervals is None
        else components.intervals.probabilities,
        "components": _components(components),
        "n_empty_components": components.n_empty,
        "expected_occupied_components": components.n_clusters,
        "number_of_components_probabilities": components.numbers,
        "number_of_groups_probabilities": components.groups,
        "covariance_type": section.covariance_type,
        "covariances": section.covariances,
        "model": [{"term": term, "words": words} for term, words in section.model],
        "method": section.method,
        "objective_name": scores.objective_name,
        "objective": scores.objective,
        "log_likelihood": scores.log_likelihood,
        "n_parameters": scores.n_parameters,
        "bic": scores.bic,
        "aic": scores.aic,
        "icl": scores.icl,
        "certainty": None
        if certainty is None
        else {
            "average": certainty.average,
            "n_doubtful": certainty.n_doubtful,
            "n_rows": certainty.n_rows,
        },
        "convergence": None
        if section.convergence is None
        else {
            "sentences": section.convergence.sentences,
            "n_chains": section.convergence.n_chains,
            "n_draws": section.convergence.n_draws,
            "quantities": section.convergence.rows,
        },
        "best_start": section.best,
        "starts": [
            {
                "name": start.name,
                "n_iter": start.n_iter,
                "converged": start.converged,
                "objective": start.objective,
            }
            for start in section.starts
        ],
    }


def _components(components: Components) -> list[dict[str, Any]]:
    assigned, expected = components.n_assigned, components.expected
    intervals = components.intervals
    return [
        {
            "component": k,
            **({"name": components.name(k)} if components.names else {}),
            "weight": components.weights[k],
            "rows": None if assigned is None else assigned[k],
            "expected_rows": None if expected is None else expected[k],
            "mean": components.means[k],
            "sd": components.deviations[k],
            "weight_interval": None if intervals is None else intervals.weights[:, k],
            "mean_interval": None if intervals is None else intervals.means[:, k].T,
            "sd_interval": None if intervals is None else intervals.deviations[:, k].T,
        }
        for k in range(components.n_components)
    ]


def strict(value: Any) -> Any:
    """Return plain lists, dictionaries, numbers and text; None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): strict(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return strict(value.tolist())
    if isinstance(value, list | tuple):
        return [strict(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
