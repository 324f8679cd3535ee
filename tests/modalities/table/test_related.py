"""Parents with their children: joining, order in time, the grammar of documents, keys."""

from __future__ import annotations

import csv
import json
import sqlite3
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.apps.command import inside
from tests.modalities.table.shop import CUSTOMERS, ORDERS, shop, written

import castalia
from castalia.errors import DataError, RecipeError
from castalia.modalities.table.columns.discrete import RARE
from castalia.modalities.table.contract import fitted_records, records
from castalia.modalities.table.copies import Rows
from castalia.modalities.table.grammar import Nested
from castalia.modalities.table.metrics.frame import Frame
from castalia.modalities.table.metrics.related import ranked, summary, tables_of
from castalia.modalities.table.related.codec import RelatedCodec, RelatedConfig
from castalia.omissions import collected
from castalia.training.setup import open_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shop")
    written(made, 300)
    return made


def read(path: Path, **config: object) -> tuple[RelatedCodec, list]:
    codec = RelatedCodec(RelatedConfig(**config))
    items = list(codec.read(path))
    codec.fit(items)
    return codec, items


@pytest.fixture(scope="module")
def both(folder: Path):
    return read(folder / "customers.csv", children="orders.csv")


def rows(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(), delimiter=delimiter))


def test_two_files_are_joined_by_what_stands_in_them(both):
    codec, items = both
    customers, orders = shop(300)
    assert [item.parent.cells for item in items] == [tuple(row) for row in customers]
    assert sum(len(item.children) for item in items) == len(orders)
    assert codec.relation.key == codec.relation.link == "customer_id"
    assert codec.timeline.names[codec.timeline.place] == "ordered"
    assert codec.timeline.start[0] == "joined"  # first orders are counted from it
    assert {column.name for column in codec.parents.learned} == {"plan", "joined", "city"}


def test_keys_of_other_names_are_found(tmp_path: Path):
    customers, orders = shop(80)
    for name, head, body in (
        ("customer.csv", ("id", *CUSTOMERS[1:]), customers),
        ("orders.csv", ORDERS, orders),
    ):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([head, *body])
    codec, _ = read(tmp_path / "customer.csv", children="orders.csv")
    assert (codec.relation.key, codec.relation.link) == ("id", "customer_id")
    codec, _ = read(tmp_path / "customer.csv", children="orders.csv", key="id=customer_id")
    assert codec.relation.link == "customer_id"
    with pytest.raises(RecipeError, match="no column 'ident'"):
        read(tmp_path / "customer.csv", children="orders.csv", key="ident")
    with pytest.raises(DataError, match="holds keys"):
        read(tmp_path / "orders.csv", children="customer.csv")


def test_what_has_no_partner_is_said(tmp_path: Path):
    customers, orders = shop(60)
    doubled = [*customers, customers[3], ["", "plus", "2020-01-01", "north"]]
    lost = [*orders, ["9", "NOBODY", "2020-01-01", "2020-01-02", "toy", "1.00"]]
    lost.append(["10", "", "2020-01-01", "2020-01-02", "toy", "1.00"])
    for name, head, body in (("c.csv", CUSTOMERS, doubled), ("o.csv", ORDERS, lost)):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([head, *body])
    codec = RelatedCodec(RelatedConfig(children="o.csv"))
    with collected() as found:
        items = list(codec.read(tmp_path / "c.csv"))
    assert len(items) == 60
    assert sum(len(item.children) for item in items) == len(orders)
    said = {str(one.what): (one.count, one.example) for one in found.listed()}
    assert said["children whose key no parent has"] == (1, "o: customer_id=NOBODY")
    assert said["parents without a key"][0] == 1
    assert said["rows of the children's table without a key"][0] == 1
    doubled_key = f"c: customer_id={customers[3][0]} (2)"
    assert said["parents whose key another one has already; the first has the children"] == (
        1,
        doubled_key,
    )


