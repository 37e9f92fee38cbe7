"""The options that ``mixtura classify`` alone has, and what their texts stand for."""

from typing import TYPE_CHECKING, Annotated, Any

from mixtura.cli.option_values import one_of
from mixtura.cli.options import MODEL, RESULTS, SEARCH, option_of
from mixtura.cli.wording import quoted
from mixtura.errors import InvalidArgumentError
from mixtura.estimator.choices import FAMILIES

if TYPE_CHECKING:
    import numpy as np

CRITERIA = ("bic", "cv")
"""What may choose families and numbers; written out, since the class's own brings scikit-learn."""

ClassColumn = Annotated[
    str,
    option_of(
        "--class",
        metavar="NAME",
        help="The column of DATA with the classes, numbers or words. Rows without a class are "
        "classified, and not fitted.",
        panel=MODEL,
    ),
]
OfClasses = Annotated[
    str,
    option_of(
        "-k",
        "--components",
        metavar="K",
        help="Number of components of each class; several to choose from, as 1:3 or 1,2,4.",
        panel=MODEL,
    ),
]
ClassFamilies = Annotated[
    str,
    option_of(
        "--families",
        metavar="NAMES",
        help="What shape the classes have and share: full is quadratic, tied linear discriminant "
        "analysis, diag naive Bayes; several to choose from, with commas between them. Of "
        f"{', '.join(FAMILIES)}, or mclust's names; all fourteen as all, or a pattern such as V**.",
        panel=MODEL,
    ),
]
Separate = Annotated[
    bool,
    option_of(
        "--separate",
        help="Give each class a mixture with a family and a number of its own.",
        panel=MODEL,
    ),
]
ClassCriterion = Annotated[
    str,
    option_of(
        "--criterion",
        metavar="NAME",
        help="What chooses among several families and numbers: the smallest bic, or the smallest "
        "error of cross-validation. One of bic, cv.",
        panel=SEARCH,
        callback=one_of(CRITERIA),
    ),
]
NumberOfFolds = Annotated[
    int,
    option_of(
        "--folds",
        min=0,
        metavar="N",
        help="Number of folds of cross-validation; 0 leaves it out.",
        panel=SEARCH,
    ),
]
ClassPrior = Annotated[
    str | None,
    option_of(
        "--class-prior",
        metavar="A=P,...",
        help="Probabilities of the classes where rows are classified, as yes=0.1,no=0.9; their "
        "shares of DATA by default.",
        panel=MODEL,
    ),
]
NewRows = Annotated[
    str | None,
    option_of(
        "--predict",
        metavar="FILE",
        help="Classify the rows of another table, or of standard input (-). Where it has the "
        "column of classes too, the share of rows that are missed is told.",
        panel=RESULTS,
    ),
]
Picture = Annotated[
    str | None,
    option_of(
        "--plot",
        metavar="FILE.svg",
        help="Draw the rows of DATA along the directions that tell the classes apart. Ends in .svg "
        "or .png.",
        panel=RESULTS,
    ),
]


def class_prior_of(text: str | None, classes: "np.ndarray") -> dict[Any, float] | None:
    """Return the probabilities of the classes that a text gives.

    Parameters
    ----------
    text : str, optional
        ``CLASS=PROBABILITY`` of every class, with commas between them.
    classes : array of shape (C,)
        The classes.

    Raises
    ------
    InvalidArgumentError
        If the text cannot be understood, or is not about these classes.
    """
    if text is None:
        return None
    known = {str(one): one for one in classes.tolist()}
    found: dict[Any, float] = {}
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not equals or not 0.0 <= value <= 1.0:
            raise InvalidArgumentError(
                f"--class-prior must look like yes=0.1,no=0.9; got {quoted(text)}"
            )
        if name.strip() not in known:
            raise InvalidArgumentError(
                f"--class-prior names {quoted(name.strip())}, which is no class of DATA: "
                f"{', '.join(map(quoted, known))}"
            )
        found[known[name.strip()]] = value
    missing = [name for name, one in known.items() if one not in found]
    if missing:
        raise InvalidArgumentError(f"--class-prior needs all classes; {quoted(missing[0])} is not")
    if abs(sum(found.values()) - 1.0) > 1e-6:
        raise InvalidArgumentError(
            f"--class-prior must sum to 1; it sums to {sum(found.values()):g}"
        )
    return found
