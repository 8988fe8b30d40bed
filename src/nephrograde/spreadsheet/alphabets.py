"""Letters, characters and words of hospital tables by language: the data of ``spreadsheet/encoding.py``."""

from __future__ import annotations

from typing import Final


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


COMMON: Final[dict[str, frozenset[str]]] = {
    "gb18030": frozenset(
        "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉林律叫且究观越织装影算低持音众书布复容儿须际商非验连断深难近矿千周委素技备半办青省列习响约支般史感劳便团往酸历市克何除消构府称太准精值号率族维划选标写存候毛亲快效斯院查江型眼王按格养易置派层片始却专状育厂京识适属圆包火住调满县局照参红细引听该铁价严"
        "病案号历住院门诊患者编登记姓名性别男女出生日期年龄手术时间病理级核分肿瘤肾癌透明细胞左右侧直径最大长厘米毫体积影像检查平扫皮髓质实期动静脉延迟备注科室床医师诊断结果阳阴随访死亡复发转移李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文伟芳娜敏静丽强磊军洋勇艳杰娟涛超秀英华慧红玉兰明霞平刚桂斌鹏飞玲丹波雪云辉梅海燕宁春建国志宇浩然欣怡梓涵晨曦甲乙丙丁路径"
    ),
    "cp950": frozenset(
        "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所民得經十三之進著等部度家電力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四日那社義事平形相全表間樣與關各重新線內數正心反你明看原又利比或但質氣第向道命此變條只沒結解問意建月公無系軍很情者最立代想已通並提直題程展五果料象員革位入常文總次品式活設及管特件長求老頭基資邊流路級少圖山統接知較將組見計別她手角期根論運指幾九區強放決西被幹做必戰先回則任取據處隊南給色光門即保治北造百規熱領七海口東導器壓志世金增爭濟階油思術極交受聯什認六共權收證改清己美再採轉更單風切打白教速花帶安場身車例真務具萬每目至達走積示議聲報完類八離華名確才科張信馬節話米整空元況今集溫傳土許步群廣石記需段研界"
        "病歷號案住院門診患者編登記姓名性別男女出生日期年齡手術時間病理級核分腫瘤腎癌透明細胞左右側直徑最大長厘米毫體積影像檢查平掃皮髓質實期動靜脈延遲備註科室床醫師診斷結果陽陰隨訪死亡復發轉移李王張劉陳楊趙黃周吳徐孫胡朱高林何郭馬羅梁宋鄭謝韓唐馮于董蕭程曹袁鄧許傅沈曾彭呂蘇盧蔣蔡賈丁魏薛葉閻余潘杜戴夏鍾汪田任姜范方石姚譚廖鄒熊金陸郝孔白崔康毛邱秦江史顧侯邵孟龍萬段雷錢湯尹黎易常武喬賀賴龔文偉芳娜敏靜麗強磊軍洋勇艷傑娟濤超秀英華慧紅玉蘭明霞平剛桂斌鵬飛玲丹波雪雲輝梅海燕寧春建國志宇浩然欣怡淑美惠雅婷家豪俊賢宏冠怡君佳蓉"
    ),
    "cp932": frozenset(
        "患者氏名番号性別男女生年月日齢手術病理組織診断分類腫瘍径最大右左側腎癌淡明細胞核異型度撮影造影単純動脈静脈相備考検査結果院科医師画像体積長短期間再発転移死亡田中山本佐藤鈴木高橋渡辺伊小林加吉斎松井上村清水石川前後藤原岡野島谷崎坂久保西東南北大森林池阿部橋内宮木三浦近藤遠長谷部服部新福平和子一郎太次三美恵由紀真智裕之介雄夫幸孝正明博史健洋直樹隆志誠浩二"
    ),
    "cp949": frozenset(
        "환자이름성명별나연령등급병리번호수술일종양크기세포암신장좌우측남여생년월최대직경영상검사조김박최정강조윤임한오서권황안송류전홍고문양손배백허유남심노하곽차주우구민진지나영수현준은경미숙희철호동상재원혜선민정윤아라도의사과록핵판독결분출"
    ),
}
"""Characters of running text, headings, surnames and given names."""

SINGLE_BYTE: Final[dict[str, tuple[str, ...]]] = {
    "cp1252": ("de", "fr", "es", "pt", "it", "nordic"),
    "cp1250": ("de", "pl", "cs", "sk", "hu", "hr", "ro"),
    "iso8859_2": ("pl", "cs", "sk", "hu", "hr", "ro"),
    "cp1254": ("tr",),
    "cp1251": ("ru", "uk", "bg", "sr"),
    "cp1253": ("el",),
    "koi8_u": ("ru", "uk"),
    "cp866": ("ru", "uk"),
    "cp1255": ("he",),
    "cp1256": ("ar",),
    "cp1257": ("lt", "lv", "et"),
    "iso8859_5": ("ru", "bg", "sr"),
    "mac_cyrillic": ("ru", "uk", "bg"),
    "mac_roman": ("de", "fr", "es", "pt", "it", "nordic"),
    "cp850": ("de", "fr", "es", "pt", "it", "nordic"),
    "cp852": ("pl", "cs", "sk", "hu", "hr", "ro"),
}
"""Languages that are written in each encoding with one byte per letter."""

