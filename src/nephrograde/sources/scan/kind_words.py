"""The words by which technicians state what a series is: patterns for ``kinds.py``.

English, Chinese, Polish and German. Patterns are applied to text normalized by ``kinds.plain``: lower case, with "_"
and "^" as spaces.
"""

from __future__ import annotations

import re


def _words(*stems: str) -> re.Pattern[str]:
    """Compile a pattern for words: Latin ones as whole words, Chinese ones anywhere."""
    latin = [stem for stem in stems if stem.isascii() or not re.match("[\u3400-\u9fff]", stem)]
    chinese = [stem for stem in stems if stem not in latin]
    return re.compile("|".join([rf"(?<![^\W\d])(?:{'|'.join(latin)})(?![^\W\d])", *chinese]))


DOSE = _words(
    "dose (?:report|info|information|record|sheet|summary)", "patient protocol", "dosisbericht", "剂量报告", "剂量信息"
)
LOCALISER = _words(
    "scouts?",
    "topo",
    "topograms?",
    "topogramm",
    "locali[sz]ers?",
    "lokali[sz]er",
    "lokalizator",
    "surv?view",
    "surview",
    "scanograms?",
    "scanogramm",
    "scanoscope",
    "pilot",
    "ap ?/ ?lat",
    "übersicht",
    "定位",
    "侦察",
)
BOLUS = _words(
    "smart ?prep(?: series)?",
    "(?:pre)?monitoring",
    "bolus ?track(?:ing)?",
    "test ?bolus",
    "timing bolus",
    "tracker",
    "locator",
    "sure ?start",
    "监测",
    "监控",
    "团注",
    "小剂量测试",
)
PROJECTION = _words(
    "mips?", "min ?ips?", "vrt?", "ssd", "cpr", "volume render(?:ing|ed)?", "最大密度", "最小密度", "容积再现"
)
REFORMAT = _words("mprs?", "mpr range", "reformat(?:ted|s)?", "curved", "rekonstrukcja mpr", "重组", "曲面")
AXIAL = _words("ax", "axials?", "tra", "transversal", "transverse", "axial[ey]?", "osiowe", "横断", "轴位")
TILTED = _words(
    "cor",
    "cors",
    "coro",
    "coronals?",
    "koronar(?:e)?",
    "czolow[aey]",
    "czołow[aey]",
    "sag",
    "sags",
    "sag+it+als?",
    "sagittale?",
    "strzalkow[aey]",
    "strzałkow[aey]",
    "obl",
    "obliques?",
    "冠状",
    "矢状",
    "冠矢",
    "斜位",
)
PLANES = {
    "c": "coronal",
    "k": "coronal",
    "冠": "coronal",
    "s": "sagittal",
    "矢": "sagittal",
    "o": "oblique",
    "斜": "oblique",
}
"""The plane by the first letter of a word of ``TILTED``."""
DERIVED = _words(
    "subtract(?:ion|ed)?",
    "perfusion",
    "cbf",
    "cbv",
    "mtt",
    "iodine(?: map)?",
    "iodkarte",
    "vnc",
    "virtual non.?contrast",
    "virtual unenhanced",
    "z ?eff",
    "overlay",
    "screen ?save",
    "key images?",
    "captured images",
    "processed images",
    "summary(?: series)?",
    "减影",
    "灌注",
    "碘图",
    "虚拟平扫",
)
INTERVENTION = _words(
    "biops(?:y|ia|ie)",
    "drainage",
    "ablation",
    "ablacja",
    "punktion",
    "puncture",
    "needle",
    "cryo",
    "穿刺",
    "活检",
    "消融",
)
ABDOMEN = _words(
    "abd",
    "abdo",
    "abdomen",
    "abdominal",
    "ab",
    "kidneys?",
    "kids?",
    "kidn",
    "renal",
    "nephro",
    "nephrographic",
    "nephrogram",
    "liver",
    "hepatic",
    "uro",
    "urogra(?:m|phy)",
    "cap",
    "c ?[-/] ?a ?[-/] ?p",
    "a ?[-/] ?p",
    "tap",
    "t ?/ ?a ?/ ?p",
    "whole body",
    "body",
    "pancreas",
    "adrenal",
    "brzuch",
    "brzuszna",
    "jama brzuszna",
    "nerk[ai]",
    "nerek",
    "watrob[ay]",
    "wątrob[ay]",
    "bauch",
    "nieren?",
    "leber",
    "腹",
    "肾",
    "肝",
    "泌尿",
    "尿路",
    "胰",
    "全身",
)
ELSEWHERE = _words(
    "chest",
    "thorax",
    "thoracic",
    "thx",
    "lungs?",
    "pulmonary",
    "hrct",
    "mediastin(?:um|al)",
    "hires chest",
    "heart",
    "cardiac",
    "coronary",
    "head",
    "brain",
    "neck",
    "skull",
    "sinus",
    "spine",
    "pelvis",
    "pel",
    "pelv",
    "bladder",
    "leg",
    "klatka(?: piersiowa)?",
    "klp",
    "pluc[a]?",
    "płuc[a]?",
    "glowa",
    "głowa",
    "szyja",
    "miednica",
    "lunge",
    "kopf",
    "hals",
    "becken",
    "hirn",
    "胸",
    "肺",
    "头",
    "颅",
    "颈",
    "心脏",
    "冠脉",
    "盆腔",
    "膀胱",
    "脊柱",
)
SHARP = _words(
    "lungs?",
    "bone(?:plus)?",
    "edge",
    "sharp",
    "lunge",
    "knochen",
    "kosc",
    "kość",
    "kosci",
    "płuc[a]?",
    "骨",
    "肺窗",
    "肺",
)
SOFT = _words(
    "soft(?: tissue)?", "standard", "stnd", "std", "st", "miekkie", "miękkie", "weich(?:teil)?", "软组织", "标准"
)
