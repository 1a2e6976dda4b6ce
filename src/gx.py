"""Great Expectations over DuckDB: its engine, a suite from params.yaml, and results without run ids or times."""

import builtins
import logging
import math
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Literal

import duckdb
import duckdb_engine.datatypes
import great_expectations as gx
import sqlalchemy.types
from great_expectations.compatibility.pydantic import ValidationError
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.core import UnexpectedRowsExpectation
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.registry import (
    get_expectation_impl,
    list_registered_expectation_implementations,
)
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from src.errors import InputError, one_of, shown
from src.schema import Split
from src.tables import readable, text

logging.getLogger("great_expectations").setLevel(
    logging.CRITICAL
)  # its errors are tracebacks; results name the cause


class DuckDBEngine(SqlAlchemyExecutionEngine):
    """Keeps one connection open: GX closes each before it reads the result (GX issues 10738, 11579)."""

    _connection: Connection | None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # GX has no regex for DuckDB; Dremio's, REGEXP_MATCHES(column, regex), means the same in both.
        # Types of columns are known by the names of their SQLAlchemy classes: String, BigInteger, UTinyInteger.
        names = {**vars(sqlalchemy.types), **vars(duckdb_engine.datatypes), "__name__": "duckdb"}
        self.dialect_module: Any = SimpleNamespace(**names, DremioDialect=None)
        # No transactions: after an error DuckDB would refuse whatever else is asked in the same one.
        self.engine.dialect.do_begin = lambda dbapi_connection: None
        self.causes: dict[str, str] = {}  # metric's id: why it could not be computed

    @contextmanager
    def get_connection(self) -> Generator[Connection, None, None]:
        self._connection = self._connection or self.engine.connect()
        try:
            yield self._connection
        except RuntimeError as e:
            if isinstance(
                e.__cause__, KeyboardInterrupt
            ):  # GX would take it for a failed metric, and try again
                raise e.__cause__ from None
            raise

    def resolve_metric_bundle(self, metric_fn_bundle: Iterable[Any]) -> dict[Any, Any]:
        """Where some of a bundle fail, GX tries each alone, and then reports the last one's error for all of them."""
        bundle = list(metric_fn_bundle)
        try:
            resolved: dict[Any, Any] = super().resolve_metric_bundle(bundle)
        except (GreatExpectationsError, SQLAlchemyError) as e:
            if len(bundle) == 1:
                self.causes[str(bundle[0].metric_configuration.id)] = str(e)
            raise
        return resolved


class DuckDBDatasource(SQLDatasource):
    """`context.data_sources.add_duckdb(name, connection_string=…)`"""

    type: Literal["duckdb"] = "duckdb"

    @property
    def execution_engine_type(self) -> builtins.type[SqlAlchemyExecutionEngine]:
        return DuckDBEngine


GX_MEMORY = "200MB"  # what DuckDB may hold beside GX itself; past it, it spills to disk
EXAMPLES = 3  # values or rows that a failure shows
Context = Any  # GX exports no type of its ephemeral context


@contextmanager
def rows_of(
    splits: Mapping[Split, Path], threads: int | None
) -> Iterator[tuple[Context, BatchDefinition[Any]]]:
    """A GX context, and a batch of all the Parquet files' rows with a `split` column."""
    selects = [
        f"SELECT *, {text(s)} AS split FROM read_parquet({text(p.resolve())})"
        for s, p in splits.items()
    ]
    with TemporaryDirectory(prefix="reprise-") as folder:
        database = Path(folder) / "rows.duckdb"
        with readable(next(iter(splits.values())).parent), duckdb.connect(str(database)) as con:
            con.execute(f"CREATE VIEW data AS {' UNION ALL '.join(selects)}")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        settings = f"memory_limit={GX_MEMORY}" + (
            f"&threads={threads}" if threads is not None else ""
        )
        source = context.data_sources.add_duckdb(
            "prepared", connection_string=f"duckdb:///{database}?{settings}"
        )
        try:
            yield (
                context,
                source.add_table_asset("data", table_name="data").add_batch_definition_whole_table(
                    "all"
                ),
            )
        finally:
            source.get_execution_engine().close()


def expectations(
    where: str, declared: list[dict[str, Any]], columns: list[str]
) -> list[Expectation]:
    """Expectations by name and arguments; `columns`, a pattern or a list of them, makes one a column.

    Raises InputError for a name, argument or pattern that is wrong.
    """
    made = []
    for i, entry in enumerate(declared):
        for name, kwargs in entry.items():
            made += _expectations(f"{where}[{i}]", name, dict(kwargs or {}), columns)
    return made


