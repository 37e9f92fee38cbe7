"""Model files whose checksum is right and whose content is not: one error, and soon."""

import copy
import json
import time
import warnings

import numpy as np
import pytest
from safetensors.numpy import save

from estimator.tampered_models import tampered
from mixtura import GaussianMixtureModel, Gibbs, load
from mixtura.datasets import load_faithful
from mixtura.errors import MixturaError, MixturaWarning, ModelFileError
from mixtura.io.archive import _digest, read_archive, write_archive

ROWS = load_faithful().data
WRONG = [None, True, -1, 1e999, 10**30, 1.5, 1e-320, "", "text", [], [1], ["a", "b"], [[1]], {}]
LONGEST = 2.0
"""Seconds within which a file is refused or read, on a busy machine."""


@pytest.fixture(scope="module", params=["map", "vb", "gibbs"])
def stored(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    method = Gibbs(2, 40, 20) if request.param == "gibbs" else request.param
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)  # of so few draws
        gmm = GaussianMixtureModel(2, inference=method, random_state=0).fit(ROWS)
    gmm.save(path)
    return path


def places(header, path=()):
    """Yield where there is anything in a header."""
    parts = header.items() if isinstance(header, dict) else enumerate(header)
    for key, value in parts:
        yield (*path, key)
        if isinstance(value, dict | list) and len(path) < 3:
            yield from list(places(value, (*path, key)))[:6]


def changed(header, place, value):
    """Return a header with another value at one place."""
    twin = copy.deepcopy(header)
    inner = twin
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return twin


def with_header(path, text, arrays):
    """Write a file with any text as its header, and the checksum of that."""
    path.write_bytes(save(arrays, {"header": text, "sha256": _digest(text, arrays)}))


def is_read_or_refused(path):
    """Load a file; whatever comes back must answer."""
    began, said = time.process_time(), "x"
    try:
        gmm = load(path)
        assert np.isfinite(gmm.predict_proba(ROWS[:5])).all()
        assert str(gmm.summary())
    except ModelFileError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 600
    assert time.process_time() - began < LONGEST


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # where they are "named"
def test_every_place_of_the_header_is_checked(stored, tmp_path):
    header, arrays = read_archive(stored, "model file")
    target, refused = tmp_path / "crafted", 0
    for place in places(header):
        for value in WRONG:
            with_header(target, json.dumps(changed(header, place, value)), arrays)
            is_read_or_refused(target)
            refused += 1
        if place and isinstance(place[-1], str):
            twin = changed(header, place, None)
            inner = twin
            for key in place[:-1]:
                inner = inner[key]
            del inner[place[-1]]
            with_header(target, json.dumps(twin), arrays)
            is_read_or_refused(target)
    assert refused > 400


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        "null",
        "[]",
        "{}",
        '"text"',
        "",
        "{",
        '{"format": "mixtura", "version": NaN}',
        '{"format": "mixtura", "version": Infinity}',
    ],
    ids=lambda text: text[:40] or "nothing",
)
def test_headers_that_are_none_are_refused(stored, tmp_path, text):
    _, arrays = read_archive(stored, "model file")
    with_header(tmp_path / "crafted", text, arrays)
    with pytest.raises(ModelFileError):
        load(tmp_path / "crafted")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_rows", 1e999),
        ("total_weight", float("nan")),
        ("total_weight", 1e-320),
        ("feature_names", [1, 2]),
        ("runs", "texts"),
        ("options", {"batch_size": "many"}),
        ("options", {"decay": []}),
        ("options", {"unknown": 1}),
        ("settings", {"max_iter": -1}),
        ("settings", {"tol": True}),
        ("method", "unheard of"),
        ("doubts", [["MixturaError", "x"]]),
        ("doubts", [["__doc__", "x"]]),
    ],
)
def test_false_content_is_refused_by_name(tmp_path, name, value):
    GaussianMixtureModel(2).fit(ROWS).save(tmp_path / "model")
    header, arrays = read_archive(tmp_path / "model", "model file")
    with_header(tmp_path / "crafted", json.dumps(header | {name: value}), arrays)
    with pytest.raises(ModelFileError):
        load(tmp_path / "crafted")


def test_many_empty_arrays_are_refused_at_once(tmp_path):
    GaussianMixtureModel(2).fit(ROWS).save(tmp_path / "model")
    header, arrays = read_archive(tmp_path / "model", "model file")
    many = {f"empty {i}": np.empty(0) for i in range(50_000)}
    write_archive(tmp_path / "crafted", header, arrays | many, overwrite=True)
    began = time.process_time()
    with pytest.raises(ModelFileError, match="more arrays"):
        load(tmp_path / "crafted")
    assert time.process_time() - began < LONGEST


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("number", [30, pytest.param(1400, marks=pytest.mark.calibrate)])
def test_tampered_files_are_read_or_refused(stored, tmp_path, number):
    header, arrays = read_archive(stored, "model file")
    path = tmp_path / "tampered"
    for seed in range(number):
        path.write_bytes(tampered(header, arrays, np.random.default_rng([14, seed])))
        is_read_or_refused(path)


def test_means_that_cannot_be_squared_are_refused(tmp_path):
    GaussianMixtureModel(2).fit(ROWS).save(tmp_path / "model")
    header, arrays = read_archive(tmp_path / "model", "model file")
    far = arrays | {"means": np.array([[1e308, 0.0], [1e308, 0.0]])}
    write_archive(tmp_path / "crafted", header, far, overwrite=True)
    with pytest.raises(ModelFileError, match="beyond what float64 can square"):
        load(tmp_path / "crafted")
    with pytest.raises(MixturaError, match="means must"):
        GaussianMixtureModel.from_parameters([1.0], [[1e308]], [[[1.0]]])
