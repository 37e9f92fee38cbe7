"""Numbers as readers want them: as many digits as mean something."""

import math

UNKNOWN = "-"


def significant(value: float | None, digits: int = 4) -> str:
    """Return the number to so many significant digits; a dash for None."""
    if value is None:
        return UNKNOWN
    value = float(value)
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    text = f"{value:#.{digits}g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else _shorter(text)


def exact(value: float | None) -> str:
    """Return the number to ten significant digits, trailing zeros included."""
    if value is None or not math.isfinite(value):
        return significant(value)
    return f"{float(value):#.10g}".rstrip(".")


def count(value: float | None) -> str:
    """Return a count with separators for thousands; fractions to one decimal."""
    if value is None:
        return UNKNOWN
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) < 1e9 else significant(value)


def share(value: float) -> str:
    """Return a share of one: three decimals, or scientific where those would be zero."""
    return f"{value:.3f}" if value >= 0.0005 or value == 0 else f"{value:.1e}"


def percent(value: float) -> str:
    """Return a share as a percentage that is only 0 % or 100 % where it is exactly so."""
    if 0 < value < 0.0005:
        return "under 0.1 %"
    if 0.9995 <= value < 1:
        return "over 99.9 %"
    text = f"{100.0 * value:.1f}"
    return f"{text.removesuffix('.0')} %"


def measured(mean: float, deviation: float, finest: float | None = None) -> tuple[str, str]:
    """Return a mean and its standard deviation, both to the place that the latter resolves.

    Parameters
    ----------
    mean, deviation : float
        Mean and standard deviation.
    finest : float, optional
        Smallest standard deviation that stands beside this one; unless it is much smaller, the
        place is taken from it.
    """
    if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
        return significant(mean), significant(deviation)
    if finest is None or not deviation / 100.0 < finest <= deviation:
        finest = deviation
    place = 2 - math.floor(math.log10(finest))
    if -4 <= place <= 8 and abs(mean) < 1e9:
        decimals = max(place, 0)
        return f"{mean:.{decimals}f}", f"{deviation:.{decimals}f}"
    size = math.floor(math.log10(abs(mean))) if mean else 0
    digits = min(max(size + place + 1, 3), 15)
    return f"{mean:.{digits}g}", f"{deviation:.3g}"


def ranged(value: float, low: float, high: float, narrowest: float | None = None) -> str:
    """Return a number and two points about it, to the place that the distance resolves.

    Parameters
    ----------
    value, low, high : float
        The number and the points.
    narrowest : float, optional
        Smallest distance of points that stand beside these; unless it is much smaller, the place
        is taken from it.
    """
    spread = high - low
    finest = None if narrowest is None else 10.0 * narrowest
    told = [measured(number, 10.0 * spread, finest)[0] for number in (value, low, high)]
    return f"{told[0]} [{told[1]}, {told[2]}]"


def _shorter(text: str) -> str:
    """Return scientific notation without idle zeros."""
    mantissa, mark, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}{mark}{exponent}"
