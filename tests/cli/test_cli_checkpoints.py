"""Interrupted is not lost: Ctrl-C, SIGKILL, and the checkpoint that both leave."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mixtura
from mixtura import Gibbs, select
from mixtura.cli import streams
from mixtura.cli.streams import Talk
from mixtura.errors import InterruptedWarning
from mixtura.io.archive import read_archive

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals of Unix")

INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from mixtura.cli import main
sys.exit(main())
"""

SAMPLED = "fit small.csv -c x -c y --inference gibbs --chains 2 -q --json --force --save model"
KEPT = "--checkpoint chains --checkpoint-seconds 0"


def started(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *" ".join((SAMPLED, KEPT, *options)).split()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )


def sweeps_in(path: Path) -> int:
    """Return how many sweeps of each chain are in a checkpoint."""
    if not path.exists():
        return 0
    arrays = read_archive(path, "checkpoint")[1]
    return arrays["log_joint"].shape[1] if "log_joint" in arrays else 0


def wait_for(path: Path, sweeps: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a checkpoint is there with so many sweeps, or the process has ended."""
    give_up = time.monotonic() + 300
    while not path.exists() or sweeps_in(path) < sweeps:
        if process.poll() is not None:
            return
        assert time.monotonic() < give_up
        time.sleep(0.02)


def found(out: str, model: Path) -> tuple[Any, Any, dict[str, bytes]]:
    """Return the report, and header and arrays of the model, all but for the time they took."""
    said = json.loads(out)
    header, arrays = read_archive(model, "model file")
    for part in (said, said.get("fit", {}), header):
        part.pop("seconds", None)
    return said, header, {name: array.tobytes() for name, array in arrays.items()}


def killed(folder: Path, moment: float, draws: str, after: int) -> None:
    """Run the command and kill it some seconds after its checkpoint has so many sweeps."""
    with started(folder, draws) as process:
        wait_for(folder / "chains", after, process)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)


def assert_resumes(run, folder: Path, draws: str, whole: Any) -> None:
    done = run(*SAMPLED.split(), *KEPT.split(), *draws.split())
    assert done.code in (0, 4)
    assert found(done.out, folder / "model") == whole
    assert not (folder / "chains").exists()


def undisturbed(run, folder: Path, draws: str) -> Any:
    done = run(*SAMPLED.split(), *draws.split())
    assert done.code in (0, 4)
    return found(done.out, folder / "model")


BY_SWEEPS = "--covariance diag --mean-prior normal:0,10 --scale-prior log-normal:0,1"
COMPILED = "--covariance diag"


def test_a_fit_that_is_killed_resumes_to_the_same_bytes(run, small) -> None:
    draws, folder = f"{BY_SWEEPS} --draws 500 --warmup 50", small.parent
    whole = undisturbed(run, folder, draws)
    moment = np.random.default_rng(5).uniform(0.0, 0.1)
    killed(folder, moment, draws, after=1)
    assert 0 < sweeps_in(folder / "chains") < 550, f"killed {moment} s after its first sweeps"
    assert_resumes(run, folder, draws, whole)


@pytest.mark.calibrate
@pytest.mark.parametrize(
    ("draws", "sweeps"),
    [(f"{BY_SWEEPS} --draws 3000", 3500), (f"{COMPILED} --draws 200000", 200_500)],
    ids=["by sweeps", "compiled"],
)
def test_killed_at_twenty_random_moments(run, small, draws, sweeps) -> None:
    """Every second time what was killed is begun again only to be killed again.

    Moments are told in sweeps, one in each twentieth of them, so that a busy machine, on which
    most of the seconds go into the start of the process, is killed within the chains as well.
    """
    folder, seed = small.parent, 6
    whole = undisturbed(run, folder, draws)
    rng = np.random.default_rng(seed)
    moments = rng.permutation(np.linspace(0.0, sweeps, 20, endpoint=False))
    moments = (moments + rng.uniform(0.0, sweeps / 20, 20)).astype(int)
    print(f"seed {seed}, sweeps: {moments}")
    reached = []
    for number, moment in enumerate(moments):
        killed(folder, rng.uniform(0.0, 0.05), draws, after=moment)
        reached.append(sweeps_in(folder / "chains"))
        if number % 2:
            assert_resumes(run, folder, draws, whole)
    print(f"sweeps in the checkpoint: {reached}")
    assert len(set(reached)) >= 10


def test_control_c_prints_and_saves_the_draws_so_far(run, small) -> None:
    folder = small.parent
    draws = f"{BY_SWEEPS} --draws 200000 --warmup 20"
    with started(folder, draws) as process:
        wait_for(folder / "chains", 60, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    header = found(out.decode(), folder / "model")[1]
    kept = mixtura.load(folder / "model").posterior_.weights.shape[1]
    assert 40 <= kept < 200_000
    line = f"mixtura: warning: interrupted when each chain had {kept:,} of its 200,000 draws; "
    assert f"{line}the same fit, run again, goes on from 'chains'\n" in err.decode()
    assert {"n_rows", "method"} <= header.keys()
    assert sweeps_in(folder / "chains") >= kept
    other = run(*SAMPLED.split(), *KEPT.split(), *BY_SWEEPS.split(), "--draws", 10)
    assert (other.code, other.out) == (2, "")
    assert other.error.startswith("--checkpoint 'chains' is of another fit: rows, model, options")


def without_force(*options: str) -> list[str]:
    """Return the command's words, with every kind of result and no leave to replace files."""
    words = " ".join((SAMPLED, KEPT, *options, "--assignments groups.csv")).split()
    return [word for word in words if word != "--force"]


def interrupted_fit(run, monkeypatch, after: int, *options: str) -> Any:
    """Run the command, and interrupt it when each chain has done so many sweeps."""
    whole = Talk.working

    @contextmanager
    def stopping(self, on):
        def stop(done: int, total: int) -> None:
            if done >= after:
                raise KeyboardInterrupt

        with whole(self, on):
            yield stop

    with monkeypatch.context() as patched:
        patched.setattr(Talk, "working", stopping)
        return run(*without_force(*options))


LONG = f"{BY_SWEEPS} --draws 400 --warmup 10"


def test_the_same_command_goes_on_and_replaces_what_the_interrupted_one_wrote(
    run, small, monkeypatch
) -> None:
    folder = small.parent
    whole = undisturbed(run, folder, LONG)
    (folder / "model").unlink()
    for after in (20, 100):  # interrupted, and interrupted again
        assert interrupted_fit(run, monkeypatch, after, LONG).code == 130
        assert (folder / "model").exists()
        assert (folder / "groups.csv").exists()
    killed_resumption(folder, LONG)
    done = run(*without_force(LONG))
    assert done.code in (0, 4), done.err
    assert found(done.out, folder / "model") == whole
    assert not (folder / "chains").exists()
    again = run(*without_force(LONG))
    assert (again.code, again.out) == (2, "")
    assert "exists: name another file, or add --force" in again.error


def killed_resumption(folder: Path, options: str) -> None:
    """Go on from a checkpoint as a process that is killed after it has written one of its own."""
    checkpoint = folder / "chains"
    before = checkpoint.stat().st_mtime_ns
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *without_force(options)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    ) as process:
        give_up = time.monotonic() + 300
        while process.poll() is None and checkpoint.stat().st_mtime_ns == before:
            assert time.monotonic() < give_up
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("name", ["model", "groups.csv"])
def test_a_result_that_was_changed_since_is_not_replaced(run, small, monkeypatch, name) -> None:
    assert interrupted_fit(run, monkeypatch, 20, LONG).code == 130
    changed = small.with_name(name)
    changed.write_bytes(changed.read_bytes() + b" ")
    refused = run(*without_force(LONG))
    assert refused.code == 2
    assert refused.error.endswith(
        f"{name!r} exists: name another file, or add --force to replace it"
    )
    assert small.with_name("chains").exists()


