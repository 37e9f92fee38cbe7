"""What a fit returns about parameters and rows."""

from mixtura.posteriors.base import Posterior
from mixtura.posteriors.draws import DrawsPosterior
from mixtura.posteriors.intervals import Intervals
from mixtura.posteriors.point import PointPosterior
from mixtura.posteriors.variational import VariationalPosterior

__all__ = ["DrawsPosterior", "Intervals", "PointPosterior", "Posterior", "VariationalPosterior"]
