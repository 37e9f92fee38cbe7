"""The page in a real browser: nothing is refused, nothing is asked for, everything is there."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from test_plots_examples import HOSTILE_NAMES, example, irises

from mixtura.reports import as_html, build_comparison, build_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the page with")

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
)

COMPLAINT = re.compile(r"CONSOLE|Refused to|Content.Security.Policy|ERR_|Uncaught", re.IGNORECASE)


def browse(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser with a profile of its own and no network to speak of."""
    command = [
        str(BROWSER),
        *OPTIONS,
        f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        *arguments,
    ]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )


@cache
def pages() -> dict[str, str]:
    """Return a plain page, a hostile one with images, and one of two fits."""
    made = irises()
    odd = example(3, len(HOSTILE_NAMES), 2500, names=HOSTILE_NAMES, family="diag")
    return {
        "plain": as_html(build_report(made.fit, made.x)),
        "hostile": as_html(build_report(odd.fit, odd.x, title=" ".join(HOSTILE_NAMES))),
        "beside": as_html(build_comparison({"MAP": made.fit, "SVI": made.fit}, made.x)),
    }


@pytest.mark.parametrize("name", ["hostile", "beside"])
def test_browser_finds_nothing_to_complain_about(name: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(pages()[name], encoding="utf-8")
    run = browse(tmp_path, "--dump-dom", page.as_uri())
    assert [line for line in run.stderr.splitlines() if COMPLAINT.search(line)] == []
    assert "<script" not in run.stdout
    assert run.stdout.count("<figure>") == page.read_text(encoding="utf-8").count("<figure>")


def test_a_broken_policy_would_be_noticed(tmp_path: Path) -> None:
    broken = pages()["plain"].replace("<body>", '<body><p style="color:red">x</p>')
    page = tmp_path / "page.html"
    page.write_text(broken, encoding="utf-8")
    run = browse(tmp_path, "--dump-dom", page.as_uri())
    assert COMPLAINT.search(run.stderr)


def test_page_is_drawn_in_its_style(tmp_path: Path) -> None:
    from PIL import Image

    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(pages()["plain"], encoding="utf-8")
    browse(tmp_path, "--window-size=1000,1600", f"--screenshot={picture}", page.as_uri())
    with Image.open(picture) as seen:
        colours = {colour for _, colour in seen.convert("RGB").getcolors(1 << 24) or []}
    # The doubts' background stands in the style sheet, the points' colour in the drawings.
    assert {(255, 244, 224), (0, 114, 178), (230, 159, 0)} <= colours
