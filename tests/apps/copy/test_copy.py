"""castalia copy as its users meet it: tables as people write them, and what comes out."""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path

import pytest

import castalia
from castalia.apps.copy.checking import check
from castalia.apps.copy.demo import DATA
from castalia.apps.copy.file_checks import checked
from castalia.apps.copy.history import weights_of
from castalia.apps.copy.making import FORMS, TONES, Text
from castalia.apps.copy.pairs import compared
from castalia.apps.copy.products import Problem, products
from castalia.apps.copy.writing import write
from castalia.errors import DataError, OutsideModelError, RecipeError
from tests.apps.command import TINY, inside
from tests.apps.serving import serving


def table(path: Path, *rows: str, head: str = "name,colour,price") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_text_is_proved_by_the_table_alone(language: str, tmp_path: Path):
    source = DATA / f"products.{language}.csv"
    made = castalia.copy(source, tone=TONES, form=FORMS, n=3)
    _, counted = write(made, tmp_path, language)
    assert counted.texts > 150 and counted.products == 5 and not counted.rules
    found = checked(tmp_path / "copy.csv", source)
    assert len(found.every) == counted.texts and not found.wrong and not found.unknown
    rows = list(csv.DictReader((tmp_path / "copy.csv").open(encoding="utf-8-sig")))
    whole = source.read_text("utf-8")
    for row in rows:
        assert all(number in whole for number in re.findall(r"\d+", row["text"])), row["text"]
        if row["form"] == "description":
            assert row["says"] == row["facts"]
    assert len({row["text"] for row in rows}) == len(rows)
    lines = (tmp_path / "copy.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[0])["text"] == rows[0]["text"]


def test_sentences_are_those_of_a_language(tmp_path: Path):
    made = castalia.copy(DATA / "products.en.csv", form="description", n=1)
    first = next(one for one in made if isinstance(one, Text)).words
    assert first.startswith("The Oslo rain jacket is by Nordlund. It comes in navy and moss green.")
    for language in ("en", "zh"):
        for one in castalia.copy(DATA / f"products.{language}.csv", tone=TONES, form=FORMS):
            assert not re.search(r"\{|\}|None|  |\ba [aeio]|，，|。。|、。", one.words), one.words


def test_the_same_seed_gives_the_same_texts():
    source = DATA / "products.en.csv"
    one, two, other = (list(castalia.copy(source, seed=seed)) for seed in (1, 1, 2))
    assert one == two != other


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (["A,red,12"], "currency"),
        (["A,red,€0"], "price"),
        (["A,red,cheap"], "price"),
        (["A,,"], "empty"),
        ([",red,€5"], "empty"),
        (["A,red,€5", "A,blue,€5"], "contradiction"),
        (["A,the finest red,€5"], "eu-absolute"),
        (["A,最好的红色,€5"], "cn-absolute"),
        (["A,red; call 13812345678,€5"], "personal"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_others_go_on(
    rows: list[str], rule: str, tmp_path: Path
):
    made = list(castalia.copy(table(tmp_path / "p.csv", *rows, "Good,green,€9"), n=1))
    assert {one.rule for one in made if isinstance(one, Problem)} == {rule}
    assert [one.name for one in made if isinstance(one, Text)] == ["Good"]


def test_two_measures_and_an_offer_must_agree(tmp_path: Path):
    head = "name,weight (g),weight (kg),price,sale price"
    path = table(
        tmp_path / "p.csv", "A,450,0.5,€9,€8", "B,450,0.45,€9,€8", "C,450,0.45,€9,€10", head=head
    )
    found = {one.name: one for one in products(path)}
    assert isinstance(found["A"], Problem) and "'450 g' and '0.5 kg'" in found["A"].what
    assert isinstance(found["C"], Problem) and "offer is above" in found["C"].what
    texts = [one.words for one in castalia.copy(path, n=1) if isinstance(one, Text)]
    assert "On offer it costs €8; the price is €9." in texts[0]


def test_currencies(tmp_path: Path):
    path = table(tmp_path / "p.csv", "A,red,12", "B,blue,7.50")
    assert "€12" in next(iter(castalia.copy(path, currency="EUR"))).words
    path = table(tmp_path / "q.csv", "A,red,12,GBP", head="name,colour,price,currency")
    assert "£12" in next(iter(castalia.copy(path))).words
    path = table(tmp_path / "r.csv", "水杯,红色,12", head="名称,颜色,价格（元）")
    assert "12元" in next(iter(castalia.copy(path))).words


def test_a_column_of_no_name_is_an_error(tmp_path: Path):
    path = table(tmp_path / "p.csv", "A,red", head="what,colour")
    with pytest.raises(DataError, match="no column is the name"):
        list(castalia.copy(path, language="en"))
    assert next(iter(castalia.copy(path, name="what", language="en"))).name == "A"
    with pytest.raises(RecipeError, match="did you mean 'friendly'"):
        castalia.copy(path, tone="freindly")
    with pytest.raises(RecipeError, match="out of range"):
        castalia.copy(path, n=0)


def test_a_history_chooses_facts_and_says_nothing_of_the_customer(tmp_path: Path):
    head = "name,colour,material,origin,warranty,style"
    rows = [f"P{i},{'navy' if i % 2 else 'red'},m{i}a,o{i}a,{i} years,s{i}a" for i in range(8)]
    path = table(tmp_path / "p.csv", *rows, head=head)
    history = table(tmp_path / "h.csv", "ann,P1", "ann,P3", "bob,P2", head="customer,product")
    weights = weights_of(history, "ann", path)
    assert weights["colour", "navy"] == 1 and ("colour", "red") not in weights
    texts = [one.words for one in castalia.copy(path, weights=weights, n=1)]
    assert sum("navy" in words.lower() for words in texts) == 4 and "ann" not in " ".join(texts)
    with pytest.raises(DataError, match="nothing of the table"):
        weights_of(history, "eve", path)


def test_a_model_may_phrase_and_not_decide():
    source = DATA / "products.en.csv"
    said = iter(["Morning in Oslo. A lovely jacket.", "x"] * 50)
    made = castalia.copy(source, n=1, phrase=lambda *_: [next(said)])
    assert all(one.by == "phrases" for one in made if isinstance(one, Text))
    assert (made.worded, made.refused) == (0, 5)

    def honest(product, facts, tone, number):
        return ["Nonsense.", f"{product.name}: {'; '.join(fact.shown for fact in facts)}."]

    made = castalia.copy(source, n=1, phrase=honest)
    assert {one.by for one in made if isinstance(one, Text)} == {"model"} and made.worded == 5


def test_a_model_that_stops_answering_costs_no_text():
    asked = iter(range(99))

    def phrase(*_):
        if next(asked):
            raise OutsideModelError("gone")
        return ["x"]

    made = castalia.copy(DATA / "products.en.csv", n=1, phrase=phrase)
    assert len([one for one in made if isinstance(one, Text)]) == 5 and made.refused == 5
    with pytest.raises(OutsideModelError):
        list(castalia.copy(DATA / "products.en.csv", n=1, phrase=phrase))


def test_a_product_without_any_proved_text_is_named(tmp_path: Path):
    rows = ("A,5,it weighs 7 g", "B,5,a lid")
    path = table(tmp_path / "p.csv", *rows, head="name,weight (g),features")
    found = list(castalia.copy(path, form="description", n=1))
    assert isinstance(found[0], Problem) and found[0].rule == "unproved"
    assert "the number 7 belongs to another fact" in found[0].what
    assert isinstance(found[1], Text) and len(found) == 2


def test_pairs_are_judged_blind_and_tested(tmp_path: Path):
    shop = DATA / "products.en.csv"
    inside(
        *("copy", shop, "--tone", "plain", "--tone", "lively", "--n", 4, "--pairs", "--out", "ab"),
        cwd=tmp_path,
    )
    page = (tmp_path / "ab" / "pairs.html").read_text("utf-8").partition("<body>")[2]
    assert "lively" not in page and ">plain" not in page
    rows = list(csv.DictReader((tmp_path / "ab" / "pairs.csv").open(encoding="utf-8-sig")))
    key = list(csv.DictReader((tmp_path / "ab" / "pairs-key.csv").open(encoding="utf-8-sig")))
    assert len(rows) == 20 and {row["left"] for row in key} == {"plain", "lively"}
    with pytest.raises(DataError, match="no preference"):
        compared(tmp_path / "ab" / "pairs.csv")
    for row, told in zip(rows, key, strict=True):
        row["preferred"] = "left" if told["left"] == "lively" else "right"
    rows[0]["preferred"] = ""
    with (tmp_path / "ab" / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = compared(tmp_path / "ab" / "pairs.csv")
    # one of two tones in 19 of 19: 2 / 2^19
    assert (found.first, found.wins, found.losses, found.ties) == ("lively", 19, 0, 1)
    assert found.p == pytest.approx(2 / 2**19) and found.low == pytest.approx(0.025 ** (1 / 19))
    assert "“lively” is preferred to “plain”" in inside(
        "copy", "compare", "ab/pairs.csv", cwd=tmp_path
    )


def test_the_command_and_its_exit_code(tmp_path: Path):
    path = table(tmp_path / "p.csv", "A,red,12", "B,blue,€3")
    said = inside("copy", path, "--out", "ads", cwd=tmp_path, code=7)
    assert "line 2, A: the price '12' has no currency (rule currency)" in said
    assert "1 row is left out" in said
    wrong = (tmp_path / "ads" / "problems.csv").read_text("utf-8-sig").splitlines()
    assert wrong[1] == "2,A,currency,the price '12' has no currency"
    said = inside("copy", DATA / "products.zh.csv", "--lang", "zh", cwd=tmp_path)
    assert "条文案" in said and not re.search(r"\b(texts|more|all)\b", said)


def test_over_http(tmp_path: Path):
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    shop = (DATA / "products.en.csv").read_bytes()
    with serving(tmp_path / "run") as at:
        answer = at.post(
            "/api/copy",
            data={"tone": "friendly", "n": "2", "language": "zh"},
            files={"data": ("p.csv", shop)},
        )
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["texts"]) == 10 and "依据事实的文案" in answer.json()["page"]
        answer = at.post(
            "/api/copy/check",
            files={
                "texts": ("t.csv", b"product,text\nFjord,A soft throw.\n"),
                "data": ("p.csv", shop),
            },
        )
        assert answer.json()["rules"] == {"word": 1}
        answer = at.post("/api/copy", data={"tone": "loud"}, files={"data": ("p.csv", shop)})
        assert answer.status_code == 400


def test_a_run_words_nothing_that_is_not_proved(tmp_path: Path):
    from castalia.apps.copy.making import chosen
    from castalia.apps.copy.phrasing import closed, pair, phrased_by_run

    shop = DATA / "products.en.csv"
    lines = []
    for one in castalia.copy(shop, tone=TONES, n=4):
        product = next(two for two in products(shop) if two.name == one.name)
        lines.append(pair(product, product.facts[:3], one.words))
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    steps = (
        "training.steps=2",
        "training.sample_every=0",
        "codec.length=512",
        "codec.document=line",
    )
    inside("train", "text/ar-small", "pairs.txt", *steps, "--out", "run", cwd=tmp_path)
    phrase = phrased_by_run(tmp_path / "run", 0)
    kivi = next(one for one in products(shop) if one.name == "Kivi")
    facts = chosen(kivi, "ad", random.Random(0), {})
    # words are closed in; that a number stands with another fact's label is for the checker
    said = [one for words in phrase(kivi, facts, "plain", 0) for one in check(words, kivi)]
    assert {one.rule for one in said} <= {"label"}
    form = re.compile(closed(kivi))
    assert form.fullmatch("Kivi comes in sand.") and not form.fullmatch("Kivi is soft.")
    assert form.fullmatch("Kivi weighs 1400 g, for desks.") and not form.fullmatch("Kivi is 12 g.")
