"""What a fit returns about parameters and rows; each kind is loaded when it is first named."""

from typing import TYPE_CHECKING

from mixtura.messages.lazy import lazy_attributes
from mixtura.posteriors.base import Posterior
from mixtura.posteriors.intervals import Intervals
from mixtura.posteriors.point_posterior import PointPosterior

if TYPE_CHECKING:
    from mixtura.posteriors.draws_posterior import DrawsPosterior
    from mixtura.posteriors.variational_posterior import VariationalPosterior

__all__ = ["DrawsPosterior", "Intervals", "PointPosterior", "Posterior", "VariationalPosterior"]

__getattr__ = lazy_attributes(
    __name__,
    {
        "DrawsPosterior": "mixtura.posteriors.draws_posterior",
        "VariationalPosterior": "mixtura.posteriors.variational_posterior",
    },
)
