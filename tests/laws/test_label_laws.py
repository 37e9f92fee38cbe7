"""Laws of known labels: they restrict responsibilities, and nothing else.

Closed forms of discriminant analysis, direct sums and conjugate evidences are what the answers are
held against.
"""

import datetime
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

import mixtura
from laws.enumeration import normal_inverse_wishart
from laws.independent import as_matrices, direct_statistics, log_scores, reduce_matrices
from laws.running import FREE, blobs, families_and_methods, random_parameters
from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows, Classes, KnownLabels
from mixtura.datasets import load_iris
from mixtura.engines import ENGINES
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Given, Sampled, Soft
from mixtura.priors import Dirichlet, DirichletProcess, NormalInverseWishart

N, D, K = 90, 2, 4
CLASSES = Classes((), (2, 1, 1))
"""Class 0 has two components; the last class has no row, so that its component is free."""

METHODS: dict[str, Any] = {
    "map": "map",
    "ml": "ml",
    "vb": "vb",
    "gibbs": mixtura.Gibbs(chains=1, draws=5, warmup=5),
}
ALLOWED = {-1: [0, 1, 2, 3], 0: [0, 1], 1: [2]}


def codes_of(seed: int = 0, n_rows: int = N) -> np.ndarray:
    """Return classes of rows, half of them unknown."""
    return np.random.default_rng(seed).choice([-1, -1, 0, 1], n_rows)


def some_rows(kind: str, seed: int = 0) -> ArrayRows:
    """Return rows as they may be: plain, weighted, with missing cells or errors, or with all."""
    rng = np.random.default_rng(seed)
    values = blobs(rng, N, D, 3)
    weights = rng.integers(0, 4, N).astype(float) if kind in ("weights", "all") else None
    errors = rng.gamma(2.0, 0.1, (N, D)) if kind in ("errors", "all") else None
    if kind in ("missing", "all"):
        values[rng.random((N, D)) < 0.2] = np.nan
    return ArrayRows(values, weights, None, errors, None, KnownLabels(codes_of(), CLASSES))


