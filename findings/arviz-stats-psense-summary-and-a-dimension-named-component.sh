#!/bin/sh
# arviz-stats 0.8.0 (arviz-base 0.8.2, xarray 2026.9.0): psense_summary and a dimension "component".
#
# A mixture's draws have one weight for each component, so `component` is the name that its dimension
# has in many programs. `arviz_stats.psense` takes such draws and returns right numbers, as do
# summary, rhat, ess, mcse, hdi and loo. `psense_summary` of the same draws raises a ValueError about
# conflicting sizes for dimension 'component': it puts the sensitivities to prior and likelihood side
# by side along a new dimension of that very name. Nothing in its documentation reserves the name.
# With the dimension called anything else it returns its table.
#
# Draws that are exported from here therefore have the dimension `mixture_component`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "arviz-stats[xarray]==0.8.0" arviz-base==0.8.2 xarray==2026.9.0 2> "$folder/pip.log" ||
    { cat "$folder/pip.log" >&2; exit 1; }
cat > "$folder/program.py" <<'PYTHON'
import sys
import warnings

import arviz_base
import arviz_stats
import numpy as np

warnings.simplefilter("ignore")


def tree(name):
    rng = np.random.default_rng(0)
    draws = {
        "posterior": {"weights": rng.dirichlet([9.0, 9.0], size=(4, 500))},
        "log_prior": {"all": rng.normal(size=(4, 500))},
        "log_likelihood": {"y": rng.normal(size=(4, 500, 20))},
    }
    return arviz_base.from_dict(draws, dims={"weights": [name], "y": ["obs"]})


print("psense, component:", sorted(arviz_stats.psense(tree("component")).data_vars))
try:
    arviz_stats.psense_summary(tree("component"))
except ValueError as error:
    print("psense_summary, component:", "conflicting sizes for dimension 'component'" in str(error))
print("psense_summary, part:", list(arviz_stats.psense_summary(tree("part")).index))
PYTHON
found=$("$folder/venv/bin/python" "$folder/program.py")
echo "$found"
[ "$found" = "psense, component: ['weights']
psense_summary, component: True
psense_summary, part: ['weights[0]', 'weights[1]']" ] || { echo "behaves otherwise" >&2; exit 1; }
