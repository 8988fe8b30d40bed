"""What a paper on a run has to cite: the data, methods and software that the run used, as BibTeX.

All known entries are in ``citations/all.bib``. An entry is written only if the run's own files show that it was used;
the versions of software are those that the run recorded.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.evaluation.ladder.minutes import MinutesSource
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.replacement import replaced
from nephrograde.report.methods.paragraph import took_part
from nephrograde.report.methods.statistical_methods import CALIBRATION, PROPORTIONS, computed
from nephrograde.report.tables.pretraining import pretraining_rows
from nephrograde.report.tables.repeats import has_power_law
from nephrograde.report.tables.tuning import chosen_folds
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.results import Results

PUBLISHED_TIMES = (MinutesSource.PUBLISHED, MinutesSource.PARTLY_ASSUMED)
LISTS = ("bossuyt2015", "kocak2023", "collins2024", "tejani2024", "kocak2024", "moons2025")
"""The guidelines behind the flow diagram and the checklists, which every report has."""


@cache
def known_entries() -> Mapping[str, str]:
    """Read all entries by key, in the order of the file.

    >>> known_entries()["delong1988"].splitlines()[0]
    '@article{delong1988,'
    """
    text = (resources.files("nephrograde.report") / "citations" / "all.bib").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=@)", text.strip())
    return {entry[entry.index("{") + 1 : entry.index(",")]: entry.strip() for entry in entries}


_FAMILIES = {"resnet": {"he2016"}, "medicalnet": {"chen2019"}, "dinov2": {"oquab2024"}}
_ENCODERS = {
    ENCODERS["efficientnet-lite0"].sha256: {"tan2019"},
    ENCODERS["astra"].sha256: {"wang2026", "blankemeier2024"},
    **{one.sha256: keys for one in ENCODERS.values() for name, keys in _FAMILIES.items() if one.name.startswith(name)},
}
"""What to cite of the encoders that are known by the SHA-256 of their files."""


def cited_keys(run: Results) -> list[str]:
    """List the keys of what a run used: what was predicted, how networks were fitted, statistics, lists, software.

    Args:
        run: The contents of the run folder.

    Returns:
        Keys of :func:`known_entries`, in its order.
    """
    used = {"nephrograde", *LISTS, *_models(run), *_statistics(run)}
    used |= {name for name in run.lock.get("versions") or {} if took_part(name, run)}
    return [key for key in known_entries() if key in used]


def write_citations(run: Results) -> Path:
    """Write ``report/citations.bib``, the same in every language.

    Args:
        run: The contents of the run folder.

    Returns:
        The path.
    """
    versions = run.lock.get("versions") or {}
    entries = [_with_version(known_entries()[key], versions.get(key, "")) for key in cited_keys(run)]
    path = run.folder.report.citations_path
    with replaced(path) as temporary_path:
        temporary_path.write_text("\n\n".join([*entries, *_data(run)]) + "\n", encoding="utf-8")
    return path


def _with_version(entry: str, version: str) -> str:
    """Fill in the version; an unknown one is left out with its field."""
    if version:
        return entry.replace("{VERSION}", f"{{{version}}}")
    return re.sub(r",\n  version = \{VERSION\}", "", entry)


def _models(run: Results) -> set[str]:
    used = _training(run)
    for row in pretraining_rows(run):
        used |= _ENCODERS.get(row.sha256, set())
    if any(row.prior_shift for row in run.scales):
        used.add("saerens2002")
    if "radiomics" in run.scores.models:
        used.add("zwanenburg2020")
    outcome = "" if run.study is None else run.study.cohort.outcome
    if not run.is_synthetic and "isup" in outcome.casefold():  # other grades may be Fuhrman's
        used.add("delahunt2013")
    return used


def _training(run: Results) -> set[str]:
    trained = [one for one in run.fits if not one.is_frozen]
    settings = [one.card.get("settings") or {} for one in trained]
    of_fits = [one.get("fit") or {} for one in settings]
    uses = {
        "loshchilov2019": bool(trained),
        "he2016": any(one.card.get("backbone") is None for one in trained),
        "howard2018": any("layer_decay" in one for one in of_fits),
        "hu2022": any("adapter_rank" in one for one in of_fits),
        "ilse2018": any(one.card.get("pooling") == "attention" for one in run.fits),
        "bergstra2011": bool(chosen_folds(run)),
        "mccullagh1980": any(one.get("head") == "ordinal" for one in settings),
    }
    return {key for key, is_used in uses.items() if is_used}


def _statistics(run: Results) -> set[str]:
    found = computed(run)
    compared = {pair.measure for pair in run.comparisons}
    rules = {estimate.rule for _, estimate in found.get("threshold", [])}
    told = [estimate.method for rows in found.values() for _, estimate in rows]
    methods = " ".join([*told, *(pair.method for pair in run.comparisons)]).casefold()
    uses = {
        "delong1988": "delong" in methods,
        "newcombe2006": "newcombe" in methods,
        "ledell2015": "ledell" in methods,
        "nadeau2003": bool(run.procedures),
        "figueroa2012": has_power_law(run),
        "tango1998": "tango" in methods,
        "obuchowski1997": "auc_lesions" in found,
        "efron1993": "auc_bootstrap" in found,
        "wilson1927": bool(found.keys() & set(PROPORTIONS)),
        "youden1950": "youden" in rules,
        "mcnemar1947": bool(compared & set(PROPORTIONS)),
        **_times(run),
        "holm1979": bool(compared or run.ladder),
        "schuirmann1987": bool(run.equivalences),
        "brier1950": "brier" in found,
        "vancalster2019": bool(found.keys() & set(CALIBRATION)),
        "vickers2006": bool(run.net_benefit),
        "wolpert1992": bool(run.increments or run.fusion or run.stack),
        **_uncertainty(run),
    }
    return {key for key, is_used in uses.items() if is_used}


def _uncertainty(run: Results) -> dict[str, bool]:
    found = run.uncertainty
    ways = {row.way for row in found.recalibrations if row.reason is None}
    has_sets = any(row.reason is None for row in found.cutoffs)
    return {
        "lin2007": Way.PLATT in ways,
        "zadrozny2002": Way.ISOTONIC in ways,
        "vovk2015": Way.VENN_ABERS in ways,
        "vovk2005": has_sets,
        "clopper1934": has_sets and run.reported == "test",
    }


def _times(run: Results) -> dict[str, bool]:
    """Where the published minutes of annotation come from that the ladder uses."""
    published = {row.supervision for row in run.ladder if row.minutes_source in PUBLISHED_TIMES}
    return {
        "bearman2016": Supervision.POINT in published,
        "papadopoulos2017": Supervision.BOX in published,
        "cuaj9476": Supervision.MASK in published,
    }


def _data(run: Results) -> list[str]:
    """The public collections that the patients come from, as recorded with the cohort table."""
    entries = []
    for number, source in enumerate(run.origin.sources, start=1):
        fields = {
            "title": source.citation or source.doi,
            "doi": source.doi,
            "note": f"Licence: {source.licence}",
        }
        lines = ",\n".join(f"  {name} = {{{_plain(value)}}}" for name, value in fields.items())
        entries.append(f"@misc{{data-{number},\n{lines}\n}}")
    return entries


def _plain(text: str) -> str:
    """A text without what BibTeX would read as its own."""
    return re.sub(r"[{}\\@%#$&~^]", "", text)
