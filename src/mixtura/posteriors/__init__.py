"""What a fit returns about parameters and rows."""

from mixtura.posteriors.base import Posterior
from mixtura.posteriors.draws import DrawsPosterior
from mixtura.posteriors.point import PointPosterior
from mixtura.posteriors.variational import VariationalPosterior

__all__ = ["DrawsPosterior", "PointPosterior", "Posterior", "VariationalPosterior"]
