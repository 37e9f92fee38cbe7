"""The article's script: stochastic variational inference as it writes it, at its settings."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import SVI, TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoDelta
from pyro.optim import Adam

N_COMPONENTS = 2
LEARNING_RATE = 1e-3
SEED = 0


@config_enumerate
def model(data: torch.Tensor) -> None:
    """Describe the rows; the numbers are those of the article's code."""
    weights = pyro.sample("p", dist.Dirichlet(torch.ones(N_COMPONENTS)))
    with pyro.plate("components", N_COMPONENTS):
        means = pyro.sample("mu", dist.Normal(0.0, 10.0))
        deviations = pyro.sample("sigma", dist.InverseGamma(1.0, 1.0))
    with pyro.plate("data", len(data)):
        z = pyro.sample("z", dist.Categorical(weights))
        pyro.sample("x", dist.Normal(means[z], deviations[z]), obs=data)


def run_script(values: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return weights, means, standard deviations and the last loss."""
    pyro.set_rng_seed(SEED)
    pyro.clear_param_store()
    data = torch.tensor(values, dtype=torch.float32)
    guide = AutoDelta(poutine.block(model, expose=["p", "mu", "sigma"]))
    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    inference = SVI(model, guide, Adam({"lr": LEARNING_RATE}), loss=elbo)
    loss = float("nan")
    for _ in range(steps):
        loss = inference.step(data)
    found = guide.median()
    weights, means, deviations = (
        found[name].detach().numpy().astype(np.float64) for name in ("p", "mu", "sigma")
    )
    return weights, means, deviations, float(loss)
