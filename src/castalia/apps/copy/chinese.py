"""Copy in Chinese from facts: phrases for each role, put together to sentences.

As in english.py, no phrase says more than its role does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from castalia.apps.copy.ending import ending
from castalia.apps.copy.facts import HAN, PRICED, Fact, Product

OPENERS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "friendly": ("来认识一下{name}吧。", "向你介绍{name}。", "你见过{name}吗？"),
    "lively": ("{name}来啦！", "看过来，{name}到了！", "准备好了吗？{name}来了！"),
    "elegant": ("遇见{name}。", "在此呈上{name}。", "{name}，静候你的到来。"),
}
CLOSERS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "friendly": ("喜欢的话，来看看吧。", "合不合心意，看看便知。", "有空就来看看吧。"),
    "lively": ("快来看看吧！", "心动了吗？来看看！", "别光想着，来看一看！"),
    "elegant": ("细节之处，等你慢慢发现。", "愿它合你心意。", "不妨静静端详。"),
}
PRICES: dict[str, tuple[str, ...]] = {
    "plain": ("售价{v}。",),
    "friendly": ("价格是{v}。", "{v}就可以带回家。"),
    "lively": ("只看价格？{v}！", "{v}，带它回家！"),
    "elegant": ("售价{v}。", "价格为{v}。"),
}
OFFER = "活动价{v}，售价{w}。"
CLAUSES: dict[str, tuple[str, ...]] = {
    "material": ("材质为{v}", "选用{v}"),
    "colour": ("颜色是{v}",),
    "style": ("{v}风格", "走的是{v}风格"),
    "pattern": ("带有{v}图案", "饰有{v}图案"),
    "size": ("尺码有{v}",),
    "dimensions": ("尺寸为{v}",),
    "weight": ("重{v}",),
    "capacity": ("容量为{v}",),
    "power": ("功率为{v}",),
    "battery": ("续航{v}",),
    "origin": ("产自{v}",),
    "features": ("{label}有{v}",),
    "use": ("适合{v}", "为{v}而备"),
    "flavour": ("口味是{v}",),
    "warranty": ("质保{v}",),
    "food": ("供应{v}",),
    "area": ("位于{v}",),
    "near": ("靠近{v}",),
    "rating": ("顾客评分{v}",),
}
CHOICE = "有{v}可选"  # of several colours
OTHER, SAID = "{label}为{v}", "{label}：{v}"
IS_A, BY, COMES_BY = "{name}是{brand}一{m}{kind}。", "{brand}的", "{name}出自{brand}。"
HEADLINES = ("{name}：{values}", "{name}｜{values}", "{name}，{values}")
# a value that stands alone, where it is more than itself
BARE: dict[str, tuple[str, ...]] = {
    "use": ("适合{v}",),
    "origin": ("产自{v}",),
    "near": ("靠近{v}",),
    "style": ("{v}风格",),
    "pattern": ("{v}图案",),
    "weight": ("重{v}",),
    "rating": ("顾客评分{v}",),
    "warranty": ("质保{v}",),
}
MEASURES = (
    ("家", re.compile(r"(?:餐厅|饭店|咖啡馆|酒吧|酒店|店|馆)$")),
    ("条", re.compile(r"(?:裙|裤|围巾|毛巾|毯|项链)子?$")),
    ("双", re.compile(r"(?:鞋|靴|袜|手套|筷)子?$")),
    ("件", re.compile(r"(?:衣|衫|外套|夹克|背心|上装|恤)$")),
    ("盏", re.compile(r"灯$")),
    ("本", re.compile(r"(?:书|本|册)$")),
)
PER_SENTENCE = 3


def description(product: Product, facts: Sequence[Fact], tone: str, rng: Random) -> str:
    """All of the facts: what it is, then three to a sentence."""
    identity = _identity(product, "它" if OPENERS[tone] else product.name)
    told = [identity] if identity else []
    return _framed(product, [*told, *_sentences(_clauses(facts, rng))], facts, tone, rng)


def ad(product: Product, facts: Sequence[Fact], tone: str, rng: Random) -> str:
    """A few facts, between an opener and a closer; sometimes as bare values."""
    bare = [one for one in facts if one.role not in PRICED and one.said is not False]
    values = [one.label if one.said else _alone(one) for one in bare]
    if len(values) >= 2 and rng.random() < 0.35:
        told = [f"{'，'.join(values)}。"]
    else:
        told = _sentences(_clauses(bare, rng))
    return _framed(product, told, facts, tone, rng)


def headline(product: Product, facts: Sequence[Fact], tone: str, rng: Random) -> str:
    """One line: the name and two or three values."""
    values = "，".join(
        one.label if one.said else _alone(one) for one in facts if one.said is not False
    )
    return rng.choice(HEADLINES).format(name=product.name, values=values)


def _framed(
    product: Product, told: list[str], facts: Sequence[Fact], tone: str, rng: Random
) -> str:
    if OPENERS[tone]:
        told.insert(0, rng.choice(OPENERS[tone]).format(name=product.name))
    elif not any(product.name in one for one in told):
        told[:1] = [f"{product.name}，{told[0]}"] if told else [f"{product.name}。"]
    told += ending(facts, OFFER, PRICES[tone], CLOSERS[tone], rng)
    return "".join(told)


def _identity(product: Product, name: str) -> str:
    kind, brand = product.value("kind"), product.value("brand")
    new = brand if brand and brand not in product.name else ""
    if kind and kind not in product.name:
        by = BY.format(brand=new) if new else ""
        measure = next((one for one, form in MEASURES if form.search(kind)), "款")
        return IS_A.format(name=name, brand=by, m=measure, kind=kind)
    return COMES_BY.format(name=name, brand=new) if new else ""


def _clauses(facts: Sequence[Fact], rng: Random) -> list[str]:
    told = []
    for one in facts:
        if one.role in ("kind", "brand", *PRICED):
            continue
        if one.said is not None:
            told.append(one.label if one.said else SAID.format(label=one.label, v="否"))
        elif one.role == "colour" and len(one.values) > 1:
            told.append(CHOICE.format(v=_values(one)))
        elif one.role in CLAUSES:
            form = rng.choice(CLAUSES[one.role])
            told.append(form.format(v=_bare(_values(one), form), label=one.label))
        elif HAN.search(one.label):
            told.append(OTHER.format(label=one.label, v=_values(one)))
        else:
            told.append(SAID.format(label=one.label, v=_values(one)))
    return told


def _alone(fact: Fact) -> str:
    form = BARE.get(fact.role, ("{v}",))[0] if fact.role else OTHER
    return form.format(v=_bare(_values(fact), form), label=fact.label)


def _bare(value: str, form: str) -> str:
    """A value without the word that its phrase ends with: 刺绣图案 of "带有{v}图案"."""
    after = form.partition("{v}")[2]
    return value.removesuffix(after) if after and value != after else value


def _sentences(clauses: list[str]) -> list[str]:
    return [
        f"{'，'.join(clauses[place : place + PER_SENTENCE])}。"
        for place in range(0, len(clauses), PER_SENTENCE)
    ]


def _values(fact: Fact) -> str:
    return "、".join(fact.values)
