"""Standard output, standard error, signals and terminals, in processes of their own."""

import io
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mixtura.cli.streams import is_decorated

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals and terminals of Unix")


INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from mixtura.cli import main
sys.exit(main())
"""


def in_process_of_its_own(*arguments: object, **options: object) -> subprocess.CompletedProcess:
    """Run the command as a shell would, where streams and signals matter."""
    command = [sys.executable, "-m", "mixtura", *(str(argument) for argument in arguments)]
    settings: dict = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 120}
    return subprocess.run(command, check=False, **(settings | options))


def test_results_and_notes_go_to_different_streams(small) -> None:
    done = in_process_of_its_own("fit", small)
    assert done.returncode == 0
    assert b"component" in done.stdout
    assert b"mixtura: " not in done.stdout
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stdout + done.stderr


def test_a_reader_that_goes_away_is_no_error(model) -> None:
    command = [sys.executable, "-m", "mixtura", "sample", str(model), "-n", "50000"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}  # the harder case
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"x,y\n"
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_standard_output_on_a_full_disk(small) -> None:
    with Path("/dev/full").open("wb") as full:
        done = in_process_of_its_own(
            "fit", small, "-q", stdout=full, stderr=subprocess.PIPE, capture_output=False
        )
    assert done.returncode == 5
    assert done.stderr == b"mixtura: error: No space left on device\n"


def test_closed_standard_error_does_not_spill_into_the_result(small) -> None:
    command = f"{sys.executable} -m mixtura fit {small} --json 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b"{")


def test_control_c_ends_with_130_and_one_line(small, tmp_path) -> None:
    endless = ("fit", str(small), "--init", "random", "--n-init", "1000000", "--save", "m.mixtura")
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *endless],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"mixtura: ")
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (said, complained) == (b"", b"mixtura: interrupted\n")
    assert not (tmp_path / "m.mixtura").exists()


def on_a_terminal(*arguments: object, **environment: str) -> tuple[int, bytes]:
    """Run the command with a terminal for all its streams; return exit code and what it said."""
    leader, follower = os.openpty()
    told = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mixtura", *map(str, arguments)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=told | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
    )
    os.close(follower)
    said = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            piece = os.read(leader, 1 << 16)
        except OSError:  # Linux says so where other systems send nothing
            break
        if not piece:
            break
        said += piece
    os.close(leader)
    return process.wait(timeout=60), said


def test_a_terminal_gets_colour(small) -> None:
    code, said = on_a_terminal("fit", small)
    assert code == 0
    assert b"\x1b[" in said


def test_no_colour_means_no_escape_sequence(small) -> None:
    code, said = on_a_terminal("fit", small, NO_COLOR="1")
    assert code == 0
    assert b"component" in said
    assert b"\x1b" not in said


@pytest.mark.parametrize(
    ("environment", "decorated"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_what_the_environment_says_about_terminals(monkeypatch, environment, decorated) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_decorated(Terminal()) is decorated
    assert not is_decorated(io.StringIO())
    assert not is_decorated(None)