def test_a_trip_through_tokens_keeps_order_gaps_and_keys(both):
    codec, items = both
    for item in items:
        x = codec.encode(item)
        made = codec.decode(x.long())
        assert codec.encode(made).equal(x)
        assert len(made.children) == len(item.children)
        days = [date.fromisoformat(row.get("ordered")) for row in made.children]
        assert days == sorted(days)
        assert {row.get("customer_id") for row in made.children} <= {made.parent.get("customer_id")}
        for row in made.children:
            sent = date.fromisoformat(row.get("shipped"))
            assert 1 <= (sent - date.fromisoformat(row.get("ordered"))).days <= 5


def test_any_tokens_become_lawful_records(both):
    codec, _ = both
    last = date.fromisoformat(max(row[2] for row in shop(300)[1]))
    rng = torch.Generator().manual_seed(0)
    for _ in range(100):
        made = codec.decode(torch.randint(0, codec.spec.vocab, (60,), generator=rng))
        days = [date.fromisoformat(row.get("ordered")) for row in made.children]
        assert days == sorted(days)
        if days and days[0] <= last:
            assert days[-1] <= last  # histories end with the data
        codec.encode(made)


def test_the_grammar_allows_what_stands_there_and_counts_children(both):
    codec, items = both
    grammar = codec.spec.grammar
    width = max(len(codec.encode(item)) for item in items[:40])
    x = torch.zeros(40, width, dtype=torch.int64)
    for row, item in zip(x, items[:40], strict=True):
        own = codec.encode(item).long()
        row[: len(own)] = own
    along = grammar.along(x)
    for row, allowed, item in zip(x, along, items[:40], strict=True):
        state = grammar.start()
        for place in range(len(codec.encode(item)) - 1):
            token = int(row[place + 1])
            assert allowed[place].equal(grammar.allowed(state))
            assert allowed[place, token]
            state = grammar.advance(state, token)
    # two documents in one row, and a row that begins inside one
    one, other = (codec.encode(item).long() for item in items[:2])
    packed = torch.cat([one, other])[None]
    assert grammar.along(packed)[0, : len(one) - 1].equal(grammar.along(one[None])[0])
    assert grammar.along(packed)[0, len(one) :].equal(grammar.along(other[None])[0])
    assert grammar.along(packed[:, 2:])[0, 0].all()


def test_the_grammar_by_hand():
    """One column of the parent (tokens 1, 2), at most two children (3: none, 4, 5), a start (6), a
    column of later children (7, 8), the end 9.
    """
    masks = torch.zeros(5, 10, dtype=torch.bool)
    for slot, tokens in enumerate(((1, 2), (3, 4, 5), (6,), (7, 8), (9,))):
        masks[slot, list(tokens)] = True
    grammar = Nested(masks, 1, 1, 1, (3, 2))

    def walk(*tokens: int) -> list[int]:
        state = grammar.start()
        for token in tokens:
            assert grammar.allowed(state)[token]
            state = grammar.advance(state, token)
        return grammar.allowed(state).nonzero().flatten().tolist()

    assert walk(1, 3) == [9]
    assert walk(2, 4, 6) == [9]
    assert walk(2, 5, 6) == [7, 8]
    assert walk(2, 5, 6, 8) == [9]


def test_a_collection_is_numbered_through(both):
    codec, items = both
    made = codec.collected([codec.decode(codec.encode(item).long()) for item in items])
    keys = [record.parent.get("customer_id") for record in made]
    assert len(set(keys)) == len(keys) and not set(keys) & {row[0] for row in shop(300)[0]}
    numbers = [row.get("order_id") for record in made for row in record.children]
    assert len(set(numbers)) == len(numbers)
    assert all(
        row.get("customer_id") == record.parent.get("customer_id")
        for record in made
        for row in record.children
    )


