"""What people write on a CT series to state its phase: English, Chinese, Polish, German, abbreviations and traps.

Whether contrast medium was given is read in more languages, by rule, in ``negation.py``.
The words come from the languages and from radiology, not from labelled data. Patterns are applied to text normalized
by ``words.normalise``: lower case, no accents, simplified characters, spaces for underscores.
"""

from __future__ import annotations

import re
from typing import Final

from nephrograde.volume.phase.evidence import PHASES

_TAIL = "[a-z]{0,9}"
"""The rest of an inflected word. Not ``\\w*``, which would include a name that follows a Chinese word."""

LIKELIHOODS: Final[dict[str, tuple[float, float, float, float]]] = {
    "unenhanced": (0.96, 0.01, 0.015, 0.015),
    "stone": (0.85, 0.02, 0.08, 0.05),
    "corticomedullary": (0.01, 0.93, 0.05, 0.01),
    "angiography": (0.05, 0.75, 0.15, 0.05),
    "nephrographic": (0.01, 0.05, 0.90, 0.04),
    "equilibrium": (0.01, 0.02, 0.40, 0.57),
    "delayed": (0.01, 0.01, 0.06, 0.92),
    "late": (0.01, 0.02, 0.08, 0.89),
    "excretory": (0.01, 0.01, 0.04, 0.94),
    "urography": (0.15, 0.05, 0.25, 0.55),
    "routine": (0.20, 0.12, 0.58, 0.10),
    "enhanced": (0.02, 0.30, 0.48, 0.20),
}
"""How likely a word of each meaning is in a series of each of ``PHASES``, up to a common factor.

The values follow from what the words mean. ``ep`` is the excretory or delayed phase, so "delayed" and "late" name it,
although some sites use them for a late nephrographic scan; "enhanced" only rules out ``up``; a "routine" abdomen is
usually scanned at about 70 s.
"""

