"""Model files: numbers in safetensors, everything else in a JSON header, no code.

A file holds one archive (:mod:`mixtura.io.archive`) whose header has format version, model, priors,
method, history and names. Loading checks the sizes before it allocates, the checksum, and that the
parameters make a mixture.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any, final

import numpy as np

from mixtura import errors
from mixtura.data import Classes, Unobserved
from mixtura.errors import Doubt, MixturaWarning, ModelFileError
from mixtura.families import FAMILIES
from mixtura.fit import Fit, OnlineStatistics, Run
from mixtura.io.archive import check_header, read_archive, write_archive
from mixtura.messages.background import Background
from mixtura.messages.conversion import short_repr
from mixtura.messages.draws import Draws
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.validation import Flag, OneOf, Real, Text, Whole
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior, PointPosterior, Posterior, VariationalPosterior
from mixtura.posteriors.kept_partitions import KeptPartitions
from mixtura.priors import PRIORS, ComponentPrior, Prior, WeightPrior
from mixtura.typing import Array

FORMAT = "mixtura"
VERSION = 1
PARAMETERS = ("weights", "means", "covariances")
STATISTICS = ("count", "first", "second", "pivot")
"""Of a variational posterior: with the priors they give its factors."""

BESIDE = "background"
"""What statistics hold of rows of a background; of fits without one there is none."""

MEMBERS = "members"
"""What they hold of groups of rows."""

SEEN = tuple(f"seen_{name}" for name in STATISTICS)
"""What further rows are added to."""

DRAWS = ("weights", "means", "covariances", "log_joint", "log_likelihood", "numbers")
"""Of a sampled posterior, stored under these names with ``drawn_`` before them."""

PARTITIONS = {name: f"partition_{name}" for name in ("rows", "steps", "labels", "occupied")}
"""Of a posterior of partitions, and their names in a file; earlier files have none of them."""

SETTINGS: dict[str, tuple[type, ...]] = {
    "init": (str,),
    "n_init": (int,),
    "max_iter": (int,),
    "tol": (float, int),
    "random_state": (int,),
    "n_jobs": (int,),
    "background": (str, float, int),
    "components_per_class": (int,),
}
"""Parameters of the estimator that are stored, and the kinds in which they are."""

LARGEST_FILE = 1 << 30
"""A gigabyte: a thousand components of three hundred features fit; a bomb does not."""

LARGEST_MEAN = 1e152  # whose square float64 can hold
SMALLEST_WEIGHT = 1e-100  # of all rows together, as weights of rows are bounded
_NUMBER, _COUNT = Real(-np.inf), Whole(0, 10**15)

HEADER: dict[str, Any] = {
    "covariance_type": OneOf(FAMILIES),
    "named": Flag(),
    "default_priors": [Text()],
    "n_components": Whole(1, 10**6),
    "n_features": Whole(1, 10**6),
    "weight_prior": {"prior": OneOf(PRIORS)},
    "component_prior": {"prior": OneOf(PRIORS)},
    "method": Text(),
    "options?": {},
    "settings?": {},
    "objective": _NUMBER,
    "objective_name": Text(),
    "log_likelihood": _NUMBER,
    "runs": [(Text(), [_NUMBER], Flag())],
    "best": _COUNT,
    "n_rows": _COUNT,
    "total_weight": Real(0.0, 1e101),
    "seconds": Real(),
    "seen?": {"n_rows": _COUNT, "weight": Real(0.0, 1e101), "entropy": _NUMBER},
    "unobserved?": (_COUNT,) * 5,
    "background?": {
        "lower": [_NUMBER],
        "upper": [_NUMBER],
        "volume": Real(0.0, above=True, optional=True),
        "concentration": [Real(0.0, above=True)],
    },
    "classes?": {"names": [Text()], "sizes": [Whole(1, 10**6)]},
    "groups?": [Text()],
    "feature_names": [Text()],
    "assumptions": [Text()],
    "doubts": [(Text(), Text())],
}
"""What the header of a model file has, besides format and version."""


@final
@dataclass(frozen=True, eq=False)
class StoredFit:
    """What a model file holds.

    Parameters
    ----------
    fit : Fit
        The fit.
    covariance_type : str
        The family's name as the user gave it.
    named : bool
        Whether the features' names came from the user's data.
    default_priors : tuple of str
        Names of the estimator's priors that were left to their defaults.
    options : dict
        Options of the inference method that differ from its defaults.
    settings : dict
        Further parameters of the estimator, by name: those of :data:`SETTINGS` that are texts,
        numbers or None.
    groups : tuple of str
        Names of the groups of which batches had rows.
    """

    fit: Fit
    covariance_type: str
    named: bool
    default_priors: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


def settings_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of an estimator's parameters that a file can hold: texts and numbers."""
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in parameters.items()
    }
    return {name: plain[name] for name in SETTINGS if type(plain[name]) in SETTINGS[name]}