def test_two_files_are_written_as_one_that_reads_back(both, tmp_path: Path):
    codec, items = both
    made = codec.collected(items)
    for name in ("one.zip", "other.zip", "shop.sqlite"):
        codec.write(made, tmp_path / name, {"run": "test"})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    assert json.loads((tmp_path / "one.json").read_text()) == {"run": "test"}
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["customers.csv", "orders.csv"]
        customers = rows(archive.read("customers.csv").decode())
        orders = rows(archive.read("orders.csv").decode(), ";")  # as the source writes them
    assert (tuple(customers[0]), tuple(orders[0])) == (CUSTOMERS, ORDERS)
    assert {row["customer_id"] for row in orders} <= {row["customer_id"] for row in customers}
    with sqlite3.connect(tmp_path / "shop.sqlite") as database:
        lost = database.execute(
            "SELECT count(*) FROM orders WHERE customer_id NOT IN "
            "(SELECT customer_id FROM customers)"
        ).fetchone()
        kind = database.execute("SELECT typeof(amount) FROM orders").fetchone()
    assert lost == (0,) and kind == ("real",)
    for name in ("one.zip", "shop.sqlite"):
        again = list(RelatedCodec(RelatedConfig(children="orders.csv")).read(tmp_path / name))
        assert [len(one.children) for one in again] == [len(one.children) for one in made]
    with pytest.raises(RecipeError, match="one file"):
        codec.write(made, tmp_path / "two.xlsx")


def test_rows_of_one_entity_in_time(tmp_path: Path):
    customers, orders = shop(120)
    owner = {row[0]: row for row in customers}
    with (tmp_path / "visits.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("patient", "day", "plan", "amount"),
                *((row[1], row[2], owner[row[1]][1], row[5]) for row in orders),
            ]
        )
    codec, items = read(tmp_path / "visits.csv", entity="patient")
    assert codec.relation.parent.names == ("patient", "plan")  # the same in all rows of each
    assert codec.relation.child.names == ("patient", "day", "amount")
    assert codec.suffix == ".csv" and codec.least == 1
    made = codec.collected([codec.decode(codec.encode(item).long()) for item in items])
    codec.write(made, tmp_path / "new.csv")
    drawn = rows((tmp_path / "new.csv").read_text())
    assert tuple(drawn[0]) == ("patient", "day", "plan", "amount")
    assert len(drawn) == len(orders)
    days: dict[str, list[str]] = {}
    for row in drawn:
        days.setdefault(row["patient"], []).append(row["day"])
    assert all(one == sorted(one) for one in days.values())
    with pytest.raises(RecipeError, match="no column 'whom'"):
        list(RelatedCodec(RelatedConfig(entity="whom")).read(tmp_path / "visits.csv"))


def test_the_config_says_what_is_missing(tmp_path: Path):
    with pytest.raises(RecipeError, match="have a file of their own"):
        RelatedCodec(RelatedConfig(entity="a", children="b.csv"))
    written(tmp_path, 20)
    with pytest.raises(RecipeError, match="nothing says where the children are"):
        list(RelatedCodec(RelatedConfig()).read(tmp_path / "customers.csv"))
    with pytest.raises(DataError, match="no such file"):
        list(RelatedCodec(RelatedConfig(children="no.csv")).read(tmp_path / "customers.csv"))


def test_children_beyond_the_most_are_counted(folder: Path):
    codec, items = read(folder / "customers.csv", children="orders.csv", most_children=3)
    assert codec.most == 3
    long = next(item for item in items if len(item.children) > 4)
    (beyond,) = codec.omitted(long)
    assert beyond.count == len(long.children) - 3
    made = codec.decode(codec.encode(long).long())
    first = sorted(row.get("ordered") for row in long.children)[:3]
    assert len(made.children) == 3 and codec.encode(made).equal(codec.encode(long))
    assert made.children[0].get("ordered") <= first[-1]


def test_a_value_of_one_parent_is_not_learned(folder: Path, tmp_path: Path):
    customers, orders = shop(200)
    mine = next(row[1] for row in orders if sum(one[1] == row[1] for one in orders) > 3)
    orders = [[*row[:4], "secret" if row[1] == mine else row[4], row[5]] for row in orders]
    for name, head, body in (("c.csv", CUSTOMERS, customers), ("o.csv", ORDERS, orders)):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([head, *body])
    codec, _ = read(tmp_path / "c.csv", children="o.csv")
    assert "secret" not in codec.children.by_name["item"].values
    assert RARE in codec.children.by_name["item"].values


