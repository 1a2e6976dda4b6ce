"""DVC's internals behind names of ours: the only package that imports dvc. `revisions` is imported by itself."""

from pipeline.repository.changes import MISSING, Change
from pipeline.repository.failures import FAILURES, message
from pipeline.repository.repository import LOCK_PART, Repository
from pipeline.repository.stage import Assumed, Stage

__all__ = ["FAILURES", "LOCK_PART", "MISSING", "Assumed", "Change", "Repository", "Stage", "message"]
