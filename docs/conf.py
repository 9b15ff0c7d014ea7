"""Sphinx: built by make docs, with warnings as errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate  # noqa: E402

import threadguard  # noqa: E402

generate.main()

project = "threadguard"
author = "threadguard contributors"
copyright = author  # noqa: A001, as Sphinx calls it
release = version = threadguard.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["real_runs", ".gitignore"]
myst_heading_anchors = 3
html_title = "threadguard %s" % release
html_theme = "furo"
html_show_copyright = html_show_sphinx = False
# "--workers" stays what one can type: a dash of typography is none.
smartquotes = False
pygments_dark_style = "github-dark"
html_static_path = ["static"]
html_css_files = ["pages.css"]
# The button copies what is typed, not what is printed.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True
autodoc_typehints = "description"
# threadguard.django is described without it.
autodoc_mock_imports = ["django"]
autodoc_member_order = "bysource"
# Docstrings name code in `single backquotes`.
default_role = "code"


def setup(app):
    """Look after the build whether a link is dead."""
    import links

    app.connect("build-finished", links.check)
