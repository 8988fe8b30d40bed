"""The phases that each model of an arm sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def phase_sets(own: Sequence[str], fusion: str | None, of_cohort: Sequence[str]) -> list[tuple[str, ...]]:
    """List the phases of each model of an arm.

    Args:
        own: The phases that the arm names.
        fusion: How it joins them.
        of_cohort: Used if it names none.

    >>> phase_sets((), None, ("cmp", "np")), phase_sets(("cmp", "np"), "intermediate", ("cmp", "np", "up"))
    ([('cmp',), ('np',)], [('cmp', 'np')])
    >>> phase_sets(("cmp", "up"), "late", ("cmp", "np", "up"))
    [('cmp',), ('up',), ('cmp', 'up')]
    """
    singles: list[tuple[str, ...]] = [(phase,) for phase in own or of_cohort]
    if fusion is None:
        return singles
    return [*singles, tuple(own)] if fusion == "late" else [tuple(own)]
