"""Whether a fit with nothing given but K finds the widths of groups that are plain to see."""

import zlib
from collections.abc import Iterator
from functools import partial
from itertools import permutations, product
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from benchmarks.context import Context
from benchmarks.groups import (
    FAMILIES,
    FLAT_DIRECTIONS,
    SHARED,
    Groups,
    draw_groups,
    flat_groups,
    groups_apart,
)
from benchmarks.judging import COLUMNS, Check, Verdict, judged, ratio_verdict
from benchmarks.ours import quiet_fit
from benchmarks.table import Table
from mixtura import CollapsedGibbs, Gibbs
from mixtura.priors import Dirichlet

METHODS: dict[str, Any] = {
    "map": "map",
    "vb": "vb",
    "gibbs": Gibbs(chains=2, draws=150, warmup=100),
    "collapsed": CollapsedGibbs(chains=2, draws=60, warmup=40),
}
POINTS = ("map", "vb")
DISTANCES = (8, 30, 100, 1000, 10_000)
NEAR = (3, 4, 6)
DIMENSIONS = (1, 2, 5, 10)

NOTES = [
    "Groups on a line, so many of their standard deviations apart (of the widest, along the "
    "line), drawn as the family says; the fit is told K and the family, nothing else. Worst: the "
    "fitted standard deviation over the group's own (by the true labels, pooled as the family "
    "pools), the one that is farthest from 1; 'where' names the set.",
    "sds=3: the last group is three times as wide. far: the last of three groups is as far away "
    "as said, the others 8 standard deviations from each other. near: the ratio to the "
    "maximum-likelihood fit that starts from the true labels.",
    "Asked: 5 % where a group has 100 rows, 2 % where 1,000, 12 % for full where it has no more "
    "than 10 D.",
    "far-row: 400 rows of groups 20 standard deviations apart and one row at so many standard "
    "deviations; one component more than groups; their standard deviations.",
    "gibbs: 2 chains of 150 draws after 100; collapsed: 2 of 60 after 40; both on a part of the "
    "sets.",
]


def measure_defaults(context: Context) -> Table:
    """Return the table of default fits of plain groups."""
    table = Table("defaults", "default fits of groups that are plain to see", NOTES, COLUMNS)
    return judged(context, table, checks(context.settings.quick))


def checks(quick: bool) -> Iterator[Check]:
    """Yield every check; a few of each kind where a first look is enough."""
    for method in METHODS:
        yield from _group_checks(method, quick)
    yield from _far_row_checks(quick)
    for method in POINTS:
        yield from _flat_checks(method)
        yield from _variance_checks(method)
        yield from _wide_checks(method)
        yield _six_points(method)
        yield from _order_checks(method)


def fitted_deviations(model: Any, means: np.ndarray) -> np.ndarray:
    """Return the standard deviations (K, D) of the components that are closest to given means.

    Each component answers for one group at most.
    """
    deviations = model.scales_.reshape(model.means_.shape)
    units = np.ptp(means, axis=0) + deviations.max(axis=0)
    distances = np.linalg.norm((means[:, None] - model.means_) / units, axis=2)
    return deviations[linear_sum_assignment(distances)[1]]


def _group_checks(method: str, quick: bool) -> Iterator[Check]:
    families = [f for f in FAMILIES if method != "collapsed" or f not in SHARED]
    for family, n_features, n_groups in product(families, DIMENSIONS, (2, 3)):
        for size, variant, distance in product((100, 1000), _variants(n_groups), DISTANCES):
            thinned = quick or method not in POINTS
            chosen = (n_features + n_groups) % 2 == 0 and distance in (30, 1000)
            if thinned and not chosen:
                continue
            if size == 1000 and (variant != "equal") and (quick or method not in POINTS):
                continue
            yield _group_check(method, family, n_features, n_groups, size, variant, distance)
        if method in POINTS and not (quick and n_features > 2):
            for distance in NEAR:
                yield _group_check(method, family, n_features, n_groups, 100, "near", distance)


def _variants(n_groups: int) -> tuple[str, ...]:
    variants = ("equal", "sds=3", "sizes=100/1000")
    return (*variants, "far") if n_groups > 2 else variants


