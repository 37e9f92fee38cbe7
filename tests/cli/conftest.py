"""The command run within the process, and tables to run it on."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from mixtura.cli import main


@dataclass(frozen=True)
class Outcome:
    """How a run ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error, of which there must be exactly one line."""
        lines = [line for line in self.err.splitlines() if line.startswith("mixtura: error: ")]
        assert len(lines) == 1, self.err
        assert self.err.endswith(lines[0] + "\n")
        return lines[0].removeprefix("mixtura: error: ")


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIXTURA_DEBUG", raising=False)

    def call(*arguments: object, stdin: bytes | None = None) -> Outcome:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Outcome(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def iris() -> Path:
    """Return the path of the iris data."""
    return Path(str(files("mixtura.datasets") / "iris.csv"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a table of two clear groups in two columns, with words and weights beside them."""
    lines = ["name,x,y,weight"]
    for i in range(20):
        far = 10 * (i % 2)
        lines.append(f"row{i},{far + 0.1 * (i % 7)},{far - 0.1 * (i % 5)},{1 + i % 3}")
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def model(run: Run, small: Path) -> Path:
    """Return a model of the two groups in columns x and y."""
    assert run("fit", small, "-c", "x", "-c", "y", "--save", "small.mixtura").code == 0
    return small.with_name("small.mixtura")
