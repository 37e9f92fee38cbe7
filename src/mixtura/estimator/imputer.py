"""A transformer that fills in missing cells from a mixture."""

from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from mixtura.errors import InvalidArgumentError
from mixtura.estimator import GaussianMixtureModel, arguments
from mixtura.estimator.imputation import HOW
from mixtura.typing import Array


@final
class MixtureImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fills in missing cells by a mixture that is fitted to the observed ones.

    Parameters
    ----------
    mixture : GaussianMixtureModel, optional
        What is fitted; one normal distribution, ``GaussianMixtureModel(1)``, where None.
    how : {"mean", "draw"}, default="mean"
        The expectation of each cell, or one draw of it.
    random_state : int, Generator, SeedSequence, RandomState or None, default=None
        Of the draw; the mixture's own where None.

    Attributes
    ----------
    mixture_ : GaussianMixtureModel
        The fitted mixture.
    n_features_in_ : int
        Number of features D.
    feature_names_in_ : array of shape (D,)
        Column names, where the data had names.

    Examples
    --------
    >>> import numpy as np
    >>> from mixtura import MixtureImputer
    >>> X = np.array([[0.0, 0.1], [1.0, 0.9], [2.0, 2.1], [3.0, 2.9], [1.5, np.nan]])
    >>> MixtureImputer().fit_transform(X)[4].round(1)
    array([1.5, 1.5])
    """

    def __init__(
        self,
        mixture: GaussianMixtureModel | None = None,
        *,
        how: str = "mean",
        random_state: Any = None,
    ) -> None:
        self.mixture = mixture
        self.how = how
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, measurement_error: Any = None
    ) -> Self:
        """Fit the mixture to rows (N, D), as ``GaussianMixtureModel.fit`` does."""
        HOW.read(self.how, "how")
        arguments.PARAMETERS["random_state"].read(self.random_state, "random_state")
        if self.mixture is not None and not isinstance(self.mixture, GaussianMixtureModel):
            raise InvalidArgumentError(
                f"must be None or a GaussianMixtureModel; got {type(self.mixture).__name__}",
                argument="mixture",
            )
        mixture: Any = GaussianMixtureModel(1) if self.mixture is None else clone(self.mixture)
        self.mixture_ = mixture.fit(X, y, sample_weight, measurement_error)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(mixture, name):
                setattr(self, name, getattr(mixture, name))
        return self

    def transform(self, X: Any, measurement_error: Any = None) -> Array:
        """Return rows with their missing cells filled in, shape (N, D)."""
        check_is_fitted(self)
        found = self.mixture_.impute(
            X, self.how, measurement_error=measurement_error, random_state=self.random_state
        )
        values = np.asarray(found)
        return values[0] if values.ndim == 3 else values.reshape(len(values), -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
