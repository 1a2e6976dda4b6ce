"""Makes the calibration error a metric of rows, so that it is tested as any other."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.review.declared import CalibrationSpec, Direction, MetricSpec, PredictionsSpec
from reprise.review.stats.estimate import Array
from reprise.review.stats.prediction_arrays import read_numbers
from reprise.review.stats.text_columns import as_text, is_readable

NAME = "ece"
COLUMN = "calibration error"  # that is added to tables
ROUNDING = 1e-6  # by which float32 probabilities may pass 1


def with_calibration(
    tables: Sequence[pa.Table], spec: PredictionsSpec
) -> tuple[list[pa.Table], PredictionsSpec]:
    """Add the column to the tables, and its metric to the declaration, the last one.

    Nothing where no confidences are declared, or another metric has the name. A table that lacks a
    column that is needed stays as it is. Raises PipelineError for confidences that are no numbers.
    """
    if spec.calibration is None or NAME in spec.metrics:
        return [*tables], spec
    metric = MetricSpec(
        column=COLUMN, better=Direction.LOWER, margin=spec.calibration.margin, same_rows=True
    )
    added = [_with_terms(table, spec, spec.calibration) for table in tables]
    return added, spec.model_copy(update={"metrics": {**spec.metrics, NAME: metric}})


def _with_terms(table: pa.Table, spec: PredictionsSpec, declared: CalibrationSpec) -> pa.Table:
    columns = {declared.confidence, spec.target, spec.prediction}
    if not columns <= {*table.column_names}:
        return table
    if not is_readable(table[spec.target].type) or not is_readable(table[spec.prediction].type):
        return table
    terms = _terms(table, spec, declared)
    return table.append_column(COLUMN, pa.array(terms))


def _terms(table: pa.Table, spec: PredictionsSpec, declared: CalibrationSpec) -> Array:
    """Return a value a row whose mean is the expected calibration error, [rows].

    That is mean |accuracy − confidence| over bins of equal width, weighted by rows (Guo et al.
    2017, Proc. ICML 34, equation 3). A row adds confidence − correct, with the sign that this has
    over its bin: the influence of the row on the error, but for signs that chance turns, where the
    error is near 0 and these terms vary more than it does. NaN where a confidence is none.
    """
    confidence = read_numbers("a side's", table, declared.confidence)
    outside = ~((confidence >= 0) & (confidence <= 1 + ROUNDING))
    truth, guess = as_text(table[spec.target]), as_text(table[spec.prediction])
    right = pc.fill_null(pc.equal(truth, guess), False).to_numpy(zero_copy_only=False)
    excess = np.where(outside, 0.0, confidence - right)
    scaled = np.where(outside, 0.0, confidence) * declared.bins
    bins = np.minimum(scaled.astype(int), declared.bins - 1)
    signs = np.sign(np.bincount(bins, excess, minlength=declared.bins))
    terms: Array = np.where(outside, np.nan, signs[bins] * excess)
    return terms