def test_results_are_replaced_by_no_other_fit(run, small, monkeypatch) -> None:
    assert interrupted_fit(run, monkeypatch, 20, LONG).code == 130
    before = small.with_name("model").read_bytes()
    other = run(*without_force(LONG, "--seed 1"))
    assert other.code == 2
    assert "is of another fit" in other.error
    assert small.with_name("model").read_bytes() == before


def test_control_c_in_the_warm_up_leaves_the_checkpoint(small) -> None:
    folder = small.parent
    with started(folder, f"{COMPILED} --warmup 100000000") as process:
        wait_for(folder / "chains", 20, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"mixtura: interrupted\n")
    assert sweeps_in(folder / "chains") >= 20
    assert not (folder / "model").exists()


def test_a_checkpoint_outlives_results_that_cannot_be_written(run, small, monkeypatch) -> None:
    draws = ("--covariance", "diag", "--draws", 50, "--warmup", 10)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mixtura.estimator.GaussianMixtureModel.save", full)
        assert run(*SAMPLED.split(), *KEPT.split(), *draws).code == 5
    assert sweeps_in(small.with_name("chains")) == 60
    assert run(*SAMPLED.split(), *KEPT.split(), *draws).code in (0, 4)
    assert not small.with_name("chains").exists()


def test_a_search_stops_where_its_sampler_is_stopped() -> None:
    def stop(done: int, total: int) -> None:
        if done > 30:
            raise KeyboardInterrupt

    rows = np.random.default_rng(0).normal(size=(30, 1))
    method = Gibbs(chains=1, draws=1000, warmup=10, progress=stop)
    with pytest.warns(InterruptedWarning):
        mixtura.GaussianMixtureModel(1, inference=method, random_state=0).fit(rows)
    with pytest.raises(KeyboardInterrupt):
        select(rows, components=[1, 2], families="diag", inference=method, random_state=0)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_the_sampler_is(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with streams.Talk().working("[fitting]") as progress:
        progress(3, 10)
    assert "mixtura: [fitting], 30 %" in terminal.getvalue()
