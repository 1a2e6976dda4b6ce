"""Builds Great Expectations' HTML docs of the prepared data: `make data-docs`."""

from pathlib import Path

import great_expectations

from src import gx
from src.cli import main
from src.schema import SPLITS, Schema
from src.validate import Params, suite


def run(params: Params, prepared: Path, docs: Path) -> None:
    checks = suite(params.validate_, Schema.read(prepared))
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    with gx.rows_of({s: prepared / f"{s}.parquet" for s in SPLITS}, params.runtime.workers) as (
        context,
        batch,
    ):
        index = {"class_name": "DefaultSiteIndexBuilder"}
        site = {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": backend}
        context.add_data_docs_site("local", site)
        expectations = context.suites.add(
            great_expectations.ExpectationSuite("validate", expectations=checks)
        )
        definition = great_expectations.ValidationDefinition(
            name="validate", data=batch, suite=expectations
        )
        context.validation_definitions.add(definition).run()
        context.build_data_docs(site_names=["local"])
    print(docs / "index.html")


if __name__ == "__main__":
    main(run)
