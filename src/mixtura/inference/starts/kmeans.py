"""k-means, begun by k-means++."""

from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import Initializer, standard_units
from mixtura.inference.starts.sample_statistics import sample_of, swept_statistics
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel


@final
class KMeans(Initializer):
    """Clusters of scikit-learn's k-means on standardised columns.

    Of many rows a sample is clustered, as by :class:`mixtura.inference.starts.split.Split`.
    """

    name = "kmeans"
    default_starts = 4

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        from sklearn.cluster import KMeans as ScikitLearnKMeans

        sample = sample_of(model, rows, engine)
        centre, inverse = standard_units(sample, engine)
        standardised = (sample.values - centre) * inverse
        weights = np.ones(len(standardised)) if sample.weights is None else sample.weights
        n_distinct = np.unique(standardised[weights > 0], axis=0).shape[0]
        kmeans = ScikitLearnKMeans(
            min(model.n_components, n_distinct),
            n_init=1,  # pyright: ignore[reportArgumentType]
            random_state=int(seed.generate_state(1)[0]),
        )
        found = np.asarray(kmeans.fit(standardised, sample_weight=weights).labels_, dtype=np.intp)
        return swept_statistics(model, rows, sample, engine, found)
