"""The highest objective that many starts find, kept in a file: a search of minutes, done once."""

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

import mixtura
from benchmarks.peers.mclust_hierarchy import hierarchy
from mixtura import GaussianMixtureModel

FILE = Path(__file__).resolve().parent / "results" / "best-known.json"

MOST_ITERATIONS, TOLERANCE = 500, 1e-8
"""Of every start of a search, whose best end is then climbed with the defaults."""

NUMBERS = {"kmeans": 20, "random": 200}
SPLITS, FEW_SPLITS, MANY = 20, 5, 10
"""Split starts are fewer where there are ten components or more: they take longest there."""

HYPERPARAMETERS = ("mean", "shrinkage", "degrees_of_freedom", "shape", "scale")
"""Of the conjugate priors that targets have."""


@final
@dataclass(frozen=True, eq=False)
class Target:
    """Rows and the model whose objective is to be as high as can be.

    Parameters
    ----------
    name : str
    rows : array of shape (N, D)
    n_components : int
    family : str
    inference : str
        "map" or "ml".
    prior : component prior or None
        A given one with "map"; None with "ml".
    labels : integer array of shape (N,), optional
        The true groups, of which one start is made.
    """

    name: str
    rows: np.ndarray
    n_components: int
    family: str
    inference: str
    prior: Any = None
    labels: np.ndarray | None = None

    def fit(self, **options: Any) -> GaussianMixtureModel:
        """Return a fit, without its warnings."""
        options = {"random_state": 0, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return GaussianMixtureModel(
                self.n_components,
                covariance_type=self.family,
                inference=self.inference,
                component_prior=self.prior,
                **options,
            ).fit(self.rows)

    @property
    def key(self) -> str:
        """What names the target in the file: the model and a digest of rows and prior."""
        digest = hashlib.sha256(np.ascontiguousarray(np.round(self.rows, 9)).tobytes())
        if self.prior is not None:
            for name in HYPERPARAMETERS:
                value = getattr(self.prior, name, None)
                if value is not None:
                    digest.update(f"{name} {np.round(value, 9)!r}".encode())
        return f"{self.inference} {self.family} {self.n_components} {digest.hexdigest()[:16]}"

    def is_sound(self, model: GaussianMixtureModel) -> bool:
        """Return whether an end counts: no component may be degenerate.

        With a covariance of its own it must have more than D rows under "map", for otherwise its
        covariance is the prior's, whose density there is worth hundreds of nats where there are
        many features; and more than 2 D under "ml", where the likelihood of few rows is as high as
        chance lets them lie close together. Under "ml" none may have collapsed.
        """
        n_features = self.rows.shape[1]
        fewest = 1 if self.family.startswith("tied") else n_features + 1
        if self.inference == "ml":
            degenerate = mixtura.errors.DegenerateComponentWarning
            if any(issubclass(d.category, degenerate) for d in model.fit_.doubts):
                return False
            fewest = 0 if self.family.startswith("tied") else 2 * n_features + 1
        return bool(model.weights_.min() * len(self.rows) > fewest - 0.5)


@final
@dataclass
class Known:
    """What a search has found.

    Parameters
    ----------
    best : float
        The highest objective of a sound end, in nats; minus infinity before there is one.
    by : str
        The start that led there.
    ends : dict of str to float
        The best of every kind of start.
    tried : dict of str to int
        How many of each were run.
    """

    best: float = -np.inf
    by: str = ""
    ends: dict[str, float] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)

    def learn(self, kind: str, objective: float) -> None:
        """Take one sound end into account."""
        self.ends[kind] = max(self.ends.get(kind, -np.inf), objective)
        if objective > self.best:
            self.best, self.by = objective, kind


@final
class BestKnown:
    """The file of all searches, which is written after each."""

    def __init__(self, path: Path = FILE) -> None:
        self.path = path
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self._entries: dict[str, dict[str, Any]] = stored

    def known(self, target: Target) -> Known:
        """Return what is known about a target."""
        entry = self._entries.get(target.key, {})
        return Known(**{name: entry[name] for name in vars(Known()) if name in entry})

    def keep(self, target: Target, known: Known) -> None:
        """Write what is known down."""
        if not np.isfinite(known.best):
            return
        self._entries[target.key] = {"name": target.name, **vars(known)}
        unfinished = self.path.with_suffix(".part")
        text = json.dumps(dict(sorted(self._entries.items())), indent=1, allow_nan=False)
        unfinished.write_text(text + "\n", encoding="utf-8")
        os.replace(unfinished, self.path)


def search(target: Target, known: Known, seconds: float, share: float = 1.0) -> Known:
    """Return what is known after the starts that were not run yet, as many as the time allows.

    Parameters
    ----------
    target : Target
    known : Known
        Changed in place.
    seconds : float
        Processor time after which no further start is begun.
    share : float, default=1
        Part of the random and k-means starts that is run at most.
    """
    began = time.process_time()
    splits = SPLITS if target.n_components < MANY else FEW_SPLITS
    best: GaussianMixtureModel | None = None
    for kind, fit in _starts(target, known, share, splits):
        if time.process_time() - began > seconds:
            break
        known.tried[kind] = known.tried.get(kind, 0) + (splits if kind == "split" else 1)
        model = fit()
        if model is None or not target.is_sound(model):
            continue
        if model.objective_ > known.best:
            best = model
        known.learn(kind, float(model.objective_))
    if best is not None:
        ended = target.fit(init=best)
        if target.is_sound(ended):
            known.learn(known.by, float(ended.objective_))
    return known


def _starts(
    target: Target, known: Known, share: float, splits: int
) -> Iterator[tuple[str, Callable[[], GaussianMixtureModel | None]]]:
    """Yield kind and run of every start that was not run yet, the cheap and good ones first."""
    short = {"max_iter": MOST_ITERATIONS, "tol": TOLERANCE}

    def from_hierarchy() -> GaussianMixtureModel | None:
        labels = hierarchy(target.rows, target.n_components, target.family)
        return None if labels is None else target.fit(init=labels, **short)

    if "labels" not in known.tried and target.labels is not None:
        yield "labels", lambda: target.fit(init=target.labels, **short)
    if "mclust" not in known.tried:
        yield "mclust", from_hierarchy
    for kind, number in NUMBERS.items():
        if kind == "random" and "split" not in known.tried:
            yield "split", lambda: target.fit(init="split", n_init=splits, **short)
        for seed in range(known.tried.get(kind, 0), int(share * number)):
            options = {"init": kind, "n_init": 1, "random_state": seed, **short}
            yield kind, lambda options=options: target.fit(**options)
