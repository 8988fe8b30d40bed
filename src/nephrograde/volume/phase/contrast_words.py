"""Words for contrast medium and for its absence, by language: the data of ``negation.py``.

All words are written as ``words.normalise`` leaves them: lower case, no accents, simplified Chinese characters. An
entry may be a pattern, and matches whole words; words of scripts without spaces match anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAIL = "[a-z]{0,12}"
"""The rest of an inflected word."""


@dataclass(frozen=True, slots=True)
class Language:
    """How one language says that contrast medium was given or not.

    Attributes:
        contrast: The contrast medium or its injection, with all endings.
        abbreviations: Abbreviations of it, which mean contrast only beside a word of the other kinds.
        without: Words before it that say that none was given, or not yet.
        hardly: The same, but only directly before it, because the word is short or common: "no", "nie".
        given: Words before it that say that it was given.
        after_without: Words after it that say that none was given, or not yet.
        after_given: Words after it that say that it was given.
        alone: Whole words that say by themselves that none was given, such as those with a negative ending.
        fillers: Words that may separate the others.
    """

    contrast: tuple[str, ...]
    abbreviations: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    hardly: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    after_without: tuple[str, ...] = ()
    after_given: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    fillers: tuple[str, ...] = ()


LANGUAGES: Final[Mapping[str, Language]] = MappingProxyType(
    {
        "English": Language(
            contrast=("contrast", "contr", "con(?:t|tr|trast?)", "contrasted"),
            without=("without", "w ?/? ?o", r"w\. ?o\.?", "lacking", "prior to"),
            hardly=("no", "non", "not", "nil", "zero", "pre", "before"),
            given=("with", "w", "w/", "post", "after", "following"),
            after_without=("none", "free", "less", "not given", "not used", "not administered"),
            alone=("contrastless", "contrastfree"),
            fillers=(
                *("the", "any", "of", "use", "administration", "administered", "given"),
                *("iv", r"i\. ?v\.?", "intravenous(?:ly)?", "agent", "medium", "media", "material", "dye", "iodinated"),
            ),
        ),
        "German": Language(
            contrast=(f"kontrast{_TAIL}",),
            abbreviations=("km", r"k\. ?m\.?"),
            without=("ohne", r"o\.", "keine?[rnms]?"),
            hardly=("vor", r"v\.", "kein", "nicht", "prae", "pra"),
            given=("mit", "nach", r"m\.", r"n\.", "post"),
            after_without=("frei", "los"),
            alone=("kontrastlos[a-z]{0,2}", "kontrastmittelfrei[a-z]{0,2}", "kontrastfrei[a-z]{0,2}"),
            fillers=(f"intravenos{_TAIL}", "iv", r"i\. ?v\.?", "gabe", f"applikation{_TAIL}", "verabreichung", "der"),
        ),
        "Dutch": Language(
            contrast=(f"contrast{_TAIL}",),
            without=("zonder", "geen"),
            hardly=("voor", "niet"),
            given=("met", "na"),
            alone=("blanco", "contrastloos", "contrastloze", "contrastvrij[e]?"),
            fillers=(f"intraveneu{_TAIL}", "toediening", "van"),
        ),
        "Swedish, Danish, Norwegian": Language(
            contrast=(f"kontrast{_TAIL}",),
            without=("utan", "uten", "uden", r"u ?/", r"u\.", "ingen"),
            hardly=("fore", "for", "innan", "ej", "inte", "ikke", "ikkje"),
            given=("med", "efter", "etter", r"m ?/", r"m\."),
            alone=("kontrastfri[a-z]{0,2}", "kontrastlos[a-z]{0,2}"),
            fillers=(f"intraven{_TAIL}", "injektion", "injeksjon", "tillforsel", "tilforsel", "av", "af"),
        ),
        "Finnish": Language(
            contrast=(
                "kontrasti[a-z]{0,6}",
                "tehost(?!am)[a-z]{0,8}",
                f"varjoain(?!eeton|eettom|eetta){_TAIL}",
                f"tehosteain(?!eeton|eettom|eetta){_TAIL}",
            ),
            without=("ilman", "ei"),
            hardly=("ennen",),
            given=("kanssa", "jalkeen"),
            after_without=("ilman",),
            after_given=("jalkeen", "kanssa"),
            alone=(f"varjoaineeton{_TAIL}", f"varjoaineettom{_TAIL}", "varjoaineetta", f"natiiv{_TAIL}"),
            fillers=("laskimonsisais[a-z]*", "iv"),
        ),
        "Estonian": Language(
            contrast=("kontrastaine[a-z]{0,6}",),
            without=("ilma",),
            hardly=("enne",),
            given=("parast",),
            after_without=("ilma",),
            after_given=("parast",),
            alone=("kontrastaineta", "kontrastita"),
        ),
        "Spanish, Catalan, Galician": Language(
            alone=("(?:tac|tc|fase|estudio|abdomen) (?:simple|basal)",),
            contrast=(f"contrast{_TAIL}", f"inyeccion{_TAIL}"),
            abbreviations=("civ", r"c\. ?i\. ?v\.?", "mdc", "c"),
            without=("sin", r"s ?/", "sense", "sen", "antes (?:de|del|da|do)", "abans (?:de|del)"),
            hardly=("no", "ningun", "previo"),
            given=("con", r"c ?/", "amb", "tras", "despues (?:de|del)", "despres (?:de|del)", "post"),
            after_without=("ninguno",),
            fillers=(
                *("el", "la", "de", "del", "medios?", "agente", "sustancia", "administracion", "uso", "yodado"),
                *("intravenoso", "endovenoso", "ev", r"e\. ?v\.?", "iv", "fase"),
            ),
        ),
        "Portuguese": Language(
            contrast=(f"contrast{_TAIL}", "injecao"),
            abbreviations=("civ", "ctr", "mdc", "c"),
            without=("sem", r"s ?/", "antes (?:do|da|de)"),
            hardly=("nao", "nenhum", "pre"),
            given=("com", r"c ?/", "apos", "depois (?:do|da|de)", "pos"),
            fillers=(
                "o",
                "a",
                "do",
                "da",
                "de",
                "meio",
                "administracao",
                "uso",
                "iodado",
                "venoso",
                "endovenoso",
                "ev",
            ),
        ),
        "Italian": Language(
            alone=("basale", "in bianco", r"s\.? ?m\. ?d\. ?c\.?", "smdc"),
            contrast=(f"contrast{_TAIL}", f"iniezion{_TAIL}"),
            abbreviations=("mdc", r"m\. ?d\. ?c\.?", "cdc"),
            without=("senza", r"s ?/", "prima (?:di|del|della|dell)", "assenza (?:di|del)"),
            hardly=("non", "no", "pre"),
            given=("con", r"c ?/", "dopo", "post"),
            fillers=(
                *("il", "la", "l", "di", "del", "dell", "della", "mezzo", "mezzi", "somministrazione", "uso"),
                *("ev", r"e\. ?v\.?", "endovenos[aoe]", "organo ?iodato", "iodato"),
            ),
        ),
        "French": Language(
            contrast=(f"contrast{_TAIL}", f"inject{_TAIL}", "iode", "rehauss[a-z]{1,6}"),
            abbreviations=("pdc", r"p\. ?d\. ?c\.?", "inj", "iv"),
            without=("sans", r"s ?/", "avant", "absence d", "absence de", "pas d", "pas de", "aucune?"),
            hardly=("non", "pre"),
            given=("avec", "apres", r"a ?/", "post"),
            fillers=("l", "d", "de", "du", "des", "produit", "injection", "agent", "iode", "intraveineu[sx]e?", "iv"),
        ),
        "Romanian": Language(
            contrast=(f"contrast{_TAIL}", f"injectar{_TAIL}"),
            abbreviations=("sdc", r"s\. ?d\. ?c\.?"),
            without=("fara", r"f ?/", r"f\.", "inainte (?:de|a)", "inaintea"),
            hardly=("nu", "pre"),
            given=("cu", "dupa", "post"),
            fillers=("substant[ae]i?", "de", "administrar(?:e|ea|ii)", "a", "iv", "mediu", "mediul", "mediului"),
        ),
        "Polish": Language(
            contrast=(f"kontr{_TAIL}", f"wzmocn{_TAIL}"),
            abbreviations=("sc", "ik", r"s\. ?c\.?", "srodka", "srodkiem", "podani[aueo]m?"),
            without=("bez", "przed", "brak", r"b\."),
            hardly=("nie", "nie podano"),
            given=("z", "ze", "po", "w", "wraz z"),
            alone=(f"bezkontr{_TAIL}",),
            fillers=("uzycia", "srodku", f"dozyln{_TAIL}", "cieniujac[a-z]*", "sr"),
        ),
        "Czech, Slovak": Language(
            contrast=(f"kontrast{_TAIL}",),
            abbreviations=("kl", r"k\. ?l\.?"),
            without=("bez", "pred"),
            hardly=("ne", "nie"),
            given=("s", "se", "so", "po"),
            alone=(f"bezkontrast{_TAIL}", f"nekontrast{_TAIL}"),
            fillers=("aplikace", "aplikacie", "aplikaci", "podani[am]?", "podan[iy]a?", "iv", r"i\. ?v\.?", "latky"),
        ),
        "Croatian, Serbian, Slovenian": Language(
            contrast=(f"kontrast{_TAIL}",),
            abbreviations=("ks", r"k\. ?s\.?"),
            without=("bez", "brez", "prije", "pre", "pred"),
            given=("s", "sa", "z", "nakon", "posle", "poslije", "po"),
            alone=(f"bezkontrast{_TAIL}", f"brezkontrast{_TAIL}", f"nekontrast{_TAIL}"),
            fillers=("primjene", "primene", "aplikacije", "sredstva", "iv", r"i\. ?v\.?"),
        ),
        "Hungarian": Language(
            contrast=("kontr?aszt(?!mentes|nelkul)[a-z]{0,12}", "kontrast"),
            abbreviations=("ka", r"k\. ?a\.?", "km"),
            without=("nem", "nincs"),
            given=("post",),
            after_without=("nelkul[a-z]{0,4}", "elott[a-z]{0,3}", "nincs"),
            after_given=("utan[a-z]{0,3}", "val", "adasaval"),
            alone=(
                "kontr?asztmentes[a-z]{0,3}",
                "kontr?asztnelkuli?",
                "kontr?asztanyagmentes[a-z]{0,3}",
                "kontr?asztanyagnelkuli?",
            ),
            fillers=("anyag", "adasa", "beadasa", "iv"),
        ),
        "Turkish": Language(
            contrast=(f"kontras(?!ts[iu]z|siz){_TAIL}", "opak madde"),
            hardly=("pre",),
            given=("post",),
            after_without=(
                *("yok", "oncesi", "verilmeden", "verilmedi", "olmadan", "kullanilmadan", "kullanilmadi"),
                *("vermeden", "maddesiz", "uygulanmadan", "haric"),
            ),
            after_given=("sonrasi", "ile", "verilerek", "sonra", "maddeli", "li"),
            alone=("kontrasts[iu]z[a-z]{0,4}", "kontra[a-z]{0,3}s?[iu]z[a-z]{0,4}", "ilacsiz"),
            fillers=("madde[a-z]{0,4}", "iv", "ajan"),
        ),
        "Lithuanian, Latvian": Language(
            contrast=(f"kontrast{_TAIL}", f"kontrastvi?el{_TAIL}"),
            without=("be", "bez", "pries", "pirms"),
            given=("su", "ar", "po", "pec"),
            fillers=("medziagos", "vielas", "iv"),
        ),
        "Russian, Ukrainian, Bulgarian, Serbian": Language(
            contrast=(r"контраст\w{0,12}", r"усилени\w{0,3}", r"підсилен\w{0,4}"),
            abbreviations=("ку", "кв", "кп"),
            without=("без", r"б ?/", "до", "перед", "преди", "пре", "пред"),
            hardly=("не", "нет"),
            given=("с", "со", "з", "із", "после", "після", "след", "със", "по", "са"),
            after_without=("не вводил[а-я]+", "не применял[а-я]+"),
            alone=(r"(?:без|бес|не)контраст\w{0,12}", r"натив\w{0,8}", r"нативн\w{0,6}"),
            fillers=(
                r"внутривенн\w{0,5}",
                "в ?/ ?в",
                "вв",
                r"введени\w{0,3}",
                r"введенн\w{0,3}",
                r"болюсн\w{0,4}",
                r"вещества?",
            ),
        ),
        "Greek": Language(
            contrast=(r"σκιαγραφ\w{0,12}", r"σκιαστικ\w{0,6}", r"αντιθεσ\w{0,6}"),
            abbreviations=("σκ",),
            without=(r"χωρισ", r"ανευ", r"διχωσ", r"πριν"),
            hardly=(r"μη", r"οχι", r"προ"),
            given=(r"με", r"μετα"),
            fillers=(
                r"τη",
                r"την",
                r"το",
                r"του",
                r"απο",
                r"χορηγηση",
                r"εγχυση",
                r"εγχυσησ",
                r"ενδοφλεβι\w{0,4}",
                r"ουσια\w?",
            ),
        ),
        "Indonesian, Malay, Vietnamese": Language(
            contrast=("kontrast?", "thuoc can quang", "can quang", "tuong phan"),
            without=("tanpa", "belum", "khong", "chua", "truoc", "sebelum"),
            hardly=("non", "tidak"),
            given=("dengan", "co", "sau", "setelah", "sesudah"),
            fillers=("iv", "media", "zat", "tiem", "bom", "dung", "khi"),
        ),
        "Chinese": Language(
            contrast=("对比剂", "造影剂", "增强", "强化", "造影", "注药", "打药", "注射"),
            without=("无", "未", "不", "非", "没有", "没", "免", "禁"),
            after_without=("前",),
            after_given=("后",),
            fillers=("使用", "注射", "注入", "静脉", "给予", "行", "做", "打", "用", "有", "能", "予", "碘"),
        ),
        "Japanese": Language(
            contrast=("造影剤?",),
            without=("非", "無"),
            after_without=("なし", "無し", "せ[ずす]", "不可", "前", "しない"),
            after_given=("あり", "有り", "後"),
            alone=("単純", "单纯"),
            fillers=("使用", "は"),
        ),
        "Korean": Language(
            contrast=("조영제?", "조영 증강"),
            without=("비", "무"),
            after_without=("없이", "없음", "전", "안함", "미사용"),
            after_given=("후", "있음", "사용"),
            alone=("단순",),
            fillers=("증강", "제"),
        ),
        "Hebrew, Arabic, Persian": Language(
            contrast=(
                *("חומר ניגוד", "ניגוד", 'ח"נ', "(?:ال)?تباين", "(?:ال)?صبغ[هة]", "(?:ال)?ظليل[هة]", "(?:ال)?ملون"),
                *("كنتراست", "کنتراست", "ماد[هة] حاجب"),
            ),
            without=("ללא", "בלי", "לפני", "بدون", "دون", "بلا", "قبل"),
            given=("עם", "אחרי", "לאחר", "مع", "بعد", "با", "به همراه"),
            fillers=("חומר", "הזרקת", "(?:ال)?ماد[هة]", "مواد", "حقن", "تزريق", "تزریق", "از"),
        ),
    }
)
"""By language, or by languages that share their words."""

ENTERAL: Final = (
    r"oral\w{0,4}|peroral\w{0,6}|per os|os|p\. ?o\.?|rektal\w{0,4}|rectal\w{0,3}|rettale|retal|enteral\w{0,3}|digestif"
    r"|doustn\w{0,4}|doodbytnic\w{0,5}|перорал\w{0,8}|ректал\w{0,8}|口服|直肠|경구"
)
"""Words that mark oral or rectal contrast, which says nothing about the phase."""

INTRAVENOUS: Final = (
    r"iv|i\. ?v\.?|ev|e\. ?v\.?|oraliv|intraven\w{0,6}|endoven\w{0,4}|dozyln\w{0,3}|внутривен\w{0,6}|静脉"
)
"""Words that mark contrast given into a vein, as in "with oral and IV contrast"."""

ANSWER_NO: Final = "no|none|nein|nee|nej|nei|non|nie|ne|nem|nu|nao|ei|hayir|yok|нет|ні|не|οχι|无|無|없음|tidak|khong"
"""Answers after a colon: "contrast: no"."""

JOINED: Final = (
    r"[&/+,-]|and|or|und|oder|u\.|en|of|och|og|eller|ja|tai|y|e|o|et|ou|si|sau|i|oraz|lub|a|nebo|alebo|ili|in|es|vagy|ve"
    r"|veya|ir|un|и|или|та|і|або|και|dan|va|及|和|与|或|と|및|ו|و|او"
)
"""Words and signs that join "with" and "without"."""