def _expectations(
    where: str, name: str, kwargs: dict[str, Any], columns: list[str]
) -> list[Expectation]:
    known = list_registered_expectation_implementations()
    if name not in known:
        raise InputError(
            where, shown(name), f"a Great Expectations expectation: {one_of(known, name)}"
        )
    expectation = get_expectation_impl(name)
    if "columns" not in kwargs or "columns" in expectation.__fields__:
        return [_construct(f"{where}.{name}", expectation, kwargs)]
    patterns = kwargs.pop("columns")
    matched = []
    for pattern in patterns if isinstance(patterns, list) else [patterns]:
        found = [c for c in columns if fnmatchcase(c, str(pattern))]
        if not found:
            raise InputError(
                f"{where}.{name}.columns",
                shown(pattern),
                f"a pattern of columns: {one_of(columns, str(pattern))}",
            )
        matched += found
    return [
        _construct(f"{where}.{name}", expectation, {**kwargs, "column": c})
        for c in dict.fromkeys(matched)
    ]


def _construct(where: str, expectation: type[Expectation], kwargs: dict[str, Any]) -> Expectation:
    for key, value in kwargs.items():
        if isinstance(value, dict) and "$PARAMETER" in value:
            raise InputError(
                f"{where}.{key}",
                shown(value),
                "the value itself: nothing sets parameters of a suite",
            )
    try:
        return expectation(**kwargs)
    except ValidationError as e:
        first = e.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "value_error.extra":
            raise InputError(
                f"{where}.{key}", "an unknown argument", one_of(_arguments(expectation), key)
            ) from None
        raise InputError(f"{where}.{key}", shown(kwargs.get(key)), first["msg"]) from None
    except (TypeError, ValueError) as e:
        raise InputError(where, shown(kwargs), f"arguments it takes ({e})") from None


def _arguments(expectation: type[Expectation]) -> list[str]:
    own = {
        "id",
        "meta",
        "notes",
        "result_format",
        "catch_exceptions",
        "rendered_content",
        "windows",
        "batch_id",
    }
    return [n for n in expectation.__fields__ if n not in own]


def validate(batch: BatchDefinition[Any], suite: list[Expectation]) -> list[dict[str, Any]]:
    """One entry an expectation, in the suite's order: what was expected, whether it held, what was observed."""
    made = gx.ExpectationSuite(name="validate", expectations=suite)
    # meta carries the place in the suite, since GX orders results by column and type.
    for i, expectation in enumerate(made.expectations):
        expectation.meta = {"place": i}
    form = {"result_format": "BASIC", "partial_unexpected_count": EXAMPLES}
    outcome = batch.get_batch().validate(made, result_format=form)
    results = sorted(outcome.results, key=lambda r: int(r.expectation_config.meta["place"]))
    for result, expectation in zip(results, made.expectations, strict=True):
        if not result.success and isinstance(expectation, UnexpectedRowsExpectation):
            again = batch.get_batch().validate(
                expectation, result_format="COMPLETE"
            )  # tells the rows too
            rows = again.result.get("details", {}).get("unexpected_rows", [])
            result.result["partial_unexpected_list"] = [_row(r) for r in rows[:EXAMPLES]]
    causes = batch.data_asset.datasource.get_execution_engine().causes
    return [_entry(r, causes) for r in results]


def _row(row: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in row.items())


def _entry(result: Any, causes: dict[str, str]) -> dict[str, Any]:
    """GX's result less its ids, times and rendering."""
    config, outcome = result.expectation_config, result.to_json_dict()
    kwargs = {k: v for k, v in outcome["expectation_config"]["kwargs"].items() if k != "batch_id"}
    entry = {"expectation": config.type, "success": bool(result.success)}
    if config.description:
        entry["description"] = config.description
    return {
        **entry,
        "kwargs": kwargs,
        **_rounded(_observed(outcome["result"], result.exception_info, causes)),
    }


def _observed(
    found: dict[str, Any], exception: dict[str, Any], causes: dict[str, str]
) -> dict[str, Any]:
    keys = {
        "observed_value": "observed",
        "element_count": "rows",
        "missing_count": "missing",
        "unexpected_count": "unexpected",
        "partial_unexpected_list": "examples",
    }
    observed = {
        ours: found[theirs] for theirs, ours in keys.items() if found.get(theirs) not in (None, [])
    }
    errors = (
        {"": exception, **exception} if isinstance(exception, dict) else {}
    )  # one, or one a metric
    messages = {
        causes.get(metric) or str(e["exception_message"])
        for metric, e in errors.items()
        if isinstance(e, dict) and e.get("exception_message")
    }
    if messages:
        first = sorted(messages)[0]
        words = re.search(
            r"\(_duckdb\.\w+\) (.*)", first
        )  # DuckDB's own; around them SQLAlchemy's and GX's
        observed["error"] = " ".join((words[1] if words else first).split())
    return observed


def _rounded(value: Any) -> Any:
    """Floats in six significant digits: what is beyond depends on how many threads DuckDB adds up with.

    JSON has no NaN and no infinity: they become text.
    """
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return value
