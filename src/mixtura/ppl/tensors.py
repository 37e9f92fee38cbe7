"""Numbers on their way to torch, and the refusal of priors that have no way there."""

from typing import Any

import numpy as np
import torch

from mixtura.errors import InvalidArgumentError, Setting


def tensor(value: Any) -> torch.Tensor:
    """Return a float64 copy of a number or an array."""
    return torch.tensor(np.asarray(value, dtype=np.float64))


def without_program(prior: object) -> InvalidArgumentError:
    """Return the refusal of a prior that nobody has written as Pyro statements."""
    return InvalidArgumentError(
        f"a {type(prior).__name__} prior has no Pyro program",
        remedy=("use ", Setting("inference", "gibbs")),
    )
