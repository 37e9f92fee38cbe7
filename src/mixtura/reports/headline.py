"""The answer in a few sentences: how many components, what each looks like, how sure."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.plots.uncertainty import DOUBTFUL, row_uncertainty
from mixtura.reports.component_tables import Components
from mixtura.reports.numbers import count, percent
from mixtura.reports.tables import name
from mixtura.typing import Array

MAX_DESCRIBED = 6
"""Components that get a sentence; of more, the largest do."""

MAX_TRAITS = 3
"""Features by which a component is described."""

MAX_NAMED = 4

MAX_NUMBERS = 8
"""Numbers of components that are listed, the most probable ones."""

CLEAR = 0.1
"""By how much a number of groups must be more probable than the next to stand alone: more than
400 effective draws may err."""

LIKELY = 0.95
"""Probability that the listed numbers have together, where so many suffice."""


@final
@dataclass(frozen=True)
class Certainty:
    """How sure the assignments are.

    Parameters
    ----------
    average : float
        Mean over the rows of the largest responsibility.
    n_doubtful : int
        Rows whose largest responsibility is below 0.9.
    n_rows : int
        Number of rows.
    """

    average: float
    n_doubtful: int
    n_rows: int

    @classmethod
    def of(cls, responsibilities: Any) -> "Certainty | None":
        """Return the certainty of responsibilities of shape (N, K); None without rows."""
        shares = np.asarray(responsibilities, dtype=float)
        if not shares.size:
            return None
        doubt = row_uncertainty(shares)
        return cls(float(1.0 - doubt.mean()), int((doubt > DOUBTFUL).sum()), shares.shape[0])


def headline(components: Components, n_rows: int, certainty: Certainty | None) -> tuple[str, ...]:
    """Return the sentences that open a report."""
    described = np.argsort(-components.weights, kind="stable")[:MAX_DESCRIBED]
    sentences = [opening(components, n_rows)]
    sentences += [_description(components, int(k)) for k in sorted(described)]
    rest = components.n_components - MAX_DESCRIBED
    if rest > 0:
        others = "1 smaller component is" if rest == 1 else f"{rest} smaller components are"
        sentences.append(f"{others} in the table below.")
    if certainty is not None and components.n_components > 1:
        sentences.append(certainty_sentence(certainty))
    return tuple(sentences)


def opening(components: Components, n_rows: int) -> str:
    """Return how many components describe how many rows of what."""
    features = components.features
    if len(features) > MAX_NAMED:
        what = f"{len(features)} features"
    else:
        what = ", ".join(name(feature) for feature in features)
    number = components.n_components
    rows = "1 row" if n_rows == 1 else f"{n_rows:,} rows"
    if components.is_found and components.groups is not None:
        described = f"{most_probable_groups(components.groups)} {rows} of {what}."
        return described + _unoccupied(components)
    if n_rows == 0:  # of a fit of given parameters
        return f"{'1 component' if number == 1 else f'{number} components'} of {what}."
    describe = "1 component describes" if number == 1 else f"{number} components describe"
    return f"{describe} {rows} of {what}.{_unoccupied(components)}"


def most_probable_groups(probabilities: Array) -> str:
    """Return how many groups describe the rows, two numbers where neither is clearly ahead."""
    order = np.argsort(-probabilities, kind="stable")[:2]
    best, *others = (int(number) + 1 for number in order)
    if others and probabilities[order[0]] - probabilities[order[1]] < CLEAR:
        one, other = sorted((best, others[0]))
        return f"{one} or {other} groups, almost equally probable, describe"
    return "Most probably " + ("1 group describes" if best == 1 else f"{best} groups describe")


def _unoccupied(components: Components) -> str:
    """Return what is said of empty components, and of how many there are, where that is found."""
    said = ""
    if components.groups is not None:
        said += f" Groups with rows: {number_words(components.groups)}."
    elif components.n_empty:
        others = (
            "1 other component is"
            if components.n_empty == 1
            else (f"{components.n_empty} other components are")
        )
        said += f" {others} empty, with less than half a row."
    if components.n_clusters is not None:
        said += f" Expected number of components with a row: {components.n_clusters:.2f}."
    if components.numbers is not None:
        said += f" Number of components: {number_words(components.numbers)}."
    return said


def number_words(probabilities: Array) -> str:
    """Return what is said of the number of components: those that hold 95 % together, and more.

    Parameters
    ----------
    probabilities : array of shape (K,)
        Of 1 ... K components.
    """
    order = np.argsort(-probabilities, kind="stable")
    most = 1 + int(np.searchsorted(np.cumsum(probabilities[order]), LIKELY))
    listed = np.sort(order[: min(most, MAX_NUMBERS)])
    told = [f"{number + 1} ({probabilities[number]:.2f})" for number in listed]
    return f"{', '.join(told)}, with posterior probabilities in brackets"


def _description(components: Components, k: int) -> str:
    title = name(components.names[k]) if k < len(components.names) else f"Component {k}"
    size = f"{percent(float(components.weights[k]))} of the distribution"
    if components.n_assigned is not None:
        size += f" ({count(float(components.n_assigned[k]))} rows)"
    traits = []
    for d in _traits(components, k):
        mean, deviation = components.measured(k, d)
        traits.append(f"{name(components.features[d])} about {mean} (sd {deviation})")
    return f"{title}: {size}, with {'; '.join(traits)}."


def _traits(components: Components, k: int) -> list[int]:
    """Return the features by which a component differs most from the whole, in data order."""
    n_features = len(components.features)
    if n_features <= MAX_TRAITS:
        return list(range(n_features))
    centred = components.means - components.weights @ components.means
    spread = _overall_deviations(components, centred)
    distance = np.abs(centred[k]) / np.where(spread > 0, spread, 1.0)
    return sorted(np.argsort(-distance, kind="stable")[:MAX_TRAITS].tolist())


def _overall_deviations(components: Components, centred: Array) -> Array:
    unit = np.maximum(np.abs(centred).max(axis=0), components.deviations.max(axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    squares = (centred / unit) ** 2 + (components.deviations / unit) ** 2
    return unit * np.sqrt(components.weights @ squares)


def certainty_sentence(certainty: Certainty) -> str:
    """Return how sure the assignments are."""
    doubtful = certainty.n_doubtful
    verb = "has" if doubtful == 1 else "have"
    part = percent(doubtful / certainty.n_rows)
    return (
        "On average a row's most probable component has a probability of "
        f"{_probability(certainty.average)}; {doubtful:,} of {certainty.n_rows:,} rows ({part}) "
        f"{verb} less than {1.0 - DOUBTFUL:g} there."
    )


def _probability(value: float) -> str:
    return "over 0.9999" if 0.99995 <= value < 1 else f"{value:.4f}".rstrip("0").rstrip(".")
