"""What a fit returns about parameters and rows."""

from mixtura.posteriors.base import Posterior
from mixtura.posteriors.point import PointPosterior

__all__ = ["PointPosterior", "Posterior"]
