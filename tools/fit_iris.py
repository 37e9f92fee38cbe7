"""Fit the iris petal lengths by a named engine: whether an installed mixtura works."""

import sys

import mixtura
from mixtura.engines import ENGINES, best_engine


def main(name: str) -> None:
    """Raise an AssertionError unless the engine of a name is the best one and finds both groups."""
    assert type(best_engine()) is type(ENGINES[name]()), best_engine()
    lengths = mixtura.datasets.load_iris().data[:, [2]]
    fitted = mixtura.GaussianMixtureModel(2, covariance_type="diag", inference="ml").fit(lengths)
    means = fitted.means_[:, 0].round(1).tolist()
    assert means == [1.5, 4.9], means
    print(f"The {name} engine finds iris petals of {means[0]} and {means[1]} cm.")


main(sys.argv[1])
