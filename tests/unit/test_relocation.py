"""What relocations promise, where it is known exactly."""

import numpy as np
import pytest

from mixtura.data import ArrayRows
from mixtura.engines import best_engine
from mixtura.families import FAMILIES
from mixtura.inference.starts.base import label_statistics_of
from mixtura.inference.starts.guides import ElicitingGuide
from mixtura.inference.starts.relocation import merge_losses, relocations, with_overlaps
from mixtura.inference.starts.short_runs import ShortRunLimits, short_run
from mixtura.messages.parameters import MixtureParameters
from mixtura.priors.elicitation import OverallMoments, WithinGroups

ENGINE = best_engine(1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("family_name", ["full", "diag", "spherical"])
def test_merging_two_halves_of_one_component_loses_nothing(
    family_name: str, weighted: bool
) -> None:
    """The entropy of shared rows makes up for that of unknown labels, whatever the shares."""
    n_rows, share = 50, 0.3
    family = FAMILIES[family_name]
    one = np.ones(family.structure(1, 2)) if family_name != "full" else np.eye(2)[None]
    at = MixtureParameters(np.array([share, 1.0 - share]), np.zeros((2, 2)), np.repeat(one, 2, 0))
    weights = np.linspace(0.5, 1.5, n_rows) if weighted else None
    total = n_rows if weights is None else weights.sum()
    shares = np.tile([share, 1.0 - share], (n_rows, 1))
    apart = merge_losses(family.structure(2, 2), total * shares[0], at)
    ((loss, first, second),) = with_overlaps(apart, shares, weights)
    assert {first, second} == {0, 1}
    assert loss == pytest.approx(0.0, abs=1e-10)
    assert apart[0][0] < -0.5 * total


def test_rows_that_are_not_shared_add_nothing() -> None:
    losses = [(3.0, 0, 1), (5.0, 0, 2), (7.0, 1, 2)]
    assert with_overlaps(losses, np.eye(3)[[0, 1, 2, 0]], None) == losses


def relocated(centres: np.ndarray, labels: np.ndarray, rows: ArrayRows) -> int:
    """Return how many relocations are worth a try after a run from some clusters."""
    family, n_components = FAMILIES["full"], len(centres)
    structure = family.structure(n_components, 2)
    moments = OverallMoments(ENGINE.overall(rows, matrix=True))
    guide = ElicitingGuide(family, structure, WithinGroups(moments, structure, n_components))
    begin = label_statistics_of(rows, ENGINE, structure, n_components, labels, moments.mean)
    statistics, parameters = short_run(ENGINE, rows, guide, begin, ShortRunLimits(20))
    return len(list(relocations(rows, guide, ENGINE, statistics, parameters)))


def test_clear_normal_groups_have_nothing_to_relocate_and_wrong_ones_have() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [12.0, 0.0], [0.0, 12.0], [12.0, 12.0]])
    labels = np.repeat(np.arange(4), 150)
    rows = ArrayRows(centres[labels] + rng.standard_normal((labels.size, 2)))
    assert relocated(centres, labels, rows) == 0
    # Two groups in one component, and another group cut in two across its middle.
    wrong = np.where(labels == 3, 2, labels)
    wrong = np.where((labels == 0) & (rows.values[:, 0] > 0.0), 3, wrong)
    assert relocated(centres, wrong, rows) > 0
