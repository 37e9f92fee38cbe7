"""``mixtura fit``: what it prints and writes."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from mixtura import GaussianMixtureModel, load
from mixtura.datasets import load_iris
from mixtura.ppl import extra

ARTICLE = (
    *("-c", "petal_length", "-k", "2", "--weight-prior", "dirichlet:1"),
    *("--mean-prior", "normal:0,10", "--scale-prior", "inverse-gamma:1,1"),
)
OPTIMUM = -210.2063224046


def strictly(text: str) -> dict:
    """Return strict JSON: neither NaN nor Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_it_prints_the_components(run, iris) -> None:
    done = run("fit", iris, *ARTICLE)
    assert done.code == 0
    assert "1.462 (0.178)" in done.out
    assert "4.905 (0.820)" in done.out
    assert "-210.2063224" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_json_is_strict_and_alone(run, iris) -> None:
    done = run("fit", iris, *ARTICLE, "--json")
    told = strictly(done.out)
    section = told["sections"][0]
    assert done.code == 0
    assert section["objective"] == pytest.approx(OPTIMUM, abs=1e-8)
    weights = [component["weight"] for component in section["components"]]
    assert weights == pytest.approx([0.3331541855, 0.6668458145], abs=1e-7)
    assert told["source"] == str(iris)


def test_a_variational_fit_shows_intervals(run, iris) -> None:
    done = run("fit", iris, *ARTICLE, "--inference", "vb")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    section = strictly(run("fit", iris, *ARTICLE, "--inference", "vb", "--json").out)["sections"][0]
    assert section["interval_probabilities"] == [0.05, 0.95]
    for component in section["components"]:
        low, high = component["mean_interval"][0]
        assert low < component["mean"][0] < high
        assert f"[{low:.3f}, {high:.3f}]" in done.out or f"[{low:.2f}, {high:.2f}]" in done.out


def test_what_was_guessed_is_told_on_standard_error(run, small) -> None:
    small.write_text(small.read_text().replace(",", ";"))
    told = run("fit", small).err
    assert told.startswith("mixtura: ")
    assert "20 rows of 3 columns ('x', 'y', 'weight')" in told
    assert "separated by semicolons" in told
    assert "Left out column 'name': not numeric." in told
    assert told.count("\n") == 1


def test_quiet_says_nothing(run, small) -> None:
    assert run("fit", small, "-q", "--save", "m.mixtura").err == ""


def test_verbose_says_how_the_starts_ended_on_standard_error(run, small) -> None:
    done = run("fit", small, "-v", "--init", "kmeans", "--n-init", "2", "--json")
    assert "start 1 (kmeans)" in done.err
    assert "start 2 (kmeans)" in done.err
    strictly(done.out)


def test_not_converged_is_exit_code_4_and_results_are_written(run, iris) -> None:
    files = ("--report", "r.html", "--assignments", "a.csv", "--save", "m.mixtura")
    done = run("fit", iris, "-k", 3, "--max-iter", 1, "--init", "quantile", *files)
    assert done.code == 4
    assert "component" in done.out
    assert "mixtura: warning: not converged" in done.err
    assert "--max-iter" in done.err
    assert "max_iter" not in done.err
    assert all(Path(name).stat().st_size > 0 for name in files[1::2])


def test_json_of_a_fit_that_has_not_converged(run, iris) -> None:
    done = run("fit", iris, "-k", 3, "--max-iter", 1, "--init", "quantile", "--json", "-q")
    assert done.code == 4
    assert strictly(done.out)["sections"][0]["starts"][0]["converged"] is False


def test_columns_are_taken_in_the_order_given(run, small) -> None:
    section = strictly(run("fit", small, "-c", "y", "-c", "x", "--json").out)["sections"][0]
    assert section["features"] == ["y", "x"]


