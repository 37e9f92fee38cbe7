"""The list of breaks that the fast suite must notice, and its runner."""

import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from mutants import Mutant, listed  # noqa: E402

sys.path.pop(0)

MUTANTS = listed()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_lines_that_are_broken_are_in_the_code(mutant: Mutant) -> None:
    sound = (ROOT / mutant.file).read_text()
    broken = mutant.broken(sound)
    lines = zip(sound.splitlines(), broken.splitlines(), strict=True)
    assert sum(before != after for before, after in lines) == 1
    if mutant.file.endswith(".py"):
        compile(broken, mutant.file, "exec")


def test_sixty_breaks_are_spread_over_the_code() -> None:
    assert len(MUTANTS) >= 60
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
    rooms = Counter(Path(mutant.file).parts[-2] for mutant in MUTANTS)
    assert rooms["native"] >= 8
    assert len(rooms) >= 12


def test_tests_that_are_named_exist() -> None:
    for mutant in MUTANTS:
        for word in mutant.tests.split():
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), mutant.name


@pytest.mark.parametrize("text", ["", "a = 1\nb = 2\n", "a = 1\nx = 1\n  a = 1\n"])
def test_a_line_that_is_not_there_once_is_refused(text: str) -> None:
    mutant = Mutant("", "f.py", "a = 1" if text.count("a = 1") != 1 else "c = 3", "a = 2", "")
    with pytest.raises(ValueError, match="not one"):
        mutant.broken(text)