_SEVERAL = (
    r"\bw(?:ith)?\s?(?:&|/|\+|,|-|\band\b|\bor\b)?\s?(?:wo|w\s?/\s?o|without)\b",
    r"\b(?:wo|w\s?/\s?o|without)\s?(?:&|/|\+|,|-|\band\b)?\s?w(?:ith|/)?(?![a-z])",
    r"\bpre\s?(?:&|/|\+|-|and)\s?post\b",
    r"\bc\s?-\s?[/,]?\s?c\s?\+|\bi\s?-\s?[/,]?\s?i\s?\+",
    (
        r"\b(?:[2-5]|two|three|four|multi|bi|tri|quad|dual|dwu|dwie|trzy|troj|zwei|drei|mehr)\s?-?\s?"
        r"(?:phas[a-z]*|faz[a-z]*)"
    ),
    r"平扫\W{0,3}(?:及|和|与|加)?\W{0,3}(?:双期|三期|多期|动态)?增强",
    r"[双两三四多]期",
    r"\bprzed i po\b",
    r"\bnativ\s?(?:&|/|\+|und|u\.)\s?(?:mit )?(?:km|kontrast)" + _TAIL,
)
_UNENHANCED = (
    rf"\b(?:un|non|nie)\s?-?\s?enhan{_TAIL}|\bunenh{_TAIL}",
    rf"\bnon\s?-?\s?(?:con(?:t|tr|trast)?[a-z]{{0,3}}|infus{_TAIL}|iv|ce)\b|\bnon\b(?!\s?-?\s?(?:ionic|[a-z]))",
    r"\bsans\b|\bno\s?-?\s?cm\b|\bagent\W{1,3}none\b",
    (
        r"\b(?:w\s?/\s?o|wo|w\.\s?o\.?|without)(?![a-z/])(?!\s?(?:3d|mpr|recon|oral|rectal|breath|arms))"
        r"(?:\s?(?:iv\s)?cont?r?a?s?t?\b)?"
    ),
    rf"wo\s?(?:iv\s)?cont{_TAIL}",
    (
        r"\bpre\b(?!\s?-?\s?(?:op|proc|bx|biops|treat|tx|chemo|surg|rfa|ablat|embol|monitor|void|drain|med))"
        r"(?:\s?-?\s?(?:con(?:t|trast)?|iv|contr)\b)?|\bprecontrast\b"
    ),
    r"\b(?:nc|nect|ncct|nkct)\b|\bplain\b|\bunc\b",
    r"(?<![\w/&-])(?:(?:c|km|ce|sc)|i\s?)\(?-\)?(?![\w>-])",
    rf"\bnativ{_TAIL}|\bnatyw{_TAIL}|\bnat\b(?! fill)",
    r"平[扫描]|非增强|未增强|不增强|增强前|无对比剂|pingsao",
)
_LATER = rf"(?:(?:early|late|delayed|wczesna|pozna|fruh{_TAIL}|spat{_TAIL})\s?-?\s?)?"
_CORTICOMEDULLARY = (
    rf"{_LATER}\b(?:arter(?!io[vl]){_TAIL}|art\b\.?)(?:\s?-?\s?ph[a-z]*)?|\b(?:hap|a\s?-?\s?phase)\b",
    rf"\b[ck]ortico\s?-?\s?med{_TAIL}|\b[ck]orti[ck]o\s?-?\s?med{_TAIL}|\bcortic(?:al|o)\b|\bcmp\b|\bcm phase\b",
    rf"{_LATER}\b(?:tetnic|korow){_TAIL}(?:\s?-?\s?rdzen{_TAIL})?|\btet\b",
    r"(?:早|晚)?(?<!主)(?:肾)?动脉(?:早|晚|期|相)*|皮[髓随]质?(?:交界)?[期相]?|(?<![皮髓])皮质[期相]|dongmai",
)
_ANGIOGRAPHY = (rf"\bcta\b|\bangio(?!my){_TAIL}",)
_NEPHROGRAPHIC = (
    rf"{_LATER}\b(?:portal|porto){_TAIL}(?:\s?-?\s?ven{_TAIL})?(?:\s?-?\s?ph[a-z]*)?|\bpv[pi]?\b|\bp\.\s?v\b|\bvp\b",
    rf"{_LATER}\bven(?!tr|til|ol|a\b){_TAIL}(?:\s?-?\s?ph[a-z]*)?",
    rf"\bne(?:ph|f)ro(?!st|li|lo|ur|pa|sc|pe|bl|grade|s\b){_TAIL}|\bneph\b",
    rf"\bparen[ck]?h{_TAIL}|\bparanch{_TAIL}|\bmiazsz{_TAIL}|\bnp\b(?! ?\d)",
    rf"{_LATER}\b(?:zyln|wrotn){_TAIL}",
    r"门静?脉[期相]?|静脉(?!注|肾盂|团|尿路|造影|通道)[期相]?|肾?实质[期相]?|(?<![皮髓])髓质[期相]|jingmai",
)
_EQUILIBRIUM = (rf"\bequilibr{_TAIL}|\bgleichgewicht{_TAIL}|平衡[期相]?",)
_DELAYED = (
    rf"\bdelay{_TAIL}|\bdely{_TAIL}|\b(?:dly|dealy|del)\b",
    rf"\bopoz{_TAIL}|\bpozn{_TAIL}",
    rf"\bspa(?:e)?t{_TAIL}|\bverzog{_TAIL}|\bverzoeg{_TAIL}",
    r"延迟[期相]?|延时[期相]?|迟延|yanchi",
)
_LATE = (r"\blate\b(?:\s?phase)?",)
_EXCRETORY = (
    rf"\bexcr{_TAIL}|\burogra(?:ph|f){_TAIL}|\burogram\s?ph[a-z]*|\bpyelogra{_TAIL}",
    rf"\bwydaln{_TAIL}|\bwydziel{_TAIL}|\bausscheid{_TAIL}",
    r"排[泄谢泌][期相]?|肾盂[期相]|paixie",
)
_UROGRAPHY = (r"\burogram[a-z]?\b|\bct\s?u\b|\bctu\b|\bivu\b|\bivp\b|尿路造影|ctu",)
_STONE = (rf"\bston(?:e|es)\b|\bkub\b|\bcolic\b|\bcalcul{_TAIL}|\bkamic{_TAIL}|\burolit{_TAIL}|结石",)
_ROUTINE = (rf"\broutin{_TAIL}|\brutyn{_TAIL}",)
_AFTER_TREATMENT = r"(?!\s?-?\s?(?:op|neph|stent|tx|treat|bx|biops|proc|chemo|surg|rfa|ablat|embol|void|drain|radi))"
_ENHANCED = (
    rf"\benhanc(?!ement){_TAIL}|\b(?:ce|cect|cte)\b|\benh\b",
    r"\b(?:c|i|km|ce|sc)\s?\(?\+\)?(?!\w)|\+\s?(?:c|sc|km|ce)\b(?!\s?/)",
    rf"\bpost\b{_AFTER_TREATMENT}(?:\s?-?\s?(?:con(?:t|trast)?|iv|inj[a-z]*|infus[a-z]*)\b)?|\bpostcontrast\b",
    r"\bw(?:ith|/)?\s?/?\s?(?:iv\s|i\.v\.\s)?(?:non\s?-?\s?ionic\s)?con(?:t|tr|trast|tra)?\b|\bw(?:ith|/)?\s?(?=$|[\d])",
    rf"(?<!oral )(?<!rectal )(?<!enteral )\bcontrast\b|\b(?:kontr){_TAIL}|\b(?:po|z|ze|mit|nach)\s(?:sc|km)\b|\bkm\b",
    rf"\bpo\spodan{_TAIL}|\bwzmoc{_TAIL}|\bконтраст\w{{0,12}}|\bσκιαγραφ\w{{0,12}}|\bvarjoain{_TAIL}",
    (
        r"\b(?:omnipaque|isovue|visipaque|ultravist|optiray|iopamir[a-z]*|iomeron|xenetix|oxilan|iohexol|iopamidol|"
        r"iodixanol|ioversol|iopromide?|omni|opti)\s?\d{0,3}\b"
    ),
    r"增强|强化|(?<!无)对比剂",
)
NOT_A_SCAN: Final = re.compile(
    rf"\bscout{_TAIL}|\btopo(?:gram)?{_TAIL}|\blocali[sz]{_TAIL}|\blocator\b|\bsurv+iew\b|\bscan+ogra{_TAIL}"
    rf"|\bsmart\s?prep\b|\b(?:pre)?monitor{_TAIL}|\bbolus\s?track{_TAIL}|\b(?:test|timing)\s?-?\s?bolus\b|\btracker\b"
    rf"|\bdose\s(?:report|info|sheet|record){_TAIL}|\bpatient protocol\b|\bsummary series\b|\bpilot\b"
    rf"|\bvnc\b|\bvirtual\s(?:non|un|nativ){_TAIL}|\biodine\s(?:map|overlay|no\s?water)|虚拟平扫|碘图"
    rf"|\bprzeglad{_TAIL}|定位[像片图]?|监测|剂量报告|\bubersicht{_TAIL}|\bdosisprot{_TAIL}"
)
"""Localisers, bolus tracking and dose sheets have no phase; virtual images look like a phase they are not in."""

