"""Gibbs sampling of rows with missing cells and errors against posteriors that are known."""

from itertools import product

import numpy as np
from scipy import stats
from scipy.special import gammaln, logsumexp, multigammaln

from laws.running import whole_chain
from mixtura.data import ArrayRows
from mixtura.diagnostics.convergence_diagnostics import mean_error
from mixtura.engines import ENGINES, Engine
from mixtura.families import FAMILIES
from mixtura.inference.mcmc.gibbs_chains import ChainPlan, Sampler
from mixtura.inference.starts import INITIALIZERS
from mixtura.messages.assignments import Sampled
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.priors import Dirichlet, NormalInverseWishart

LIMIT = 4.0
"""Monte Carlo standard errors by which an average may be off."""

NAN = np.nan
MURRAY = np.array(
    [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    + 2 * [[2, NAN]]
    + 2 * [[-2, NAN]]
    + 2 * [[NAN, 2]]
    + 2 * [[NAN, -2]]
)


def test_murrays_posterior_of_the_correlation() -> None:
    """missing_murray.posterior_under_prior_det^(-3/2) of values.json: by quadrature."""
    engine, rows, rng = ENGINES["native"](), ArrayRows(MURRAY), np.random.default_rng(3)
    chains = np.empty((4, 400))
    for chain in range(4):
        covariance = np.diag([2.0, 3.0])
        for sweep in range(chains.shape[1] + 100):
            parameters = MixtureParameters(np.ones(1), np.zeros((1, 2)), covariance[None])
            potentials = FAMILIES["full"].potentials(parameters)
            found = engine.sweep(rows, potentials, Sampled(chain, sweep))
            # The prior det^(-3/2) leaves as many degrees of freedom as there are rows.
            covariance = stats.invwishart(12, found.second[0]).rvs(random_state=rng)
            if sweep >= 100:
                spread = np.sqrt(covariance[0, 0] * covariance[1, 1])
                chains[chain, sweep - 100] = covariance[0, 1] / spread
    for values, exact in (
        (chains**2, 0.3963414634),
        ((np.abs(chains) < 0.5).astype(float), 0.3521255623),
    ):
        assert abs(values.mean() - exact) < LIMIT * float(mean_error(values))


ROWS = np.array([[-0.9, NAN], [0.8, 0.9], [NAN, 1.3], [-1.2, -0.4]])
PRIOR = NormalInverseWishart(0.1, 0.4, 5.0, np.array([[1.5, 0.4], [0.4, 1.0]]))


def log_marginal(rows: np.ndarray) -> np.ndarray:
    """Return the log density of clusters (M, n, 2) under the prior, parameters integrated out."""
    n, shrinkage, freedom = rows.shape[1], 0.4, 5.0
    if n == 0:
        return np.zeros(len(rows))
    scale = np.array([[1.5, 0.4], [0.4, 1.0]])
    mean = rows.mean(axis=1)
    apart, away = rows - mean[:, None], mean - 0.1
    pull = shrinkage * n / (shrinkage + n)
    after = scale + np.einsum("mni,mnj->mij", apart, apart)
    after = after + pull * away[:, :, None] * away[:, None, :]
    found = multigammaln(0.5 * (freedom + n), 2) - multigammaln(0.5 * freedom, 2)
    found += np.log(shrinkage / (shrinkage + n)) - n * np.log(np.pi)
    found += 0.5 * freedom * np.linalg.slogdet(scale)[1]
    return found - 0.5 * (freedom + n) * np.linalg.slogdet(after)[1]


def exact() -> tuple[np.ndarray, np.ndarray]:
    """Return P(rows are together) (N, N) and the expected rows, by enumeration and quadrature."""
    cells = np.sinh(np.linspace(-5.0, 5.0, 161))
    width = np.cosh(np.linspace(-5.0, 5.0, 161)) * (10.0 / 160.0)
    one, other = (part.ravel() for part in np.meshgrid(cells, cells, indexing="ij"))
    mass = np.log(np.outer(width, width)).ravel()
    full = np.repeat(ROWS[None], one.size, axis=0)
    full[:, 0, 1], full[:, 2, 0] = one, other
    together, expected, total = np.zeros((4, 4)), np.zeros((4, 2)), []
    for labels in product((0, 1), repeat=4):
        z = np.array(labels)
        counts = np.bincount(z, minlength=2)
        weight = gammaln(1.0 + counts).sum() - gammaln(2.0 + 4)
        logs = weight + mass + log_marginal(full[:, z == 0]) + log_marginal(full[:, z == 1])
        total.append((float(logsumexp(logs)), z, logs))
    evidence = float(logsumexp([one[0] for one in total]))
    for value, z, logs in total:
        share = np.exp(value - evidence)
        together += share * (z[:, None] == z)
        expected += np.einsum("m,mnd->nd", np.exp(logs - evidence), full)
    return together, expected


def test_gibbs_equals_enumeration_and_quadrature() -> None:
    together, expected = exact()
    engine: Engine = ENGINES["native"]()
    model = MixtureModel(2, 2, Dirichlet(1.0), PRIOR, FAMILIES["full"])
    rows, plan = ArrayRows(ROWS), ChainPlan(300, 100, 1)
    complete = engine.completed(rows)
    shares, values = np.empty((4, plan.draws, 4, 4)), np.empty((4, plan.draws, 4, 2))
    for number, child in enumerate(np.random.SeedSequence(1).spawn(4)):
        of_start, of_chain = child.spawn(2)
        start = INITIALIZERS["random"].statistics(model, complete, engine, number, of_start)
        sampler = Sampler(model, rows, engine, plan)

        chain = whole_chain(sampler, sampler.begin(start, of_chain))
        for draw in range(plan.draws):
            parts = (part[draw] for part in (chain.weights, chain.means, chain.covariances))
            potentials = model.potentials(MixtureParameters(*parts))
            own = engine.responsibilities(rows, potentials)
            shares[number, draw] = own @ own.T
            values[number, draw] = engine.expected_rows(rows, potentials)
    for n, m in ((0, 1), (0, 3), (1, 2), (2, 3)):
        off = shares[:, :, n, m].mean() - together[n, m]
        assert abs(off) < LIMIT * float(mean_error(shares[:, :, n, m])), (n, m)
    for n, d in ((0, 1), (2, 0)):
        off = values[:, :, n, d].mean() - expected[n, d]
        assert abs(off) < LIMIT * float(mean_error(values[:, :, n, d])), (n, d)
