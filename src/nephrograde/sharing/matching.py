"""Whether what several hospitals shared may be combined at all."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.sharing.contents import UNKNOWN_OUTCOME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nephrograde.sharing.share_file import SharedSite

FEWEST_SITES = 2
_ALIKE = 1e-9


def check_matching(shared: Mapping[str, SharedSite]) -> None:
    """Refuse hospitals that may not be combined.

    Args:
        shared: What each shared, by its name.

    Raises:
        InputError: Fewer than two hospitals, the same patients twice, or other models, thresholds or outcomes; all of
            it.
    """
    if len(shared) < FEWEST_SITES:
        remedy = "Give the files of at least two hospitals."
        raise InputError([Problem("sites", "one hospital alone cannot be combined with others", remedy)])
    problems = [*_overlaps(shared), *_differences(shared)]
    if problems:
        raise InputError(problems)


def _overlaps(shared: Mapping[str, SharedSite]) -> Iterator[Problem]:
    """Pairs of files that are about the same patients."""
    for (first, a), (second, b) in combinations(shared.items(), 2):
        place = f"{first}, {second}"
        if a.head.key_id == b.head.key_id or a.pseudonyms & b.pseudonyms:
            what = "both were shared under the same key, and so come from one hospital"
            yield Problem(place, what, "Give one file of each hospital.")
        elif _has_same_numbers(a, b):
            what = "both hold the same numbers, and so the same patients under other pseudonyms"
            yield Problem(place, what, "Give one file of each hospital.")


def _has_same_numbers(a: SharedSite, b: SharedSite) -> bool:
    """Whether two hospitals have the same patients by all that can be compared; by chance, they never do."""
    one, other = a.statistics, b.statistics
    if (one.n, one.n_high) != (other.n, other.n_high):
        return False
    common = {own.model for own in one.models} & {own.model for own in other.models}
    pairs = [(one.model(name), other.model(name)) for name in common]
    return bool(pairs) and all(
        abs(x.auc - y.auc) <= _ALIKE and abs(x.expected - y.expected) <= _ALIKE and abs(x.brier - y.brier) <= _ALIKE
        for x, y in pairs
    )


def _differences(shared: Mapping[str, SharedSite]) -> Iterator[Problem]:
    """What differs from the first hospital."""
    (first, reference), *others = shared.items()
    known = {one.name: one for one in reference.head.models}
    identities = {one.name: one.identity for one in reference.head.models}
    outcomes = {reference.head.outcome} - {UNKNOWN_OUTCOME}
    for name, site in others:
        head = site.head
        if head.synthetic != reference.head.synthetic:
            what = f"one of {first} and {name} holds synthetic data, and the other does not"
            yield Problem(name, what, "Combine synthetic with synthetic data only.")
        if head.outcome != UNKNOWN_OUTCOME:
            outcomes.add(head.outcome)
            if len(outcomes) > 1:
                what = "its outcome is defined in another way than that of the hospitals before"
                yield Problem(name, what, "Use the same outcome in all hospitals.")
        own = {one.name: one for one in head.models}
        if own.keys() != known.keys():
            what = f"it holds the models {', '.join(own)}, and {first} holds {', '.join(known)}"
            yield Problem(name, what, "Share the same models in all hospitals, with --model.")
        for model in own.keys() & known.keys():
            if own[model].threshold != known[model].threshold:
                what = (
                    f"the threshold of {model} is {own[model].threshold:.6g}, and that of {first} "
                    f"{known[model].threshold:.6g}"
                )
                yield Problem(name, what, "Evaluate the same packed model in all hospitals.")
            identity = own[model].identity
            if identity is not None and identities[model] not in {None, identity}:
                what = f"{model} is another model of the same name"
                remedy = "Pack one of them, and validate it in all hospitals with `nephrograde validate`."
                yield Problem(name, what, remedy)
            identities[model] = identities[model] or identity