def test_weights_count_as_rows(run, small) -> None:
    lines = small.read_text().splitlines()
    repeated = [line for line in lines[1:] for _ in range(int(line.rsplit(",", 1)[1]))]
    Path("repeated.csv").write_text("\n".join([lines[0], *repeated]) + "\n")
    weighted = run("fit", small, "-c", "x", "--weights", "weight", "--json", "--inference", "ml")
    plain = run("fit", "repeated.csv", "-c", "x", "--json", "--inference", "ml")
    found, expected = (strictly(r.out)["sections"][0]["components"] for r in (weighted, plain))
    for one, other in zip(found, expected, strict=True):
        assert one["weight"] == pytest.approx(other["weight"], rel=1e-8)
        assert one["mean"] == pytest.approx(other["mean"], rel=1e-8)
        assert one["expected_rows"] == pytest.approx(other["expected_rows"], rel=1e-8)


def test_standard_input(run, iris) -> None:
    done = run("fit", "-", *ARTICLE, "--json", stdin=iris.read_bytes())
    assert strictly(done.out)["sections"][0]["objective"] == pytest.approx(OPTIMUM, abs=1e-8)
    assert done.err.startswith("mixtura: standard input: 150 rows")


@pytest.mark.parametrize("write", [pa.parquet.write_table, pa.feather.write_feather])
def test_parquet_and_arrow_on_standard_input(run, iris, write) -> None:
    sink = io.BytesIO()
    write(pa.csv.read_csv(iris), sink)
    done = run("fit", "-", *ARTICLE, "--json", stdin=sink.getvalue())
    assert strictly(done.out)["sections"][0]["objective"] == pytest.approx(OPTIMUM, abs=1e-8)


def test_assignments_in_six_digits(run, iris) -> None:
    assert run("fit", iris, *ARTICLE, "--assignments", "a.csv").code == 0
    header, *rows = csv.reader(Path("a.csv").read_text().splitlines())
    assert header == ["row", "component", "probability_0", "probability_1"]
    assert [row[0] for row in rows] == [str(i) for i in range(1, 151)]
    assert run("fit", iris, *ARTICLE, "--save", "m.mixtura").code == 0
    column = load_iris().column("petal_length")
    gmm = load("m.mixtura")
    del gmm.feature_names_in_
    assert np.array_equal(gmm.predict(column), [int(row[1]) for row in rows])
    probabilities = np.array([[float(cell) for cell in row[2:]] for row in rows])
    np.testing.assert_allclose(probabilities, gmm.predict_proba(column), rtol=5e-6)


def test_tab_separated_assignments(run, small) -> None:
    assert run("fit", small, "--assignments", "a.tsv").code == 0
    assert Path("a.tsv").read_text().startswith("row\tcomponent\tprobability_0")


def test_the_report_is_a_page_of_html(run, small) -> None:
    done = run("fit", small, "--report", "r.html", "--json")
    page = Path("r.html").read_text()
    assert page.lstrip().startswith("<!doctype html>")
    assert "<svg" in page
    assert "mixtura: wrote r.html" in done.err
    strictly(done.out)


def test_the_same_seed_gives_the_same_result(run, iris) -> None:
    options = ("fit", iris, "-k", "4", "--init", "random", "--n-init", "2", "--json", "-q")
    one, other = run(*options, "--seed", "5"), run(*options, "--seed", "5")
    components = [strictly(r.out)["sections"][0]["components"] for r in (one, other)]
    assert components[0] == components[1]


def test_it_does_what_the_class_does(run, iris) -> None:
    options = ("--covariance", "diag", "--init", "kmeans", "--n-init", "3", "--seed", "7")
    done = run("fit", iris, "-k", "3", *options, "--json", "-q")
    gmm = GaussianMixtureModel(
        3, covariance_type="diag", init="kmeans", n_init=3, random_state=7
    ).fit(load_iris().data)
    told = strictly(done.out)["sections"][0]
    assert told["objective"] == gmm.objective_
    assert [c["mean"] for c in told["components"]] == gmm.means_.tolist()


def test_priors_on_variances_and_log_normals(run, iris) -> None:
    priors = ("--mean-prior", "normal:3,5", "--variance-prior", "log-normal:0,2")
    done = run("fit", iris, "--covariance", "diag", *priors, "--weight-prior", "dirichlet:3,1")
    assert done.code == 0
    assert run("fit", iris, "--covariance", "diag", *priors, "--save", "m.mixtura").code == 0
    prior = load("m.mixtura").component_prior
    assert (prior.mean.location, prior.mean.scale) == (3.0, 5.0)
    assert (prior.variance.location, prior.variance.scale) == (0.0, 2.0)


