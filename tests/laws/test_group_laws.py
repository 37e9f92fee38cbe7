"""Laws of groups: rows that share a component have one score, and count once for the weights.

Direct sums, closed forms and enumeration over the groups' components are what the answers are held
against.
"""

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, logsumexp
from sklearn.metrics import adjusted_rand_score

import mixtura
from laws.enumeration import normal_inverse_wishart
from laws.running import FREE, blobs, families_and_methods, random_parameters
from mixtura import BACKGROUND, GaussianMixtureModel
from mixtura.data import ArrayRows, Classes, KnownLabels
from mixtura.engines import ENGINES
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Given, Sampled, Soft
from mixtura.messages.background import Background
from mixtura.model import potentials_of
from mixtura.priors import Dirichlet, NormalInverseWishart

N, D, K = 60, 2, 3
METHODS: dict[str, Any] = {
    "map": "map",
    "ml": "ml",
    "vb": "vb",
    "gibbs": mixtura.Gibbs(chains=1, draws=10, warmup=10),
}


def grouped_rows(seed: int = 0, apart: float = 1.5) -> tuple[Any, Any, Any]:
    """Return rows of round groups that overlap, what they share a component with, and which."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(90), rng.integers(1, 7, 90))
    truth = rng.choice(3, 90, p=[0.2, 0.3, 0.5])[groups]
    centres = apart * np.array([[0.0, 0.0], [0.5, 0.9], [1.0, 0.0]])
    return centres[truth] + rng.standard_normal((groups.size, 2)), groups, truth


def fitted(method: str, rows: Any, n_components: int = 3, **given: Any) -> Any:
    """Return a fit, whatever short chains say of themselves."""
    names = ("covariance_type", "n_jobs", "background", "component_prior", "weight_prior")
    options = {name: given.pop(name) for name in names if name in given}
    gmm = GaussianMixtureModel(
        n_components, inference=METHODS.get(method, method), random_state=0, **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gmm.fit(rows, **given)


@pytest.mark.parametrize("has_background", [False, True])
@pytest.mark.parametrize("kind", ["plain", "weights", "all"])
@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("family", FREE)
def test_sweeps_of_groups(family: str, engine: str, kind: str, has_background: bool) -> None:
    rng = np.random.default_rng(0)
    values = blobs(rng, N, D, 3, apart=0.7)
    weights = rng.integers(1, 4, N).astype(float) if kind != "plain" else None
    errors = rng.gamma(2.0, 0.1, (N, D)) if kind == "all" else None
    if kind == "all":
        values[rng.random((N, D)) < 0.2] = np.nan
    groups = rng.integers(-1, 12, N)
    codes = np.where(np.isin(groups, [3, 4]), 1, -1)
    known = KnownLabels(codes, Classes((), (1, 2)), groups)
    rows, run = ArrayRows(values, weights, None, errors, None, known), ENGINES[engine]()
    chosen, box = FAMILIES[family], None
    parameters = random_parameters(np.random.default_rng(1), chosen, K, D)
    if has_background:
        box = Background(np.nanmin(values, axis=0), np.nanmax(values, axis=0))
        parameters = type(parameters)(
            0.8 * parameters.weights, parameters.means, parameters.covariances
        )
    potentials = potentials_of(chosen, parameters, box)
    plain = rows.unlabelled
    alone = potentials_of(chosen, parameters, None)
    single = [alone.components(np.array([k])) for k in range(K)]
    logs = np.stack([run.log_density(plain, one) for one in single], axis=1) - alone.log_weight
    log_weight = alone.log_weight
    if box is not None:
        lone = Background(box.lower, box.upper)
        of_box = run.background_density(plain, type(potentials.background)(0.0, lone))
        logs = np.column_stack([logs, of_box])
        log_weight = np.append(log_weight, np.log(0.2))
    mass = np.ones(N) if weights is None else weights
    # Group by group, as the formulas have it.
    shares, data_term = np.zeros(logs.shape), 0.0
    members = np.zeros(logs.shape[1])
    for name in np.unique(groups[groups >= 0]):
        inside = groups == name
        scores = log_weight + mass[inside] @ logs[inside]
        if name in (3, 4):
            scores[[k for k in range(scores.size) if k not in (1, 2)]] = -np.inf
        shares[inside] = np.exp(scores - logsumexp(scores))
        members += shares[inside][0]
        data_term += logsumexp(scores)
    for n in np.flatnonzero(groups < 0):
        scores = log_weight + logs[n]
        shares[n] = np.exp(scores - logsumexp(scores))
        members += mass[n] * shares[n]
        data_term += mass[n] * logsumexp(scores)
    found = run.sweep(rows, potentials, Soft())
    left = shares[:, :K].sum(axis=1)
    given = Given(shares[:, :K] / np.maximum(left, 1e-300)[:, None])
    wanted = run.sweep(ArrayRows(values, mass * left, None, errors), alone, given)
    assert found.count == pytest.approx(wanted.count, rel=1e-9, abs=1e-12)
    assert found.first == pytest.approx(wanted.first, abs=1e-8)
    assert found.second == pytest.approx(wanted.second, rel=1e-9, abs=1e-8)
    assert found.members == pytest.approx(members[:K], rel=1e-9, abs=1e-12)
    assert found.log_normalizer == pytest.approx(data_term, rel=1e-11)
    assert mass @ run.log_density(rows, potentials) == pytest.approx(data_term, rel=1e-10)
    assert run.responsibilities(rows, potentials) == pytest.approx(shares, abs=1e-10)
    if box is not None:
        density = (mass * shares[:, K]) @ logs[:, K]
        assert found.background == pytest.approx([members[K], density], rel=1e-9)
    drawn = run.sample_labels(rows, potentials, 7, 5)
    for name in np.unique(groups[groups >= 0]):
        assert (np.ptp(drawn[:, groups == name], axis=1) == 0).all()
    sampled = run.sweep(rows, potentials, Sampled(5))
    assert sampled.of_weights.sum() + sampled.of_background == pytest.approx(members.sum())
    assert sampled.log_normalizer == pytest.approx(data_term, rel=1e-11)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_group_is_no_change(method: str) -> None:
    rows = blobs(np.random.default_rng(0), 60, 2, 3)
    one, other = fitted(method, rows), fitted(method, rows, groups=[None] * 60)
    for name in ("weights_", "means_", "covariances_", "objective_history_"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(("family", "method"), families_and_methods(["map", "ml", "vb"]))
def test_groups_of_one_are_rows(family: str, method: str) -> None:
    rows = blobs(np.random.default_rng(1), 90, 2, 3)
    one = fitted(method, rows, covariance_type=family)
    other = fitted(method, rows, groups=np.arange(90), covariance_type=family)
    assert other.objective_ == pytest.approx(one.objective_, abs=1e-5)
    assert other.means_ == pytest.approx(one.means_, abs=1e-2)


@pytest.mark.parametrize(("family", "method"), families_and_methods(METHODS))
def test_rows_of_a_group_share_a_component(family: str, method: str) -> None:
    rows, groups, truth = grouped_rows()
    gmm = fitted(method, rows, groups=groups, covariance_type=family)
    assert all(np.ptp(gmm.labels_[groups == g]) == 0 for g in np.unique(groups))
    if method != "gibbs":  # of so few draws nothing is known
        alone = fitted(method, rows, covariance_type=family)
        scores = [adjusted_rand_score(truth, one.labels_) for one in (gmm, alone)]
        assert scores[0] > scores[1]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_threads_do_not_show(method: str) -> None:
    rows, groups, truth = grouped_rows(1)
    rng = np.random.default_rng(0)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    given = {
        "groups": groups,
        "labels": np.where(groups < 12, truth, -1),
        "sample_weight": rng.integers(1, 3, len(rows)),
        "measurement_error": rng.gamma(2.0, 0.1, rows.shape),
    }
    one, two = (fitted(method, rows, background="uniform", n_jobs=n, **given) for n in (1, 2))
    for name in ("weights_", "means_", "covariances_", "objective_history_"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("method", ["map", "ml", "vb"])
def test_order_copies_and_batches(method: str) -> None:
    rows, groups, _ = grouped_rows(2, apart=3.0)
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 3, len(rows))
    first = fitted(method, rows, groups=groups, sample_weight=counts)
    where = rng.permutation(np.repeat(np.arange(len(rows)), counts))
    names = np.array([f"g{n}" for n in groups], dtype=object)
    second = fitted(method, rows[where], groups=names[where])
    assert second.objective_ == pytest.approx(first.objective_, abs=1e-4)
    assert second.weights_ == pytest.approx(first.weights_, abs=1e-4)
    half = groups < 45
    gmm = GaussianMixtureModel(3, inference=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gmm.partial_fit(rows[half], groups=groups[half])
        gmm.partial_fit(rows[~half], groups=groups[~half])
    whole = fitted(method, rows, groups=groups)
    assert gmm.weights_ == pytest.approx(whole.weights_, abs=0.05)
    assert gmm.means_ == pytest.approx(whole.means_, abs=0.2)


def test_all_labels_known_the_weights_are_told_by_groups() -> None:
    rows, groups, truth = grouped_rows(3)
    gmm = fitted("ml", rows, groups=groups, labels=truth)
    first = np.unique(groups, return_index=True)[1]
    assert gmm.weights_ == pytest.approx(np.bincount(truth[first]) / 90.0, rel=1e-12)
    for k in range(3):
        assert gmm.means_[k] == pytest.approx(rows[truth == k].mean(axis=0), rel=1e-10, abs=1e-12)


def test_draws_are_the_posterior_of_groups() -> None:
    rng = np.random.default_rng(0)
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    rows = np.where(groups % 2, 1.5, 0.0)[:, None] + rng.standard_normal((8, 2))
    prior = NormalInverseWishart(rows.mean(axis=0), 0.3, 5.0, 2.0 * np.eye(2))
    parts = (np.asarray(prior.mean), prior.shrinkage, prior.degrees_of_freedom)
    cluster = normal_inverse_wishart(*parts, np.asarray(prior.scale))
    logs, together = [], []
    for chosen in product([0, 1], repeat=4):
        z = np.array(chosen)
        counts = np.bincount(z, minlength=2)
        # A group counts once for the weights, Dirichlet(1, 1).
        worth = gammaln(2.0) - gammaln(6.0) + gammaln(1.0 + counts).sum()
        for k in (0, 1):
            if (z == k).any():
                worth += cluster.log_marginal(rows[z[groups] == k])
        logs.append(worth)
        together.append(z[:, None] == z)
    evidence = logsumexp(logs)
    wanted = np.einsum("a,aij->ij", np.exp(np.array(logs) - evidence), together)
    given = {"component_prior": prior, "weight_prior": Dirichlet(1.0), "groups": groups}
    assert fitted("vb", rows, 2, **given).objective_ <= evidence + 1e-9
    METHODS["long"] = mixtura.Gibbs(chains=2, draws=600, warmup=60)
    gmm = fitted("long", rows, 2, **given)
    found = gmm.co_clustering()[np.ix_([0, 3, 5, 6], [0, 3, 5, 6])]
    assert found == pytest.approx(wanted, abs=0.08)


def test_a_group_must_lie_in_one_batch() -> None:
    rows, groups, _ = grouped_rows()
    mixed = np.random.default_rng(0).permutation(len(rows))
    with pytest.raises(InvalidArgumentError, match="one batch"):
        GaussianMixtureModel(3, inference=mixtura.MAP(batch_size=20)).fit(
            rows[mixed], groups=groups[mixed]
        )
    gmm = GaussianMixtureModel(1).partial_fit(rows[:100], groups=groups[:100])
    with pytest.raises(InvalidArgumentError, match="one batch"):
        gmm.partial_fit(rows[100:], groups=groups[99:-1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"groups": [0, 1]}, "one entry for each row"),
        ({"groups": [0] * 20, "labels": [0, 1] * 10}, "rows of 0 have several"),
    ],
)
def test_what_is_no_group_is_one_clear_error(given: Any, said: str) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(InvalidArgumentError, match=said):
        GaussianMixtureModel(2).fit(rows, **given)


@pytest.mark.parametrize("method", ["svi", "nuts"])
def test_methods_without_groups_say_so(method: str) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(InvalidArgumentError, match=f"'{method}' takes no groups"):
        GaussianMixtureModel(2, inference=method).fit(rows, groups=[0, 1] * 10)


def test_files_keep_what_groups_said(tmp_path: Any) -> None:
    rows, groups, _ = grouped_rows()
    gmm = fitted("vb", rows, groups=groups, background="uniform")
    gmm.save(tmp_path / "one.mixtura")
    again = mixtura.load(tmp_path / "one.mixtura")
    assert np.array_equal(again.predict_proba(rows), gmm.predict_proba(rows))
    assert BACKGROUND == -2


def test_files_know_the_groups_that_came(tmp_path: Any) -> None:
    rows, groups, _ = grouped_rows()
    gmm = GaussianMixtureModel(2).partial_fit(rows, groups=groups)
    gmm.save(tmp_path / "one.mixtura")
    again = mixtura.load(tmp_path / "one.mixtura")
    with pytest.raises(InvalidArgumentError, match="of which an earlier batch had rows"):
        again.partial_fit(rows, groups=groups)


def test_groups_are_left_out_as_a_whole() -> None:
    """The density of a group under a draw: sum_k p_k times the product over its rows."""
    rows, groups, _ = grouped_rows()
    gmm = GaussianMixtureModel(2, inference=mixtura.Gibbs(2, 30, 30), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gmm.fit(rows, groups=groups)
    names = np.unique(groups[groups >= 0])
    order = [*(np.flatnonzero(groups == name) for name in names)]
    order += [np.array([n]) for n in np.flatnonzero(groups < 0)]
    draws, logs = gmm.posterior_, np.empty((60, len(order)))
    for number in range(60):
        at = draws.draw(number)
        of_rows = np.stack(
            [
                stats.multivariate_normal.logpdf(rows, m, c)
                for m, c in zip(at.means, at.covariances, strict=True)
            ],
            axis=1,
        )
        for unit, members in enumerate(order):
            logs[number, unit] = logsumexp(np.log(at.weights) + of_rows[members].sum(axis=0))
    expected = logsumexp(logs, axis=0) - np.log(60) - logs.var(axis=0, ddof=1)
    np.testing.assert_allclose(gmm.waic().by_row, expected, rtol=1e-8)
    assert gmm.loo().by_row.shape == expected.shape
