"""Tells whether two revisions train by the same recipe, so that data or a seed alone differ."""

import re
from collections.abc import Mapping
from itertools import zip_longest

from reprise.dvc.history.revision import Revision, StageRecord
from reprise.dvc.settings import parse_settings
from reprise.review.data.tables import is_table

INTERPOLATED = re.compile(r"\$\{\s*([^}]*?)\s*\}")


def is_same_recipe(old: Revision, new: Revision) -> bool:
    """Tell whether all stages have the same commands, params and code.

    Params that `meta.reprise.replicates` names are seeds: they may differ. Code is what stages read
    that DVC does not track: files that git has, but for tables.
    """
    seeds = seed_params(new)
    return recipe_of(old, seeds) == recipe_of(new, seeds)


Seed = tuple[str, str]  # params file, from the root, and key


def seed_params(revision: Revision) -> set[Seed]:
    """Return the keys that stages declare as their seeds, with their files."""
    keys = set()
    for record in revision.records.values():
        spec = parse_settings(f"stage '{record.name}'", record.meta).replicates
        if spec is not None and not record.source:
            keys.add(spec.locate(record.wdir))
    return keys


def recipe_of(revision: Revision, seeds: set[Seed]) -> Mapping[str, object]:
    """Return command, params and code of each stage."""
    recipe = {}
    for record in revision.records.values():
        if not record.source:
            command = _without_seeds(record, seeds)
            recipe[record.name] = (command, _params(record, seeds), _code(revision, record))
    return recipe


def _without_seeds(record: StageRecord, seeds: set[Seed]) -> str | None:
    """Return the command, with the names of seeds that stand in it in place of their values.

    As it is where the command of dvc.lock is not that of dvc.yaml.
    """
    literals, keys = INTERPOLATED.split(record.template)[::2], INTERPOLATED.findall(record.template)
    found = re.fullmatch("(.*?)".join(map(re.escape, literals)), record.command or "", re.DOTALL)
    if found is None:
        return record.command
    names = {key for _, key in seeds}
    values = [
        f"${{{key}}}" if key in names else value
        for key, value in zip(keys, found.groups(), strict=True)
    ]
    return "".join(map("".join, zip_longest(literals, values, fillvalue="")))


def _params(record: StageRecord, seeds: set[Seed]) -> Mapping[tuple[str, str], object]:
    found = {}
    for file, values in record.params.items():
        leaves = [leaf for key, value in values.items() for leaf in _leaves(key, value)]
        found.update({(file, name): value for name, value in leaves if (file, name) not in seeds})
    return found


def _leaves(key: str, value: object) -> list[tuple[str, object]]:
    """List the values of a section by their dotted keys."""
    if not isinstance(value, dict) or not value:
        return [(key, value)]
    return [leaf for name, inner in value.items() for leaf in _leaves(f"{key}.{name}", inner)]


def _code(revision: Revision, record: StageRecord) -> Mapping[str, object]:
    code: dict[str, object] = {}
    for path, hash_ in record.deps.items():
        if revision.is_data(path) or is_table([path]):
            continue
        if path not in revision.mixed:
            code[path] = hash_
            continue
        files = revision.mixed[path].items()
        code[path] = {
            file: file_hash
            for file, file_hash in files
            if not revision.is_data(file) and not is_table([file])
        }
    return code