def _group_check(
    method: str, family: str, n_features: int, n_groups: int, size: int, variant: str, distance: int
) -> Check:
    places = [float(distance * k) for k in range(n_groups)]
    if variant == "far":
        places = [0.0, 8.0, 8.0 + distance]
    sizes = [size] * n_groups
    if variant == "sizes=100/1000":
        # Either the first or the last group is the large one.
        sizes = [100] * n_groups
        sizes[0 if size == 100 else -1] = 1000
    scales = [1.0] * n_groups
    if variant == "sds=3":
        scales[-1] = 3.0
    seed = [11, n_features, n_groups, size, distance, zlib.crc32(f"{family} {variant}".encode())]
    given = (family, n_features, places, scales, sizes, seed)
    mixed = len(set(sizes)) > 1
    judge = partial(_judge_groups, method, family, given, variant == "near")
    return Check(
        "near" if variant == "near" else "groups",
        method,
        family,
        "100/1000" if mixed else str(size),
        _asked(family, mixed, size),
        f"D={n_features} K={n_groups} {variant} {distance}-sd",
        judge,
    )


def _asked(family: str, mixed: bool, size: int) -> str:
    asked = "5 %, 2 %" if mixed else ("5 %" if size == 100 else "2 %")
    return f"{asked} (12 % at D = 10)" if family == "full" and (mixed or size == 100) else asked


def _judge_groups(method: str, family: str, given: tuple[Any, ...], near: bool) -> Verdict:
    groups = groups_apart(*given)
    options = {"covariance_type": family, "random_state": 0}
    n_groups = groups.sizes.size
    own, means = groups.deviations(family), groups.means
    if near:
        known = quiet_fit(groups.rows, n_groups, inference="ml", init=groups.labels, **options)
        own, means = known.scales_.reshape(means.shape), known.means_
    model = quiet_fit(groups.rows, n_groups, inference=METHODS[method], **options)
    ratios = fitted_deviations(model, means) / own
    return ratio_verdict(ratios.ravel(), np.repeat(_limits(groups, family), means.shape[1]))


def _limits(groups: Groups, family: str) -> np.ndarray:
    """Return what may be off, relative, for each group."""
    sizes = groups.sizes
    limits = np.where(sizes >= 1000, 0.02, 0.05)
    if family == "full":
        limits = np.where(sizes <= 10 * groups.rows.shape[1], 0.12, limits)
    return limits.min() * np.ones(sizes.size) if family in SHARED else limits


def _far_row_checks(quick: bool) -> Iterator[Check]:
    for method, family in product(("map", "vb", "gibbs"), FAMILIES):
        if method == "gibbs" and family not in ("full", "spherical"):
            continue
        for n_groups, n_features, distance in product((1, 2, 3), (1, 2, 5), (1e4, 1e6)):
            if quick and (n_features == 5 or n_groups == 3):
                continue
            case = f"D={n_features} groups={n_groups} {distance:.0e}-sd"
            judge = partial(_judge_far_row, method, family, n_groups, n_features, distance)
            yield Check("far-row", method, family, "401", "5 %", case, judge)


