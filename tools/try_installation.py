"""Install mixtura into empty environments without a compiler: from a wheel, and from its sources.

What it depends on is lent by the environment that runs this.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
NO_COMPILER = {"CC": "/bin/false", "CXX": "/bin/false"}


def try_one(what: str, engine: str, *options: str) -> None:
    """Install something without a compiler, and fit the iris data by the engine that it brings."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False)
        python = Path(folder) / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        allowed = os.environ | NO_COMPILER
        allowed.pop("PYTHONPATH", None)
        options = (*options, "--no-deps", "--disable-pip-version-check")
        subprocess.run([*pip, *options, what], check=True, env=allowed)
        where = sysconfig.get_path("purelib", vars={"base": folder})
        (Path(where) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
        alone = {**NO_COMPILER, "PATH": str(python.parent), "HOME": folder}
        script = [str(python), str(ROOT / "tools" / "fit_iris.py"), engine]
        subprocess.run(script, check=True, env=alone, cwd=folder)


def main(wheel: str) -> None:
    """Try a wheel, and the sources, which must do without the native library."""
    try_one(str(Path(wheel).resolve()), "native")
    with tempfile.TemporaryDirectory() as build:
        # A folder of its own: in one that is there, an earlier build would know a compiler.
        try_one(str(ROOT), "reference", f"--config-settings=build-dir={build}")


main(sys.argv[1])
