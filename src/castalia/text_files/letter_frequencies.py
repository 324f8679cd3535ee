"""Letter frequencies of languages, by which encodings are told apart
(text_files/encoding_detection.py).

Letters stand from frequent to rare, as tables of letter frequencies in textbooks have them; only
the order is used. For languages in Latin letters these are the letters beyond ASCII, with their
share of all letters, and short words that texts are full of. Nothing here was fitted to texts.
"""

from __future__ import annotations

from typing import NamedTuple


class Latin(NamedTuple):
    """share: of letters beyond ASCII among all letters; letters: those in lower case; words:
    frequent short ones.
    """

    share: float
    letters: str
    words: frozenset[str]


def _latin(share: float, letters: str, words: str) -> Latin:
    return Latin(share, letters, frozenset(words.split()))


LATIN = {
    "en": _latin(
        0.001,
        "éèïñçàêöüâôëáíóäîûåø",
        "the and of to in that is was it for with a an so if or no i one too out said would "
        "could then than he she they his not on as at by from but had were this be you are "
        "who what which when all there",
    ),
    "fr": _latin(
        0.04,
        "éèàêçôîâûùïëœ",
        "le la les de des du et un une est dans que qui pas il elle nous vous sur pour au aux "
        "avec ne ce se mais ou son sa ses par en je on plus été très où même déjà",
    ),
    "de": _latin(
        0.02,
        "üäöß",
        "der die das und ist nicht ein eine zu den dem von mit im auf für sich es er sie wir "
        "ich auch als an nach aus wie bei noch nur über wenn daß dass man war hat aber oder",
    ),
    "es": _latin(
        0.03,
        "óíáéñúü",
        "el la los las de del y en que un una es se no con por para su al lo como más pero mi "
        "ya está era sin sobre muy cuando todo también hay fue",
    ),
    "pt": _latin(
        0.04,
        "ãçáéíóêõâúàô",
        "o a os as de do da dos das e em no na que um uma é se não com por para ao seu sua "
        "mas mais já são foi como ou até também nem está muito você",
    ),
    "it": _latin(
        0.012,
        "èàòùìé",
        "il la lo gli le di del della che e un una è non in per con su al alla da dal si come "
        "più ma sono era mio nel nella anche ha ho questo perché dopo",
    ),
    "ca": _latin(
        0.03,
        "àéèóíçòúïü",
        "el la els les de del i en que un una és no amb per a al més però com ha va són dels "
        "aquest",
    ),
    "ro": _latin(
        0.06,
        "ăîâşţșț",
        "şi și de la în pe o un cu nu că să din este mai care a se ce dar au pentru sau ca am fost",
    ),
    "nl": _latin(
        0.002,
        "ëéïöüèêá",
        "de het een en van in is dat op te niet zijn met voor hij er aan maar was die ik ze "
        "als naar ook om bij nog over uit",
    ),
    "sv": _latin(
        0.055,
        "äåöéü",
        "och att det i på är en som för av med den inte till han hon var de sig jag ett har "
        "om men så när nu från vi",
    ),
    "fi": _latin(
        0.055,
        "äöåšž",
        "ja on ei se että oli hän mutta kun joka niin vain ovat jo kuin tämä en me olen myös "
        "ole hänen mitä nyt",
    ),
    "da": _latin(
        0.035,
        "øæåéüö",
        "og det at i er en på som af til den de for ikke med han hun var der et jeg vi har om "
        "men så fra når",
    ),
    "is": _latin(
        0.11,
        "íáðóéúýþæö",
        "og að er í á ekki sem það við um var en hann hún til með ég af fyrir þetta þeir",
    ),
    "et": _latin(
        0.05, "äõüöšž", "ja on ei et see ta oli kui ka mis aga ma oma nii siis kes seda meie selle"
    ),
    "lv": _latin(
        0.1,
        "āīēšķļņūžģčō",
        "un ir ka ar no par uz kas viņš bet es to tas nav kā bija arī vai lai pie",
    ),
    "lt": _latin(
        0.07,
        "ėšųžįūąčę",
        "ir yra kad su į iš ne kaip bet tai jis buvo aš per tik jau apie ar nuo savo",
    ),
    "pl": _latin(
        0.075,
        "łęóążśćńź",
        "i w na się nie z do że to o jak jest ale po co tak za od a już był czy są dla go jej "
        "tym przez gdy przy jego",
    ),
    "cs": _latin(
        0.14,
        "íáéěřčšýžůúďťňó",
        "a v na se je že to s z do o k i ale jako by jsem jak za po pro tak byl už není které "
        "co při jeho od dnes jsou když",
    ),
    "sk": _latin(
        0.12,
        "áíčéýžúšľťôóňďäĺŕ",
        "a v na sa je že to s z do o k i ale ako by som za po pre tak bol už nie ktoré čo pri "
        "jeho od",
    ),
    "hu": _latin(
        0.12,
        "áéöóőüíúű",
        "a az és hogy nem is egy van de ez meg csak már ha mint volt még el fel le ki ő én "
        "mert kell aki",
    ),
    "hr": _latin(
        0.03,
        "čšžćđ",
        "i u je na se da su za ne od s o kao što ali iz bi to koji po nije sam već još jer a do",
    ),
    "tr": _latin(
        0.12,
        "ıüşğçöİâî",
        "ve bir bu da de için ne çok ile o gibi daha var ama ben mi olarak kadar her sonra "
        "değil en biz olan",
    ),
    "sq": _latin(0.06, "ëç", "dhe të e në një me për që nuk i se është nga si u do ka por"),
}
# Uppercase that Python's `lower` does not lead back to the letters above.
UPPER_ALONE = "İ"