def _judge_far_row(
    method: str, family: str, n_groups: int, n_features: int, distance: float
) -> Verdict:
    sizes = [400 // n_groups + (1 if k < 400 % n_groups else 0) for k in range(n_groups)]
    places = [20.0 * k for k in range(n_groups)]
    seed = [12, n_groups, n_features, int(np.log10(distance))]
    groups = groups_apart(family, n_features, places, [1.0] * n_groups, sizes, seed)
    deviation = groups.deviations(family).max()
    direction = np.random.default_rng(seed).standard_normal(n_features)
    far = groups.means[0] + distance * deviation * direction / np.linalg.norm(direction)
    rows = groups.with_row(far).rows
    model = quiet_fit(
        rows,
        n_groups + 1,
        covariance_type=family,
        inference=METHODS[method],
        random_state=0,
    )
    deviations = fitted_deviations(model, np.vstack([groups.means, far]))[:n_groups]
    ratios = (deviations / groups.deviations(family)).ravel()
    return ratio_verdict(ratios, [0.05] * ratios.size)


def _flat_checks(method: str) -> Iterator[Check]:
    part = "flat, sds 1 and .1, 10 apart"
    for family, where, seed in product(
        ("full", "tied", "diag", "tied_diag"), FLAT_DIRECTIONS, range(2)
    ):
        judge = partial(_judge_flat, method, family, where, seed)
        yield Check(part, method, family, "200", "5 %", f"{where} s={seed}", judge)


def _judge_flat(method: str, family: str, where: str, seed: int) -> Verdict:
    groups = flat_groups(FLAT_DIRECTIONS[where], [13, seed])
    model = quiet_fit(
        groups.rows, 2, covariance_type=family, inference=METHODS[method], random_state=0
    )
    ratios = (fitted_deviations(model, groups.means) / groups.deviations(family)).ravel()
    return ratio_verdict(ratios, [0.05] * ratios.size)


def _variance_checks(method: str) -> Iterator[Check]:
    for n_features in (2, 50, 200):
        judge = partial(_judge_variance, method, n_features)
        asked = ".93 to 1.07"
        yield Check("one group, variance", method, "diag", "60", asked, f"D={n_features}", judge)
    for n_features in (50, 200):
        judge = partial(_judge_column, method, n_features)
        part = "one group, a column beside others"
        yield Check(part, method, "diag", "60", "alike to 1e-12", f"D={n_features}", judge)


def _variance_ratios(method: str, n_features: int) -> np.ndarray:
    rng = np.random.default_rng(14)
    rows = np.exp(rng.standard_normal(200)) * rng.standard_normal((60, 200)) + 3.0
    rows = np.ascontiguousarray(rows[:, :n_features])
    model = quiet_fit(rows, 1, covariance_type="diag", inference=METHODS[method])
    return np.asarray(model.covariances_[0] / rows.var(axis=0))


def _judge_variance(method: str, n_features: int) -> Verdict:
    ratios = _variance_ratios(method, n_features)
    return ratio_verdict(ratios, [0.07] * ratios.size)


def _judge_column(method: str, n_features: int) -> Verdict:
    ratio = _variance_ratios(method, n_features)[0] / _variance_ratios(method, 2)[0]
    return Verdict(f"{ratio:.4g} ({ratio - 1.0:.0e})", abs(ratio - 1.0) / 1e-12)


def _wide_checks(method: str) -> Iterator[Check]:
    for n_features, seed in product((50, 100), range(3)):
        judge = partial(_judge_wide, method, n_features, seed)
        case = f"D={n_features} s={seed}"
        asked = "adjusted Rand of new rows >= .95"
        yield Check("wide, 3 groups 8 sds apart", method, "full", "20", asked, case, judge)


def _judge_wide(method: str, n_features: int, seed: int) -> Verdict:
    rng = np.random.default_rng([15, n_features, seed])
    # Centres on orthogonal axes, each pair 8 standard deviations from one another.
    axes = np.linalg.qr(rng.standard_normal((n_features, 3)))[0].T
    centres = axes * 8.0 / np.sqrt(2.0)
    identities = np.stack([np.eye(n_features)] * 3)
    known = draw_groups(centres, identities, [20] * 3, rng)
    new = draw_groups(centres, identities, [1000] * 3, rng)
    model = quiet_fit(known.rows, 3, inference=METHODS[method], random_state=0)
    index = float(adjusted_rand_score(new.labels, model.predict(new.rows)))
    return Verdict(f"{index:.3f}", (1.0 - index) / 0.05)


def _six_points(method: str) -> Check:
    return Check(
        "scikit-learn's six points",
        method,
        "full",
        "6",
        "means (1, 2), (10, 2) within .05",
        "",
        partial(_judge_six_points, method),
    )


def _judge_six_points(method: str) -> Verdict:
    rows = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]], dtype=float)
    means = quiet_fit(rows, 2, inference=METHODS[method], random_state=0).means_
    off = np.abs(means - np.array([[1.0, 2.0], [10.0, 2.0]])).max()
    shown = ", ".join(f"({a:.3g}, {b:.3g})" for a, b in means)
    return Verdict(shown, off / 0.05)


ORDER_SETS = {
    "sizes=200/70/30": ([200, 70, 30], 10.0),
    "sizes=100/100/100": ([100, 100, 100], 10.0),
    "sizes=200/70/30 overlapping": ([200, 70, 30], 3.0),
}
"""Rows of three groups, and how many standard deviations they are apart."""


def _order_checks(method: str) -> Iterator[Check]:
    for name, family in product(ORDER_SETS, ("full", "diag", "tied")):
        judge = partial(_judge_orders, method, family, name)
        part = "six orders of Dirichlet([100, 10, 1])"
        yield Check(part, method, family, "300", "equal to 1e-8, relative", name, judge)


def _judge_orders(method: str, family: str, name: str) -> Verdict:
    sizes, distance = ORDER_SETS[name]
    places = [distance * k for k in range(3)]
    rows = groups_apart("full", 2, places, [1.0] * 3, sizes, [16]).rows
    objectives = []
    for order in permutations((100.0, 10.0, 1.0)):
        prior = Dirichlet(np.array(order))
        options = {"covariance_type": family, "inference": METHODS[method], "random_state": 0}
        objectives.append(quiet_fit(rows, 3, weight_prior=prior, **options).objective_)
    spread = max(objectives) - min(objectives)
    return Verdict(f"{spread:.2g} nats", spread / (1e-8 * abs(max(objectives))))
