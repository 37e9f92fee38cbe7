"""What the fitted class says, and what it refuses."""

import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

import mixtura
from mixtura import MAP, ML, VB, GaussianMixtureModel, select
from mixtura.datasets import load_faithful, load_iris
from mixtura.errors import (
    ConvergenceWarning,
    DataError,
    DataWarning,
    DegenerateComponentWarning,
    EmptyComponentWarning,
    InvalidArgumentError,
    ModelFileError,
    StartsDisagreeWarning,
)
from mixtura.families import FAMILIES
from mixtura.io.archive import read_archive, write_archive
from mixtura.priors import (
    Dirichlet,
    Independent,
    InverseGamma,
    KnownScale,
    LogNormal,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)


@pytest.fixture(scope="module")
def iris():
    return load_iris().data


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def fitted(request, iris):
    return GaussianMixtureModel(3, covariance_type=request.param).fit(iris)


def covariance_matrices(gmm):
    """The public covariances as (K, D, D), by scikit-learn's reading of their shapes."""
    covariances, (n_components, n_features) = gmm.covariances_, gmm.means_.shape
    identity = np.eye(n_features)
    if FAMILIES[gmm.covariance_type].is_restricted:  # exported in full, or along the axes
        return covariances if covariances.ndim == 3 else covariances[:, :, None] * identity
    return {
        "full": lambda: covariances,
        "tied": lambda: np.broadcast_to(covariances, (n_components, n_features, n_features)),
        "diag": lambda: covariances[:, :, None] * identity,
        "spherical": lambda: covariances[:, None, None] * identity,
        "tied_diag": lambda: np.broadcast_to(np.diag(covariances), (n_components, 4, 4)),
        "tied_spherical": lambda: np.broadcast_to(covariances * identity, (n_components, 4, 4)),
    }[gmm.covariance_type]()


def test_densities_and_probabilities_are_those_of_the_attributes(fitted, iris):
    matrices = covariance_matrices(fitted)
    joint = np.column_stack(
        [
            weight * multivariate_normal(mean, matrix).pdf(iris)
            for weight, mean, matrix in zip(fitted.weights_, fitted.means_, matrices, strict=True)
        ]
    )
    np.testing.assert_allclose(fitted.score_samples(iris), np.log(joint.sum(axis=1)), rtol=1e-9)
    np.testing.assert_allclose(
        fitted.predict_proba(iris), joint / joint.sum(axis=1, keepdims=True), atol=1e-9
    )
    np.testing.assert_array_equal(fitted.predict(iris), joint.argmax(axis=1))
    np.testing.assert_allclose(fitted.scales_, np.sqrt(np.einsum("kdd->kd", matrices)), rtol=1e-12)
    assert fitted.score(iris) == pytest.approx(fitted.score_samples(iris).mean())


def test_the_score_of_weighted_rows_is_their_weighted_average(fitted, iris):
    times = np.random.default_rng(3).integers(0, 4, len(iris))
    expected = fitted.score(np.repeat(iris, times, axis=0))
    assert fitted.score(iris, sample_weight=times) == pytest.approx(expected, rel=1e-12)


def test_every_purpose_has_a_random_stream_of_its_own():
    """A row of the mixture and one of the prior are not the same numbers in other units."""
    known = KnownScale(1.0, Normal(0.0, 1.0))
    gmm = GaussianMixtureModel(1, covariance_type="tied_diag", component_prior=known)
    gmm.fit(np.array([[-1.0], [1.0]]))
    one = gmm.sample(200, random_state=5)[0][:, 0] - gmm.means_[0, 0]
    drawn = gmm.sample_prior(200, random_state=5)
    other = drawn.rows[:, 0] - drawn.parameters.means[0, 0]
    # Where streams are shared the noise is the same, but for what was drawn before it.
    assert not np.intersect1d(one.round(9), other.round(9)).size


