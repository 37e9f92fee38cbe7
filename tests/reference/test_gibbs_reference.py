"""The sampled posterior of the article's model, against a longer run of another program."""

import numpy as np

from mixtura import GaussianMixtureModel, Gibbs
from mixtura.datasets import load_iris
from mixtura.diagnostics.convergence_diagnostics import ess_mean
from mixtura.posteriors import DrawsPosterior
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

# 4 x 20,000 Gibbs draws by a separate program, components ordered by mean: means and standard
# deviations of the posterior, to four digits. Its own error is that of at least 40,000 draws.
ARTICLE_POSTERIOR = {
    "weights": ((0.3349, 0.6651), (0.0384, 0.0384)),
    "means": ((1.4615, 4.9037), (0.0263, 0.0840)),
    "scales": ((0.1847, 0.8353), (0.0196, 0.0613)),
}
REFERENCE_SIZE = 40_000
ROUNDING = 0.5e-4


def test_article_posterior_of_petal_lengths() -> None:
    rows = load_iris().column("petal_length")
    prior = Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0))
    gmm = GaussianMixtureModel(
        2,
        weight_prior=Dirichlet(1.0),
        component_prior=prior,
        inference=Gibbs(chains=4, draws=1000, warmup=200),
        random_state=0,
    ).fit(rows)
    posterior = gmm.posterior_
    assert isinstance(posterior, DrawsPosterior)
    assert gmm.converged_
    drawn = {
        "weights": posterior.weights,
        "means": posterior.means[..., 0],
        "scales": np.sqrt(posterior.covariances[..., 0]),
    }
    for name, (means, deviations) in ARTICLE_POSTERIOR.items():
        for k in range(2):
            values = drawn[name][..., k]
            error = 4.0 * combined_error(values) + ROUNDING
            assert abs(values.mean() - means[k]) < error
            # The standard deviation by its square, whose error is again that of a mean.
            squares = (values - values.mean()) ** 2
            error = (4.0 * combined_error(squares) + ROUNDING) / (2.0 * deviations[k])
            assert abs(values.std() - deviations[k]) < error + ROUNDING


def combined_error(values: np.ndarray) -> float:
    """Return the standard error of our average and of the reference's together."""
    size = float(ess_mean(values))
    return float(values.std() * np.sqrt(1.0 / size + 1.0 / REFERENCE_SIZE))
