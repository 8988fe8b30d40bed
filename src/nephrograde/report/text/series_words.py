"""Reasons and evidence of ``series.csv`` in words, in the language of the page.

Their English is defined with their codes in ``volume/statement.py``, their Chinese in ``locale/zh/series.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.text.language import phase_in_words, t, translated
from nephrograde.volume.statement import PHASE_NAMES, TERMS, wording_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.volume.statement import Statement


def kind_in_words(statement: Statement) -> str:
    """Translate the kind of a reason; an unknown one is returned unchanged.

    >>> from nephrograde.volume.statement import Statement
    >>> kind_in_words(Statement.of("too-few-slices", n=4))
    'too few slices'
    """
    if not statement.is_listed:
        return statement.text
    return translated(wording_of(statement.code)[0]).format(**_values(statement))


def details_in_words(reason: Statement, grounds: Iterable[Statement]) -> str:
    """Translate the details of a reason and the deciding grounds; empty if there are none.

    >>> from nephrograde.volume.statement import Statement
    >>> grounds = [Statement.of("by.kernel", kernel="soft"), Statement.of("by.uid")]
    >>> details_in_words(Statement.of("best-of", n=2), grounds)
    'soft kernel, first by UID'
    """
    parts = [_detail_in_words(reason), *map(in_words, grounds)]
    return t(", ").join(filter(None, parts))


def in_words(statement: Statement) -> str:
    """Translate a whole statement: kind and details of a reason, or an observation.

    >>> from nephrograde.volume.statement import Statement
    >>> in_words(Statement.of("words.found", words="动脉期", place="series description"))
    '“动脉期” in the series description'
    >>> in_words(Statement.of("not-clear-cell", histology="papillary"))
    'not clear cell: papillary'
    """
    kind, detail = kind_in_words(statement), _detail_in_words(statement)
    return t(": ").join(filter(None, (kind, detail)))


def sight_in_words(statement: Statement) -> str:
    """Translate what was examined and what was found.

    >>> from nephrograde.volume.statement import Statement
    >>> sight_in_words(Statement.of("timing.after-injection", seconds=35))
    'timing: scanned 35 s after the injection began'
    """
    looks = {
        "timing": t("timing"),
        "words": t("words"),
        "order": t("order"),
        "image": t("image"),
        "conflict": t("conflict"),
    }
    look = looks.get(statement.code.partition(".")[0]) if statement.is_listed else None
    return t(": ").join(filter(None, (look, in_words(statement))))


def _detail_in_words(statement: Statement) -> str:
    if not statement.is_listed:
        return ""
    return translated(wording_of(statement.code)[1]).format(**_values(statement))


def _values(statement: Statement) -> dict[str, str]:
    return {name: _value(name, value) for name, value in statement.parameters}


def _value(name: str, value: str) -> str:
    if value in TERMS.get(name, ()):
        return translated(value)
    return phase_in_words(value) if name in PHASE_NAMES else value
