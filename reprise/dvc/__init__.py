"""Wraps DVC's internals in names of ours: the only package that imports dvc.

`reprise.dvc.history` is imported by itself.
"""

from reprise.dvc.changes import MISSING, Change, ChangeKind
from reprise.dvc.exceptions import (
    DVC_ERRORS,
    describe_error,
    dvc_boundary,
    showing_warnings,
)
from reprise.dvc.inputs.inputs import Inputs
from reprise.dvc.lock_writer import LOCK_PART
from reprise.dvc.repository import Repository
from reprise.dvc.run_cache import Assumed
from reprise.dvc.selection import Selection
from reprise.dvc.stage import Stage

__all__ = [
    "DVC_ERRORS",
    "LOCK_PART",
    "MISSING",
    "Assumed",
    "Change",
    "ChangeKind",
    "Inputs",
    "Repository",
    "Selection",
    "Stage",
    "describe_error",
    "dvc_boundary",
    "showing_warnings",
]
