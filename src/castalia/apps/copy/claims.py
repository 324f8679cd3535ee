"""What advertisements may not say, by rule, with the source of each.

A rule is a list of expressions; it names what it is taken from, not what a court would decide.
Whether a claim is allowed often depends on proof that is not in a table: what is listed here is
refused, what is not may still be forbidden. Rules of both languages hold for every text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from castalia.apps.copy.facts import folded
from castalia.sentences import Message, say


@dataclass(frozen=True)
class Rule:
    """id: as errors name it. source: the law or code, with its article."""

    id: str
    source: Message
    form: re.Pattern[str]


@dataclass(frozen=True)
class Claim:
    rule: Rule
    words: str
    start: int


def _form(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


RULES = (
    Rule(
        "cn-absolute",
        say(
            "Advertising Law of China, article 9 (3): no “national level”, “highest level”, “best” "
            "and the like; guideline of the market regulator of 2023 on absolute terms"
        ),
        _form(
            r"国家级|世界级|宇宙级|最高级|全国第一|全网第一|销量第一|排名第一|行业第一|第一品牌|"
            r"(?<!第)(?:唯一|独一无二|独家|绝无仅有|史无前例|前无古人|空前绝后|万能|极品|顶级|"
            r"顶尖|至尊|王牌|之王|之最|巅峰|首选|首个|首家|冠军|遥遥领先|领导品牌|"
            r"永久|百分之?百(?!的?(?:纯|全|棉|羊|真))|绝对)|"
            r"最(?!近|后|初|终|多可|少|低温度|高温度|小尺寸|大尺寸|长边|大承重|大容量|大功率)"
            r"[\u4e00-\u9fff]"
        ),
    ),
    Rule(
        "cn-medical",
        say(
            "Advertising Law of China, article 17: only advertisements of medicine may speak of "
            "treating diseases or use medical terms"
        ),
        _form(
            r"治疗|治愈|根治|疗效|疗程|药效|药用|处方|医用|消炎|杀菌|抑菌|抗菌|抗癌|防癌|止痛|镇痛|降血压|降血糖|"
            r"降血脂|降糖|降压|排毒|解毒|活血|化瘀|祛湿|补肾|壮阳|预防疾病|防病|治病|增强免疫|提高免疫|"
            r"改善睡眠|助眠|减肥|(?<!胖)瘦身(?!型)|燃脂|延缓衰老|抗衰老|祛斑|生发|丰胸"
        ),
    ),
    Rule(
        "cn-guarantee",
        say(
            "Advertising Law of China, articles 16 and 18: no assertion or guarantee of effect or "
            "safety"
        ),
        _form(
            r"保证有效|有效率|无效退款|安全无副作用|无副作用|无毒副作用|立竿见影|立即见效|永不反弹|包治"
        ),
    ),
    Rule(
        "eu-absolute",
        say(
            "Directive 2005/29/EC, articles 6 and 12: claims that mislead or cannot be proved; CAP "
            "Code 3.7 and 3.11"
        ),
        _form(
            r"\b(?:the )?(?:world[’']?s|europe[’']?s|country[’']?s|market[’']?s)? ?"
            r"(?:best|finest|greatest|cheapest|safest|strongest|fastest|lightest|softest|"
            r"(?<=the )most \w+|most \w+ in the world)\b(?! before)|\bno\.? ?1\b|\bnumber one\b|"
            r"#1\b|\bunique\b|"
            r"\bunbeatable\b|\bunrivall?ed\b|\bunmatched\b|\bperfect(?:ly)?\b|\bultimate\b|"
            r"\b100 ?%(?![的纯全棉羊真]| (?:cotton|wool|linen|silk|leather|polyester|cashmere|"
            r"arabica|recycled|bamboo|down))|\bguaranteed?\b|"
            r"\bonly [\w-]+ (?:that|in|on) the (?:world|market)\b|"
            r"\balways works\b|\bforever\b|\brisk[- ]free\b|\bmiracle\b|\bmiraculous\b"
        ),
    ),
    Rule(
        "eu-cures",
        say(
            "Directive 2005/29/EC, annex I, 17, and Regulation (EU) 1169/2011, article 7 (3): no "
            "product may be said to cure, treat or prevent disease"
        ),
        _form(
            r"\bcur(?:e|es|ed|ing)\b|\bheal(?:s|ed|ing)?\b|\btreat(?:s|ed|ment of|ing)? (?:\w+ )?"
            r"(?:disease|illness|pain|acne|eczema|cancer|diabetes|anxiety|depression)\w*|"
            r"\bprevents? (?:\w+ )?(?:disease|illness|cancer|infection|colds?|flu)\w*|"
            r"\brelieves? (?:\w+ )?(?:pain|stress|anxiety|headaches?)\b|\btherapeutic\b|"
            r"\bclinically (?:proven|tested)\b|\bdoctors? recommend\w*|\banti-?(?:cancer|viral)\b"
        ),
    ),
    Rule(
        "eu-health",
        say(
            "Regulation (EC) 1924/2006, articles 10 and 12: no health claim that is not "
            "authorised, no rate of weight loss"
        ),
        _form(
            r"\bboosts? (?:\w+ )?(?:immun\w+|metabolism|energy)|\bimmune system\b|\bdetox\w*|"
            r"\bburns? fat\b|\bfat[- ]burning\b|\bslimming\b|"
            r"\blos(?:e|es|ing) (?:\d+ \w+|weight)\b|\bweight loss\b|"
            r"\blowers? (?:\w+ )?(?:cholesterol|blood pressure|blood sugar)\b|"
            r"\banti-?age?ing\b|\bhealthier\b|\bhealthy\b|\bgood for (?:your |the )?"
            r"(?:heart|health|skin|gut)\b|\bsuperfood\b"
        ),
    ),
    Rule(
        "eu-green",
        say(
            "Directive (EU) 2024/825: no generic environmental claim without proof; FTC Green "
            "Guides, 16 CFR 260.4"
        ),
        _form(
            r"\beco-?friendly\b|\benvironment(?:ally)?[- ]friendly\b|\bclimate[- ]neutral\b|"
            r"\bcarbon[- ]neutral\b|\bsustainable\b|\bgreen product\b|\bplanet[- ]friendly\b"
        ),
    ),
)


def claims(text: str) -> Iterator[Claim]:
    """The forbidden claims of a text, rule by rule."""
    flat = folded(text)
    for rule in RULES:
        for match in rule.form.finditer(flat):
            yield Claim(rule, match[0].strip(), match.start())
