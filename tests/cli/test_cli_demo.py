"""``mixtura demo``."""

import re
from pathlib import Path

import pytest

from mixtura.ppl import extra


@pytest.fixture
def without_pyro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_pyro")
def test_it_goes_on_without_pyro(run) -> None:
    done = run("demo")
    assert (done.code, done.err) == (0, "")
    assert 'pip install "mixtura[pyro]"' in done.out
    assert "-210.206322" in done.out
    assert "cluster 0: 50 irises (50 setosa)" in done.out
    assert "Wrote mixtura-demo.html" in done.out
    assert Path("mixtura-demo.html").stat().st_size > 10_000


@pytest.mark.usefixtures("without_pyro")
def test_its_own_page_is_replaced_and_no_other(run) -> None:
    assert run("demo", "-o", "d.html").code == 0
    assert run("demo", "-o", "d.html", "--seed", "1").code == 0
    Path("d.html").write_text("precious")
    done = run("demo", "-o", "d.html")
    assert done.code == 2
    assert "--force" in done.error
    assert done.out == ""
    assert Path("d.html").read_text() == "precious"
    assert run("demo", "-o", "d.html", "--force").code == 0
    assert "precious" not in Path("d.html").read_text()


def test_the_article_end_to_end(run) -> None:
    pytest.importorskip("pyro")
    done = run("demo")
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    joint = re.search(r"log joint density +(\S+) +(\S+)", done.out)
    assert joint is not None
    assert [float(value) for value in joint.groups()] == pytest.approx([-210.2063224] * 2, abs=1e-4)
    for quantity in (
        "weight of component 0",
        "mean of component 1",
        "sd of component 1",
        "seconds",
    ):
        assert quantity in done.out
    assert [line for line in done.out.splitlines() if re.match(r"\d  ", line)] == [
        "1  The data",
        "2  The model, before any data",
        "3  The exact answer",
        "4  The same by Pyro",
        "5  The clusters",
        "6  The pictures",
    ]
    page = Path("mixtura-demo.html").read_text()
    assert page.count("<svg") >= 5
    assert '<meta name="generator" content="mixtura demo">' in page
