"""Collect what the stages of a flow run print."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class _LineCollector(logging.Handler):
    """Keeps the last lines of each task run, which has its stage's name and logs its lines."""

    def __init__(self, limit: int) -> None:
        super().__init__(logging.INFO)
        self.lines: dict[str, deque[str]] = {}
        self._limit = limit

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        if record.levelno != logging.INFO:  # Prefect's own words for a failure
            return
        stage = getattr(record, "task_run_name", "")
        lines = self.lines.setdefault(stage, deque(maxlen=self._limit))
        lines.append(record.getMessage())


@contextmanager
def stage_lines(limit: int) -> Iterator[dict[str, deque[str]]]:
    """Collect the last `limit` lines that each stage prints, by the stage's name."""
    collector = _LineCollector(limit)
    logger = logging.getLogger("prefect.task_runs")
    logger.addHandler(collector)
    try:
        yield collector.lines
    finally:
        logger.removeHandler(collector)