@pytest.mark.parametrize("family", ["tied_diag", "tied_spherical"])
def test_scikit_learn_twin_counts_parameters_that_are_not_shared(iris, family):
    gmm = GaussianMixtureModel(3, covariance_type=family).fit(iris)
    more = {"tied_diag": 2 * 4, "tied_spherical": 2 * 1}[family]  # 3 covariances in place of 1
    twin = gmm.to_sklearn()
    assert twin.bic(iris) - gmm.bic(iris) == pytest.approx(more * np.log(150))
    assert twin.aic(iris) - gmm.aic(iris) == pytest.approx(2 * more)


def test_scikit_learn_twin_has_the_right_density_far_away_of_float64_rows(fitted, iris):
    moved = iris + 1e4
    twin = GaussianMixtureModel(3, covariance_type=fitted.covariance_type).fit(moved)
    exact = twin.score_samples(moved)
    np.testing.assert_allclose(twin.to_sklearn().score_samples(moved), exact, atol=1e-5)


def test_scikit_learn_twin_has_the_same_density(fitted, iris):
    twin = fitted.to_sklearn()
    assert isinstance(twin, GaussianMixture)
    np.testing.assert_allclose(twin.score_samples(iris), fitted.score_samples(iris), rtol=1e-10)
    np.testing.assert_array_equal(twin.predict(iris), fitted.predict(iris))
    assert twin.sample(5)[0].shape == (5, 4)


