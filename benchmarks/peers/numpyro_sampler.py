"""NumPyro's no-U-turn sampler on the article's model, where it is installed."""

from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np

from benchmarks.timing import NotRunError

CHAINS, DRAWS, WARMUP = 4, 1000, 1000

METHODS = ("vectorized",)
"""How NumPyro runs several chains in one process: here faster than "sequential"."""

COMPONENTS = 2


def sampler(
    values: np.ndarray, method: str, start: dict[str, np.ndarray]
) -> Callable[[], dict[str, np.ndarray]]:
    """Return a run of all chains over values (N,), compiled beforehand.

    Each run has another seed, and returns draws by the names ``weights``, ``means`` and
    ``deviations``, each of shape (C, S, K). ``start`` has a value for each name, shape (K,).

    Raises
    ------
    NotRunError
        If NumPyro is not installed.
    """
    if find_spec("numpyro") is None:
        raise NotRunError("not run: not installed")
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS, init_to_value

    # A run compiles once more, for 7 seconds, unless machine code is kept in a folder.
    folder = Path(gettempdir()) / "mixtura-benchmarks-jax"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    numpyro.enable_x64()
    kernel = NUTS(_program, init_strategy=init_to_value(values=start))
    chains = MCMC(
        kernel,
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method=method,
        progress_bar=False,
        jit_model_args=True,
    )

    seeds = count()

    def run() -> dict[str, np.ndarray]:
        chains.run(jax.random.PRNGKey(next(seeds)), values)
        found = chains.get_samples(group_by_chain=True)
        return {name: np.asarray(drawn, dtype=np.float64) for name, drawn in found.items()}

    run()
    return run


def _program(values: Any) -> None:
    """Describe the rows, their components summed out."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(COMPONENTS)))
    with numpyro.plate("components", COMPONENTS):
        means = numpyro.sample("means", dist.Normal(0.0, 10.0))
        deviations = numpyro.sample("deviations", dist.InverseGamma(1.0, 1.0))
    mixture = dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(means, deviations))
    with numpyro.plate("rows", len(values)):
        numpyro.sample("values", mixture, obs=values)
