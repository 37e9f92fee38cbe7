"""What a fit says where the native library is missing."""

import warnings
from threading import Event

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.errors import MixturaWarning, SlowEngineWarning
from mixtura.estimator import slowness


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness, "_told", Event())
    monkeypatch.setattr(slowness, "LARGE", 2 * 90)


def fit(n_rows: int) -> None:
    rows = np.random.default_rng(0).standard_normal((n_rows, 1))
    rows[::2] += 6.0
    GaussianMixtureModel(2).fit(rows)


def test_the_first_large_fit_says_that_it_will_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness, "has_native_library", lambda: False)
    fit(89)
    with pytest.warns(SlowEngineWarning, match=r"no C\+\+20 compiler was found.*anew") as told:
        fit(90)
    assert told[0].filename == __file__
    assert "\n" not in str(told[0].message)
    assert issubclass(SlowEngineWarning, MixturaWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(90)


def test_nothing_is_said_where_the_library_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness, "has_native_library", lambda: True)
    fit(200)