TRAPS: Final = re.compile(
    r"\b(?:c|ch|chest)?\s?[-/]?\s?a\s?[-/]\s?p\b"  # chest-abdomen-pelvis; "C-" in it is not "without contrast"
    r"|\b(?:b|d|h|i|j|q|t|u)(?:f|l|p|r|v)?\s?\d{2,3}[fhmsu]?(?:\\\d)?\b|\bfc\s?\d{2}\b"  # kernels; "B30s" is not a time
    r"|\b\d+(?:[.,]\d+)?\s?(?:mm|cc|ml|mgi?|kv|kvp|mas)\b|\b\d+(?:[.,]\d+)?\s?r\s?/\s?\d+\s?s(?:ec)?\b"  # dose and rate
    r"|\b(?:no|without|bez|ohne|keine?)\s(?:delay|art|ven|excr|neph|opozn|tetn|zyln|spat)[a-z]*|无(?:延迟|动脉|静脉|排泄)"
    r"|\b\d+\s?[x/]\s?\d+(?:\s?[x/]\s?\d+)?\b|\b(?:ss|dr|asir)\s?\d{2}%?|\bcollection|\bmin\s?ip\b"
)
"""Text that looks like a word for a phase or a time but is not."""

MEANINGS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (meaning, re.compile("|".join(patterns)))
    for meaning, patterns in (
        ("several", _SEVERAL),
        ("unenhanced", _UNENHANCED),
        ("stone", _STONE),
        ("corticomedullary", _CORTICOMEDULLARY),
        ("nephrographic", _NEPHROGRAPHIC),
        ("equilibrium", _EQUILIBRIUM),
        ("excretory", _EXCRETORY),
        ("delayed", _DELAYED),
        ("late", _LATE),
        ("angiography", _ANGIOGRAPHY),
        ("urography", _UROGRAPHY),
        ("enhanced", _ENHANCED),
        ("routine", _ROUTINE),
    )
)
"""Searched in this order. Text matched by one meaning is not available to the next."""

SPELLINGS: Final = (
    "arterial",
    "venous",
    "portal",
    "nephrographic",
    "nephrogenic",
    "parenchymal",
    "corticomedullary",
    "delayed",
    "excretory",
    "excretion",
    "contrast",
    "noncontrast",
    "enhanced",
    "unenhanced",
    "without",
    "tetnicza",
    "opozniona",
    "opoznione",
    "natywna",
    "kontrast",
    "kontrastem",
    "kontrastu",
    "kontrascie",
    "arteriell",
    "parenchymphase",
    "topogram",
    "localizer",
    "monitoring",
)
"""Words recognised even with one letter wrong, missing, doubled or swapped; all long enough not to be another word."""


def likelihood_of(meaning: str) -> dict[str, float]:
    """Return the likelihood of a meaning in each phase.

    Args:
        meaning: A key of ``LIKELIHOODS``.

    Returns:
        By phase, up to a common factor.

    >>> likelihood_of("excretory")["ep"]
    0.94
    """
    return dict(zip(PHASES, LIKELIHOODS[meaning], strict=True))
