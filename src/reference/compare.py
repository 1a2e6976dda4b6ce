"""Compares a table with its reference: what departs from it fails, what drifts is reported.

All is judged twice: in the whole table, and in the rows since the reference alone, whose counts are
the differences where rows were appended. So a bad night is seen in a large table too.
"""

from collections.abc import Iterator

from src.errors import InputError, one_of, shown
from src.reference.bounds import Bounds, Counts, percent
from src.reference.model import Reference
from src.reference.values import RULES, Finding, Pair, paired, swapped

REPEATED = 0.1  # more rows that repeat another, where there is no key


def departures(
    reference: Reference, found: Reference, ignored: dict[str, str], bounds: Bounds
) -> list[Finding]:
    """List what departs from the reference beyond the bounds, a finding a column at most.

    ignored: why a raw column is no feature. Raises InputError for a free column that is none.
    """
    unknown = sorted({*bounds.free} - reference.columns.keys())
    if unknown:
        expected = one_of(reference.columns, unknown[0])
        raise InputError(
            "params.yaml: validate.reference.free", f"no column {unknown[0]!r}", expected
        )
    findings = [
        *other_use(reference, found),
        *lost_columns(reference, found, ignored),
        *new_columns(reference, found),
        *other_kinds(reference, found),
        *other_classes(reference, found),
        *other_rows(reference, found, bounds),
    ]
    pairs: list[Pair] = []
    for view in paired(reference, found):
        bound = [pair for pair in view if pair.name not in bounds.free]
        findings += swapped(bound)
        pairs += bound
    for rule, kinds in RULES:
        for pair in pairs:
            if pair.now.kind in kinds:
                findings += rule(pair, bounds)
    return once(findings)


def once(findings: list[Finding]) -> list[Finding]:
    """Keep the first finding about each column."""
    kept: list[Finding] = []
    named: set[str] = set()
    for finding in findings:
        if named.isdisjoint(finding.columns):
            kept.append(finding)
            named.update(finding.columns)
    return kept


def other_use(reference: Reference, found: Reference) -> Iterator[Finding]:
    """Find that the reference is one for another use of the table."""
    before = f"task {reference.task}, id {reference.id}"
    now = f"task {found.task}, id {found.id}"
    if before != now:
        yield Finding((), "params.yaml: prepare", now, f"{before}, as in the reference")


def lost_columns(
    reference: Reference, found: Reference, ignored: dict[str, str]
) -> Iterator[Finding]:
    """Find columns that are there no longer, or are no feature any more."""
    for name in sorted(reference.columns.keys() - found.columns.keys()):
        reason = ignored.get(name, "it is not in the table")
        expected = f"a {reference.columns[name].kind}"
        yield Finding((name,), f"column {name!r}", f"no feature ({reason})", expected)


def new_columns(reference: Reference, found: Reference) -> Iterator[Finding]:
    """Find columns that are new.

    One that was no feature, as its values were all the same, may become one.
    """
    known = {*reference.columns, *reference.ignored}
    for name in sorted(found.columns.keys() - known):
        now = f"a new {found.columns[name].kind}"
        yield Finding((name,), f"column {name!r}", now, "the columns of the reference")


def other_kinds(reference: Reference, found: Reference) -> Iterator[Finding]:
    """Find columns that hold another kind of values than they did."""
    for name in sorted(reference.columns.keys() & found.columns.keys()):
        before, now = reference.columns[name], found.columns[name]
        if before.kind != now.kind:
            # Digits come first, so that the last of the texts is the likeliest to be none.
            texts = [*now.shares]
            found_kind = f"a {now.kind}"
            if texts:
                found_kind += f", such as {shown(texts[-1])}"
            yield Finding((name,), f"column {name!r}", found_kind, f"a {before.kind}")


def other_classes(reference: Reference, found: Reference) -> Iterator[Finding]:
    """Find classes that are new or gone."""
    name = reference.target
    before, now = reference.columns[name].shares, found.columns[name].shares
    new = [*(now.keys() - before.keys())]
    gone = [*(before.keys() - now.keys())]
    expected = f"the classes {listed(before)}"
    if new:
        yield Finding((name,), f"target {name!r}", f"new: {listed(new)}", expected)
    if gone:
        yield Finding((name,), f"target {name!r}", f"no row of {listed(gone)}", expected)


def listed(values: object) -> str:
    """List the first of some labels."""
    assert isinstance(values, dict | list)
    return ", ".join(sorted(map(shown, values))[:12])


def other_rows(reference: Reference, found: Reference, bounds: Bounds) -> Iterator[Finding]:
    """Find too few rows, rows without a target, and ids that repeat."""
    if found.rows < bounds.rows * reference.rows:
        expected = f"{percent(bounds.rows)} of the reference's {reference.rows} at least"
        yield Finding((), "rows", str(found.rows), expected)
    target = f"target {found.target!r}"
    read = Counts(found.without_target, found.rows + found.without_target)
    before = Counts(reference.without_target, reference.rows + reference.without_target)
    for now in too_many(read, before, bounds.without_target):
        expected = f"{percent(bounds.without_target + before.share)} at most"
        yield Finding((), target, f"{now} without a value", expected)
    repeated = Counts(found.duplicates, found.rows)
    before = Counts(reference.duplicates, reference.rows)
    more = REPEATED if found.id is None else 0.0
    for now in too_many(repeated, before, more):
        expected = f"{percent(more + before.share)} at most"
        yield Finding(("id",), f"id {found.id!r}", f"{now} whose id another row has", expected)


def too_many(now: Counts, before: Counts, more: float) -> Iterator[Counts]:
    """Yield the counts, or those since the reference, if their share grew by more than allowed."""
    since = Counts(now.some - before.some, now.of - before.of)
    for counts in (now, since):
        if counts.exceeds(before.share + more):
            yield counts
            return


def drift(reference: Reference, found: Reference) -> list[str]:
    """List the columns whose distribution moved, with the value where it did most.

    The rows since the reference say it where there are some.
    """
    lines: dict[str, str] = {}
    for pairs in paired(reference, found):
        for pair in pairs:
            new = pair.now.shares.keys() - pair.before.shares.keys()
            if new:
                lines[pair.name] = f"new: {listed([*new])}"
            if pair.is_changed:
                lines[pair.name] = pair.change
    return [f"column {name!r}: {lines[name]}" for name in sorted(lines)]
