"""What a column of a table of products is about, by its name in English or Chinese.

A role decides which sentence a value may stand in. A column without a role is still a fact: it is
written as "label: value".
"""

from __future__ import annotations

import re
from unicodedata import normalize

NAMES: dict[str, tuple[str, ...]] = {
    "name": (
        "name",
        "product",
        "product name",
        "title",
        "品名",
        "名称",
        "商品",
        "产品",
        "商品名称",
        "产品名称",
    ),
    "id": ("sku", "id", "item", "article", "编号", "货号", "商品编号"),
    "brand": ("brand", "maker", "manufacturer", "品牌", "牌子", "厂商"),
    "kind": ("type", "kind", "category", "product type", "eattype", "类型", "类别", "品类", "种类"),
    "price": ("price", "售价", "价格", "单价"),
    "sale": ("sale price", "offer price", "促销价", "优惠价", "活动价"),
    "currency": ("currency", "币种", "货币"),
    "colour": ("colour", "color", "colours", "colors", "颜色", "色彩"),
    "material": ("material", "fabric", "materials", "材质", "面料", "材料"),
    "style": ("style", "look", "风格"),
    "pattern": ("pattern", "print", "图案", "花纹"),
    "size": ("size", "sizes", "尺码"),
    "dimensions": ("dimensions", "measurements", "尺寸", "规格"),
    "weight": ("weight", "重量", "净重"),
    "capacity": ("capacity", "volume", "容量", "净含量"),
    "power": ("power", "功率"),
    "battery": ("battery life", "续航", "续航时间"),
    "origin": ("origin", "made in", "country of origin", "产地", "原产地"),
    "features": ("feature", "features", "details", "特点", "配件", "功能", "细节"),
    "use": ("use", "occasion", "made for", "suitable for", "用途", "场合", "适用场景", "适合"),
    "flavour": ("flavour", "flavor", "taste", "口味", "味道"),
    "warranty": ("warranty", "guarantee", "质保", "保修"),
    "food": ("food", "cuisine", "菜系"),
    "area": ("area", "location", "地区", "位置"),
    "near": ("near", "附近"),
    "rating": ("customer rating", "rating", "评分", "顾客评分"),
}
ROLES = {name: role for role, names in NAMES.items() for name in names}
# of whom a table says more than one word; the others are said once
ONE = ("name", "id", "brand", "kind", "price", "sale", "currency", "weight", "capacity", "power")
YES = frozenset(("yes", "true", "y", "是", "有", "✓", "√"))
NO = frozenset(("no", "false", "n", "否", "无", "✗", "×"))
_UNIT = re.compile(r"^(.*?)\s*[(（\[]\s*([^()（）\[\]]+?)\s*[)）\]]$")


def plain(label: str) -> str:
    """A label as labels are compared."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", normalize("NFKC", label))
    return " ".join(spaced.replace("_", " ").split()).casefold()


def unit_of(header: str) -> tuple[str, str]:
    """("weight", "g") of "weight (g)"."""
    match = _UNIT.match(header.strip())
    return (match[1], match[2]) if match else (header.strip(), "")


def role_of(label: str) -> str:
    """ "" for a column that none of the names fits."""
    return ROLES.get(plain(label), ROLES.get(plain(label).replace(" ", ""), ""))
