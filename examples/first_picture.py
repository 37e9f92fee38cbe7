"""Draw the picture of the README and of the site's first page: eruptions of Old Faithful.

Run from the root of a clone: ``python examples/first_picture.py [FILE.png]``.
"""

import sys
from pathlib import Path

import pyarrow

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_faithful

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "first-picture.png"


def main() -> None:
    """Fit two components, draw rows and components, and write the picture."""
    eruptions = load_faithful()
    columns = dict(zip(eruptions.feature_names, eruptions.data.T, strict=True))
    axes = GaussianMixtureModel(n_components=2).fit(pyarrow.table(columns)).plot_clusters()
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with path.open("wb") as file:
        axes.flat[0].figure.savefig(file, format="png", dpi=100)


if __name__ == "__main__":
    main()
