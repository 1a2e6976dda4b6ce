"""Builds Great Expectations' HTML docs of the prepared data: `make data-docs`."""

from pathlib import Path

import great_expectations as gx

from src.cli import main
from src.gx.engine import rows_of
from src.schema import SPLITS, Schema
from src.validate import Params, suite


def run(params: Params, prepared: Path, docs: Path) -> None:
    """Validate the prepared data with GX's own reports, and print the address of the first page."""
    schema = Schema.read(prepared)
    checks = suite(params.validate_, schema)
    splits = {split: prepared / f"{split}.parquet" for split in SPLITS}
    folder = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": folder,
    }
    with rows_of(splits, schema, params.runtime.workers) as (context, batch):
        context.add_data_docs_site("local", site)
        expectations = context.suites.add(gx.ExpectationSuite("validate", expectations=checks))
        definition = gx.ValidationDefinition(name="validate", data=batch, suite=expectations)
        context.validation_definitions.add(definition).run()
        context.build_data_docs(site_names=["local"])
    print(docs / "index.html")


if __name__ == "__main__":
    main(run)
