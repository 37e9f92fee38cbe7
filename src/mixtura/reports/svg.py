"""matplotlib's SVG made small and safe enough to stand in a page.

What matplotlib writes carries inline styles (which a strict content security policy forbids),
random identifiers (which clash between pictures), and six decimals.
"""

import base64
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""Stand-in for the page's text colour, which follows its light or dark scheme."""

PAPER = "#fdfefc"
"""Stand-in for the page's background."""

_COMMANDS = re.compile(r"([MLCQZz])([^MLCQZz]*)")
_NUMBER = re.compile(r"-?\d*\.?\d+(?:e[-+]?\d+)?")
_ROTATION = re.compile(r"rotate\((-?[\d.]+) ")
_DROPPED = {"font-family", "font", "image-rendering"}
_SHARED = ("fill", "stroke", "stroke-width", "fill-opacity", "stroke-opacity", "stroke-linejoin")
_OWN = frozenset({"d", "href", "x", "y"})
_UNSHARED = frozenset({"id", "opacity", "transform"})
_PIXELS_PER_POINT = 4.0 / 3.0
_PALETTE = 32


def svg_of(figure: "Figure", prefix: str, label: str, dots_per_inch: float) -> str:
    """Return a figure as an ``svg`` element.

    Parameters
    ----------
    figure : matplotlib Figure
        The figure; to be called in the style of :func:`mixtura.reports.pictures.report_style`.
    prefix : str
        Beginning of every identifier, unique on the page.
    label : str
        What the picture is, for those who do not see it.
    dots_per_inch : float
        Resolution of rasterised parts.
    """
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="svg", dpi=dots_per_inch, metadata={"Date": None, "Creator": None}
    )
    root = ElementTree.fromstring(buffer.getvalue())
    _plain_names(root)
    for element in list(root):
        if element.tag == "metadata" or element.find("style") is not None:
            root.remove(element)
    _rename(root, prefix)
    _rewrite(root, in_definitions=False)
    _share_definitions(root)
    _drop_overruled(root)
    _flatten(root)
    _group_marks(root)
    _describe(root, label)
    # Within texts and values ElementTree writes &gt;, so that this meets only ends of elements.
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _plain_names(root: ElementTree.Element) -> None:
    """Remove namespaces: inside HTML they are implied, and ``href`` needs none."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Give identifiers in use short names that are unique on the page; drop the others."""
    used: dict[str, str] = {}
    for element in root.iter():
        for key, value in element.attrib.items():
            target = None
            if key == "href" and value.startswith("#"):
                target = value[1:]
            elif value.startswith("url(#"):
                target = value[5:-1]
            if target is not None:
                new = used.setdefault(target, f"{prefix}{len(used)}")
                element.set(key, value.replace(target, new))
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            element.set("id", used[old])


def _rewrite(element: ElementTree.Element, in_definitions: bool) -> None:
    """Turn styles into attributes and shorten numbers, in the whole tree."""
    _style_to_attributes(element)
    if element.tag == "path":
        in_clip = in_definitions and "id" not in element.attrib
        element.set("d", compact_path(element.attrib["d"], 2 if in_definitions else 1))
        if in_clip:
            element.attrib.pop("clip-path", None)
    elif element.tag == "text":
        _shorten_text(element)
    elif element.tag == "image":
        element.set("href", _smaller_image(element.attrib["href"]))
    for key in ("x", "y", "width", "height"):
        if key in element.attrib and element.tag != "svg":
            element.set(key, _rounded(element.attrib[key], 1))
    if element.text is not None and not element.text.strip():
        element.text = None
    for child in element:
        child.tail = None
        _rewrite(child, in_definitions or element.tag == "defs")


