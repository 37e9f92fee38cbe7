"""Draw the picture of the article: its model on the petal lengths of 150 irises.

Run from the root of a clone: ``python examples/article_picture.py [FILE.png]``.
"""

import sys
from pathlib import Path

import pyarrow
from matplotlib.figure import Figure

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "article.png"


def main() -> None:
    """Fit the model, draw densities and clusters side by side, and write the picture."""
    petals = load_iris().column("petal_length")[:, 0]
    gmm = GaussianMixtureModel(
        n_components=2,
        weight_prior=Dirichlet(1.0),
        component_prior=Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0)),
    ).fit(pyarrow.table({"petal_length": petals}))
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    gmm.plot_density(ax=left)
    gmm.plot_clusters(ax=right)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with path.open("wb") as file:
        figure.savefig(file, format="png", dpi=130)


if __name__ == "__main__":
    main()
