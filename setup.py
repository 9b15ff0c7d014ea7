"""What setup.cfg cannot say: the links of README.md lead into the repository, and on the index to the documentation."""

import re
from pathlib import Path

from setuptools import setup

DOCUMENTATION = "https://threadguard.readthedocs.io/en/latest/"


def long_description():
    """README.md, its links to pages as addresses of the built pages; a link to another file becomes its name."""
    text = (Path(__file__).resolve().parent / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/([\w/-]+)\.md", r"](%s\1.html" % DOCUMENTATION, text)
    return re.sub(r"\[([^]]+)\]\((?!https:)[^)]*\)", r"\1", text)


setup(long_description=long_description(), long_description_content_type="text/markdown")