def test_priors_for_several_columns_name_the_covariances_that_work(run, iris) -> None:
    priors = ("--mean-prior", "normal:0,10", "--scale-prior", "inverse-gamma:1,1")
    done = run("fit", iris, *priors)
    assert done.code == 2
    assert "add --covariance diag (or spherical, tied_diag or tied_spherical)" in done.error
    assert run("fit", iris, *priors, "--covariance", "diag").code == 0


def test_pyro_missing_is_told_with_the_command_that_installs_it(run, iris, monkeypatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    done = run("fit", iris, "--inference", "svi", "--save", "m.mixtura")
    assert done.code == 2
    assert 'pip install "mixtura[pyro]"' in done.error
    assert not Path("m.mixtura").exists()


def test_svi_prints_its_loss_on_standard_error(run, iris) -> None:
    pytest.importorskip("pyro")
    svi = ("--inference", "svi", "--steps", "20", "--learning-rate", "0.04", "--print-every", "10")
    done = run("fit", iris, *ARTICLE, *svi, "--json")
    assert done.code == 4
    assert "step 10: loss" in done.err
    assert "raise --steps" in done.err
    assert strictly(done.out)["sections"][0]["method"] == "svi"


def test_collapsed_sampling_takes_its_options_and_its_file_predicts(run, iris) -> None:
    wanted = "-c petal_length -k 2 --weight-prior dirichlet-process:1 --inference collapsed"
    options = f"{wanted} --chains 2 --draws 60 --warmup 30 -q --json --save m.mixtura".split()
    done = run("fit", iris, *options)
    assert done.code in (0, 4)  # so few draws need not agree
    section = strictly(done.out)["sections"][0]
    assert section["method"] == "collapsed"
    loaded = load("m.mixtura")
    assert loaded.posterior_.means.shape == (2, 60, loaded.fit_.model.n_components, 1)
    assert loaded.fit_.model.n_components > 2
    assert run("predict", "m.mixtura", iris).code == 0


def test_gibbs_takes_its_options_and_its_file_predicts(run, iris) -> None:
    gibbs = ("--inference", "gibbs", "--chains", "2", "--draws", "400", "--warmup", "50")
    done = run("fit", iris, *ARTICLE, *gibbs, "--json", "--save", "m.mixtura")
    assert done.code == 0
    assert strictly(done.out)["sections"][0]["method"] == "gibbs"
    assert load("m.mixtura").posterior_.means.shape == (2, 400, 2, 1)
    assert run("predict", "m.mixtura", iris).code == 0


def test_a_sampler_draws_until_there_are_enough(run, iris) -> None:
    asked = "-c petal_length -k 2 --inference gibbs --chains 2 --warmup 20 -q --save m.mixtura"
    done = run("fit", iris, *asked.split(), *["--effective-draws", "20", "--max-draws", "60"])
    assert done.code in (0, 4)
    loaded = load("m.mixtura")
    assert loaded.posterior_.means.shape[1] <= 60
    assert loaded.fit_.method == "gibbs"


def test_a_point_fit_has_intervals_and_clusters_where_they_are_asked_for(run, iris) -> None:
    asked = ("fit", iris, *ARTICLE, "--bootstrap", 20, "--clusters", "modes")
    done = run(*asked)
    assert done.code == 0
    assert "percentiles of 20 bootstrap replicates" in " ".join(done.out.split())
    assert "2 clusters of 2 components, merged by the modes of the density." in done.out
    section = strictly(run(*asked, "--json").out)["sections"][0]
    assert section["interval_probabilities"] == pytest.approx([0.05, 0.95])
    for component in section["components"]:
        low, high = component["mean_interval"][0]
        assert low < component["mean"][0] < high
    assert "--inference map or ml" in run("fit", iris, "--inference", "vb", "--bootstrap", 9).error
    assert "--clusters" in run("fit", iris, "--clusters", "size").error
