"""Runs Great Expectations over DuckDB: an engine and a datasource of its own."""

import builtins
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Literal

import duckdb
import duckdb_engine.datatypes
import great_expectations as gx
import sqlalchemy
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from sqlalchemy import Connection, Subquery, Table, column, select
from sqlalchemy.exc import SQLAlchemyError

from src.schema import Schema, Split
from src.tables.connection import readable
from src.tables.sql import TIMES, ident, is_a, parquet, text, time

# What it logs as errors are tracebacks; results name the cause.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)


PRESENT = "present"  # the key, among what rows are selected by, of a column without missing values


class DuckDBEngine(SqlAlchemyExecutionEngine):
    """Keeps one connection open: GX closes each before it reads the result.

    GX issues 10738 and 11579.
    """

    _connection: Connection | None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # GX has no regex for DuckDB; Dremio's, REGEXP_MATCHES(column, regex), is the same in both.
        # Types of columns are known by the names of their SQLAlchemy classes, such as UTinyInteger.
        names = {**vars(sqlalchemy.types), **vars(duckdb_engine.datatypes), "__name__": "duckdb"}
        self.dialect_module: Any = SimpleNamespace(**names, DremioDialect=None)
        # No transactions: after an error DuckDB refuses whatever else is asked in the same one.
        self.engine.dialect.do_begin = lambda dbapi_connection: None
        self.causes: dict[str, str] = {}  # metric's id: why it could not be computed

    @contextmanager
    def get_connection(self) -> Generator[Connection, None, None]:
        """Yield the one connection."""
        if not self._connection:
            self._connection = self.engine.connect()
            self._connection.exec_driver_sql("SET TimeZone = 'UTC'")
        try:
            yield self._connection
        except RuntimeError as e:
            # GX would take Ctrl-C in a query for a failed metric, and try again.
            if isinstance(e.__cause__, KeyboardInterrupt):
                raise e.__cause__ from None
            raise

    def add_column_row_condition(
        self,
        domain_kwargs: dict[str, Any],
        column_name: str | None = None,
        filter_null: bool = True,
        filter_nan: bool = False,
    ) -> dict[str, Any]:
        """Ask for the rows that have a value in the column.

        GX writes a condition of the column's name and parses it, which a quote in the name breaks.
        """
        assert filter_null
        assert not filter_nan
        return {**domain_kwargs, PRESENT: column_name or domain_kwargs["column"]}

    def get_domain_records(self, domain_kwargs: dict[str, Any]) -> Any:
        """Select the rows that an expectation is about."""
        rows = super().get_domain_records(domain_kwargs)
        if PRESENT not in domain_kwargs:
            return rows
        if not isinstance(rows, Table | Subquery):
            rows = rows.subquery()
        present = column(domain_kwargs[PRESENT]).is_not(None)
        return select(sqlalchemy.text("*")).select_from(rows).where(present)

    def resolve_metric_bundle(self, metric_fn_bundle: Iterable[Any]) -> dict[Any, Any]:
        """Compute metrics, and remember why one failed.

        Where some of a bundle fail, GX tries each alone, and then reports the last one's error for
        all of them.
        """
        bundle = list(metric_fn_bundle)
        try:
            resolved: dict[Any, Any] = super().resolve_metric_bundle(bundle)
        except (GreatExpectationsError, SQLAlchemyError) as e:
            if len(bundle) == 1:
                self.causes[str(bundle[0].metric_configuration.id)] = str(e)
            raise
        return resolved


class DuckDBDatasource(SQLDatasource):
    """Gives GX the method `context.data_sources.add_duckdb(name, connection_string=…)`."""

    type: Literal["duckdb"] = "duckdb"

    @property
    def execution_engine_type(self) -> builtins.type[SqlAlchemyExecutionEngine]:
        """Name the engine that GX makes for the datasource."""
        return DuckDBEngine


def declared_sql(schema: Schema) -> str:
    """Write the SQL of the prepared rows' columns, dates and times as schema.json declares them."""
    times = []
    for feature in schema.columns:
        if is_a(feature.type, TIMES):
            times.append(f"{time(feature.name, feature.type)} AS {ident(feature.name)}")
    if not times:
        return "*"
    return f"* REPLACE ({', '.join(times)})"


MEMORY = "200MB"  # what DuckDB may hold beside GX itself; past it, it spills to disk
Context = Any  # GX exports no type of its ephemeral context


@contextmanager
def rows_of(
    splits: Mapping[Split, Path], schema: Schema, threads: int | None
) -> Iterator[tuple[Context, BatchDefinition[Any]]]:
    """Yield a GX context, and a batch of all the Parquet files' rows with a `split` column.

    Dates and times are such, not the seconds that are stored. Raises InputError for a file that
    can't be read.
    """
    rows = declared_sql(schema)
    selects = []
    for split, path in splits.items():
        file = parquet(path.resolve())
        selects.append(f"SELECT {rows}, {text(split)} AS split FROM {file}")
    folder = next(iter(splits.values())).parent
    with TemporaryDirectory(prefix="reprise-") as temporary:
        database = Path(temporary) / "rows.duckdb"
        with readable(folder), duckdb.connect(str(database)) as con:
            con.execute(f"CREATE VIEW data AS {' UNION ALL '.join(selects)}")
        settings = f"memory_limit={MEMORY}"
        if threads is not None:
            settings += f"&threads={threads}"
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        address = f"duckdb:///{database}?{settings}"
        source = context.data_sources.add_duckdb("prepared", connection_string=address)
        try:
            table = source.add_table_asset("data", table_name="data")
            yield context, table.add_batch_definition_whole_table("all")
        finally:
            source.get_execution_engine().close()