def fitted(method: str, rows: np.ndarray, n_components: int = 3, **given: Any) -> Any:
    """Return a fit, whatever short chains say of themselves."""
    options = {name: given.pop(name) for name in list(given) if name in ("covariance_type",)}
    gmm = GaussianMixtureModel(
        n_components, inference=METHODS[method], random_state=0, n_jobs=given.pop("n_jobs", None),
        **options,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gmm.fit(rows, **given)


def same_bits(one: Any, other: Any) -> None:
    """Assert that two fits are the same to the last bit."""
    for name in ("weights_", "means_", "covariances_", "objective_history_"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize("kind", ["plain", "weights", "missing", "errors", "all"])
@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("family", FREE)
def test_sweeps_restrict_responsibilities(family: str, engine: str, kind: str) -> None:
    rows, run = some_rows(kind), ENGINES[engine]()
    chosen = FAMILIES[family]
    parameters = random_parameters(np.random.default_rng(1), chosen, K, D)
    potentials = chosen.potentials(parameters)
    plain = rows.unlabelled
    allowed = np.zeros((N, K), dtype=bool)
    for n, code in enumerate(rows.labels.codes):
        allowed[n, ALLOWED[int(code)]] = True
    single = [potentials.components(np.array([k])) for k in range(K)]
    logs = np.stack([run.log_density(plain, one) for one in single], axis=1)
    if kind in ("plain", "weights"):
        logs = log_scores(rows.values, parameters)
    logs = np.where(allowed, logs, -np.inf)
    normalizer = logsumexp(logs, axis=1)
    shares = np.exp(logs - normalizer[:, None])
    weights = np.ones(N) if rows.weights is None else rows.weights
    found = run.sweep(rows, potentials, Soft())
    wanted = run.sweep(plain, potentials, Given(shares))
    if kind in ("plain", "weights"):
        wanted = direct_statistics(
            rows.values, shares, potentials.mean, potentials.structure, rows.weights
        )
    assert found.count == pytest.approx(wanted.count, abs=1e-9)
    assert found.first == pytest.approx(wanted.first, abs=1e-8)
    assert found.second == pytest.approx(wanted.second, rel=1e-9, abs=1e-8)
    assert found.log_normalizer == pytest.approx(weights @ normalizer, rel=1e-11)
    assert run.responsibilities(rows, potentials) == pytest.approx(shares, abs=1e-10)
    assert run.log_density(rows, potentials) == pytest.approx(normalizer, rel=1e-10, abs=1e-10)
    labels = run.labels(rows, potentials)
    assert allowed[np.arange(N), labels].all()
    drawn = run.sample_labels(rows, potentials, 5, 3)
    assert np.take_along_axis(allowed, drawn.T, axis=1).all()
    sampled = run.sweep(rows, potentials, Sampled(3))
    assert sampled.count.sum() == pytest.approx(weights.sum())
    assert sampled.log_normalizer == pytest.approx(weights @ normalizer, rel=1e-11)


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_draws_of_rows_with_and_without_labels_are_independent(engine: str) -> None:
    # Two classes of the same two components each: were both drawn by the same numbers, the
    # components of equal rows at equal places would be the same in every draw.
    values = np.zeros((2000, 1))
    codes = np.repeat([-1, 0], 1000)
    rows = ArrayRows(values, labels=KnownLabels(codes, Classes((), (2,))))
    chosen = FAMILIES["diag"]
    potentials = chosen.potentials(random_parameters(np.random.default_rng(0), chosen, 2, 1))
    drawn = ENGINES[engine]().sample_labels(rows, potentials, 1, 0)[0]
    share = drawn.mean()
    expected = share**2 + (1.0 - share) ** 2
    agree = (drawn[:1000] == drawn[1000:]).mean()
    assert 0.1 < share < 0.9
    assert abs(agree - expected) < 5.0 * 0.5 / np.sqrt(1000.0)


@pytest.mark.parametrize("family", FREE)
def test_all_known_under_maximum_likelihood_are_the_moments_of_classes(family: str) -> None:
    iris = load_iris()
    values, labels = np.asarray(iris.data, dtype=float), np.repeat([0, 1, 2], 50)
    labels = np.random.default_rng(0).permutation(labels) if family == "spherical" else labels
    gmm = fitted("ml", values, labels=labels, covariance_type=family)
    means = np.array([values[labels == k].mean(axis=0) for k in range(3)])
    scatter = np.array(
        [(values[labels == k] - means[k]).T @ (values[labels == k] - means[k]) for k in range(3)]
    )
    structure = FAMILIES[family].structure(3, 4)
    size = 50.0 * (3 if structure[0] == 1 else 1)
    size *= 4 if structure[1:] == (1,) else 1
    wanted = reduce_matrices(scatter, structure) / size
    found = gmm.fit_.parameters
    assert found.means == pytest.approx(means, rel=1e-12)
    assert found.weights == pytest.approx(np.full(3, 1.0 / 3.0), rel=1e-12)
    assert found.covariances == pytest.approx(wanted, rel=1e-12, abs=1e-13)
    matrices = as_matrices(wanted, 3, 4)
    apart = values - means[labels]
    logs = -0.5 * np.einsum("nd,nd->n", apart, np.linalg.solve(
        matrices[labels], apart[:, :, None])[:, :, 0])  # fmt: skip
    logs -= 0.5 * np.linalg.slogdet(2.0 * np.pi * matrices)[1][labels]
    assert gmm.fit_.log_likelihood == pytest.approx((logs - np.log(3.0)).sum(), rel=1e-12)
    assert gmm.converged_


@pytest.mark.parametrize(
    ("family", "value"),
    [
        ("full", -188.37555490),
        ("tied", -263.20374327),
        ("VEI", -355.45883326),
        ("EVE", -241.54268593),
        ("VEV", -194.04751244),
    ],
)
def test_iris_with_all_labels_has_the_published_log_likelihood(family: str, value: float) -> None:
    # mclust 6.0.0 and our own exact M-steps, n_k log(n_k / N) included.
    gmm = fitted("ml", load_iris().data, labels=np.repeat([0, 1, 2], 50), covariance_type=family)
    assert gmm.fit_.log_likelihood == pytest.approx(value, abs=6e-9)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_all_known_under_map_are_the_mode_given_classes(family: str) -> None:
    values, labels = load_iris().data, np.repeat([2, 0, 1], 50)
    gmm = fitted("map", values, labels=labels, covariance_type=family)
    model = gmm.fit_.model
    moments = direct_statistics(
        np.asarray(values, float), np.eye(3)[labels], np.full((3, 4), 3.0), model.structure
    )
    wanted = model.mode(moments)
    for name in ("weights", "means", "covariances"):
        assert getattr(gmm.fit_.parameters, name) == pytest.approx(
            getattr(wanted, name), rel=1e-10, abs=1e-13
        )


def conjugate(rows: np.ndarray) -> NormalInverseWishart:
    """Return a prior of two features."""
    return NormalInverseWishart(rows.mean(axis=0), 0.3, 5.0, 2.0 * np.eye(2))


def log_evidence(rows: np.ndarray, labels: np.ndarray, concentration: float) -> float:
    """Return the log probability of rows and labels, in closed form."""
    prior = conjugate(rows)
    cluster = normal_inverse_wishart(
        np.asarray(prior.mean), prior.shrinkage, prior.degrees_of_freedom, np.asarray(prior.scale)
    )
    counts, a = np.bincount(labels, minlength=3), concentration
    total = gammaln(3 * a) - gammaln(3 * a + len(rows))
    total += (gammaln(a + counts) - gammaln(a)).sum()
    return float(total + sum(cluster.log_marginal(rows[labels == k]) for k in range(3)))


def test_all_known_the_bound_is_the_evidence() -> None:
    rng = np.random.default_rng(0)
    rows, labels = blobs(rng, 40, 2, 3, apart=1.0), rng.integers(3, size=40)
    gmm = GaussianMixtureModel(
        3, weight_prior=Dirichlet(0.7), component_prior=conjugate(rows), inference="vb"
    ).fit(rows, labels=labels)
    assert gmm.objective_ == pytest.approx(log_evidence(rows, labels, 0.7), rel=1e-11)


def test_draws_with_labels_have_the_evidence_of_free_numbers_alone() -> None:
    rng = np.random.default_rng(0)
    rows, labels = blobs(rng, 40, 2, 3, apart=1.0), rng.integers(3, size=40)
    gmm = GaussianMixtureModel(
        3,
        weight_prior=Dirichlet(0.7),
        component_prior=conjugate(rows),
        inference=mixtura.Gibbs(chains=2, draws=400, warmup=10),
        random_state=0,
    ).fit(rows, labels=labels)
    found = gmm.log_evidence()
    # Three components that are held: without their numbers log 3! = 1.8 would be missing.
    assert abs(found.log_evidence - log_evidence(rows, labels, 0.7)) < 4.0 * found.error
    assert found.error < 0.2


@pytest.mark.parametrize("kind", ["numbers", "floats", "objects", "masked"])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_label_is_no_change(method: str, kind: str) -> None:
    rows = blobs(np.random.default_rng(0), 60, 2, 3)
    labels = {
        "numbers": np.full(60, -1),
        "floats": np.full(60, np.nan),
        "objects": [None] * 60,
        "masked": np.ma.masked_all(60, dtype=int),
    }[kind]
    same_bits(fitted(method, rows), fitted(method, rows, labels=labels))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_threads_do_not_show(method: str) -> None:
    rows = some_rows("all")
    given = {
        "labels": rows.labels.codes,
        "sample_weight": rows.weights,
        "measurement_error": np.sqrt(rows.errors),
    }
    one, two = (fitted(method, rows.values, n_jobs=n, **given) for n in (1, 2))
    same_bits(one, two)


@pytest.mark.parametrize(("family", "method"), families_and_methods(["map", "ml", "vb"]))
def test_order_of_rows_weights_and_copies(family: str, method: str) -> None:
    rng = np.random.default_rng(0)
    rows = blobs(rng, 60, 2, 3)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows = rows[~np.isnan(rows).all(axis=1)]
    labels = rng.choice([-1, -1, 0, 2], len(rows))
    counts = rng.integers(1, 3, len(rows))
    first = fitted(method, rows, labels=labels, sample_weight=counts, covariance_type=family)
    where = rng.permutation(np.repeat(np.arange(len(rows)), counts))
    second = fitted(method, rows[where], labels=labels[where], covariance_type=family)
    assert second.means_ == pytest.approx(first.means_, rel=1e-3, abs=1e-3)
    assert second.weights_ == pytest.approx(first.weights_, abs=1e-3)
    assert second.objective_ == pytest.approx(first.objective_, abs=1e-5)


@pytest.mark.parametrize(("family", "method"), families_and_methods(METHODS))
def test_fitted_rows_keep_their_labels_and_components_their_numbers(
    family: str, method: str
) -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=90)
    rows = 8.0 * np.array([[2.0, 0.0], [0.0, 0.0], [1.0, 1.0]])[truth]
    rows = rows + rng.standard_normal((90, 2))
    labels = np.where((rng.random(90) < 0.3) & (truth < 2), truth, -1)
    gmm = fitted(method, rows, labels=labels, covariance_type=family)
    assert (gmm.labels_ == truth).all()
    known = labels >= 0
    far = rows + np.array([40.0, 0.0])
    assert np.array_equal(gmm.predict(rows), gmm.labels_)
    again = fitted(method, np.where(known[:, None], rows, far), labels=labels)
    assert (again.labels_[known] == labels[known]).all()


def test_components_without_labels_are_numbered_among_themselves() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=200)
    rows = np.array([30.0, 10.0, 40.0, 0.0])[truth][:, None] + rng.standard_normal((200, 1))
    labels = np.where((truth == 0) & (rng.random(200) < 0.5), 1, -1)
    for method in METHODS:
        gmm = fitted(method, rows, 4, labels=labels)
        assert gmm.means_[:, 0].round(-1).tolist() == [0.0, 30.0, 10.0, 40.0]


