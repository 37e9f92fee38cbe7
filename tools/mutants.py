"""Break one line of the code at a time, and see whether the tests of `make test` notice.

    python tools/mutants.py [--jobs 2] [--only WORD] [--quick] [--list FILE]

Each break of ``tests/mutants.toml`` is made in a copy of the tree; the tests that it names run
first, then, if they pass, all others of the fast suite. A break that none of them sees is a law
that nobody has written down. Ends with 1 if there is any.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import final

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mutants.toml"
QUICKLY = ("-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1")
"""Builds of the library that take half as long as one for use."""

LEFT_OUT = (".git", ".venv", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")
FAST = ("-m", "not calibrate", "-n", "0", "-x", "-q", "-p", "no:cacheprovider", "--no-header")
SEEN, UNSEEN = 1, 0
"""What pytest returns where a test fails, and where none does."""

ENDS = {SEEN: "seen", UNSEEN: "UNSEEN"}

# An editable install is found before PYTHONPATH: the copy's own modules are to be found instead.
HOOK = """
import sys
sys.meta_path[:] = [one for one in sys.meta_path if "ScikitBuild" not in type(one).__name__]
"""


@final
@dataclass(frozen=True)
class Mutant:
    """A line that is broken, and the tests that should notice."""

    name: str
    file: str
    line: str
    becomes: str
    tests: str

    def broken(self, text: str) -> str:
        """Return a file's text with the line broken, which must stand in it once."""
        lines = text.splitlines(keepends=True)
        places = [i for i, line in enumerate(lines) if line.strip() == self.line]
        if len(places) != 1:
            raise ValueError(f"{self.file} has {len(places)} lines {self.line!r}, not one")
        lines[places[0]] = lines[places[0]].replace(self.line, self.becomes)
        return "".join(lines)

    @property
    def is_native(self) -> bool:
        """Whether the library must be built anew."""
        return self.file.startswith("native/")


def listed(path: Path = LIST) -> list[Mutant]:
    """Return the mutants of a file."""
    return [Mutant(**one) for one in tomllib.loads(path.read_text())["mutant"]]


class Copy:
    """A copy of the tree in which one line at a time is broken."""

    def __init__(self, folder: Path) -> None:
        self.tree, hook = folder / "tree", folder / "hook"
        shutil.copytree(ROOT, self.tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(HOOK)
        self.built = folder / "build"
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, (hook, self.tree / "src"))),
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "OPENBLAS_NUM_THREADS": "1",
        }

    def judge(self, mutant: Mutant, *, quickly: bool) -> tuple[str, str]:
        """Return how a break ends, and the first test that notices."""
        path = self.tree / mutant.file
        sound = path.read_text()
        path.write_text(mutant.broken(sound))
        environment = dict(self.environment)
        try:
            if mutant.is_native:
                environment["MIXTURA_NATIVE_LIBRARY"] = self._build()
            for tests in (shlex.split(mutant.tests), ["tests"])[: 1 if quickly else 2]:
                code, by = self._run(tests, environment)
                if code != UNSEEN:
                    break
        finally:
            path.write_text(sound)
        if code == SEEN and tests == ["tests"] and self._run([by], self.environment)[0] != UNSEEN:
            return "unsound", by  # it fails in the copy whatever the line
        return ENDS.get(code, f"pytest ended with {code}"), by

    def _run(self, tests: list[str], environment: dict[str, str]) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", *FAST, *tests]
        ended = subprocess.run(
            command, check=False, cwd=self.tree, env=environment, capture_output=True, text=True
        )
        lines = ended.stdout.splitlines()
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        told = failed[0].split(" - ")[0].partition(" ")[2] if failed else " ".join(lines[-1:])
        return ended.returncode, told

    def _build(self) -> str:
        """Build the native library; return where it is."""
        begin = ["cmake", "-S", str(self.tree), "-B", str(self.built), *QUICKLY]
        for command in (begin, ["cmake", "--build", str(self.built)]):
            subprocess.run(command, check=True, capture_output=True, text=True)
        return str(next(self.built.glob("libmixtura.*")))


def main() -> int:
    """Judge the mutants and print a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--only", default="", help="those whose name or file has this in it")
    parser.add_argument("--quick", action="store_true", help="the tests that are named alone")
    parser.add_argument("--list", type=Path, default=LIST, help="the file of mutants")
    given = parser.parse_args()
    chosen = [one for one in listed(given.list) if given.only in f"{one.name} {one.file}"]
    chosen.sort(key=lambda one: one.is_native)  # so that the first answers come soon
    copies: SimpleQueue[Copy] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for number in range(given.jobs):
            copies.put(Copy(Path(folder) / str(number)))

        def judged(mutant: Mutant) -> str:
            copy, began = copies.get(), time.perf_counter()
            try:
                how, by = copy.judge(mutant, quickly=given.quick)
            finally:
                copies.put(copy)
            spent = time.perf_counter() - began
            print(f"{how:8} {spent:5.0f} s  {mutant.name} ({mutant.file}): {by}", flush=True)
            return how

        with ThreadPoolExecutor(given.jobs) as threads:
            ends = list(threads.map(judged, chosen))
    seen = ends.count("seen")
    print(f"{seen} of {len(ends)} breaks are seen")
    return int(seen < len(ends))


if __name__ == "__main__":
    sys.exit(main())
