"""Name the files that belong to tools, and not to a pipeline."""

import re
from fnmatch import translate

# Tools look for these names in every folder above the one they are in, and change their ways when
# they find one; or they keep their own files under such names.
NAMES_OF_TOOLS = [
    ".*",
    "*.dist-info",
    "*.dvc",
    "*.egg-info",
    "*.pyc",
    "Pipfile",
    "dvc.lock",
    "dvc.yaml",
    "node_modules",
    "package.json",
    "poetry.lock",
    "pyproject.toml",
    "pyvenv.cfg",
    "setup.cfg",
    "setup.py",
    "site-packages",
    "tox.ini",
    "uv.lock",
]
NAME_OF_A_TOOL = re.compile("|".join(map(translate, NAMES_OF_TOOLS)))