@pytest.mark.parametrize("method", ["vb", "gibbs"])
def test_processes_leave_labelled_components_where_they_are(method: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=150)
    rows = np.array([30.0, 10.0, 0.0])[truth][:, None] + rng.standard_normal((150, 1))
    labels = np.where((rng.random(150) < 0.2) & (truth < 2), truth + 2, -1)
    gmm = GaussianMixtureModel(
        6, weight_prior=DirichletProcess(1.0), inference=METHODS[method], random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gmm.fit(rows, labels=labels)
    assert gmm.means_[2:4, 0].round(-1).tolist() == [30.0, 10.0]
    assert (gmm.labels_[labels >= 0] == labels[labels >= 0]).all()


@pytest.mark.parametrize("method", ["map", "ml", "vb"])
def test_one_batch_is_one_fit_and_two_batches_see_both(method: str) -> None:
    values, labels = np.asarray(load_iris().data, float), np.repeat([0, 1, 2], 50)
    whole = fitted(method, values, labels=labels)
    given = {name: getattr(whole.fit_.model, name) for name in ("weight_prior", "component_prior")}
    if method == "ml":
        given = {}
    gmm = GaussianMixtureModel(3, inference=method, **given)
    gmm.partial_fit(values[::2], labels=labels[::2]).partial_fit(values[1::2], labels=labels[1::2])
    assert gmm.means_ == pytest.approx(whole.means_, rel=1e-10)
    assert gmm.covariances_ == pytest.approx(whole.covariances_, rel=1e-8, abs=1e-12)


def test_a_labelled_row_without_values_counts_for_the_weights_alone() -> None:
    rng = np.random.default_rng(0)
    rows, labels = blobs(rng, 60, 2, 2), np.repeat([0, 1], 30)
    more = np.vstack([rows, np.full((30, 2), np.nan)])
    first = fitted("ml", rows, 2, labels=labels)
    second = fitted("ml", more, 2, labels=np.append(labels, np.full(30, 1)))
    assert second.weights_ == pytest.approx([1.0 / 3.0, 2.0 / 3.0], abs=1e-4)
    assert second.means_ == pytest.approx(first.means_, abs=1e-2)


def test_labels_help_where_groups_overlap() -> None:
    # Three groups 1.5 sd apart, every tenth row with its label: all fifty sets in calibrate.
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(7)
    truth = rng.integers(3, size=1500)
    centres = 1.5 * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    rows = centres[truth] + rng.standard_normal((1500, 2))
    labels = np.full(1500, -1)
    labels[::10] = truth[::10]
    rest = labels < 0
    with_labels = adjusted_rand_score(truth[rest], fitted("map", rows, labels=labels).labels_[rest])
    without = adjusted_rand_score(truth[rest], fitted("map", rows).labels_[rest])
    assert with_labels > without


@pytest.mark.calibrate
@pytest.mark.parametrize("method", ["map", "ml", "vb"])
def test_labels_help_in_nearly_all_sets(method: str) -> None:
    from sklearn.metrics import adjusted_rand_score

    better = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        apart, truth = rng.uniform(1.5, 2.0), rng.integers(3, size=1500)
        centres = apart * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
        rows = centres[truth] + rng.standard_normal((1500, 2))
        labels = np.full(1500, -1)
        labels[::10] = truth[::10]
        rest = labels < 0
        found = [fitted(method, rows, labels=one).labels_[rest] for one in (labels, None)]
        scores = [adjusted_rand_score(truth[rest], one) for one in found]
        better += scores[0] > scores[1]
    assert better >= 45


def test_names_become_those_of_components_and_stay_with_the_file(tmp_path: Any) -> None:
    iris = load_iris()
    names = np.array(["virginica", "setosa", "versicolor"], dtype=object)[
        [1] * 50 + [2] * 50 + [0] * 50
    ]
    names[::3] = None
    gmm = fitted("map", iris.data, labels=names)
    assert [gmm.fit_.component_name(k) for k in range(3)] == ["setosa", "versicolor", "virginica"]
    assert "versicolor" in str(gmm.summary())
    assert [row["name"] for row in gmm.summary().rows] == ["setosa", "versicolor", "virginica"]
    written = gmm.write_report(tmp_path / "iris.txt").read_text()
    assert "virginica" in written
    assert gmm.predict(iris.data).dtype.kind == "i"
    gmm.save(tmp_path / "iris.mixtura")
    assert mixtura.load(tmp_path / "iris.mixtura").fit_.component_name(1) == "versicolor"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1], "one entry for each row"),
        ([3] * 20, "raise n_components"),
        ([f"name {n}" for n in range(20)], "needs 20 names"),
        ([0.5] * 20, "whole numbers or names"),
        ([0, "a"] * 10, "got both"),
        ([-3] * 20, "-1 where unknown"),
        ([[0]] * 20, "one entry for each row"),
    ],
)
def test_what_is_no_label_is_one_clear_error(labels: Any, said: str) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(InvalidArgumentError, match=said):
        GaussianMixtureModel(3).fit(rows, labels=labels)


@pytest.mark.parametrize("method", ["svi", "nuts"])
def test_methods_without_labels_say_so(method: str) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(InvalidArgumentError, match=f"inference='{method}' takes no labels"):
        GaussianMixtureModel(2, inference=method).fit(rows, labels=[0, 1] * 10)


def test_later_batches_have_the_names_of_the_first() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    gmm = GaussianMixtureModel(2).partial_fit(rows, labels=["a", "b"] * 10)
    with pytest.raises(InvalidArgumentError, match="'c', which the rows before had not"):
        gmm.partial_fit(rows, labels=["c"] * 20)


@pytest.mark.parametrize(
    "odd",
    [(1, 2), datetime.date(2020, 1, 1), np.datetime64("2020-01-01"), 1.5, 1e30, 1j],
    ids=str,
)
def test_labels_are_numbers_or_names(odd: Any) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(InvalidArgumentError, match="labels must be whole numbers or names"):
        GaussianMixtureModel(2).fit(rows, labels=[odd, odd] + [-1] * 18)
