"""What the baselines are, in words."""

from __future__ import annotations

from nephrograde.report.text.language import t


def baseline_in_words(name: str) -> str:
    """Say what a baseline looks at; an unknown one stays as it is.

    >>> baseline_in_words("size")
    'tumour size'
    """
    known = {
        "size": t("tumour size"),
        "volume": t("tumour volume"),
        "clinical": t("clinical columns"),
        "radiomics": t("radiomic features"),
    }
    return known.get(name, name)


def baseline_sentence(name: str) -> str:
    """Say what kind of model a baseline is.

    Args:
        name: One of :data:`nephrograde.vocabulary.BASELINES`.

    >>> baseline_sentence("size")
    'A logistic regression on the logarithm of the tumour’s size.'
    """
    return {
        "size": t("A logistic regression on the logarithm of the tumour’s size."),
        "volume": t("A logistic regression on the logarithm of the tumour’s volume."),
        "clinical": t("A logistic regression on clinical columns of the cohort table."),
        "radiomics": t("A logistic regression on radiomic features of the delineated tumour."),
    }[name]
