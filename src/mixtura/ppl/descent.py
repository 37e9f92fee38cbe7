"""Adam, with a learning rate that falls until the objective has settled."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

WINDOW = 20
"""Steps over which progress is judged."""

FALL = 0.3
"""Factor of the learning rate where a window brought no progress."""

MAX_FALLS = 3
"""How often the learning rate falls; a further window without progress ends the descent."""


@final
@dataclass(frozen=True)
class Control:
    """Options of a descent.

    Parameters
    ----------
    max_steps : int
        Largest number of steps.
    learning_rate : float
        Adam's step size at the beginning.
    tol : float
        A window brings progress where its lowest loss is below that of the window before by more
        than this, relative to its size.
    smallest_gradient : float
        Gradients well below this count as zero: Adam's epsilon.
    adaptive : bool
        Whether the learning rate falls and the descent ends early; otherwise all steps are made
        at the same rate.
    """

    max_steps: int
    learning_rate: float
    tol: float
    smallest_gradient: float
    adaptive: bool


@final
@dataclass(frozen=True)
class Descent:
    """Where a descent led; it leaves the parameters at the best step.

    Parameters
    ----------
    losses : tuple of float
        Loss after each step, that of the start first.
    is_settled : bool
        Whether the last window brought no progress.
    is_broken : bool
        Whether the descent ended because the loss was no finite number.
    """

    losses: tuple[float, ...]
    is_settled: bool
    is_broken: bool


def descend(
    loss: Callable[[], torch.Tensor],
    parameters: list[torch.nn.Parameter],
    control: Control,
    tell: Callable[[int, float], None],
) -> Descent:
    """Minimise a loss and leave the parameters at the best values met.

    Parameters
    ----------
    loss : callable
        Returns the loss at the current parameters.
    parameters : list of Parameter
        What is optimised, in place.
    control : Control
        Options.
    tell : callable
        Called with the number of steps made so far and the loss they led to.
    """
    adam = torch.optim.Adam(parameters, lr=control.learning_rate, eps=control.smallest_gradient)
    pace = _Pace(control, adam)
    losses: list[float] = []
    lowest, best = math.inf, [parameter.detach().clone() for parameter in parameters]
    while not pace.is_over:
        value = _evaluate(loss, adam)
        if not math.isfinite(value):
            pace.is_settled = False
            break
        if value < lowest:
            lowest, best = value, [parameter.detach().clone() for parameter in parameters]
        losses.append(value)
        tell(len(losses) - 1, value)
        pace.judge(losses)
        adam.step()
    with torch.no_grad():
        for parameter, value in zip(parameters, best, strict=True):
            parameter.copy_(value)
    return Descent(tuple(losses), pace.is_settled, is_broken=not pace.is_over)


def _evaluate(loss: Callable[[], torch.Tensor], adam: torch.optim.Adam) -> float:
    """Return the loss, its gradient stored; not a number where it cannot be computed."""
    adam.zero_grad()
    with warnings.catch_warnings():
        # Pyro warns of the very values that end the descent, of which the fit says so itself.
        warnings.filterwarnings("ignore", message="Encountered NaN")
        try:
            value = loss()
            value.backward()
        except torch.linalg.LinAlgError:
            return math.nan
    return value.item()


@final
class _Pace:
    """Judges the progress and sets the learning rate by it."""

    def __init__(self, control: Control, adam: torch.optim.Adam) -> None:
        self.control = control
        self.adam = adam
        self.falls = 0
        self.is_settled = False
        self.is_over = False

    def judge(self, losses: list[float]) -> None:
        """Take note of the losses so far."""
        self.is_over = len(losses) > self.control.max_steps
        if len(losses) < 2 * WINDOW or len(losses) % WINDOW:
            return
        low, before = min(losses[-WINDOW:]), min(losses[-2 * WINDOW : -WINDOW])
        has_progress = low < before - self.control.tol * max(1.0, abs(low))
        if not self.control.adaptive:
            self.is_settled = not has_progress
        elif not has_progress and self.falls == MAX_FALLS:
            self.is_settled = self.is_over = True
        elif not has_progress:
            self.falls += 1
            for group in self.adam.param_groups:
                group["lr"] *= FALL
