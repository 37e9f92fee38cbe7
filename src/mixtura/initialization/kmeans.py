"""k-means, begun by k-means++."""

from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.initialization.base import Initializer, gather, one_hot
from mixtura.model import MixtureModel
from mixtura.statistics import SufficientStatistics


@final
class KMeans(Initializer):
    """Clusters of scikit-learn's k-means on standardised columns."""

    name = "kmeans"
    default_starts = 4

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        from sklearn.cluster import KMeans as ScikitLearnKMeans

        overall = engine.overall(rows, matrix=False)
        variances = overall.second[0] / max(overall.total, np.finfo(float).tiny)
        unit = np.sqrt(np.where(variances > 0, variances, 1.0))
        blocks = list(rows.blocks())
        standardised = np.concatenate([(b.values - overall.mean()) / unit for b in blocks])
        weights = np.concatenate([b.row_weights for b in blocks])
        n_distinct = np.unique(standardised[weights > 0], axis=0).shape[0]
        kmeans = ScikitLearnKMeans(
            min(model.n_components, n_distinct),
            n_init=1,  # pyright: ignore[reportArgumentType]
            random_state=int(seed.generate_state(1)[0]),
        )
        found = kmeans.fit(standardised, sample_weight=weights).labels_
        labels = np.asarray(found, dtype=np.intp)
        return gather(model, rows, engine, one_hot(labels, model.n_components))
