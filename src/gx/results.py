"""Validates data with Great Expectations, and keeps its results without run ids and times."""

import math
import re
from collections.abc import Iterator
from typing import Any

import great_expectations as gx
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.expectations.core import UnexpectedRowsExpectation
from great_expectations.expectations.expectation import Expectation

from src.construct import Refusing

EXAMPLES = 3  # values or rows that a failure shows
# What is kept of a result: GX's name, and ours.
KEPT = {
    "observed_value": "observed",
    "element_count": "rows",
    "missing_count": "missing",
    "unexpected_count": "unexpected",
    "partial_unexpected_list": "examples",
}


def validate(batch: BatchDefinition[Any], expectations: list[Expectation]) -> list[dict[str, Any]]:
    """Check the expectations on the batch.

    Returns an entry for each, in their order: what was expected, whether it held, what was found.
    """
    check_arguments(batch, expectations)
    suite = gx.ExpectationSuite(name="validate", expectations=expectations)
    # GX orders results by column and type.
    for i, expectation in enumerate(suite.expectations):
        expectation.meta = {"position": i}
    form = {"result_format": "BASIC", "partial_unexpected_count": EXAMPLES}
    outcome = batch.get_batch().validate(suite, result_format=form)
    results = sorted(outcome.results, key=lambda r: int(r.expectation_config.meta["position"]))
    for result, expectation in zip(results, suite.expectations, strict=True):
        if not result.success and isinstance(expectation, UnexpectedRowsExpectation):
            result.result["partial_unexpected_list"] = unexpected_rows(batch, expectation)
    causes = batch.data_asset.datasource.get_execution_engine().causes
    return [entry(result, causes) for result in results]


def check_arguments(batch: BatchDefinition[Any], expectations: list[Expectation]) -> None:
    """Raise InputError for arguments that an expectation refuses only when it is asked what to do.

    In a suite GX lets these errors end the validation of all the others.
    """
    batch.get_batch()  # loads the rows, which an expectation may ask for
    engine = batch.data_asset.datasource.get_execution_engine()
    for expectation in expectations:
        kwargs = expectation.configuration.kwargs
        with Refusing(f"validate: {expectation.expectation_type}", type(expectation), kwargs):
            expectation.get_validation_dependencies(engine, {"result_format": "BASIC"})


def unexpected_rows(batch: BatchDefinition[Any], expectation: Expectation) -> list[str]:
    """Check the expectation alone, in the one format whose result has the rows; return a few."""
    result = batch.get_batch().validate(expectation, result_format="COMPLETE").result
    rows = result.get("details", {}).get("unexpected_rows", [])
    examples = []
    for row in rows[:EXAMPLES]:
        examples.append(", ".join(f"{name} {value}" for name, value in row.items()))
    return examples


def entry(result: Any, causes: dict[str, str]) -> dict[str, Any]:
    """Take from GX's result all but its ids, times and rendering."""
    config, outcome = result.expectation_config, result.to_json_dict()
    kept = {"expectation": config.type, "success": bool(result.success)}
    if config.description:
        kept["description"] = config.description
    kwargs = outcome["expectation_config"]["kwargs"]
    kept["kwargs"] = {name: value for name, value in kwargs.items() if name != "batch_id"}
    for theirs, ours in KEPT.items():
        value = rounded(outcome["result"].get(theirs))
        if value not in (None, []):
            kept[ours] = value
    messages = sorted(set(error_messages(result.exception_info, causes)))
    if messages:
        kept["error"] = duckdb_message(messages[0])
    return kept


def error_messages(exception: Any, causes: dict[str, str]) -> Iterator[str]:
    """Yield the messages of a result's errors: of one error, or of one for each metric.

    causes: by metric, where ours says more than GX's.
    """
    if not isinstance(exception, dict):
        return
    for metric, error in {"": exception, **exception}.items():
        if isinstance(error, dict) and error.get("exception_message"):
            yield causes.get(metric, str(error["exception_message"]))


def duckdb_message(message: str) -> str:
    """Take DuckDB's own words out of those of SQLAlchemy and GX around them."""
    own = re.search(r"\(_duckdb\.\w+\) (.*)", message)
    if own:
        message = own[1]
    return " ".join(message.split())


def rounded(value: Any) -> Any:
    """Round floats to six significant digits: the rest depends on DuckDB's number of threads.

    JSON has no NaN and no infinity: they become text.
    """
    match value:
        case dict():
            return {name: rounded(inner) for name, inner in value.items()}
        case list():
            return [rounded(inner) for inner in value]
        case float() if math.isfinite(value):
            return float(f"{value:.6g}")
        case float():
            return str(value)
    return value