def test_file_brings_back_every_bit(fitted, iris, tmp_path):
    path = tmp_path / "iris.mixtura"
    fitted.save(path)
    twin = mixtura.load(path)
    np.testing.assert_array_equal(twin.score_samples(iris), fitted.score_samples(iris))
    np.testing.assert_array_equal(twin.covariances_, fitted.covariances_)
    assert twin.covariance_type == fitted.covariance_type
    assert twin.objective_ == fitted.objective_
    assert twin.fit_.runs == fitted.fit_.runs
    assert str(twin.summary()).startswith("3 components describe 150 rows")
    with pytest.raises(InvalidArgumentError, match="exists"):
        fitted.save(path)
    fitted.save(path, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["iris.mixtura"]
    # The loaded model can be fitted again: its priors are in the file.
    np.testing.assert_allclose(twin.fit(iris).means_, fitted.means_, rtol=1e-8)


@pytest.mark.parametrize(
    "prior",
    [
        Independent(Normal(0.0, 10.0), scale=LogNormal([0.0, 0.1, 0.2, 0.3], 1.0)),
        Independent(Normal(0.0, [1.0, 2.0, 3.0, 4.0]), variance=InverseGamma(2.0, 1.0)),
        NormalInverseGamma(shape=[1.0, 2.0, 3.0, 4.0]),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_files_keep_priors(prior, iris, tmp_path):
    weights = Dirichlet([1.0, 2.0])
    gmm = GaussianMixtureModel(
        2, covariance_type="diag", component_prior=prior, weight_prior=weights
    ).fit(iris)
    gmm.save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    parameters = gmm.fit_.parameters
    assert twin.fit_.model.log_prior(parameters) == gmm.fit_.model.log_prior(parameters)


def test_files_keep_the_parameters_that_are_names_and_numbers(iris, tmp_path):
    chosen = {"init": "random", "n_init": np.int64(3), "max_iter": 500, "tol": 1e-8}
    chosen |= {"random_state": 7, "n_jobs": 1, "covariance_type": "diag"}
    gmm = GaussianMixtureModel(2, **chosen).fit(iris)
    gmm.save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    assert twin.get_params() == gmm.get_params()
    again = twin.fit(iris)
    assert again.objective_history_.tolist() == gmm.objective_history_.tolist()


def test_files_leave_out_what_is_no_name_and_no_number(iris, tmp_path):
    start = iris[[0, 100]]
    gmm = GaussianMixtureModel(2, init=start, random_state=np.random.default_rng(0)).fit(iris)
    gmm.save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    assert (twin.init, twin.random_state) == ("search", None)


@pytest.mark.parametrize("settings", [{"n_init": "many"}, {"verbose": 1}, {"init": [1.0]}])
def test_files_whose_parameters_are_of_another_kind_are_refused(settings, iris, tmp_path):
    GaussianMixtureModel(2).fit(iris).save(tmp_path / "model")
    header, arrays = read_archive(tmp_path / "model", "model file")
    write_archive(tmp_path / "model", {**header, "settings": settings}, arrays, overwrite=True)
    with pytest.raises(ModelFileError, match=f"no parameter {next(iter(settings))!r} like"):
        mixtura.load(tmp_path / "model")


def test_damaged_files_are_refused_in_one_line(iris, tmp_path):
    path = tmp_path / "model.mixtura"
    GaussianMixtureModel(2).fit(iris).save(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [content[:cut] for cut in (0, 7, 100, len(content) // 2, len(content) - 1)]
    for _ in range(200):
        broken = bytearray(content)
        broken[rng.integers(len(content))] ^= 1 << rng.integers(8)
        damaged.append(bytes(broken))
    for broken in damaged:
        path.write_bytes(broken)
        with pytest.raises(ModelFileError) as caught:
            mixtura.load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelFileError, match="No such file"):
        mixtura.load(tmp_path / "none")


def test_draws_follow_the_mixture_and_the_seed():
    faithful = load_faithful().data
    gmm = GaussianMixtureModel(2, random_state=3).fit(faithful)
    rows, components = gmm.sample(20_000)
    np.testing.assert_array_equal(rows, gmm.sample(20_000)[0])
    assert not np.array_equal(rows, gmm.sample(20_000, random_state=4)[0])
    # Five standard errors of each average.
    for k in range(2):
        member = rows[components == k]
        error = 5 * gmm.scales_[k] / np.sqrt(len(member))
        assert (np.abs(member.mean(axis=0) - gmm.means_[k]) < error).all()
        np.testing.assert_allclose(np.cov(member.T), gmm.covariances_[k], rtol=0.15)
    assert abs((components == 0).mean() - gmm.weights_[0]) < 5 * 0.5 / np.sqrt(20_000)


def test_sampled_assignments_follow_the_responsibilities(iris):
    gmm = GaussianMixtureModel(3, random_state=0).fit(iris)
    drawn = gmm.sample_assignments(iris, 2000)
    assert drawn.shape == (2000, 150)
    np.testing.assert_array_equal(drawn, gmm.sample_assignments(iris, 2000))
    frequency = np.stack([(drawn == k).mean(axis=0) for k in range(3)], axis=1)
    # Six standard errors: 450 comparisons.
    assert np.abs(frequency - gmm.predict_proba(iris)).max() < 6 * 0.5 / np.sqrt(2000)


def test_prior_can_be_drawn_from_before_any_fit():
    gmm = GaussianMixtureModel(
        2,
        covariance_type="diag",
        component_prior=Independent(Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0)),
        random_state=0,
    )
    drawn = gmm.sample_prior(7)
    assert drawn.rows.shape == (7, 1)
    assert drawn.assignments.shape == (7,)
    assert drawn.parameters.weights.sum() == pytest.approx(1.0)
    assert gmm.sample_prior(7, n_features=3).rows.shape == (7, 3)
    with pytest.raises(InvalidArgumentError, match="fit first"):
        GaussianMixtureModel(2).sample_prior()
    with pytest.raises(InvalidArgumentError, match="use inference='map'"):
        GaussianMixtureModel(2, inference="ml").sample_prior()
    with pytest.raises(InvalidArgumentError, match="n_features must be None or 4; got 2"):
        GaussianMixtureModel(2).fit(load_iris().data).sample_prior(n_features=2)


def test_criteria_are_scikit_learn_s(iris):
    gmm = GaussianMixtureModel(3, inference="ml").fit(iris)
    twin = gmm.to_sklearn()
    assert gmm.bic(iris) == pytest.approx(twin.bic(iris), rel=1e-10)
    assert gmm.aic(iris) == pytest.approx(twin.aic(iris), rel=1e-10)
    assert gmm.icl(iris) > gmm.bic(iris)
    doubled = np.full(150, 2.0)
    assert gmm.bic(iris, doubled) == pytest.approx(gmm.bic(np.repeat(iris, 2, axis=0)))


def test_given_starts_keep_the_users_numbers(iris):
    species = load_iris().target
    swapped = np.array([2, 0, 1])[species]
    gmm = GaussianMixtureModel(3, init=swapped, tol=0.0).fit(iris)
    assert (gmm.predict(iris)[species == 0] == 2).all()
    by_means = GaussianMixtureModel(
        3, init=np.stack([iris[swapped == k].mean(axis=0) for k in range(3)]), tol=0.0
    ).fit(iris)
    assert (by_means.predict(iris)[species == 0] == 2).all()
    again = GaussianMixtureModel(3, init=gmm, tol=0.0).fit(iris)
    np.testing.assert_allclose(again.means_, gmm.means_, rtol=1e-6)
    assert again.n_iter_ < gmm.n_iter_
    shares = GaussianMixtureModel(3, init=gmm.predict_proba(iris), tol=0.0).fit(iris)
    np.testing.assert_allclose(shares.means_, gmm.means_, rtol=1e-6)


@pytest.mark.parametrize("init", ["split", "quantile", "kmeans", "random"])
def test_every_start_is_in_the_history(init, iris):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StartsDisagreeWarning)
        gmm = GaussianMixtureModel(3, init=init, n_init=5, random_state=1).fit(iris)
    runs = gmm.fit_.runs
    assert [run.start for run in runs] == [init] * 5
    assert gmm.objective_ == max(run.objective for run in runs)
    assert gmm.objective_history_[-1] == gmm.objective_


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components must be a whole number of at least 1; got 0"),
        ({"n_components": 2.5}, "n_components must be a whole number"),
        ({"n_components": True}, "n_components must be a whole number"),
        ({"covariance_type": "round"}, "covariance_type must be 'full', 'tied'"),
        (
            {"inference": "mcmc"},
            "inference must be 'map', 'vb', 'gibbs', 'collapsed', 'ml', 'svi', 'nuts'",
        ),
        ({"init": "best"}, "init must be 'search', 'split', 'quantile', 'kmeans', 'random'"),
        ({"init": np.zeros((7, 7))}, r"got an array of shape \(7, 7\)"),
        ({"n_init": 0}, "n_init must be None or a whole number"),
        ({"max_iter": -1}, "max_iter must be None or a whole number"),
        ({"n_jobs": 0}, "n_jobs must be None or a whole number but 0"),
        ({"tol": -1.0}, "tol must be None or a number of at least 0"),
        ({"tol": float("nan")}, "tol must be None or a number"),
        ({"random_state": -1}, "random_state must be"),
        ({"weight_prior": 1.0}, "weight_prior must be None, Dirichlet, DirichletProcess"),
        ({"weight_prior": Dirichlet([1.0, 2.0, 3.0])}, "each of the 2 components; got 3"),
        ({"component_prior": Normal()}, "component_prior must be None, NormalInverseWishart"),
        ({"component_prior": NormalInverseGamma()}, "use NormalInverseWishart for full"),
        (
            {"component_prior": NormalInverseWishart(), "covariance_type": "diag"},
            "use NormalInverseGamma for diagonal",
        ),
        (
            {"component_prior": NormalInverseGamma(scale=[1.0, 2.0]), "covariance_type": "diag"},
            r"one for each of the 4 features; got shape \(2,\)",
        ),
        (
            {
                "component_prior": NormalInverseGamma(scale=[1.0, 2.0, 3.0, 4.0]),
                "covariance_type": "spherical",
            },
            "one number where one variance serves all features",
        ),
        (
            {"component_prior": NormalInverseWishart(degrees_of_freedom=2.0)},
            "degrees_of_freedom must be above",
        ),
        (
            {"component_prior": NormalInverseWishart(scale=-np.eye(4))},
            "symmetric and positive definite",
        ),
        ({"inference": "ml", "weight_prior": Dirichlet(1.0)}, "leave weight_prior out"),
    ],
)
def test_unlawful_arguments_are_named_with_what_is_lawful(arguments, message, iris):
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        GaussianMixtureModel(**{"n_components": 2, **arguments}).fit(iris)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", [MAP, ML, VB])
@pytest.mark.parametrize("size", [0, -5, 2.5, True])
def test_batch_sizes_are_judged_at_once(method, size):
    with pytest.raises(InvalidArgumentError, match="batch_size must be None or a whole number of"):
        method(batch_size=size)


def test_an_empty_range_is_called_empty(iris):
    with pytest.raises(InvalidArgumentError, match=r"got range\(5, 2\), which is empty"):
        select(iris, range(5, 2))


def test_known_scales_name_every_family_that_they_are_for(iris):
    gmm = GaussianMixtureModel(2, component_prior=KnownScale(1.0))
    with pytest.raises(InvalidArgumentError, match="use covariance_type='diag', "):
        gmm.fit(iris)


def test_doubtful_answers_come_with_a_warning(iris):
    with pytest.warns(ConvergenceWarning, match="not converged after 1 iteration"):
        gmm = GaussianMixtureModel(3, max_iter=1, init="quantile").fit(iris)
    assert not gmm.converged_
    with pytest.warns(DataWarning, match="fewer rows"), pytest.warns(EmptyComponentWarning):
        GaussianMixtureModel(3).fit(iris[:1])
    constant = np.column_stack([iris, np.ones(150)])
    with pytest.warns(DataWarning, match="constant column 'x4'"):
        GaussianMixtureModel(2).fit(constant)


@pytest.mark.parametrize("family", ["full", "diag", "spherical"])
@pytest.mark.parametrize("again", [lambda x: x, lambda x: 32.0 - 1.8 * x, lambda x: 1e6 * x + 3e4])
def test_columns_that_repeat_another_are_named(again, family):
    first, other = np.random.default_rng(3).normal(10.0, 1.0, (2, 60))
    rows = np.column_stack([first, other, again(first)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        GaussianMixtureModel(1, covariance_type=family).fit(rows)
    said = {one.category: str(one.message) for one in caught}
    start = "columns 'x0', 'x2': each has a correlation of 1 or -1"
    assert said.pop(DataWarning).startswith(start)
    # A matrix has a direction of no extent there, whatever the prior lends it.
    assert list(said) == ([DegenerateComponentWarning] if family == "full" else [])


SPREAD = np.arange(60.0) + np.sin(np.arange(60.0))


@pytest.mark.parametrize(
    "rows",
    [
        np.column_stack([SPREAD, SPREAD + 1e-4 * (17.3 * np.arange(60) % 41)]),
        np.array([[0.0, 1.0], [2.0, 5.0]]),
    ],
    ids=["nearly", "two rows"],
)
def test_columns_that_only_look_alike_are_let_be(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        GaussianMixtureModel(1, covariance_type="diag").fit(rows)


def test_a_loaded_model_is_refitted_with_the_priors_it_was_made_with(iris, tmp_path):
    GaussianMixtureModel(2).fit(iris).save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    assert twin.component_prior is None
    assert twin.weight_prior is None
    fresh = GaussianMixtureModel(2).fit(1000.0 * iris)
    assert twin.fit(1000.0 * iris).objective_ == fresh.objective_


def test_what_cannot_be_fitted_is_named(iris):
    frame = load_iris().frame().drop(columns="target")
    frame["petal_width"] = np.nan
    with pytest.raises(DataError, match="no value at all in column 'petal_width'") as caught:
        GaussianMixtureModel(2).fit(frame)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="infinity in row 0, column 1"):
        GaussianMixtureModel(2).fit(np.array([[1.0, np.inf], [2.0, 3.0]]))


def test_reports_are_written_by_their_ending(iris, tmp_path):
    gmm = GaussianMixtureModel(2).fit(iris[:, :2])
    page = gmm.write_report(tmp_path / "iris.html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(InvalidArgumentError, match="exists"):
        gmm.write_report(tmp_path / "iris.html")
    assert len(repr(gmm.report())) < 200


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_values_whose_squares_do_not_exist_are_refused(scale, iris):
    with pytest.raises(DataError, match=r"column 'x0' has values of size .* rescale it"):
        GaussianMixtureModel(2).fit(iris * scale)


def test_a_component_on_tied_rows_is_doubted():
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.full(20, 1.4), 5.0 + rng.standard_normal(50)])[:, None]
    prior = Independent(Normal(0.0, 10.0), scale=LogNormal(0.0, 2.0))
    with pytest.warns(DegenerateComponentWarning, match="component 0 collapsed onto tied rows"):
        GaussianMixtureModel(2, component_prior=prior).fit(rows)


def test_same_seed_same_bits(iris):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StartsDisagreeWarning)
        warnings.simplefilter("ignore", DataWarning)  # a component of four rows
        first, second = (
            GaussianMixtureModel(4, init="random", n_init=3, random_state=5).fit(iris)
            for _ in range(2)
        )
    np.testing.assert_array_equal(first.means_, second.means_)
    assert first.fit_.runs == second.fit_.runs


def test_number_of_threads_does_not_show(iris):
    def fit(n_jobs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StartsDisagreeWarning)
            return GaussianMixtureModel(
                3, init="random", n_init=4, random_state=2, n_jobs=n_jobs
            ).fit(iris)

    alone, *others = (fit(n_jobs) for n_jobs in (None, 1, 2, -1))
    for other in others:
        np.testing.assert_array_equal(alone.means_, other.means_)
        assert alone.fit_.runs == other.fit_.runs


@pytest.mark.parametrize(("n_jobs", "limit"), [(None, None), (1, 1), (3, 3)])
def test_number_of_jobs_limits_the_threads_of_sweeps(n_jobs, limit):
    assert GaussianMixtureModel(n_jobs=n_jobs)._engine().n_threads == limit


def test_a_generator_is_advanced_and_a_seed_sequence_is_not(iris):
    generator = np.random.default_rng(0)
    gmm = GaussianMixtureModel(2, random_state=generator).fit(iris)
    assert not np.array_equal(gmm.sample(3)[0], gmm.sample(3)[0])
    sequence = np.random.SeedSequence(1)
    gmm = GaussianMixtureModel(2, random_state=sequence).fit(iris)
    np.testing.assert_array_equal(gmm.sample(3)[0], gmm.sample(3)[0])


@pytest.mark.parametrize("inference", ["map", "ml", "vb"])
@pytest.mark.parametrize("init", ["split", "quantile", "kmeans", "random"])
def test_single_precision_rows_give_the_same_answer_without_a_copy(init, inference, iris):
    narrow = np.ascontiguousarray(iris.data, dtype=np.float32)
    wide = narrow.astype(np.float64)
    options = {"inference": inference, "init": init, "n_init": 1, "random_state": 0}
    one, other = (GaussianMixtureModel(3, **options).fit(rows) for rows in (narrow, wide))
    assert one._validated(narrow, reset=False) is narrow
    assert one.means_.dtype == np.float64
    np.testing.assert_allclose(one.objective_, other.objective_, rtol=1e-12)
    np.testing.assert_allclose(one.score_samples(narrow), other.score_samples(wide), rtol=1e-9)
    np.testing.assert_array_equal(one.predict(narrow), other.predict(wide))
    np.testing.assert_allclose(
        one.predict_proba(narrow), other.predict_proba(wide), rtol=0, atol=1e-9
    )
