"""Running Pyro without leaving a trace in the user's session."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyro
import torch
from pyro import poutine

SERIAL_ENTRIES = 1 << 17
"""Below this many numbers in the largest array, torch is faster with one thread."""

_ONE_AT_A_TIME = threading.RLock()
"""Pyro's parameters and handlers belong to the process, so that fits in threads take turns."""


@contextmanager
def isolated(seed: int, n_entries: int) -> Iterator[None]:
    """Give the block a Pyro of its own, and put everything back as it was, whatever happens.

    Put back are the parameter store, the state of torch's random numbers, Pyro's and torch's
    validation, the default device, the gradient mode and the number of threads; handlers around
    the caller see nothing. The default dtype and the random numbers of NumPy and Python are never
    touched.

    Parameters
    ----------
    seed : int
        Seed of torch's random numbers within the block.
    n_entries : int
        Size of the largest array within the block.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(_ONE_AT_A_TIME)
        enter(_own_parameters())
        enter(
            pyro.settings.context(
                validate_distributions_pyro=False,
                validate_distributions_torch=False,
                validate_infer=False,
                validate_poutine=False,
                module_local_params=False,
            )
        )
        enter(torch.random.fork_rng(devices=[]))
        enter(torch.device("cpu"))
        enter(torch.inference_mode(False))
        enter(torch.enable_grad())
        enter(poutine.block())
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        if n_entries < SERIAL_ENTRIES:
            torch.set_num_threads(1)
        # Unlike torch.manual_seed this leaves the generators of other devices alone.
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _own_parameters() -> Iterator[None]:
    store = pyro.get_param_store()
    links = {}
    for name, parameter in store.named_parameters():
        links[name] = parameter, parameter.__dict__.get("unconstrained")
    try:
        with store.scope():
            yield
    finally:
        # The scope drops the links from parameters to themselves, which users may hold.
        for parameter, link in links.values():
            if link is not None:
                parameter.unconstrained = link
