"""Whether a text says that contrast medium was given: the rule by which "without contrast" is read in any language.

A word for contrast medium is negated by a word such as "without" or "before" in front of it, by one behind it as in
Hungarian, Turkish and Japanese, or by its own ending. The words are in ``contrast_words.py``; only the rule is here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from nephrograde.volume.phase.contrast_words import ANSWER_NO, ENTERAL, INTRAVENOUS, JOINED, LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nephrograde.volume.phase.contrast_words import Language

Claim: TypeAlias = Literal["without", "both", "enteral", "with"]

MOST_FILLERS = 6
"""Articles, "use of" and the like that may separate "without" and "contrast"."""

MOST_OTHERS = 2
"""Any other words that may separate them."""

_STRENGTH: Final[dict[Claim, int]] = {"both": 0, "enteral": 1, "without": 2, "with": 3}
"""Which claim is kept if languages read the same words differently."""

_OPPOSITE: Final = {"without": "given", "hardly": "given", "given": "without"}
_AND: Final = frozenset({"&", "+", "and", "und", "och", "et", "og", "oraz"})
"""Before a bare "contrast", as in "native and contrast", these say that it was given as well."""

_UNSPACED = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class ContrastClaim:
    """What one passage of a text says about contrast medium.

    Attributes:
        start: Position of its first character.
        end: Position after its last character.
        claim: Given ("with"), not or not yet given ("without"), both in turn, or only by mouth or rectum ("enteral").
        words: The words that say so. Other words in between are left out, as they may name a patient.
    """

    start: int
    end: int
    claim: Claim
    words: str


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str
    kinds: frozenset[str]


def read_contrast(plain: str) -> list[ContrastClaim]:
    """Find every passage that says whether contrast medium was given.

    Args:
        plain: A text as ``words.normalise`` returns it.

    Returns:
        The passages in the order of the text; they do not overlap. A word for contrast on its own is not one.

    >>> [(one.claim, one.words) for one in read_contrast("abdome sem contraste, depois com contraste")]
    [('without', 'sem contraste'), ('with', 'com contraste')]
    >>> [one.claim for one in read_contrast("kontrastsiz batin")], [one.claim for one in read_contrast("con y sin mdc")]
    (['without'], ['both'])
    """
    claims = [claim for name in LANGUAGES for claim in _claims_in(plain, name)] if plain else []
    kept: list[ContrastClaim] = []
    for claim in sorted(claims, key=lambda one: (_STRENGTH[one.claim], one.start - one.end, one.start)):
        if all(claim.end <= other.start or other.end <= claim.start for other in kept):
            kept.append(claim)
    return sorted(kept, key=lambda one: one.start)


def _claims_in(plain: str, name: str) -> Iterable[ContrastClaim]:
    """Read a text as one of one language."""
    if not _gate(name).search(plain):
        return
    lexer, patterns = _lexer(name)
    tokens = [
        _Token(found.start(), found.end(), found.group(), _kinds(found.group(), patterns))
        for found in lexer.finditer(plain)
    ]
    at = 0
    while at < len(tokens):
        if "alone" in tokens[at].kinds:
            yield _claim("without", [tokens[at]], tokens[at], tokens[at])
        elif _names_contrast(tokens[at]):
            last = _last_of_group(tokens, at)
            if claim := _judge(tokens, at, last):
                yield claim
            at = last
        at += 1


def _judge(tokens: Sequence[_Token], first: int, last: int) -> ContrastClaim | None:
    """Read the words before and behind a word for contrast medium."""
    named = [token for token in tokens[first : last + 1] if _names_contrast(token)]
    before, behind = _before(tokens, first), _behind(tokens, last)
    if any(at is not None and "enteral" in tokens[at].kinds for at in (before, behind)):
        around = tokens[max(first - 3, 0) : last + 4]
        if not any("intravenous" in token.kinds for token in around):
            return _enteral(tokens, named, before, behind)
        behind = None
        before = before if before is not None and "enteral" not in tokens[before].kinds else None
    if before is not None:
        kind = next(kind for kind in ("without", "hardly", "given") if kind in tokens[before].kinds)
        other = _opposite_before(tokens, before, _OPPOSITE[kind])
        start = before if other is None else other
        claim: Claim = "both" if other is not None else "with" if kind == "given" else "without"
        return _claim(claim, [*tokens[start : before + 1], *named], tokens[start], tokens[last])
    if behind is not None:
        return _judge_behind(tokens, named, behind)
    if first and "contrast" in tokens[first].kinds and tokens[first - 1].text in _AND:
        return _claim("with", named, tokens[first], tokens[last])
    return None


def _enteral(
    tokens: Sequence[_Token], named: Sequence[_Token], before: int | None, behind: int | None
) -> ContrastClaim:
    """Set a passage on oral or rectal contrast aside, together with the "without" before it."""
    words = [tokens[at] for at in (before, behind) if at is not None and "enteral" in tokens[at].kinds]
    if before is not None and "enteral" in tokens[before].kinds:
        further = _before(tokens, before)
        before = before if further is None else further
    first = named[0] if before is None else tokens[before]
    last = named[-1] if behind is None else tokens[behind]
    return _claim("enteral", [*named, *words], first, last)


def _judge_behind(tokens: Sequence[_Token], named: Sequence[_Token], behind: int) -> ContrastClaim:
    """Read a word behind "contrast", and its opposite behind that."""
    is_given = "after_given" in tokens[behind].kinds
    opposite = "after_without" if is_given else "after_given"
    for at in range(behind + 1, min(behind + 3, len(tokens))):
        if opposite in tokens[at].kinds:
            return _claim("both", [*named, *tokens[behind : at + 1]], named[0], tokens[at])
        if "joined" not in tokens[at].kinds:
            break
    return _claim("with" if is_given else "without", [*named, tokens[behind]], named[0], tokens[behind])


def _before(tokens: Sequence[_Token], first: int) -> int | None:
    """Return the place of the word before "contrast" that says whether it was given."""
    others = 0
    for at in range(first - 1, max(first - 2 - MOST_FILLERS - MOST_OTHERS, -1), -1):
        token = tokens[at]
        if token.kinds & {"without", "given", "enteral"} or ("hardly" in token.kinds and not others):
            return at
        is_slash = token.text == "/" and at > 0 and bool(tokens[at - 1].kinds & {"without", "hardly"})
        if "filler" in token.kinds or token.text in {"-", "."} or is_slash:
            continue
        if not token.text[0].isalpha() or "joined" in token.kinds or "hardly" in token.kinds:
            return None
        others += 1
        if others > MOST_OTHERS:
            return None
    return None


def _behind(tokens: Sequence[_Token], last: int) -> int | None:
    """Return the place of the word behind "contrast" that says whether and how it was given."""
    is_answer = False
    for at in range(last + 1, min(last + 4, len(tokens))):
        kinds = tokens[at].kinds
        if kinds & {"after_without", "after_given", "enteral"} or (is_answer and kinds & {"without", "no"}):
            return at
        if "filler" not in kinds and tokens[at].text not in {"-", ":", "="}:
            return None
        is_answer |= tokens[at].text in {":", "="}  # "contrast: no"
    return None


def _opposite_before(tokens: Sequence[_Token], found: int, opposite: str) -> int | None:
    """Return the place of "with" in "with and without contrast", and the reverse."""
    wanted = {opposite, "hardly"} if opposite == "without" else {opposite}
    for at in range(found - 1, max(found - 3, -1), -1):
        if tokens[at].kinds & wanted:
            return at
        if "joined" not in tokens[at].kinds:
            return None
    return None


def _last_of_group(tokens: Sequence[_Token], first: int) -> int:
    """Return the last of several words that together name the medium: "injection de produit de contraste"."""
    last = first
    for at in range(first + 1, len(tokens)):
        if _names_contrast(tokens[at]):
            last = at
        elif "filler" not in tokens[at].kinds:
            break
    return last


def _names_contrast(token: _Token) -> bool:
    return bool(token.kinds & {"contrast", "abbreviation"})


def _claim(claim: Claim, words: Sequence[_Token], first: _Token, last: _Token) -> ContrastClaim:
    return ContrastClaim(first.start, last.end, claim, " ".join(token.text for token in words))


def _kinds(text: str, patterns: Sequence[tuple[str, re.Pattern[str]]]) -> frozenset[str]:
    return frozenset(kind for kind, pattern in patterns if pattern.fullmatch(text))


@cache
def _gate(name: str) -> re.Pattern[str]:
    """Compile what a text in one language must contain to be split."""
    language: Language = LANGUAGES[name]
    return re.compile("|".join(map(_bounded, (*language.alone, *language.contrast, *language.abbreviations))))


@cache
def _lexer(name: str) -> tuple[re.Pattern[str], tuple[tuple[str, re.Pattern[str]], ...]]:
    """Compile one language: what splits a text, and the kinds of words."""
    language: Language = LANGUAGES[name]
    kinds = {
        "alone": language.alone,
        "contrast": language.contrast,
        "abbreviation": language.abbreviations,
        "without": language.without,
        "hardly": language.hardly,
        "given": language.given,
        "after_without": language.after_without,
        "after_given": language.after_given,
        "filler": (*language.fillers, INTRAVENOUS),
        "enteral": (ENTERAL,),
        "intravenous": (INTRAVENOUS,),
        "joined": (JOINED,),
        "no": (ANSWER_NO,),
    }
    words = [word for kind, listed in kinds.items() if kind not in {"joined", "no"} for word in listed]
    split = "|".join(map(_bounded, sorted(words, key=len, reverse=True)))
    one_character = "|[\u3040-\u30ff\u3400-\u9fff]" if any(map(_UNSPACED.search, language.contrast)) else ""
    return (
        re.compile(rf"{split}{one_character}|\w+|[^\w\s]"),
        tuple((kind, re.compile("|".join(listed))) for kind, listed in kinds.items() if listed),
    )


def _bounded(word: str) -> str:
    """Let a pattern match whole words only, unless its script has no spaces or it ends in a sign."""
    return f"(?:{word})" if _UNSPACED.search(word) else rf"(?<!\w)(?:{word})(?:(?<=\W)|(?!\w))"
