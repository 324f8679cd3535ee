"""Words that say nothing of a product: those of our own phrases, and the small words of a language.

A text may consist of these and of its product's facts; every other word has to be proved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from castalia.apps.copy import chinese, english

SMALL_ENGLISH = frozenset(
    re.findall(
        r"\S+",
        """a an and are as at be been but by can do does for from has have here how i if in into
        is it its it's let let's made make me my of on one or our out over own so that
        the their them then there these they this those to up us was we what when
        where which who will with you your yours you'll you're we're that's here's
        about add also any ask both buy call card cart choose click day days decide
        details discover each feel find get give go happy hello help hi home just keep
        know like list look maybe meet need now offer order pick place please
        price product ready say see shop show size start store take tell thank
        thanks today together too try use want wear whether while yes yet available
        comes costs features featuring designed piece pieces item items needs plus
        simply everything something anything introducing present invite style time
        side part parts brings bring put puts gives located situated found called named
        known rated rate priced prices serve serves serving offers offering provides
        providing venue establishment location along next within cost""",
    )
)
SMALL_CHINESE = frozenset(
    re.findall(
        r"\S+",
        """的 了 吗 呢 吧 啊 哦 是 有 在 也 和 与 及 或 而 还 就 都 把 被 让 给 从 到 向
        为 以 于 对 这 那 它 你 您 我 我们 你们 他们 这款 这件 这条 这双 那款 一款 一件
        一条 一双 一种 一个 一份 本品 产品 商品 品牌 来自 出自 采用 选用 使用 配有 带有
        设有 具有 拥有 饰有 可以 可 能 想 要 会 请 看 看看 来 去 带 穿 搭配 适合 用于
        适用于 可选 颜色 材质 风格 图案 尺码 尺寸 重量 容量 产地 价格 售价 款式 类型
        设计 面料 元素 细节 部分 选择 了解 详情 更多 欢迎 喜欢 一起 现在 今天 今年 生活
        日常 时 时候 里 上 下 中 后 前 之 其 并 且 以及 同时 此外 另外 如果 不妨 让你
        给你 为你 共 约 等 种 款 件 条 双 个 只 家 处 位于 靠近 供应 提供 介绍
        着 起 将 用 又 既 加 出 加上 整体 结合 运用 搭 配 做 成 打造""",
    )
)
NEGATIONS = frozenset(re.findall(r"\S+", "not no never without none nor neither non"))


@cache
def english_words() -> frozenset[str]:
    """Small letters."""
    found = {
        word.lower()
        for text in _texts(english)
        for word in re.findall(r"[a-zA-Z']+", re.sub(r"\{\w+\}", " ", text))
    }
    return frozenset((found | SMALL_ENGLISH) - NEGATIONS)


@cache
def chinese_pieces() -> frozenset[str]:
    """Runs of characters between the places of a phrase."""
    found = {
        piece
        for text in _texts(chinese)
        for piece in re.split(r"\{\w+\}|[^\u3400-\u9fff]+", text)
        if piece
    }
    return frozenset(found | SMALL_CHINESE | {"一" + measure for measure, _ in chinese.MEASURES})


def _texts(module: Any) -> Iterator[str]:
    """The phrases that a module declares: its constants in capitals."""
    for name, value in vars(module).items():
        if not name.isupper() or name in ("PRICED", "MEASURES"):
            continue
        values = value.values() if isinstance(value, dict) else [value]
        for one in values:
            yield from one if isinstance(one, tuple) else (str(one),)