class Alphabet(NamedTuple):
    """letters: all of a script's letters that the language uses, frequent first; cased: whether
    upper case stands only where words begin.
    """

    letters: str
    cased: bool = True


ALPHABETS = {
    "ru": Alphabet("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"),
    "uk": Alphabet("оаинвтіересклмдупьязгбйчхїжшюцщєфґ"),
    "bg": Alphabet("аеоитнрсвлдкпмзябугъчжшщцхйюф"),
    "sr": Alphabet("аоиенрсјтукдвлпмгзбћчшцжхњљђфџ"),
    "el": Alphabet("αοιετσνηυρπκμλωςγίόέδάήύθφχώβξζψϊϋΐΰ"),
    "he": Alphabet("יוהלארתבשמנםחדקעכפטגסצזןךףץ", cased=False),
    "yi": Alphabet("יואענרדטשלמבגסקזפהןחכםצךתףץ", cased=False),
    "ar": Alphabet("اليمنوترهبفعسدقكحجةشصأطخضىغذثءزإظئؤآ", cased=False),
    "fa": Alphabet("اینردهوتمبسشکلگخفزعقجحپطصغچضثژذظئآء", cased=False),
    "th": Alphabet("านรอกเงมยลวดทส่้ตะปิบคัหขแจพชีใไผโ็ูุซื์ถำญณศธภฐษึฟๆฉฝฎฆฬ๊๋ฮฏฌฑฒฤ", cased=False),
}

# The most frequent characters of Chinese texts of our time, about three quarters of what is
# written.
FREQUENT_HANS = (
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主"
    "行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走"
    "电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常"
    "提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每"
    "青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未"
    "持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏晚饭茶雨夜春秋雪桥船鸟鱼树"
)
# The same in traditional form, where they differ, and the rest as they are: see `traditional`.
_DIFFER = dict(
    zip(
        "这来个国说们为时会着过学对后么没于还发当无开经头面从动两长样现将与进实点种声话儿问机给几业间"
        "什电门东真听气关并内产万总场师书员华报马张难数应亲务边风战干觉统请爱让认论义术连远资队带条变联"
        "权领传红决达办运强区转众轻语满写识极脸钱党设双历广议际则单据导网专争组济虽坏里热",
        "這來個國說們為時會著過學對後麼沒於還發當無開經頭面從動兩長樣現將與進實點種聲話兒問機給幾業間"
        "什電門東真聽氣關並內產萬總場師書員華報馬張難數應親務邊風戰幹覺統請愛讓認論義術連遠資隊帶條變聯"
        "權領傳紅決達辦運強區轉眾輕語滿寫識極臉錢黨設雙歷廣議際則單據導網專爭組濟雖壞裡熱",
        strict=True,
    )
)
FREQUENT_HANT = "".join(_DIFFER.get(character, character) for character in FREQUENT_HANS)
FREQUENT_HIRAGANA = "のいしたにてとはるをなかがでっくきりうらもまれこすあさそつだおけみよどちめわえじんばやせろずひほむぶぎふごねげべびへ"  # noqa: E501
FREQUENT_KANJI = (
    "日一人年大国会中本出上生事子分行時者自見物思手方間的地気前学言女場何今心小高目話家下知入後東所立開長名社同体動部定月金力"
    "書来男世三代明業回用最外合新神通意度理実全水先性発田主対法当山内作二経戦化関要現正表不声情公文強相京都車海夜母父町駅屋"
)
FREQUENT_HANGUL = (
    "이다는의에을가고하지로사한기은도리아를자어그인시나대서들있해일수정것라니보게부상구여장만전제주원우면과스오으않세안간요마무소와바생"
    "비문동모유미말신경거선발국연조중성내려화실적관학물회방야저개산더위분진알음년또했었았겠습던때까네데까없되많같된며였런러운른못번"
)


def traditional(text: str) -> str:
    """The frequent characters of `text` in traditional form."""
    return "".join(_DIFFER.get(character, character) for character in text)
