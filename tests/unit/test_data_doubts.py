"""Data that are no measurements are told by name, and measurements are let be."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.datasets import load_faithful, load_iris
from mixtura.diagnostics.data_warnings import data_doubts, facts_of
from mixtura.diagnostics.dependence import Dependence, dependences
from mixtura.engines import ENGINES
from mixtura.engines.resolution import resolution
from mixtura.engines.sorting import sorted_columns
from mixtura.estimator.problem import known_of, overall_moments

RNG = np.random.default_rng(11)
PLAIN = pd.DataFrame(RNG.normal(10.0, [1.0, 2.0, 3.0], (200, 3)), columns=["a", "b", "c"])
SHARES = pd.DataFrame(RNG.dirichlet([2.0, 3.0, 4.0], 200), columns=["sand", "silt", "clay"])
CODES = pd.get_dummies(pd.Series(RNG.choice(["u", "v", "w"], 200))).astype(float)


def facts(frame, weights=None, n_components=2):
    values = np.ascontiguousarray(frame, dtype=float)
    rows, engine = ArrayRows(values, weights), ENGINES["reference"]()
    moments = overall_moments(rows, engine, (1, values.shape[1]))
    return known_of(rows, engine, moments, n_components, tuple(map(str, frame.columns)))


def said(frame, weights=None, **options):
    return tuple(doubt.message for doubt in data_doubts(facts(frame, weights, **options)))


DOUBTFUL = {
    "row number": (PLAIN.assign(nr=np.arange(200)), "column 'nr': whole numbers or even steps"),
    "shuffled": (PLAIN.assign(nr=RNG.permutation(200)), "column 'nr': whole numbers"),
    "gaps": (PLAIN.assign(nr=np.sort(RNG.choice(400, 200, replace=False))), "column 'nr': whole"),
    "hours": (PLAIN.assign(t=1.6e9 + 3600.0 * np.arange(200)), "column 't': whole numbers or even"),
    "panel": (PLAIN.assign(year=np.repeat(np.arange(1980, 2020), 5)), "column 'year': whole"),
    "eight digits": (
        PLAIN.assign(customer_id=RNG.choice(10**8, 200, replace=False)),
        "column 'customer_id': whole numbers",
    ),
    "target": (PLAIN.assign(target=RNG.integers(0, 3, 200)), "column 'target': few distinct"),
    "yes and no": (PLAIN.assign(sex=RNG.integers(0, 2, 200)), "column 'sex': few distinct"),
    "coded": (PLAIN.assign(sex=RNG.choice([-0.04, 0.05], 200)), "column 'sex': few distinct"),
    "answers": (
        pd.DataFrame(RNG.integers(1, 6, (200, 2)), columns=["q1", "q2"]),
        "columns 'q1', 'q2': few distinct",
    ),
    "missing cells as numbers": (
        PLAIN.assign(c=PLAIN.c.where(np.arange(200) % 20 > 0, -999.0)),
        "column 'c': -999, which several rows hold, far from all other values",
    ),
    "shares": (SHARES, "columns 'sand', 'silt', 'clay': linearly dependent"),
    "percentages": ((100 * SHARES).round(1), "columns 'sand', 'silt', 'clay': linearly dependent"),
    "whole percentages": ((100 * SHARES).round(), "columns 'sand', 'silt', 'clay': linearly"),
    "one-hot": (CODES.join(PLAIN), "columns 'u', 'v', 'w': linearly dependent"),
    "sum": (PLAIN.assign(d=PLAIN.a + PLAIN.b - 2 * PLAIN.c), "columns 'a', 'b', 'c', 'd': linear"),
    "part of a sum": (PLAIN.assign(d=PLAIN.a + PLAIN.c), "columns 'a', 'c', 'd': linearly"),
    "two sets": (
        SHARES.join(PLAIN.assign(d=PLAIN.a - PLAIN.b)),
        "columns 'sand', 'silt', 'clay'; columns 'a', 'b', 'd': linearly dependent (parts that add "
        "to a whole, codes of one category, or a sum beside its terms): leave out one of them of "
        "each set",
    ),
    "two equations": (
        PLAIN.assign(d=PLAIN.a + PLAIN.b + PLAIN.c, e=PLAIN.a - PLAIN.b + PLAIN.c),
        "columns 'a', 'b', 'c', 'd', 'e': linearly dependent",
    ),
    "repeated": (PLAIN.assign(f=1.8 * PLAIN.b + 32), "columns 'b', 'f': each has a correlation"),
    "constant": (PLAIN.assign(k=4.0), "constant column 'k'"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_columns_are_named_with_what_is_wrong(name) -> None:
    frame, beginning = DOUBTFUL[name]
    assert any(message.startswith(beginning) for message in said(frame)), said(frame)


@pytest.mark.parametrize("name", DOUBTFUL)
def test_doubts_know_weights_order_and_units(name) -> None:
    frame = DOUBTFUL[name][0].astype(float)
    told = said(frame)
    assert said(frame.iloc[::-1]) == told
    assert said(frame, np.ones(200)) == told
    twice = pd.concat([frame, frame])
    assert said(twice) == said(frame, np.full(200, 2.0)) == told
    assert said(pd.concat([frame, 0.0 * frame]), np.repeat([1.0, 0.0], 200)) == told
    # What a column holds is told in its units; what is doubted is the same in all of them.
    subjects = [message.split(":")[0] for message in told]
    assert [message.split(":")[0] for message in said(frame * 4096.0)] == subjects


ORDINARY = {
    "normal": PLAIN,
    "rounded": PLAIN.round(1),
    "incomes": PLAIN.assign(income=RNG.integers(10**4, 10**5, 200)),
    "counts": PLAIN.assign(visits=RNG.poisson(3.0, 200)),
    "rare counts": PLAIN.assign(visits=RNG.poisson(0.7, 200)),
    "ages": PLAIN.assign(age=RNG.integers(18, 90, 200)),
    "many zeros": PLAIN.assign(rain=np.maximum(PLAIN.a - 10.0, 0.0)),
    "nearly a sum": PLAIN.assign(d=PLAIN.a + PLAIN.b + 1e-3 * RNG.normal(size=200)),
    "nearly shares": SHARES * (1.0 + 1e-3 * RNG.normal(size=(200, 1))),
    "more columns than rows": pd.DataFrame(RNG.normal(size=(20, 30))),
    "hardly more rows": pd.DataFrame(RNG.normal(size=(32, 30)).round(0)),
    "iris": load_iris().frame().drop(columns="target"),
    "faithful": load_faithful().frame(),
    "wine": datasets.load_wine(as_frame=True).data,
    "breast cancer": datasets.load_breast_cancer(as_frame=True).data,
    "diabetes but sex": datasets.load_diabetes(as_frame=True).data.drop(columns="sex"),
    "linnerud": datasets.load_linnerud(as_frame=True).frame,
}


@pytest.mark.parametrize("name", ORDINARY)
def test_measurements_are_let_be(name) -> None:
    assert said(ORDINARY[name]) == ()


@pytest.mark.parametrize(
    ("weights", "is_told"),
    [
        (np.full(200, 1 / 200), True),
        (RNG.gamma(2.0, 1.0, 200) / 1e4, True),
        (RNG.integers(10**6, 10**7, 200).astype(float), True),
        (RNG.gamma(2.0, 20.0, 200), True),
        (np.ones(200), False),
        (RNG.integers(1, 5, 200).astype(float), False),
        (RNG.integers(0, 2, 200).astype(float), False),
        (RNG.gamma(2.0, 0.5, 200), False),
        (RNG.integers(1, 200, 200).astype(float), False),
        (0.99 ** np.arange(200), False),
    ],
)
def test_weights_that_count_no_rows_are_told(weights, is_told) -> None:
    told = [message for message in said(PLAIN, weights) if "weights" in message]
    assert len(told) == is_told
    assert not is_told or told[0].startswith(
        f"the weights of 200 rows add up to {weights.sum():.4g}"
    )


def test_fits_warn_and_name_the_column() -> None:
    frame = PLAIN.assign(customer_id=1000 + np.arange(200))
    with pytest.warns(match="column 'customer_id': .* leave out"):
        gmm = GaussianMixtureModel(2, covariance_type="diag").fit(frame)
    assert [doubt.message for doubt in gmm.fit_.doubts] == list(said(frame))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GaussianMixtureModel(2, covariance_type="diag").fit(PLAIN)


@pytest.mark.parametrize("n_rows", [60_000, 50_000_000])
def test_row_numbers_are_known_by_a_sample(n_rows) -> None:
    rng = np.random.default_rng(4)
    sample = np.column_stack(
        [
            rng.choice(n_rows, 8000, replace=False),
            np.round(rng.normal(0.0, n_rows, 8000)),
            rng.normal(size=8000),
        ]
    )
    columns = sorted_columns(ArrayRows(sample.astype(float)), n_rows, float(n_rows))
    moments = overall_moments(ArrayRows(sample), ENGINES["reference"](), (1, 3))
    found = facts_of(columns, moments, resolution(columns), 2, ("nr", "cents", "z"))
    (doubt,) = data_doubts(found)
    assert doubt.message.startswith("column 'nr': whole numbers")


# ------------------------------------------------------------------ dependences, from a matrix


def projected(correlations):
    """Return which columns take part in the null space, by a singular value decomposition."""
    _, values, rows = np.linalg.svd(correlations)
    null = rows[values < 1e-9]
    return tuple(np.flatnonzero((null**2).sum(axis=0) > 1e-9)), len(null)


@pytest.mark.parametrize("seed", range(6))
def test_dependences_are_the_null_space(seed) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(300, 5))
    more = base[:, :3] @ rng.normal(size=(3, 2))
    values = np.column_stack([base, more])[:, rng.permutation(7)]
    correlations = np.corrcoef(values.T)
    (found,) = dependences(correlations, np.zeros(7), 300)
    assert (found.columns, found.n_equations) == projected(correlations)


def test_few_rows_tell_of_equal_columns_alone() -> None:
    values = RNG.normal(size=(5, 4))
    values = np.column_stack([values, -3.0 * values[:, 1], values[:, 0] + values[:, 2]])
    correlations = np.corrcoef(values.T)
    assert dependences(correlations, np.zeros(6), 5) == (Dependence((1, 4), 1),)
    assert dependences(np.eye(1), np.zeros(1), 5) == ()