ALPHABETS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "de": (frozenset("äöüß"), frozenset("é")),
    "fr": (frozenset("éèàêçî"), frozenset("âùûôëïüœæÿ")),
    "es": (frozenset("áéíóúñ"), frozenset("üºª")),
    "pt": (frozenset("ãáéíçóêõ"), frozenset("âôúàºª")),
    "it": (frozenset("àèéìòù"), frozenset("îº")),
    "nordic": (frozenset("åäöæø"), frozenset("éüð")),
    "pl": (frozenset("ąćęłńóśżź"), frozenset()),
    "cs": (frozenset("áčéěířšžýů"), frozenset("ďňóťú")),
    "sk": (frozenset("áčéíľšťžýú"), frozenset("äďĺňóôŕ")),
    "hu": (frozenset("áéíóöőúüű"), frozenset()),
    "hr": (frozenset("čćšžđ"), frozenset()),
    "ro": (frozenset("ăâîşţ"), frozenset()),
    "tr": (frozenset("çğıöşü"), frozenset("âîi̇")),
    "ru": (frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюя"), frozenset("ё")),
    "uk": (frozenset("абвгдежзийклмнопрстуфхцчшщьюяіїє"), frozenset("ґ")),
    "bg": (frozenset("абвгдежзийклмнопрстуфхцчшщъьюя"), frozenset()),
    "sr": (frozenset("абвгдђежзијклљмнњопрстћуфхцчџш"), frozenset()),
    "el": (frozenset("αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώ"), frozenset("ϊϋΐΰ")),
    "he": (frozenset("אבגדהוזחטיךכלםמןנסעףפץצקרשת"), frozenset()),
    "ar": (frozenset("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي"), frozenset("پچژگ")),
    "lt": (frozenset("ąčęėįšųūž"), frozenset()),
    "lv": (frozenset("āčēīšūž"), frozenset("ģķļņ")),
    "et": (frozenset("äõöüšž"), frozenset()),
}
"""Letters outside ASCII by language: the usual ones, and the rare ones."""

FREQUENT: Final[dict[str, frozenset[str]]] = {
    "ru": frozenset("оеаинтсрвлкмдпуья"),
    "uk": frozenset("оаинвіртсклумдпея"),
    "bg": frozenset("аиоетнрсвлкдпмзъу"),
    "sr": frozenset("аиоенрстјувкдпмлз"),
    "el": frozenset("αοιετσνηυρπκμλςωάόί"),
    "he": frozenset("יוהלארמנבתשדםק"),
    "ar": frozenset("اليمنوترهبدعسحفكق"),
}
"""The letters that make up four fifths of a text, in alphabets outside ASCII."""

WORDS: Final[dict[str, frozenset[str]]] = {
    "de": _listed("größe tumorgröße männlich geschlecht für müller jäger schröder krüger köhler günther"),
    "fr": _listed("âge prénom né née décès numéro opéré tumorale côté médecin opération"),
    "es": _listed("años tamaño cirugía número género niña histología garcía martínez lópez gonzález"),
    "pt": _listed("mês não tamanho nódulo cirurgião são joão operação número gênero"),
    "it": _listed("età dimensione metà perché lesione"),
    "nordic": _listed("kön ålder storlek födelse køn fødselsdato størrelse år kjønn alder mål sjögren"),
    "pl": _listed(
        "imię płeć wielkość mężczyzna wiek stopień złośliwości długość wysokość nerka żylna tętnicza łódź urodził "
        "średnica wiśniewski wójcik kamiński lewandowski zieliński woźniak dąbrowski kozłowski"
    ),
    "cs": _listed("věk pohlaví muž žena jméno příjmení velikost číslo pacienta stupeň novák dvořák černý"),
    "sk": _listed("vek pohlavie muž žena meno priezvisko veľkosť číslo stupeň"),
    "hu": _listed("nő férfi név életkor műtét ideje méret szövettan sorszám kór jegyzet születési"),
    "hr": _listed("veličina muško žensko životna dob šifra povijest bolesti kovačević marić"),
    "ro": _listed("vârstă vârsta bărbat femeie mărime fără tumoră operaţie naştere număr"),
    "tr": _listed(
        "yaş yaşı adı soyadı hasta doğum ameliyat tümör çapı kadın erkek hastalık yılmaz şahin yıldız öztürk"
    ),
}
"""Words with such letters in headings and cells."""
