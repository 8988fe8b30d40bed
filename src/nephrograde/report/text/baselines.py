"""The baselines in words."""

from __future__ import annotations

from nephrograde.report.text.language import t


def baseline_in_words(name: str) -> str:
    """Name the predictors of a baseline; an unknown one is returned unchanged.

    >>> baseline_in_words("size")
    'tumour size'
    """
    known = {
        "size": t("tumour size"),
        "volume": t("tumour volume"),
        "clinical": t("clinical columns"),
        "clinical-no-size": t("clinical columns without size"),
        "radiomics": t("radiomic features"),
    }
    return known.get(name, name)


def only_baseline(name: str) -> str:
    """Name a baseline as a row of a table or a curve.

    >>> only_baseline("size")
    'size only'
    """
    known = {
        "size": t("size only"),
        "volume": t("volume only"),
        "clinical": t("clinical only"),
        "clinical-no-size": t("clinical-no-size only"),
        "radiomics": t("radiomics only"),
    }
    return known.get(name, name)


def baseline_sentence(name: str) -> str:
    """Describe the model of a baseline.

    Args:
        name: One of :data:`nephrograde.vocabulary.BASELINES`.

    >>> baseline_sentence("size")
    'A logistic regression on the logarithm of tumour size.'
    """
    return {
        "size": t("A logistic regression on the logarithm of tumour size."),
        "volume": t("A logistic regression on the logarithm of tumour volume."),
        "clinical": t("A logistic regression on clinical columns of the cohort table."),
        "clinical-no-size": t(
            "A logistic regression on clinical columns of the cohort table, without the tumour size."
        ),
        "radiomics": t("A logistic regression on radiomic features of the delineated tumour."),
    }[name]
