#!/bin/sh
# pytest 9.2.0 and 8.3.5: what `callspec.indices` holds where two `parametrize` decorators are stacked.
#
# `item.callspec.indices` has a number for each parameter of a test. One would take it for the place
# of the value in its own list, and with pytest 8.3.5 it is: two values of one parameter and three
# of another give the numbers 0 to 1 and 0 to 2. With pytest 9.2.0 both parameters have the number
# of the combination, 0 to 5, as in pytest 7.4.4. Whoever groups tests by these numbers, to run some
# of a full product say, sees as many values as combinations and groups nothing; no warning tells.
# The values themselves, `item.callspec.params`, are right in all versions.
#
# Tests here that choose a covering array of combinations therefore go by the values.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/test_two.py" <<'PYTHON'
import pytest


@pytest.mark.parametrize("inner", ["x", "y", "z"])
@pytest.mark.parametrize("outer", ["a", "b"])
def test_two(outer, inner):
    pass
PYTHON
cat > "$folder/conftest.py" <<'PYTHON'
def pytest_collection_modifyitems(items):
    for item in items:
        indices = item.callspec.indices
        print("indices", indices["outer"], indices["inner"])
PYTHON

# Prints the pairs of numbers, one after the other, as the given version of pytest has them.
seen() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check "pytest==$1" \
        iniconfig==2.1.0 packaging==25.0 pluggy==1.6.0 pygments==2.19.2 2> "$folder/pip.log" ||
        { cat "$folder/pip.log" >&2; exit 1; }
    (cd "$folder" && "$1/bin/python" -m pytest -q --collect-only -p no:cacheprovider) |
        sed -n 's/^indices //p' | tr '\n' ';'
}

expect() {
    found=$(seen "$1")
    echo "pytest $1: outer inner = $found"
    [ "$found" = "$2" ] || { echo "expected $2" >&2; exit 1; }
}

expect 8.3.5 "0 0;0 1;0 2;1 0;1 1;1 2;"
expect 9.2.0 "0 0;1 1;2 2;3 3;4 4;5 5;"
