"""castalia recommend as its users meet it: files as people write them, and what comes out."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

import castalia
from castalia.apps.recommend import events
from castalia.apps.recommend.demo import made_events
from castalia.errors import CastaliaError
from tests.apps.command import TINY, inside
from tests.apps.serving import serving

ASKED = ("--user", "who", "--item", "sku", "--time", "date")
SHORT = {"training.steps": 3, "family.width": 16, "family.depth": 1, "family.heads": 2}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "events.csv"
    path.write_text(made_events(120, 30, 150, 5), encoding="utf-8")
    return path


def lines(path: Path, *rows: str, head: str = "who,sku,date") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def read(path: Path, **more: Any) -> events.Events:
    return events.read(path, "who", "sku", "date", **more)


def asked(path: Path, **more: Any) -> Any:
    known = {"user": "who", "item": "sku", "time": "date", "minutes": 0, "progress": False}
    return castalia.recommend(path, **{**known, **more})


def test_a_shop_gets_suggestions_with_reasons(shop: Path, tmp_path: Path):
    words = [*ASKED, "--name", "title", "--minutes", "0", "--out", "next"]
    said = inside("recommend", shop, *words, cwd=tmp_path)
    assert "Tested on what" in said and "neighbours of items" in said and "personal data" in said
    text = (tmp_path / "next" / "suggestions.csv").read_text("utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["personal_data"] for row in rows} == {"yes"}
    assert len(rows[0]["user"]) == 4 and len(rows[0]["item"]) == 5  # zeros in front stay
    assert any("茶" in row["name"] for row in rows)
    # each reason, counted anew from the file
    source = list(csv.DictReader(shop.read_text("utf-8").splitlines()))
    had: dict[str, set[str]] = {}
    for row in source:
        had.setdefault(row["sku"], set()).add(row["who"])
    seen = set()
    for row in rows:
        seen.add(row["kind"])
        if row["kind"] == "with":
            assert row["user"] in had[row["because"]] and row["user"] not in had[row["item"]]
            assert int(row["among"]) == len(had[row["because"]])
            assert int(row["users"]) == len(had[row["because"]] & had[row["item"]]) >= 5
        elif row["kind"] == "before":
            count = sum((one["who"], one["sku"]) == (row["user"], row["item"]) for one in source)
            assert f"had {count} time" in row["reason"]
    assert {"with", "before"} <= seen
    manifest = json.loads((tmp_path / "next" / "suggestions.json").read_text("utf-8"))
    assert manifest["personal_data"] is True and len(manifest["content"]) == 64
    document = json.loads((tmp_path / "next" / "recommend.json").read_text("utf-8"))
    page = (tmp_path / "next" / "recommend.html").read_text("utf-8")
    figure = document["back_test"]["tasks"]["all"]["methods"]["knn"]["ndcg@10"]
    assert f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})" in page


def test_the_transformer_is_trained_kept_and_used_again(shop: Path, tmp_path: Path):
    made = asked(
        shop, minutes=1, method="ar", out=tmp_path / "next", overrides=SHORT, users=["0001"]
    )
    from castalia.apps.recommend.writing import write

    write(made, tmp_path / "next")
    assert "ar" in made.tested.tasks["all"].scores and len(made.rows) == 10
    manifest = json.loads((tmp_path / "next" / "suggestions.json").read_text("utf-8"))
    assert manifest["model"] == made.run.model_hash()
    assert "released" in (tmp_path / "next" / "run" / "ledger.jsonl").read_text("utf-8")
    again = asked(shop, method="ar", run=tmp_path / "next" / "run", users=["0001"])
    assert [one.item for one in again.rows] == [one.item for one in made.rows]
    blend = asked(shop, run=tmp_path / "next" / "run", users=["0001"])
    assert blend.weights == dict(made.tested.tasks["all"].weights)
    with pytest.raises(CastaliaError, match="already a run"):
        asked(shop, minutes=1, out=tmp_path / "next")
    # the run is a run: it draws whole histories
    drawn = castalia.sample(made.run, n=3)
    assert len(drawn) == 3


def test_the_same_seed_gives_the_same_rows(shop: Path):
    first, second = asked(shop), asked(shop)
    assert first.rows == second.rows and first.tested == second.tested


def test_again_or_not(shop: Path):
    made = asked(shop, again=False)
    pairs = set(zip(made.events.user.tolist(), made.events.item.tolist(), strict=True))
    places = {user: place for place, user in enumerate(made.events.users)}
    assert made.rows
    assert not any((places[one.user], one.item) in pairs for one in made.rows)


def test_strangers_get_what_is_popular_and_sold_out_items_nobody(shop: Path, tmp_path: Path):
    best = asked(shop, users=["nobody"], n=3)
    assert best.unknown == ["nobody"] and len(best.rows) == 3
    assert all(one.reason.kind == "popular" for one in best.rows)
    gone = best.events.items[best.rows[0].item]
    sold = lines(tmp_path / "sold.csv", gone, "never", head="sku")
    made = asked(shop, without=sold)
    assert gone not in {made.events.items[one.item] for one in made.rows}
    assert "1 item of the list to leave out has no event: never" in " ".join(map(str, made.notes))
    said = inside("recommend", shop, *ASKED, "--minutes", "0", "--for", "nobody", cwd=tmp_path)
    assert "nobody has no event: what is popular is suggested" in said


def test_returns_doubled_rows_and_nobody_are_said(tmp_path: Path):
    path = lines(
        tmp_path / "a.csv",
        "a,007,2024-01-01,2",
        "a,007,2024-01-01,2",
        "a,8,2024-01-02,1",
        "b,8,2024-01-02,3",
        "b,8,2024-01-05,-3",
        "b,007,2024-01-03,1",
        ",9,2024-01-03,1",
        head="who,sku,date,n",
    )
    found = read(path, weight="n")
    assert found.items == ("007", "8") and len(found) == 3
    notes = " ".join(map(str, found.notes))
    assert "1 row without 'who' or 'sku'" in notes and "1 row is a return" in notes
    assert "all of it came back" in notes and "stands there twice" in notes


@pytest.mark.parametrize(
    "form", [["2024-03-01", "2024-03-02"], ["1709251200", "1709337600"], ["1.3.2024", "2.3.2024"]]
)
def test_moments_as_people_write_them(tmp_path: Path, form: list[str]):
    path = lines(tmp_path / "a.csv", f"a,x,{form[0]}", f"b,y,{form[1]}", f"a,y,{form[1]}")
    assert [events.day_of(one) for one in read(path).time] == ["2024-03-01", *2 * ["2024-03-02"]]


def test_several_ways_of_writing_dates_are_read_and_said(tmp_path: Path):
    found = read(lines(tmp_path / "a.csv", "a,x,2024-01-01", "b,y,13/04/2024", "b,x,5 Mar 2024"))
    assert [events.day_of(one) for one in found.time] == ["2024-01-01", "2024-03-05", "2024-04-13"]
    assert "3 ways" in " ".join(map(str, found.notes))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["a,x,2024-01-01", "a,y,2024-01-02"], "1 users and 2 items"),
        (["a,x,2024-01-01", "b,x,2024-01-02"], "2 users and 1 items"),
        (["a,x,2024-01-01", "b,y,03/04/2024", "b,x,yesterday"], "line 4"),
        ([",x,2024-01-01"], "no row names a user"),
        ([], "empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, rows: list[str], words: str):
    with pytest.raises(CastaliaError) as caught:
        read(lines(tmp_path / "a.csv", *rows))
    assert words in str(caught.value) and "a.csv" in str(caught.value)


def test_wishes_that_cannot_be_met(shop: Path, tmp_path: Path):
    for wish, words in (
        ({"item": "skus"}, "did you mean 'sku'"),
        ({"method": "knm"}, "did you mean 'knn'"),
        ({"n": 0}, "between 1 and 100"),
        ({"least": 1}, "tells who it is"),
        ({"method": "ar"}, "needs minutes"),
    ):
        with pytest.raises(CastaliaError) as caught:
            asked(shop, **wish)
        assert words in str(caught.value)


def test_one_moment_and_few_users_get_suggestions_without_a_test(tmp_path: Path):
    rows = [f"u{user},i{(user + turn) % 5},2024-01-01" for user in range(9) for turn in range(3)]
    made = asked(lines(tmp_path / "a.csv", *rows), minutes=1, overrides=SHORT)
    assert made.tested is None and made.rows and "too short" in " ".join(map(str, made.notes))


def test_chinese(shop: Path, tmp_path: Path):
    words = [*ASKED, "--minutes", "0", "--out", "next", "--lang", "zh"]
    said = inside("recommend", shop, *words, cwd=tmp_path)
    assert "个人数据" in said and not re.search(r"\b(the|of|users)\b", said)
    page = (tmp_path / "next" / "recommend.html").read_text("utf-8")
    assert 'lang="zh-Hans"' in page and "这些推荐可信吗" in page
    assert "以前有过" in (tmp_path / "next" / "suggestions.csv").read_text("utf-8-sig")


def test_over_http(shop: Path, tmp_path: Path):
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    known = {"user": "who", "item": "sku", "time": "date"}
    files = {"data": ("events.csv", shop.read_bytes())}
    with serving(tmp_path / "run") as at:
        answer = at.post(
            "/api/recommend",
            data={**known, "for": "0001", "language": "zh"},
            files=files,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["suggestions"]) == 10 and "推荐" in answer.json()["page"]
        answer = at.post("/api/recommend", data={**known, "user": "x"}, files=files)
        assert answer.status_code == 422 and "no column 'x'" in answer.text
