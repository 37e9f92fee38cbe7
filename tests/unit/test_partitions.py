"""Partitions of few rows, where every partition can be tried."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score, rand_score

from laws.enumeration import partitions
from mixtura.diagnostics.consensus import consensus_partition, credible_ball
from mixtura.diagnostics.partition_draws import (
    BINDER,
    VARIATION_OF_INFORMATION,
    PartitionDraws,
    PartitionLoss,
    canonical_labels,
    co_clustering,
    occupied_components,
)
from mixtura.errors import InvalidArgumentError

LOSSES = {"Binder": BINDER, "information": VARIATION_OF_INFORMATION}


def distance(one: np.ndarray, other: np.ndarray, loss: PartitionLoss) -> float:
    return PartitionDraws.of(other[None]).expected(one, loss)


def by_formula(name: str, one: np.ndarray, other: np.ndarray) -> float:
    """Return the distance by scikit-learn: of pairs from Rand's index, of information in nats."""
    if name == "Binder":
        n_pairs = len(one) * (len(one) - 1) / 2
        return (1.0 - float(rand_score(one, other))) * n_pairs
    alone = entropy(np.bincount(one)) + entropy(np.bincount(other))
    return float(alone - 2.0 * mutual_info_score(one, other))


@pytest.fixture(params=LOSSES)
def loss(request: pytest.FixtureRequest) -> tuple[str, PartitionLoss]:
    return request.param, LOSSES[request.param]


def test_distances_are_those_of_scikit_learn(
    loss: tuple[str, PartitionLoss], rng: np.random.Generator
) -> None:
    for n_groups in (1, 2, 5, 30):
        one, other = rng.integers(n_groups, size=30), rng.integers(4, size=30)
        expected = by_formula(loss[0], one, other)
        assert distance(one, other, loss[1]) == pytest.approx(expected, abs=1e-12)
        assert distance(one, 7 - one % 7, loss[1]) == pytest.approx(
            by_formula(loss[0], one, 7 - one % 7), abs=1e-12
        )


def test_distances_are_metrics(loss: tuple[str, PartitionLoss]) -> None:
    every = partitions(5)
    table = np.array(
        [PartitionDraws(every, np.full(len(every), 1.0)).distances(p, loss[1]) for p in every]
    )
    np.testing.assert_allclose(table, table.T, atol=1e-14)
    assert ((table > 1e-9) == ~np.eye(len(every), dtype=bool)).all()
    detours = table[:, :, None] + table[None, :, :]
    assert (table[:, None, :] <= detours + 1e-12).all()


def test_co_clustering_and_occupied_components_are_counts(rng: np.random.Generator) -> None:
    allocations = rng.integers(6, size=(50, 8))
    counts = sum((z[:, None] == z).astype(float) for z in allocations)
    np.testing.assert_allclose(co_clustering(allocations), counts / 50, rtol=1e-15)
    expected = [len(set(z.tolist())) for z in allocations]
    np.testing.assert_array_equal(occupied_components(allocations), expected)
    np.testing.assert_array_equal(
        occupied_components(allocations.reshape(2, 25, 8)), np.reshape(expected, (2, 25))
    )


def test_co_clustering_does_not_depend_on_the_size_of_steps(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    allocations = rng.integers(4, size=(23, 7))
    at_once = co_clustering(allocations)
    monkeypatch.setattr("mixtura.diagnostics.partition_draws.BLOCK", 100)
    np.testing.assert_array_equal(co_clustering(allocations), at_once)


def test_labels_are_numbered_by_first_rows() -> None:
    found = canonical_labels(np.array([[5, 5, 0, 2], [1, 0, 1, 0]]))
    np.testing.assert_array_equal(found, [[0, 0, 1, 2], [0, 1, 0, 1]])


@pytest.mark.parametrize("n_rows", [1, 3, 6, 7])
@pytest.mark.parametrize("seed", range(3))
def test_consensus_is_the_best_of_all_partitions(
    loss: tuple[str, PartitionLoss], n_rows: int, seed: int
) -> None:
    # Draws: a partition, blurred; some of them much.
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n_rows)
    blur = rng.random((60, n_rows)) < rng.choice([0.1, 0.5])
    allocations = np.where(blur, rng.integers(5, size=(60, n_rows)), truth)
    every = partitions(n_rows)
    draws = PartitionDraws.of(allocations)
    least = min(draws.expected(p, loss[1]) for p in every)
    found = consensus_partition(allocations, loss[1])
    assert found.expected_loss == pytest.approx(least, abs=1e-12)
    direct = np.mean([by_formula(loss[0], found.labels, z) for z in allocations])
    assert found.expected_loss == pytest.approx(direct, abs=1e-12)


def test_consensus_ignores_the_numbers_of_components(loss: tuple[str, PartitionLoss]) -> None:
    rng = np.random.default_rng(4)
    truth = np.repeat([0, 1, 2], [30, 20, 10])
    allocations = np.where(rng.random((200, 60)) < 0.1, rng.integers(3, size=(200, 60)), truth)
    orders = rng.permuted(np.broadcast_to(np.arange(3), (200, 3)), axis=1)
    shuffled = np.take_along_axis(orders, allocations, axis=1)
    for draws in (allocations, shuffled):
        np.testing.assert_array_equal(consensus_partition(draws, loss[1]).labels, truth)


def test_credible_ball_holds_the_nearest_draws(loss: tuple[str, PartitionLoss]) -> None:
    rng = np.random.default_rng(5)
    centre = np.array([0, 0, 0, 1, 1, 1])
    allocations = np.where(rng.random((100, 6)) < 0.2, rng.integers(4, size=(100, 6)), centre)
    distances = np.array([by_formula(loss[0], centre, z) for z in allocations])
    for level in (0.2, 0.9, 1.0):
        ball = credible_ball(centre, allocations, loss[1], level)
        needed = int(np.ceil(100 * level))
        assert ball.radius == pytest.approx(np.sort(distances)[needed - 1], abs=1e-12)
        inside = distances <= ball.radius + 1e-9
        sizes = occupied_components(allocations)
        for labels, among in (
            (ball.horizontal, inside),
            (ball.upper, inside & (sizes == sizes[inside].min())),
            (ball.lower, inside & (sizes == sizes[inside].max())),
        ):
            found = by_formula(loss[0], centre, labels)
            assert found == pytest.approx(distances[among].max(), abs=1e-12)
            members = canonical_labels(allocations[among])
            assert (members == labels).all(axis=1).any()


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match="allocations must be integers of shape"):
        co_clustering(np.array([0, 1]))
    with pytest.raises(InvalidArgumentError, match="not below zero"):
        consensus_partition(np.array([[0, -1]]))
    with pytest.raises(InvalidArgumentError, match="level must be above 0"):
        credible_ball(np.zeros(2, int), np.zeros((3, 2), int), level=0.0)


def test_shares_that_round_to_more_than_one_are_certainty() -> None:
    # 9 different partitions, each a ninth of the draws: their shares, added up, exceed one.
    draws = np.array([[0, 0, 0, *map(int, f"{i:04b}")] for i in range(9)])
    assert np.add.accumulate(PartitionDraws.of(draws).shares)[-1] > 1.0
    consensus = consensus_partition(draws)
    assert np.unique(consensus.labels[:3]).size == 1
