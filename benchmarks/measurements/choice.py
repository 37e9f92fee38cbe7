"""How often the number of components is chosen rightly, against scikit-learn's BIC."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from sklearn.mixture import GaussianMixture

from benchmarks.context import Context
from benchmarks.groups import FLAT_DIRECTIONS, Groups, draw_groups, flat_groups, groups_apart
from benchmarks.table import Table
from mixtura import select

APART, OVERLAPPING = 6.0, 2.8
"""Standard deviations between the closest two of random shapes."""

METHODS = ("map", "vb", "ml")
PEER = "sklearn"

NOTES = [
    "How many sets get their own number of components: mixtura's `select` with its defaults "
    "under map and ml (BIC) and vb (its bound); scikit-learn's GaussianMixture by BIC, n_init=5, "
    "other settings its defaults. '(L at the limit)' counts those that get the largest tried.",
    "Random shapes: K = 1 to 5 groups, 2 or 3 features, 350 or 400 rows, axes of random directions "
    "and of lengths from .08 to 1, all pairs at least 6 (apart, some much farther) or 2.8 "
    "(overlapping) standard deviations from each other in the metric of their average covariance.",
    "Two groups: 100 rows each, 3 to 1,000 standard deviations apart. Flat: standard deviations 1 "
    "and .1, 10 apart, 200 rows each. Whole numbers: Poisson counts of means 3 and 20 (one and "
    "two columns), answers from 1 to 5 to two or four questions; two groups of 150 rows each.",
]


@final
@dataclass(frozen=True, eq=False)
class Question:
    """A table whose number of groups is known.

    Parameters
    ----------
    kind : str
        Its line of the table.
    name : str
    rows : array of shape (N, D)
    n_groups : int
        The right answer.
    most : int
        The largest number tried.
    """

    kind: str
    name: str
    rows: np.ndarray
    n_groups: int
    most: int


def measure_choice(context: Context) -> Table:
    """Return the table of chosen numbers of components."""
    columns = ["sets", "number", *METHODS, PEER]
    table = Table("choice", "numbers of components that were chosen rightly", NOTES, columns)
    found: dict[str, list[tuple[Question, dict[str, int]]]] = {}
    for question in questions(context.settings.quick):
        by = [
            method
            for method in (*METHODS, PEER)
            if context.settings.wants(f"{question.kind} {question.name} {method}")
        ]
        if not by:
            continue
        context.report(f"choice: {question.kind}, {question.name}")
        chosen = {method: chosen_number(question, method) for method in by}
        found.setdefault(question.kind, []).append((question, chosen))
        table.details.append(
            {"kind": question.kind, "set": question.name, "right": question.n_groups, **chosen}
        )
    for kind, answers in found.items():
        table.add([kind, str(len(answers)), *(_cell(answers, by) for by in (*METHODS, PEER))])
    shapes = [pair for kind, pairs in found.items() if kind.startswith("shapes") for pair in pairs]
    if shapes:
        cells = (_cell(shapes, by) for by in (*METHODS, PEER))
        table.add(["random shapes together", str(len(shapes)), *cells])
    return table


def _cell(answers: list[tuple[Question, dict[str, int]]], by: str) -> str:
    given = [(question, chosen[by]) for question, chosen in answers if by in chosen]
    if not given:
        return "–"
    right = sum(number == question.n_groups for question, number in given)
    limit = sum(number == question.most for question, number in given)
    return f"{right}" + (f" ({limit} at the limit)" if limit else "")


def chosen_number(question: Question, method: str) -> int:
    """Return the number of components that a method chooses; 0 where it fails."""
    numbers = range(1, question.most + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if method == PEER:
                return _chosen_by_peer(question.rows, numbers)
            return select(
                question.rows, numbers, inference=method, random_state=0
            ).best.n_components
        except (ValueError, ArithmeticError):
            return 0


def _chosen_by_peer(rows: np.ndarray, numbers: range) -> int:
    def bic(number: int) -> float:
        return float(GaussianMixture(number, n_init=5, random_state=0).fit(rows).bic(rows))

    return min(numbers, key=bic)


def questions(quick: bool) -> Iterator[Question]:
    """Yield every set; fewer of each kind where a first look is enough."""
    for number in range(12 if quick else 50):
        yield random_shapes(number)
    yield from _two_groups(quick)
    for seed in range(3 if quick else 6):
        yield _flat(seed)
    yield from _whole_numbers(range(1 if quick else 3))


def random_shapes(number: int, stream: int = 21) -> Question:
    """Return the set of a number: K goes 1 to 5, D 2 and 3, and so do the kinds."""
    n_groups, n_features = 1 + number % 5, 2 + (number // 5) % 2
    apart = (number // 10) % 2 == 0
    groups = shapes_at_random(
        n_groups,
        n_features,
        350 if number % 2 else 400,
        APART if apart else OVERLAPPING,
        np.random.default_rng([stream, number]),
    )
    kind = "shapes apart" if apart else "shapes overlapping"
    return Question(kind, f"{number} K={n_groups} D={n_features}", groups.rows, n_groups, 6)


def shapes_at_random(
    n_groups: int, n_features: int, n_rows: int, separation: float, rng: np.random.Generator
) -> Groups:
    """Return groups of random covariance matrices, no pair closer than the separation.

    Means are drawn from a cube that grows until all pairs are far enough from each other in the
    metric of their average covariance; those of groups that do not overlap are then moved apart by
    a factor of up to 4.5.
    """
    noise = rng.standard_normal((n_groups, n_features, n_features))
    axes = np.linalg.qr(noise)[0] * np.exp(rng.uniform(-2.5, 0.0, (n_groups, 1, n_features)))
    covariances = axes @ axes.transpose(0, 2, 1)
    side = 0.5
    centres = np.zeros((n_groups, n_features))
    while _closest(centres, covariances) < separation:
        side *= 1.02
        centres = side * rng.uniform(-1.0, 1.0, (n_groups, n_features))
    if separation >= APART:
        centres *= np.exp(rng.uniform(0.0, 1.5))
    shares = rng.dirichlet(np.full(n_groups, 10.0))
    sizes = np.bincount(rng.choice(n_groups, n_rows, p=shares), minlength=n_groups)
    return draw_groups(centres, covariances, sizes.tolist(), rng)


def _closest(centres: np.ndarray, covariances: np.ndarray) -> float:
    closest = np.inf
    for j in range(len(centres)):
        for k in range(j):
            between = centres[j] - centres[k]
            average = 0.5 * (covariances[j] + covariances[k])
            closest = min(closest, float(between @ np.linalg.solve(average, between)))
    return float(np.sqrt(closest))


def _two_groups(quick: bool) -> Iterator[Question]:
    for distance in (10, 100) if quick else (3, 4, 6, 10, 30, 100, 300, 1000):
        for n_features in (1, 2):
            groups = groups_apart(
                "full", n_features, [0.0, distance], [1.0, 1.0], [100, 100], [22, distance]
            )
            name = f"D={n_features} {distance}-sd"
            yield Question("two groups", name, groups.rows, 2, 5)


def _flat(seed: int) -> Question:
    where = list(FLAT_DIRECTIONS)[seed % len(FLAT_DIRECTIONS)]
    rows = flat_groups(FLAT_DIRECTIONS[where], [23, seed]).rows
    return Question("flat", f"{where} s={seed}", rows, 2, 6)


def _whole_numbers(seeds: range) -> Iterator[Question]:
    for seed in seeds:
        rng = np.random.default_rng([24, seed])
        for n_features in (1, 2):
            low, high = rng.poisson(3.0, (150, n_features)), rng.poisson(20.0, (150, n_features))
            rows = np.vstack([low, high]).astype(float)
            yield Question("counts", f"D={n_features} s={seed}", rows, 2, 6)
        often = np.array([[0.5, 0.3, 0.15, 0.04, 0.01], [0.01, 0.04, 0.15, 0.3, 0.5]])
        answers = np.vstack([rng.choice(5, (150, 4), p=shares) + 1.0 for shares in often])
        for n_features in (2, 4):
            rows = np.ascontiguousarray(answers[:, :n_features])
            yield Question("answers 1 to 5", f"D={n_features} s={seed}", rows, 2, 6)
