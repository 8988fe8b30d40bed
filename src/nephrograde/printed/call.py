"""The audit of printed values from Python: ``ng.audit(...)``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import BY_NAME, PATH, checked
from nephrograde.errors import InputError, Problem
from nephrograde.printed.audit import Audits, audit_all
from nephrograde.printed.reading import COLUMNS, parse_printed, read_printed

if TYPE_CHECKING:
    from collections.abc import Mapping


@checked(table=PATH, against=BY_NAME)
def audit(
    table: str | Path | None = None,
    *,
    n: int | str | range | None = None,
    against: Mapping[str, Mapping[str, str | int | range]] | None = None,
    **printed: str | int | range,
) -> Audits:
    """Find the confusion tables that print like a paper's values, and whether models can share a test set.

    Args:
        table: CSV, TSV or XLSX with one printed model per row, instead of the values themselves; see
            ``nephrograde audit``.
        n: Test patients; "80-100" or ``range(80, 101)`` tries all these numbers.
        against: Further models of the same test set by name, each with its printed values; ``p`` is the P value of the
            comparison of its AUC with that of the first model.
        printed: ``accuracy``, ``sensitivity``, ``specificity``, ``ppv``, ``npv``, ``balanced_accuracy``, ``f1``,
            ``kappa``, ``youden``, ``lr_plus``, ``lr_minus``, ``dor`` or ``auc`` **as text**, exactly as printed
            ("0.860" or "86.0%", because a float loses its trailing zeros), those that are proportions and the AUC also
            with their interval ("0.857 (0.715-0.946)"); ``positives`` as a number or limits ("30-50"); ``mean_of``,
            the number of tables of these patients whose mean is printed; ``folds``, the number of folds that divide
            the patients and over which the values are means; ``p``, the P value of the comparison with the one model of
            ``against``; ``name``.

    Returns:
        The audits; printing them gives the text, and ``as_dict()`` everything.

    Raises:
        InputError: A value cannot be what a paper prints; all of them are listed.

    >>> import nephrograde as ng
    >>> found = ng.audit(n=90, accuracy="0.859", sensitivity="0.857", specificity="0.860")
    >>> found.groups[0].models[0].fits.exist
    False
    >>> found = ng.audit(n="80-100", accuracy="0.859", sensitivity="0.857", specificity="0.860")
    >>> [fits.n for fits in found.groups[0].models[0].over]
    [85, 92, 99]
    """
    if table is not None:
        if printed or n is not None or against:
            raise InputError([Problem(str(table), "values are given beside the table", "Put them into the table.")])
        return audit_all(read_printed(Path(table)))
    others = against or {}
    p = printed.pop("p", None)
    if p is not None and len(others) != 1:
        what = f"needs exactly one model in against, not {len(others)}"
        raise InputError([Problem("audit.p", what, "Give it among the values of a model in against.")])
    compared = {} if p is None else {"p": p}
    inherited = {"n": n, "mean_of": printed.get("mean_of"), "folds": printed.get("folds")}
    models = [parse_printed(_as_printed({"n": n, **printed}))]
    models += [
        parse_printed(_as_printed({**inherited, **compared, "name": name, **values})) for name, values in others.items()
    ]
    return audit_all(models)


def _as_printed(values: Mapping[str, str | int | range | None]) -> dict[str, str]:
    """The values as texts; a float is refused, because 0.860 and 0.86 are not the same printed value."""
    problems = [
        Problem(name, "is not a column of an audit", f"Use {', '.join(COLUMNS)}.")
        for name in values
        if name not in COLUMNS
    ]
    problems += [
        Problem(name, f"{value!r} is a float, which loses trailing zeros", 'Write it as printed, like "0.860".')
        for name, value in values.items()
        if isinstance(value, float)
    ]
    if problems:
        raise InputError(problems)
    return {name: _text_of(value) for name, value in values.items() if value is not None}


def _text_of(value: str | int | range) -> str:
    return f"{value.start}-{value.stop - 1}" if isinstance(value, range) else str(value)
