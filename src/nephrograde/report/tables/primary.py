"""The comparison that was named beforehand, and the families in which all others are adjusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.evaluation.comparison.family import Family
from nephrograde.evaluation.remarks import Reason
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import bounds, counted, decimal, listed, p_sentence
from nephrograde.report.text.remarks import dropped_words, is_ranked_alike, reason_words, remark

if TYPE_CHECKING:
    from nephrograde.results import Results


def primary_sentence(run: Results) -> str:
    """Describe the primary comparison, or say that none was named beforehand.

    Args:
        run: The results of a run.

    Source:
        One primary comparison, named in advance and tested alone: CONSORT 2010, item 12a (BMJ 340:c332).
    """
    if run.settings.primary is None:
        return t("No primary comparison was named beforehand, so all comparisons are exploratory.")
    a, b = run.settings.primary
    pair = run.auc_difference(a, b)
    if pair is None:
        missing = [name for name in (a, b) if name not in run.scores.models]
        return t(
            "The primary comparison, {a} against {b}, could not be made: no scores of {missing}.",
            a=a,
            b=b,
            missing=listed(missing),
        )
    if pair.reason is not None or is_ranked_alike(pair):
        return t(
            "The primary comparison, {a} against {b}, could not be tested: {reason}.",
            a=a,
            b=b,
            reason=reason_words(pair.reason or Reason.RANKED_ALIKE),
        )
    said = t(
        "Primary comparison, named beforehand: the AUC of {a} minus that of {b} is {difference}, {confidence}% CI "
        "{bounds} (n = {n}, paired DeLong test, {p}, not adjusted because it is the only one).",
        a=a,
        b=b,
        difference=decimal(pair.difference),
        confidence=run.confidence_percent,
        bounds=bounds(pair.low, pair.high).strip("[]"),
        n=pair.n,
        p=p_sentence(pair.p_value),
    )
    if pair.dropped_a or pair.dropped_b:
        fewer = t(
            "The AUCs in the table are those of all patients that each model scored; {dropped}.",
            dropped=dropped_words(pair),
        )
        said = t("{first} {second}", first=said, second=fewer)
    caution = "" if pair.is_reliable else t("Caution: {remark}.", remark=remark(pair))
    return t("{first} {second}", first=said, second=caution) if caution else said


def family_sentence(run: Results) -> str:
    """Say among which comparisons P was adjusted; empty if nothing was tested.

    Args:
        run: The results of a run.
    """
    sizes: dict[Family, int] = {}
    for pair in run.comparisons:
        if pair.family is not Family.PRIMARY and pair.family_size is not None:
            sizes[pair.family] = max(sizes.get(pair.family, 0), pair.family_size)
    if not sizes:
        return ""
    names = {family: family_words(family) for family in Family}
    if run.study is None:
        names[Family.BASELINE] = t("a model and a baseline")
    texts = [
        t("{family} ({tests})", family=names[family], tests=counted(sizes[family], "test"))
        for family in Family
        if family in sizes
    ]
    return t(
        "P was adjusted by Holm’s method within each measure, among the pairs that ask the same question: {families}.",
        families=listed(texts),
    )


def family_words(family: Family) -> str:
    """Name the question of a family.

    >>> family_words(Family.SUPERVISION)
    'two arms on one phase'
    """
    return {
        Family.PRIMARY: t("the primary comparison"),
        Family.SUPERVISION: t("two arms on one phase"),
        Family.PHASE: t("one arm on two phases"),
        Family.BASELINE: t("a network and a baseline"),
        Family.OTHER: t("other pairs"),
    }[family]
