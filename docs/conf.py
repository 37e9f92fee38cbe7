"""How Sphinx builds the site; `make docs` calls it."""

import hashlib
import os
import shutil
import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PACKAGE = ROOT / "src" / "mixtura"
sys.path.insert(0, str(DOCS / "_extensions"))


def digest_of_the_package() -> str:
    """Return a digest of everything that the answers on the pages depend on."""
    digest = hashlib.sha256()
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.csv"), *ROOT.glob("native/*")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


project = "mixtura"
author = "The mixtura developers"
project_copyright = author
release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "bibliography",
    "command_pages",
    "formulas",
    "light_pages",
    "project_pages",
]
exclude_patterns = ["_extensions"]
root_doc = "index"
toc_object_entries_show_parents = "hide"
smartquotes = False
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(sklearn|matplotlib|xarray|pandas)\..*"),
    ("py:class", "Message"),
]

# Markdown. Anchors are those that GitHub makes, so that the pages' links work there as well.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

# Notebooks and examples. Their results are kept for as long as the package stays as it is. A cell
# that raises, or warns where its page does not expect it, is an error.
CACHE = ROOT / "build" / "docs-cache"
nb_execution_mode = "cache"
nb_execution_cache_path = str(CACHE / digest_of_the_package())
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 300
nb_output_stderr = "warn"
nb_merge_streams = True
PROFILE = CACHE / "ipython" / "profile_default"
PROFILE.mkdir(parents=True, exist_ok=True)
shutil.copy(DOCS / "_extensions" / "ipython_kernel_config.py", PROFILE)
os.environ["IPYTHONDIR"] = str(PROFILE.parent)

# The reference.
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# The pages.
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "mixtura"
html_static_path = ["_static"]
html_css_files = ["mixtura.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "default",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "start": [], "gallery": []}
