"""Tells whether two revisions train by the same recipe, so that data or a seed alone differ."""

from collections.abc import Mapping

from reprise.dvc.history.loading import one_command
from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision, StageRecord
from reprise.dvc.history.templates import Param
from reprise.dvc.settings import parse_settings
from reprise.review.data.tables import is_table


def is_same_recipe(reader: RevisionReader, old: Revision, new: Revision) -> bool:
    """Tell whether all stages have the same commands, params and code.

    Params that `meta.reprise.replicates` names are seeds: they may differ. Code is what stages read
    that DVC does not track: files that git has, but for tables.
    """
    seeds = seed_params(new)
    return recipe_of(reader, old, seeds) == recipe_of(reader, new, seeds)


def seed_params(revision: Revision) -> set[Param]:
    """Return the keys that stages declare as their seeds, with their files."""
    keys = set()
    for record in revision.records.values():
        spec = parse_settings(f"stage '{record.name}'", record.meta).replicates
        if spec is not None and not record.source:
            keys.add(spec.locate(record.wdir))
    return keys


def recipe_of(
    reader: RevisionReader, revision: Revision, seeds: set[Param]
) -> Mapping[str, object]:
    """Return command, params and code of each stage.

    seeds: params that are left out; their names stand in commands in place of their values.
    """
    commands: Mapping[str, str] = {}
    if seeds:
        commands = _commands_without(reader, revision, seeds)
    recipe = {}
    for record in revision.records.values():
        if not record.source:
            command = commands.get(record.name, record.command)
            code = _code(reader, revision, record)
            recipe[record.name] = (command, _params(record, seeds), code)
    return recipe


def _commands_without(
    reader: RevisionReader, revision: Revision, seeds: set[Param]
) -> Mapping[str, str]:
    """Return the commands with the names of seeds in place of their values.

    Those are left out that have no seeds, or are not in dvc.lock as dvc.yaml has them.
    """
    commands = {}
    as_they_are = reader.resolve_templates(revision, [])
    for name, named in reader.resolve_templates(revision, seeds).items():
        if one_command(as_they_are[name]["cmd"]) == revision.records[name].command:
            commands[name] = one_command(named["cmd"])
    return commands


def _params(record: StageRecord, seeds: set[Param]) -> Mapping[tuple[str, str], object]:
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


def _code(reader: RevisionReader, revision: Revision, record: StageRecord) -> Mapping[str, object]:
    code: dict[str, object] = {}
    for path, hash_ in record.deps.items():
        if revision.is_data(path) or is_table([path]):
            continue
        if not revision.has_data_in(path):
            code[path] = hash_
            continue
        files = reader.git_hashes(revision, path).items()
        code[path] = {
            file: file_hash
            for file, file_hash in files
            if not revision.is_data(file) and not is_table([file])
        }
    return code
