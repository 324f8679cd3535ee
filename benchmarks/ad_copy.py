"""What advertisements from facts say that the facts do not: 1,000 drawn of each table, looked at
by a second and simpler reader; and how many of the things planted into them the checker finds.

    python benchmarks/ad_copy.py DATA       DATA: the folder of e2e_restaurant_copy/ and
                                            advertisegen_zh/, whose attributes are the facts

Two more tables are made: goods with weights, sizes and prices, in English and Chinese. The second
reader knows no rule of the checker: every number has to be in the product's row, and every word in
it or in the phrases. Planted are a changed number, one more, another unit, another name, a word of
another product, praise, a forbidden claim and personal data, one in each text. The texts that
people wrote for the same attributes are checked as well, which says how strict the checker is: they
say more than the attributes. Its list of small words was made with others of these texts.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import castalia
from castalia.apps.copy.checking import check, words_of
from castalia.apps.copy.facts import Product, folded
from castalia.apps.copy.making import FORMS, TONES, Text
from castalia.apps.copy.products import products
from castalia.apps.copy.vocabulary import chinese_pieces, english_words
from castalia.apps.copy.writing import write
from machine import write_result

SEED, WANTED, PEOPLE = 0, 1000, 500
Row = dict[str, str]
PLANTED = {
    "en": {"name": "Zanzibar", "praise": "soft", "claim": "the best", "unit": "3 kg"},
    "zh": {"name": "赛博朋克", "praise": "柔软", "claim": "全网第一", "unit": "3千克"},
}
PERSONAL = "13812345678"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, language, (rows, people) in (
            ("restaurants", "en", _restaurants(folder)),
            ("clothes", "zh", _clothes(folder)),
            ("goods", "en", (_goods("en"), {})),
            ("goods, Chinese", "zh", (_goods("zh"), {})),
        ):
            table = Path(place) / f"{len(results)}.csv"
            _save(table, rows)
            results[name] = _judged(table, language, people)
        many = Path(place) / "many.csv"
        goods = _goods("en")
        _save(
            many, [{**row, "name": f"{row['name']} {turn}"} for turn in range(40) for row in goods]
        )
        begun = time.process_time()
        _, counted = write(castalia.copy(many, n=1), Path(place) / "out", "en")
        results["many"] = {
            "products": counted.products,
            "texts": counted.texts,
            "cpu_seconds": round(time.process_time() - begun, 1),
        }
    write_result("ad_copy", results, seeds=[SEED])
    return 0


def _judged(table: Path, language: str, people: dict[str, list[str]]) -> dict[str, Any]:
    made = castalia.copy(table, tone=TONES, form=FORMS, n=1, language=language, seed=SEED)
    every = [one for one in made if isinstance(one, Text)]
    rng = random.Random(SEED)
    drawn = rng.sample(every, min(WANTED, len(every)))
    known = {one.name: one for one in products(table) if isinstance(one, Product)}
    words = {name: words_of(one) for name, one in known.items()}
    every_word = set[str]().union(*words.values())
    invented = sum(bool(_strange(one, known[one.name], language)) for one in drawn)
    found: dict[str, Counter[str]] = {}
    for one in drawn:
        for kind, spoilt in _planted(one, known, language, rng):
            product = known[one.name]
            caught = bool(check(spoilt, product, every_word - words[one.name]))
            found.setdefault(kind, Counter())["found" if caught else "missed"] += 1
    described = [one for one in drawn if one.form == "description"]
    human = [(name, text) for name, texts in people.items() for text in texts][:PEOPLE]
    rules = Counter(
        rule
        for name, text in human
        if name in known
        for rule in {finding.rule for finding in check(text, known[name], every_word - words[name])}
        or {"proved"}
    )
    return {
        "products": len(known),
        "texts": len(drawn),
        "different": len({one.words for one in drawn}),
        "invented": invented,
        "facts_said": sum(one.says for one in described),
        "facts": sum(one.facts for one in described),
        "planted": {kind: dict(counts) for kind, counts in found.items()},
        "people": {"texts": len(human), **rules},
    }


def _strange(one: Text, product: Product, language: str) -> list[str]:
    """What a simple reader does not find in the row or in the phrases."""
    row = folded(" ".join(product.phrases)).lower()
    text = folded(one.words)
    missing = [number for number in re.findall(r"\d+(?:\.\d+)?", text) if number not in row]
    words = re.findall(r"[A-Za-z]+(?:'[a-z]+)?", text)
    missing += [
        word for word in words if word.lower() not in english_words() and word.lower() not in row
    ]
    if language == "zh":
        rest = text
        for piece in sorted({*map(folded, product.phrases), *chinese_pieces()}, key=len)[::-1]:
            rest = rest.replace(piece, " ")
        missing += re.findall(r"[\u4e00-\u9fff]+", rest)
    return missing


def _planted(
    one: Text, known: dict[str, Product], language: str, rng: random.Random
) -> Iterator[tuple[str, str]]:
    """(kind, the text with one thing planted)."""
    words, own = one.words, folded(" ".join(known[one.name].phrases))
    between = "" if language == "zh" else " "
    said = PLANTED[language]

    def behind(what: str) -> str:
        ends = [match.end() for match in re.finditer(r"[,，。!！?？]|\.(?=\s|$)", words)]
        place = rng.choice(ends or [len(words)])
        return f"{words[:place]}{between}{what}{between}{words[place:]}"

    yield (
        "one more number",
        behind(str(rng.choice([n for n in range(10, 99) if str(n) not in own]))),
    )
    name = known[one.name].name
    spots = [
        match
        for match in re.finditer(r"(?<!\.)\d+", words)
        if not words[: match.end()].endswith(name[-4:])
    ]
    if spots:
        spot = rng.choice(spots)
        changed = str(int(spot[0]) + rng.randint(1, 9))
        if changed not in own:
            yield "a changed number", f"{words[: spot.start()]}{changed}{words[spot.end() :]}"
    yield "unit", behind(said["unit"])
    yield "name", behind(said["name"])
    yield "praise", behind(said["praise"])
    yield "claim", behind(said["claim"])
    yield "personal data", behind(PERSONAL)
    other = known[rng.choice([name for name in known if name != one.name])]
    strange = [
        value
        for fact in other.facts
        for value in fact.values
        if folded(value).lower() not in own.lower() and fact.role not in ("kind",)
    ]
    if strange:
        yield "another product's", behind(rng.choice(strange))


def _goods(language: str) -> list[Row]:
    """250 made products, most of whose facts are numbers."""
    rng = random.Random(SEED)
    english = language == "en"
    heads = (
        ("name", "brand", "type", "colour", "material", "weight (g)", "capacity", "power", "price")
        if english
        else ("名称", "品牌", "类型", "颜色", "材质", "重量（克）", "容量", "功率", "价格")
    )
    words = {
        "en": (["kettle", "jug", "lamp"], ["sand", "navy"], ["steel", "oak"], "l", "W", "€"),
        "zh": (
            ["水壶", "保温杯", "台灯"],
            ["沙色", "藏青色"],
            ["不锈钢", "橡木"],
            "升",
            "瓦",
            "元",
        ),
    }[language]
    rows = []
    for number in range(250):
        name = "".join(rng.choice("bdfklmnrst") + rng.choice("aeiou") for _ in range(3)).title()
        price = rng.randint(20, 900)
        values = (
            f"{name}{chr(97 + number % 26)}",
            f"{name[:2]}vo",
            *(rng.choice(words[place]) for place in (0, 1, 2)),
            str(rng.randint(100, 2500)),
            f"{rng.randint(1, 9)}.{rng.randint(1, 9)} {words[3]}",
            f"{rng.randint(40, 2400)} {words[4]}",
            f"{words[5]}{price}" if english else f"{price}{words[5]}",
        )
        rows.append(dict(zip(heads, values, strict=True)))
    return rows


def _restaurants(folder: Path) -> tuple[list[Row], dict[str, list[str]]]:
    """The attributes of E2E, one row a set of them, and what people wrote."""
    rows: dict[str, Row] = {}
    people: dict[str, list[str]] = {}
    keys: dict[str, str] = {}
    with (folder / "e2e_restaurant_copy" / "e2e_devset.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            facts = dict(re.findall(r"(\w[\w ]*?)\[([^\]]*)\]", line["mr"]))
            name = keys.setdefault(line["mr"], f"{facts['name']} {len(keys) + 1}")
            rows[name] = {
                "name": name,
                "type": facts.get("eatType", "restaurant"),
                "food": facts.get("food", ""),
                "price range": facts.get("priceRange", ""),
                "customer rating": facts.get("customer rating", ""),
                "area": facts.get("area", ""),
                "family friendly": facts.get("familyFriendly", ""),
                "near": facts.get("near", ""),
            }
            people.setdefault(name, []).append(line["ref"].replace(facts["name"], name))
    return list(rows.values()), people


def _clothes(folder: Path) -> tuple[list[Row], dict[str, list[str]]]:
    """The attributes of AdvertiseGen, one row a product, and what people wrote."""
    lines = (folder / "advertisegen_zh" / "ads.jsonl").read_text("utf-8").splitlines()
    columns = ["name", "类型", "材质", "颜色", "风格", "图案"]
    rows, people = list[Row](), dict[str, list[str]]()
    for number, line in enumerate(lines, 1):
        whole = json.loads(line)
        facts: dict[str, list[str]] = {}
        for part in whole["content"].split("*"):
            label, _, value = part.partition("#")
            facts.setdefault(label, []).append(value)
        name = f"{number:03}号{facts['类型'][0]}"
        told = {label: ";".join(dict.fromkeys(values)) for label, values in facts.items()}
        rows.append({"name": name, **{one: told.get(one, "") for one in columns[1:]}, **told})
        people[name] = [whole["summary"]]
    labels = sorted({label for row in rows for label in row} - set(columns))
    return [{label: row.get(label, "") for label in (*columns, *labels)} for row in rows], people


def _save(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    raise SystemExit(main())
