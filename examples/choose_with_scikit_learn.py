"""Choose the number of components and the family by held-out density, in a scikit-learn pipeline.

Old Faithful's eruptions are standardised, fitted, and scored on rows left out. The score is the
average log density of standardised rows, in nats; larger is better.
"""

from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_faithful

COMPONENTS = "gaussianmixturemodel__n_components"
FAMILY = "gaussianmixturemodel__covariance_type"


def main() -> None:
    """Search the grid and print what was found."""
    faithful = load_faithful()
    pipeline = make_pipeline(StandardScaler(), GaussianMixtureModel())
    grid = {COMPONENTS: [1, 2, 3], FAMILY: ["full", "tied", "diag"]}
    folds = KFold(5, shuffle=True, random_state=0)
    search = GridSearchCV(pipeline, grid, cv=folds).fit(faithful.data)
    print("components  family  held-out log density of a row")
    results = search.cv_results_
    for parameters, score in zip(results["params"], results["mean_test_score"], strict=True):
        print(f"{parameters[COMPONENTS]:10}  {parameters[FAMILY]:6}  {score:.4f}")
    best = search.best_estimator_[-1]
    print(f"best: {best.covariance_type}, {best.n_components} components")
    bic = best.bic(search.best_estimator_[0].transform(faithful.data))
    print(f"its BIC on all rows: {bic:.1f}")


if __name__ == "__main__":
    main()