def test_state_restores_all_of_it(both):
    codec, items = both
    plain = json.loads(json.dumps(codec.state()[0]))
    again = RelatedCodec(codec.config).restore(plain, {})
    assert again.spec == codec.spec and again.state() == codec.state()
    for item in items[:30]:
        assert again.encode(item).equal(codec.encode(item))
        assert again.decode(codec.encode(item)) == codec.decode(codec.encode(item))
    with pytest.raises(DataError, match="damaged"):
        RelatedCodec(codec.config).restore({**plain, "counts": None}, {})


def test_the_summary_of_a_record_in_closed_form():
    codec = fitted_records(60)
    items = [codec.known(one) for one in records(50, "a")]
    made = tables_of({"model": items, "training": items}, 0)["model"]
    table = summary(made)
    assert table.names == ("group", "children", "day", "dose", "ward")
    assert table.values[:, 1].tolist() == [len(one.children) for one in items]
    for place, one in enumerate(items):
        doses = [float(row.get("dose")) for row in one.children]
        expected = np.mean(doses) if doses else np.nan
        assert table.values[place, 3] == pytest.approx(expected, nan_ok=True)


def test_ranks_do_not_mind_outliers():
    real = Frame(
        np.array([[1.0, 5], [2, 6], [3, 7], [np.nan, 8]]), ("a", "b"), np.array([1, 0]) > 0
    )
    drawn = Frame(np.array([[2.5, 5], [1e9, 6]]), ("a", "b"), np.array([1, 0]) > 0)
    assert ranked(drawn, real).values.tolist() == [[2 / 3, 5.0], [1.0, 6.0]]
    assert np.isnan(ranked(real, real).values[3, 0])


def test_copies_are_found_by_parent_with_children():
    codec = fitted_records(200)
    training = [codec.known(one) for one in records(200, "training")]
    fresh = [codec.known(one) for one in records(60, "fresh")]
    matcher = Rows(codec, training)
    exact = matcher.match(training[:40])
    assert set(exact.kinds) == {"exact"} and float(exact.distance.max()) == 0.0
    far = matcher.match([one for one in fresh if len(one.children) > 3])
    assert float(far.distance.min()) > 0.0


def test_from_training_to_the_same_bytes(tmp_path: Path):
    """Whole documents share rows in training; a pass is as many rows as hold them."""
    parents, children = written(tmp_path, 80)
    run = castalia.train(
        "table/children",
        str(parents),
        {
            "codec.children": str(children),
            "training.steps": 12,
            "training.threads": 1,
            "training.sample_every": 0,
        },
        out=tmp_path / "run",
    )
    side = open_data(run).train
    assert side.rows_a_pass < len(side)
    batch = side.batch(0, 4, 0)
    assert int((batch.x == run.spec.end).sum()) > 4 and batch.segment is not None
    inside("sample", tmp_path / "run", "-n", 50, "--out", tmp_path / "s", cwd=tmp_path)
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    assert names == ["00000.json", "00000.zip", "sheet.html"]
    drawn = tmp_path / "s" / "00000.zip"
    said = inside(
        "reproduce", drawn, "--run", tmp_path / "run", "--out", tmp_path / "again", cwd=tmp_path
    )
    assert "identical, byte for byte" in said
    assert "intact" in inside("verify", drawn, cwd=tmp_path)
    said = inside(
        "edit", tmp_path / "run", "infill", parents, "--out", tmp_path / "e", cwd=tmp_path, code=2
    )
    assert "rows of one table only" in said
    said = inside("check", parents, f"codec.children={children}", cwd=tmp_path)
    assert "Rows hang together by customers.customer_id = orders.customer_id" in said
    assert "castalia train table/children" in said
