"""DVC's internals behind names of ours: the only package that imports dvc. `revisions` is imported by itself."""

from reprise.repository.changes import MISSING, Change
from reprise.repository.failures import FAILURES, message
from reprise.repository.repository import LOCK_PART, Repository
from reprise.repository.stage import Assumed, Stage

__all__ = ["FAILURES", "LOCK_PART", "MISSING", "Assumed", "Change", "Repository", "Stage", "message"]