def _style_to_attributes(element: ElementTree.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        key, _, value = declaration.partition(":")
        key, value = key.strip(), value.strip()
        if key == "font":
            size = re.search(r"([\d.]+)px", value)
            if size:
                element.set("font-size", size.group(1))
        elif key == "font-size":
            element.set(key, value.removesuffix("px"))
        elif key and key not in _DROPPED:
            element.set(key, value)
    classes = []
    for key, mark in (("fill", "paper-fill"), ("stroke", "paper-stroke")):
        value = element.attrib.get(key, "").lower()
        if value == INK:
            element.set(key, "currentColor")
        elif value == PAPER:
            del element.attrib[key]
            classes.append(mark)
    if classes:
        element.set("class", " ".join(classes))


def _shorten_text(element: ElementTree.Element) -> None:
    rotation = _ROTATION.match(element.attrib.get("transform", ""))
    if rotation:
        del element.attrib["transform"]
        if float(rotation.group(1)) != 0.0:
            place = f"{_rounded(element.attrib['x'], 1)} {_rounded(element.attrib['y'], 1)}"
            element.set("transform", f"rotate({_rounded(rotation.group(1), 1)} {place})")
    if element.attrib.get("text-anchor") == "start":
        del element.attrib["text-anchor"]
    if element.attrib.get("fill") == "currentColor":
        del element.attrib["fill"]  # the page's style sheet says so for all text


def compact_path(data: str, decimals: int) -> str:
    """Return the path with relative coordinates on a grid of so many decimals.

    Differences are taken between points on the grid, so that rounding does not add up.
    """
    scale = 10**decimals
    parts: list[str] = []
    x = y = start_x = start_y = 0
    last = ""
    for command, rest in _COMMANDS.findall(data):
        if command in "Zz":
            parts.append("z")
            x, y, last = start_x, start_y, "z"
            continue
        values = [round(float(number) * scale) for number in _NUMBER.findall(rest)]
        points = list(zip(values[::2], values[1::2], strict=True))
        if command == "L" and points == [(x, y)] and last == "l":
            continue
        steps = [step for point in points for step in (point[0] - x, point[1] - y)]
        letter = command.lower()
        numbers = _joined(steps, scale)
        repeated = letter == last and letter != "m"
        parts.append(
            (numbers if numbers.startswith("-") else f" {numbers}")
            if repeated
            else letter + numbers
        )
        x, y = points[-1]
        last = letter
        if command == "M":
            start_x, start_y = x, y
    return "".join(parts)


def _joined(steps: list[int], scale: int) -> str:
    text = ""
    for step in steps:
        number = _short(step / scale)
        text += number if not text or number.startswith("-") else f" {number}"
    return text


def _rounded(number: str, decimals: int) -> str:
    return _short(round(float(number), decimals))


def _short(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    if text in ("-0", ""):
        return "0"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _share_definitions(root: ElementTree.Element) -> None:
    """Define every marker shape once, and leave its colours to where it is used.

    Open shapes are the scales' ticks, all of one look, which stays with the definition.
    """
    first: dict[str, str] = {}
    renamed: dict[str, tuple[str, dict[str, str]]] = {}
    for definitions in root.iter("defs"):
        for shape in list(definitions):
            is_closed = shape.tag == "path" and shape.attrib["d"].endswith("z")
            if not is_closed or "id" not in shape.attrib:
                continue
            look = {key: shape.attrib.pop(key) for key in _SHARED if key in shape.attrib}
            look |= {"class": shape.attrib.pop("class")} if "class" in shape.attrib else {}
            name = shape.attrib["id"]
            kept = first.setdefault(shape.attrib["d"], name)
            renamed[f"#{name}"] = (f"#{kept}", look)
            if kept != name:
                definitions.remove(shape)
    for use in root.iter("use"):
        if use.attrib["href"] in renamed:
            kept, look = renamed[use.attrib["href"]]
            use.attrib |= {**look, "href": kept, **_classes(use.attrib, look)}


def _classes(*attributes: dict[str, str]) -> dict[str, str]:
    marks = {mark for part in attributes for mark in part.get("class", "").split()}
    return {"class": " ".join(sorted(marks))} if marks else {}


def _drop_overruled(root: ElementTree.Element) -> None:
    """Drop what a marker says about itself where its definition says it: the latter wins."""
    own = {
        f"#{element.attrib['id']}": element.attrib
        for element in root.iter("path")
        if "id" in element.attrib
    }
    for use in root.iter("use"):
        for key in own.get(use.attrib["href"], {}):
            if key in _SHARED:
                use.attrib.pop(key, None)
    sizes = Counter(text.attrib.get("font-size") for text in root.iter("text"))
    if sizes:
        usual = sizes.most_common(1)[0][0]
        for text in root.iter("text"):
            if text.attrib.get("font-size") == usual:
                del text.attrib["font-size"]
        if usual is not None:
            root.set("font-size", usual)


def _flatten(element: ElementTree.Element) -> None:
    """Remove groups that say nothing and join neighbours that say the same."""
    children: list[ElementTree.Element] = []
    for child in element:
        _flatten(child)
        if child.tag in ("g", "defs") and not len(child):
            continue
        for part in list(child) if child.tag == "g" and not child.attrib else [child]:
            if children and _says_the_same(children[-1], part):
                children[-1].extend(list(part))
            else:
                children.append(part)
    element[:] = children


def _says_the_same(one: ElementTree.Element, other: ElementTree.Element) -> bool:
    """Whether two neighbours are groups of one look."""
    both_groups = one.tag == other.tag == "g"
    return both_groups and one.attrib == other.attrib and not _UNSHARED & one.attrib.keys()


def _group_marks(element: ElementTree.Element) -> None:
    """Say once what neighbouring marks have in common."""
    children: list[ElementTree.Element] = []
    for run in _runs(list(element)):
        if len(run) < 3:
            for child in run:
                _group_marks(child)
            children.extend(run)
            continue
        shared = {key: run[0].attrib[key] for key in run[0].attrib if key not in _OWN}
        group = ElementTree.Element("g", shared)
        for mark in run:
            mark.attrib = {key: value for key, value in mark.attrib.items() if key in _OWN}
            group.append(mark)
        children.append(group)
    element[:] = children


def _runs(children: list[ElementTree.Element]) -> Iterator[list[ElementTree.Element]]:
    """Yield neighbouring marks that differ in place only, and everything else by itself."""
    run: list[ElementTree.Element] = []
    for child in children:
        if run and _look(child) != _look(run[0]):
            yield run
            run = []
        run.append(child)
    if run:
        yield run


def _look(element: ElementTree.Element) -> tuple:
    """Return what a mark must share with its neighbour for the two to be said together."""
    # Opacity and transforms of a group would mean something else than those of its members.
    if element.tag not in ("use", "path") or _UNSHARED & element.attrib.keys():
        return (id(element),)
    attributes = sorted((k, v) for k, v in element.attrib.items() if k not in _OWN)
    return (element.tag, *attributes)


def _smaller_image(reference: str) -> str:
    """Return a PNG data reference with a palette: a cloud of points has few colours."""
    from PIL import Image

    header, _, data = reference.partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
    reduced = picture.quantize(_PALETTE, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, format="PNG", optimize=True)
    return f"{header},{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _describe(root: ElementTree.Element, label: str) -> None:
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    root.attrib = {
        "viewBox": f"0 0 {_short(width)} {_short(height)}",
        "width": _short(round(width * _PIXELS_PER_POINT)),
        "height": _short(round(height * _PIXELS_PER_POINT)),
        "font-size": root.attrib.get("font-size", "9"),
        "role": "img",
        "aria-label": label,
    }
