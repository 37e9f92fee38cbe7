"""Hidden cells of iris, guessed by a mixture and by scikit-learn's IterativeImputer.

Run as ``python -m benchmarks.hidden_cells [SETS [INTERVALS]]``: a fifth of the cells is hidden at
random in so many ways (100), and 90 % intervals by Gibbs draws are looked at in so many (12).
"""

import sys
import warnings

import numpy as np

from mixtura import GaussianMixtureModel, Gibbs
from mixtura.datasets import load_iris

SHARE = 0.2
COMPONENTS = 3
SAMPLER = {"chains": 2, "draws": 400, "warmup": 200}
N_IMPUTED = 400


def hidden_cells(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows with holes, and which cells were hidden of rows that have others."""
    hidden = np.random.default_rng(seed).random(rows.shape) < SHARE
    return np.where(hidden, np.nan, rows), hidden & ~hidden.all(axis=1, keepdims=True)


def errors(rows: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the root mean squared errors of hidden cells by a mixture and by scikit-learn."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    gapped, hidden = hidden_cells(rows, seed)
    own = GaussianMixtureModel(COMPONENTS).fit(gapped).impute(gapped)
    other = IterativeImputer().fit_transform(gapped)
    found = [float(np.sqrt(np.mean((one - rows)[hidden] ** 2))) for one in (own, other)]
    return found[0], found[1]


def coverage(rows: np.ndarray, seed: int) -> float:
    """Return the share of hidden cells within the 90 % intervals of draws."""
    gapped, hidden = hidden_cells(rows, seed)
    gmm = GaussianMixtureModel(COMPONENTS, inference=Gibbs(**SAMPLER), random_state=0).fit(gapped)
    drawn = gmm.impute(gapped, "draw", N_IMPUTED, random_state=1)
    low, high = np.quantile(drawn, (0.05, 0.95), axis=0)
    return float(((rows >= low) & (rows <= high))[hidden].mean())


def main() -> None:
    """Print both."""
    warnings.simplefilter("ignore")
    given = [int(text) for text in sys.argv[1:]]
    n_sets, n_intervals = (*given, *(100, 12)[len(given) :])
    rows = np.asarray(load_iris().data)
    own, other = np.mean([errors(rows, seed) for seed in range(n_sets)], axis=0)
    print(
        f"root mean squared error {own:.4f}, IterativeImputer {other:.4f}: ratio {own / other:.3f}"
    )
    shares = [coverage(rows, seed) for seed in range(n_intervals)]
    print(f"90 % intervals hold {np.mean(shares):.3f} of the hidden cells")


if __name__ == "__main__":
    main()