def save_fit(stored: StoredFit, path: str | Path, *, overwrite: bool) -> None:
    """Write a fit to a file, under a temporary name first."""
    fit = stored.fit
    arrays = {name: getattr(fit.parameters, name) for name in PARAMETERS}
    if isinstance(fit.posterior, VariationalPosterior):
        arrays |= {name: getattr(fit.posterior.statistics, name) for name in STATISTICS}
        arrays |= _beside(fit.posterior.statistics, BESIDE)
    if fit.online is not None and fit.model.fixed is None:  # files know nothing of what is fixed
        kept = fit.online.statistics
        arrays |= {key: getattr(kept, name) for key, name in zip(SEEN, STATISTICS, strict=True)}
        arrays |= _beside(kept, f"seen_{BESIDE}")
    if isinstance(fit.posterior, DrawsPosterior):
        arrays |= {f"drawn_{name}": getattr(fit.posterior, name) for name in DRAWS}
        if (kept_partitions := fit.posterior.partitions) is not None:
            arrays |= {key: getattr(kept_partitions, name) for name, key in PARTITIONS.items()}
    write_archive(path, _header(stored), arrays, overwrite=overwrite)


def load_fit(path: str | Path) -> StoredFit:
    """Return the fit in a file written by :func:`save_fit`.

    Raises
    ------
    ModelFileError
        If the file is damaged, foreign or of a newer version.
    """
    label = repr(str(path))
    header, arrays = read_archive(path, "model file", LARGEST_FILE)
    try:
        return _restored(header, arrays)
    except ModelFileError as error:
        raise ModelFileError(f"{label}: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        raise ModelFileError(f"{label} does not describe a mixture") from None


def _header(stored: StoredFit) -> dict[str, Any]:
    fit = stored.fit
    return {
        "format": FORMAT,
        "version": VERSION,
        "covariance_type": stored.covariance_type,
        "named": stored.named,
        "default_priors": list(stored.default_priors),
        "n_components": fit.model.n_components,
        "n_features": fit.model.n_features,
        "weight_prior": prior_to_json(fit.model.weight_prior),
        "component_prior": prior_to_json(fit.model.component_prior),
        "method": fit.method,
        "options": stored.options,
        "settings": stored.settings,
        "objective": fit.objective,
        "objective_name": fit.objective_name,
        "log_likelihood": fit.log_likelihood,
        "runs": [[run.start, list(run.objectives), run.converged] for run in fit.runs],
        "best": fit.best,
        "n_rows": fit.n_rows,
        "total_weight": fit.total_weight,
        "seconds": fit.seconds,
        "seen": _online_to_json(None if fit.model.fixed is not None else fit.online),
        "unobserved": list(astuple(fit.unobserved)),
        **_background_to_json(fit.model.background),
        "classes": {"names": list(fit.classes.names), "sizes": list(fit.classes.sizes)},
        **({"groups": list(stored.groups)} if stored.groups else {}),
        "feature_names": list(fit.feature_names),
        "assumptions": list(fit.assumptions),
        "doubts": [[doubt.category.__name__, doubt.message] for doubt in fit.doubts],
    }


def _restored(header: dict[str, Any], arrays: dict[str, Array]) -> StoredFit:
    check_header(header, {"format": OneOf((FORMAT,)), "version": Whole(1)})
    if header["version"] > VERSION:
        raise ModelFileError("written by a newer mixtura: upgrade to read it")
    check_header(header, HEADER)
    if 0.0 < header["total_weight"] < SMALLEST_WEIGHT:
        raise ModelFileError("the weight of all rows is neither 0 nor 1e-100 or more")
    weight_prior = _prior_from_json(header["weight_prior"])
    component_prior = _prior_from_json(header["component_prior"])
    if not isinstance(weight_prior, WeightPrior) or not isinstance(component_prior, ComponentPrior):
        raise ModelFileError("the priors are of the wrong kind")
    model = MixtureModel(
        int(header["n_components"]),
        int(header["n_features"]),
        weight_prior,
        component_prior,
        FAMILIES[header["covariance_type"]],
        _background(header),
    )
    parameters = MixtureParameters(*(arrays[name] for name in PARAMETERS))
    _check_parameters(model, parameters)
    fit = Fit(
        model=model,
        posterior=_posterior(model, parameters, arrays),
        method=str(header["method"]),
        objective=float(header["objective"]),
        objective_name=str(header["objective_name"]),
        log_likelihood=float(header["log_likelihood"]),
        runs=tuple(Run(start, tuple(values), done) for start, values, done in header["runs"]),
        best=int(header["best"]),
        n_rows=int(header["n_rows"]),
        total_weight=float(header["total_weight"]),
        seconds=float(header["seconds"]),
        feature_names=tuple(header["feature_names"]),
        assumptions=tuple(header["assumptions"]),
        doubts=tuple(_doubt(name, message) for name, message in header["doubts"]),
        online=_online_from_json(model, header.get("seen"), arrays),
        unobserved=Unobserved(*map(int, header.get("unobserved", []))),
        classes=_classes(header.get("classes"), model.n_components),
    )
    fit.history  # noqa: B018  # an index out of range must show now, not later
    if len(fit.feature_names) != model.n_features:
        raise ModelFileError("the features' names do not match the parameters")
    defaults = tuple(str(name) for name in header["default_priors"])
    options, settings = dict(header.get("options", {})), _settings(header.get("settings", {}))
    named, groups = bool(header["named"]), tuple(map(str, header.get("groups", [])))
    return StoredFit(fit, header["covariance_type"], named, defaults, options, settings, groups)


def _beside(statistics: SufficientStatistics, name: str) -> dict[str, Array]:
    found = {} if statistics.background is None else {name: statistics.background}
    if statistics.members is not None:
        found[name.replace(BESIDE, MEMBERS)] = statistics.members
    return found


def _with_background(
    statistics: SufficientStatistics, arrays: dict[str, Array], name: str
) -> SufficientStatistics:
    """Return statistics with those of a background, and of groups, that a file has."""
    members = arrays.get(name.replace(BESIDE, MEMBERS))
    if members is not None:
        if members.shape != statistics.count.shape or not (members >= 0.0).all():
            raise ModelFileError("the groups of rows are not one weight for each component")
        statistics = replace(statistics, members=members)
    if name not in arrays:
        return statistics
    found = arrays[name]
    if found.shape != (2,) or not np.isfinite(found).all() or found[0] < 0.0:
        raise ModelFileError("the rows of the background are not a weight and a density")
    return replace(statistics, background=found)


def _background_to_json(background: Background | None) -> dict[str, Any]:
    if background is None:
        return {}
    found = {
        "lower": background.lower.tolist(),
        "upper": background.upper.tolist(),
        "volume": background.volume,
        "concentration": list(background.concentration),
    }
    return {"background": found}


def _background(header: dict[str, Any]) -> Background | None:
    """Return the background in a header; None where there is none."""
    values = header.get("background")
    if values is None:
        return None
    lower, upper = (np.asarray(values[name], dtype=np.float64) for name in ("lower", "upper"))
    n_features = int(header["n_features"])
    if lower.shape != (n_features,) or upper.shape != lower.shape or not (upper > lower).all():
        raise ModelFileError("the background has no box of the model's features")
    first, second = values["concentration"]
    return Background(lower, upper, (float(first), float(second)), values["volume"])


def _classes(values: dict[str, Any] | None, n_components: int) -> Classes:
    """Return the classes of labels in a header; none where the file knows of none."""
    if values is None:
        return Classes()
    classes = Classes(tuple(values["names"]), tuple(map(int, values["sizes"])))
    if sum(classes.sizes) > n_components or len(classes.names) not in (0, len(classes.sizes)):
        raise ModelFileError("the classes do not match the components")
    return classes


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Return the estimator's parameters in a header, each of a kind that it can have."""
    for name, value in values.items():
        if name not in SETTINGS or type(value) not in (*SETTINGS[name], NoneType):
            raise ModelFileError(
                f"the estimator has no parameter {short_repr(name)} like {short_repr(value)} here"
            )
    return dict(values)


def _posterior(
    model: MixtureModel, parameters: MixtureParameters, arrays: dict[str, Array]
) -> Posterior:
    """Return the posterior; it must agree with the parameters beside it."""
    if f"drawn_{DRAWS[0]}" in arrays:
        posterior: Posterior = _drawn_posterior(model, arrays)
        _check_agreement(posterior, parameters, "the draws do not have the parameters as averages")
        return posterior
    if set(STATISTICS).isdisjoint(arrays):
        return PointPosterior(parameters, model.family, model.background)
    statistics = _with_background(_statistics(model, STATISTICS, arrays), arrays, BESIDE)
    posterior = VariationalPosterior(model, statistics)
    _check_agreement(posterior, parameters, "the statistics do not give the parameters")
    return posterior


def _check_agreement(posterior: Posterior, parameters: MixtureParameters, otherwise: str) -> None:
    if not all(
        np.allclose(getattr(posterior.parameters, name), getattr(parameters, name), rtol=1e-6)
        for name in PARAMETERS
    ):
        raise ModelFileError(otherwise)


def _drawn_posterior(model: MixtureModel, arrays: dict[str, Array]) -> DrawsPosterior:
    """Return the sampled posterior, each of whose draws must be the parameters of a mixture."""
    parts = {name: arrays[f"drawn_{name}"] for name in DRAWS}
    sizes = (model.n_components, model.n_features)
    leading = parts["log_joint"].shape
    if len(leading) != 2 or 0 in leading:
        raise ModelFileError("the draws are not in chains")
    of_components = {"means": sizes, "covariances": model.structure}
    own = {"weights": sizes[:1], "numbers": sizes[:1], **of_components}
    if any(parts[name].shape != (*leading, *own.get(name, ())) for name in DRAWS):
        raise ModelFileError("the draws' shapes do not match the model")
    numbers = parts.pop("numbers").astype(np.intp)
    if (np.sort(numbers, axis=2) != np.arange(sizes[0])).any():
        raise ModelFileError("the draws' components are not numbered from 0 to K - 1")
    if not all(np.isfinite(part).all() and part.dtype == np.float64 for part in parts.values()):
        raise ModelFileError("the draws are not finite float64 numbers")
    weights, covariances = parts["weights"], parts["covariances"]
    missing = 1.0 - weights.sum(axis=2)
    if model.background is not None:
        missing = np.minimum(missing, 0.0)
    if (weights < 0).any() or np.abs(missing).max() > 1e-8:
        raise ModelFileError("the draws' weights are not those of a mixture")
    diagonal = np.einsum("...dd->...d", covariances) if covariances.ndim == 5 else covariances
    if not (diagonal > 0).all():
        raise ModelFileError("a drawn variance is not above zero")
    partitions = _partitions(leading, sizes[0], arrays)
    return DrawsPosterior(model, Draws(**parts), numbers, partitions)


def _partitions(
    leading: tuple[int, ...], n_components: int, arrays: Mapping[str, Any]
) -> KeptPartitions | None:
    """Return the partitions of the draws; None where the file has none."""
    if PARTITIONS["labels"] not in arrays:
        return None
    rows, steps, labels, occupied = (arrays[key] for key in PARTITIONS.values())
    shapes = (*rows.shape, leading[0], *steps.shape, *rows.shape, *leading)
    if shapes != (rows.size, *labels.shape, *occupied.shape):
        raise ModelFileError("the partitions' shapes do not match the draws")
    unsigned = all(part.dtype.kind == "u" for part in (rows, labels, occupied))
    if not unsigned or rows.dtype != np.uint64 or steps.dtype != np.intp:
        raise ModelFileError("the partitions are not whole numbers from 0 on")
    rising = np.diff(steps, prepend=-1) > 0
    if not rising.all() or (steps >= leading[1]).any():
        raise ModelFileError("the partitions are not those of draws")
    most = max(int(labels.max(initial=0)) + 1, int(occupied.max(initial=1)))
    if most > n_components or occupied.min(initial=1) < 1:
        raise ModelFileError("the partitions have other components than the draws")
    return KeptPartitions(rows, steps, labels, occupied)


def _statistics(
    model: MixtureModel, keys: tuple[str, ...], arrays: dict[str, Array]
) -> SufficientStatistics:
    """Return the statistics under these keys, whose shapes and numbers must be the model's."""
    count, first, second, pivot = parts = [arrays[key] for key in keys]
    sizes = (model.n_components, model.n_features)
    if [part.shape for part in parts] != [sizes[:1], sizes, model.structure, sizes]:
        raise ModelFileError("the statistics' shapes do not match the model")
    if not all(part.dtype == np.float64 and np.isfinite(part).all() for part in parts):
        raise ModelFileError("the statistics are not finite float64 numbers")
    return SufficientStatistics(count, first, second, pivot)


def _online_to_json(online: OnlineStatistics | None) -> dict[str, Any] | None:
    if online is None:
        return None
    entropy = online.statistics.log_normalizer
    return {"n_rows": online.n_rows, "weight": online.weight, "entropy": entropy}


def _online_from_json(
    model: MixtureModel, values: dict[str, Any] | None, arrays: dict[str, Array]
) -> OnlineStatistics | None:
    """Return what further rows can be added to; None where the file has none of it."""
    if values is None:
        return None
    statistics = replace(_statistics(model, SEEN, arrays), log_normalizer=float(values["entropy"]))
    statistics = _with_background(statistics, arrays, f"seen_{BESIDE}")
    n_rows, weight = int(values["n_rows"]), float(values["weight"])
    if n_rows < 1 or not 0.0 < weight < np.inf or (statistics.count < 0).any():
        raise ModelFileError("the rows seen do not have a count and a weight above zero")
    return OnlineStatistics(statistics, n_rows, weight)


def _check_parameters(model: MixtureModel, parameters: MixtureParameters) -> None:
    sizes = (model.n_components, model.n_features)
    shapes = (parameters.weights.shape, parameters.means.shape, parameters.covariances.shape)
    if shapes != (sizes[:1], sizes, model.structure):
        raise ModelFileError("the parameters' shapes do not match the model")
    dtypes = {part.dtype for part in (parameters.weights, parameters.means, parameters.covariances)}
    if dtypes != {np.dtype(np.float64)} or not parameters.is_finite():
        raise ModelFileError("the parameters are not finite float64 numbers")
    if not (np.abs(parameters.means) < LARGEST_MEAN).all() or (parameters.weights > 2.0).any():
        raise ModelFileError("a weight, or a mean, is beyond what float64 can square")
    total = parameters.weights.sum()
    missing = 1.0 - total if model.background is None else max(total - 1.0, 0.0)
    if (parameters.weights < 0).any() or abs(missing) > 1e-8:
        raise ModelFileError("the weights are not those of a mixture")
    matrices = model.family.expand(parameters.covariances, *sizes)
    deviations = np.sqrt(np.maximum(np.einsum("kdd->kd", matrices), 0.0))
    if not (deviations > 0).all():
        raise ModelFileError("a variance is not above zero")
    correlations = matrices / deviations[:, :, None] / deviations[:, None, :]
    symmetric = np.allclose(correlations, correlations.transpose(0, 2, 1), atol=1e-8)
    if not symmetric or np.linalg.eigvalsh(correlations).min() < -1e-12:
        raise ModelFileError("a covariance is not symmetric positive definite")


def prior_to_json(prior: Prior) -> dict[str, Any]:
    """Return a prior's class and hyperparameters as plain data for JSON."""

    def encode(value: Any) -> Any:
        if isinstance(value, Prior):
            return prior_to_json(value)
        return value.tolist() if isinstance(value, np.ndarray) else value

    values = {name: encode(value) for name, value in prior.hyperparameters().items()}
    return {"prior": type(prior).__name__, **values}


def _prior_from_json(values: dict[str, Any]) -> Prior:
    def decode(value: Any) -> Any:
        if isinstance(value, dict):
            return _prior_from_json(value)
        return np.asarray(value, dtype=np.float64) if isinstance(value, list) else value

    values = dict(values)
    prior = PRIORS[values.pop("prior")]
    return prior.from_hyperparameters({name: decode(value) for name, value in values.items()})


def _doubt(name: str, message: str) -> Doubt:
    category = getattr(errors, name)
    if not issubclass(category, MixturaWarning):
        raise ModelFileError("an unknown warning")
    return Doubt(category, str(message))
