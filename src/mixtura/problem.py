"""From the estimator's parameters and its rows to a problem that a method can solve."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mixtura import arguments
from mixtura.data import Rows
from mixtura.data.scaling import safe_factor
from mixtura.diagnostics.components import Doubt
from mixtura.engines import Engine
from mixtura.errors import DataError, DataWarning
from mixtura.fit import Inference, Problem
from mixtura.model import MixtureModel
from mixtura.priors.elicitation import OverallMoments
from mixtura.typing import Array, StructureShape

LARGEST = 1e152
"""Largest size of a value: its square is still a number that float64 holds in full."""


def build_problem(
    given: Mapping[str, Any], rows: Rows, engine: Engine, names: tuple[str, ...]
) -> tuple[Inference, Problem]:
    """Return the inference method and the problem that an estimator's parameters describe.

    Raises
    ------
    InvalidArgumentError
        If a parameter has a value that is not allowed.
    """
    n_components = arguments.whole_number(given["n_components"], "n_components", 1)
    method = arguments.inference_method(given["inference"])
    family = arguments.covariance_family(given["covariance_type"])
    _check_magnitude(rows.magnitude(), names)
    moments = overall_moments(rows, engine, family.structure(1, rows.n_features))
    model, assumptions = build_model(given, rows.n_features, moments)
    start = arguments.initializer(given["init"], n_components, rows)
    of_starts, of_method = arguments.seed_sequence(given["random_state"]).spawn(2)
    n_init, max_iter = (
        None if given[name] is None else arguments.whole_number(given[name], name, 1)
        for name in ("n_init", "max_iter")
    )
    n_init = method.default_starts if n_init is None else n_init
    problem = Problem(
        model=model,
        rows=rows,
        engine=engine,
        starts=arguments.starts_of(start, n_init, engine, of_starts),
        keep_numbering=start.numbers_components or not model.weight_prior.is_exchangeable,
        max_iter=max_iter,
        tol=arguments.tolerance(given["tol"]),
        n_jobs=arguments.number_of_jobs(given["n_jobs"]),
        seed=of_method,
        feature_names=names,
        assumptions=assumptions,
        doubts=_data_doubts(rows, moments, n_components, names),
        report=print if given["verbose"] else lambda line: None,
    )
    return method, problem


def build_model(
    given: Mapping[str, Any], n_features: int, moments: OverallMoments | None
) -> tuple[MixtureModel, tuple[str, ...]]:
    """Return the model that an estimator's parameters describe, and what was assumed."""
    n_components = arguments.whole_number(given["n_components"], "n_components", 1)
    family = arguments.covariance_family(given["covariance_type"])
    weight_prior, component_prior, assumptions = arguments.priors(
        given["weight_prior"],
        given["component_prior"],
        arguments.inference_method(given["inference"]),
        moments,
        family.structure(n_components, n_features),
        n_components,
    )
    model = MixtureModel(n_components, n_features, weight_prior, component_prior, family)
    return model, assumptions


def overall_moments(rows: Rows, engine: Engine, structure: StructureShape) -> OverallMoments:
    """Return mean and covariance of all rows, found in units whose squares are safe."""
    factor = safe_factor(rows.magnitude(), common=structure == (1, 1))
    scaled = rows if factor is None else rows.rescaled(factor)
    return OverallMoments(engine.overall(scaled, matrix=True), factor)


def _check_magnitude(magnitude: Array, names: tuple[str, ...]) -> None:
    """Raise DataError where a column's squares are beyond float64, in whatever units."""
    beyond = (magnitude > LARGEST) | ((magnitude > 0) & (magnitude < 1.0 / LARGEST))
    if beyond.any():
        column = int(np.flatnonzero(beyond)[0])
        raise DataError(
            f"column {names[column]!r} has values of size {magnitude[column]:.3g}, whose variance "
            "float64 cannot hold: rescale it to between 1e-152 and 1e152"
        )


def _data_doubts(
    rows: Rows, moments: OverallMoments, n_components: int, names: tuple[str, ...]
) -> tuple[Doubt, ...]:
    doubts = []
    if rows.n_rows < n_components:
        fewer = f"there are fewer rows ({rows.n_rows}) than components ({n_components})"
        doubts.append(Doubt(DataWarning, fewer))
    if rows.n_rows > 1 and moments.constant.any():
        constant = [repr(name) for name, flat in zip(names, moments.constant, strict=True) if flat]
        which = "constant column " if len(constant) == 1 else "constant columns "
        said = which + ", ".join(constant) + ": nothing to tell clusters apart by; leave out"
        doubts.append(Doubt(DataWarning, said))
    return tuple(doubts)
