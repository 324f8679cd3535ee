"""Several conditions at once: a class, columns of a table and facts of the codec, each under its
own name, from files to samples.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import PIL.Image
import pytest
import torch

import castalia
from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, prepare
from castalia.errors import DataError, RecipeError
from castalia.modalities.image.codec import ImageCodec, ImageConfig
from castalia.nn.condition_embedding import ConditionEmbedding, slot
from castalia.run import Run
from castalia.sampling.generate import Request, condition, conditions_of_items, generate
from castalia.spec import Classes

SHAPES, COLOURS, COUNT = ("box", "disc"), ("blue", "red"), 48


class Toned(ImageCodec):
    """Pictures of which the codec can tell whether they are dark; a mirror image might lie about
    it, for the test's sake.
    """

    fact_names = ("tone",)
    disturbs = {"flip": ("tone",)}  # noqa: RUF012

    def facts(self, item):
        mean = sum(item.convert("L").tobytes()) / (item.width * item.height)
        return {} if 120 < mean < 136 else {"tone": "dark" if mean < 128 else "light"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """48 pictures in two folders; `type` (a word that torch has taken) is the colour in the table,
    `size of pen` another column with gaps.
    """
    made = tmp_path_factory.mktemp("told") / "pictures"
    lines = ["file_name,type,size of pen,writer,same"]
    for number in range(COUNT):
        shape, colour = SHAPES[number % 2], COLOURS[number // 2 % 2]
        (made / shape).mkdir(parents=True, exist_ok=True)
        picture = PIL.Image.new(
            "RGB", (8, 8), (number, 40, 200) if colour == "blue" else (200, 4 * number, 40)
        )
        picture.putpixel((number % 8, number // 8), (255, 255, 255))
        picture.save(made / shape / f"{number:02d}.png")
        lines.append(
            f"{shape}/{number:02d}.png,{colour},{'' if number % 3 == 0 else number % 3},{number},x"
        )
    (made / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


def opened(folder: Path, codec: ImageCodec | None = None, **options: object) -> Dataset:
    return prepare(
        DataConfig(source=str(folder), **options), codec or ImageCodec(ImageConfig(size=8))
    )


def told_of(dataset: Dataset) -> dict[str, dict[str, str]]:
    """File name -> condition -> value, "" where it has none."""
    found = {}
    for side in (dataset.train, dataset.validation):
        cond = side.take(range(len(side))).cond
        for row in range(len(side)):
            values = {
                name: (*kind.names, "")[int(cond[name][row])]
                for name, kind in dataset.conditions.items()
            }
            found[side.where(row)] = values
    return found


def test_a_class_two_columns_and_a_fact_each_under_its_own_name(folder: Path):
    dataset = opened(
        folder, Toned(ImageConfig(size=8)), conditions=("label", "type", "size of pen", "tone")
    )
    assert dataset.conditions == {
        "label": Classes(SHAPES),
        "type": Classes(COLOURS),
        "size of pen": Classes(("1", "2")),
        "tone": Classes(("dark", "light")),
    }
    found = told_of(dataset)
    assert len(found) == COUNT
    for name, values in found.items():
        number = int(Path(name).stem)
        expected = {
            "label": SHAPES[number % 2],
            "type": COLOURS[number // 2 % 2],
            "size of pen": ("", "1", "2")[number % 3],
        }
        picture = PIL.Image.open(folder / name)
        assert values == expected | {"tone": Toned.facts(None, picture).get("tone", "")}
    assert {values["tone"] for values in found.values()} == {"dark", "light", ""}
    assert dataset.report["told"]["type"] == {"blue": COUNT // 2, "red": COUNT // 2}
    json.dumps(dataset.report)


def test_without_conditions_all_is_as_before(folder: Path):
    plain = opened(folder)
    assert plain.conditions == {"label": Classes(SHAPES)}
    assert "told" not in plain.report
    assert plain.fingerprint == opened(folder, conditions=("label",)).fingerprint
    assert (
        opened(folder, conditions=()).conditions
        == opened(folder, conditional=False).conditions
        == {}
    )
    # what is named is told
    assert list(opened(folder, conditional=False, conditions=("type",)).conditions) == ["type"]


def test_facts_come_out_of_the_cache_as_they_went_in(folder: Path):
    reads: list[int] = []

    class Counted(Toned):
        name = "counted"

        def facts(self, item):
            reads.append(1)
            return super().facts(item)

    first = told_of(opened(folder, Counted(ImageConfig(size=8)), conditions=("tone",)))
    assert len(reads) == COUNT
    assert told_of(opened(folder, Counted(ImageConfig(size=8)), conditions=("tone",))) == first
    assert len(reads) == COUNT


def test_the_fingerprint_knows_what_columns_tell(folder: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.glob("*/*.png"):
        (other / path.parent.name).mkdir(exist_ok=True)
        (other / path.parent.name / path.name).write_bytes(path.read_bytes())
    table = (folder / "metadata.csv").read_text(encoding="utf-8")
    (other / "metadata.csv").write_text(
        table.replace("00.png,blue", "00.png,red"), encoding="utf-8"
    )
    assert opened(folder).fingerprint == opened(other).fingerprint
    assert (
        opened(folder, conditions=("type",)).fingerprint
        != opened(other, conditions=("type",)).fingerprint
    )


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("typ", "did you mean 'type'"),
        ("lable", "did you mean 'label'"),
        ("ton", "did you mean 'tone'"),
        ("x", "known: label, caption, tone, type"),
    ],
)
def test_an_unknown_condition_is_answered_with_what_there_is(folder: Path, wanted: str, says: str):
    with pytest.raises(RecipeError) as caught:
        opened(folder, Toned(ImageConfig(size=8)), conditions=("label", wanted))
    assert says in str(caught.value)
    assert "data.conditions" in str(caught.value)


def test_no_table_at_all_and_columns_that_tell_nothing(folder: Path, tmp_path: Path):
    for path in folder.glob("*/*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(RecipeError, match=r"metadata\.csv"):
        opened(tmp_path, conditions=("type",))
    with pytest.raises(DataError, match="'writer' has 48 different values"):
        opened(folder, conditions=("writer",))
    dataset = opened(folder, conditions=("same", "type"))
    assert list(dataset.conditions) == ["type"]
    assert any("only one value of 'same' ('x')" in note for note in dataset.report["notes"])


def test_an_augmentation_that_would_lie_is_refused_or_left_out(folder: Path):
    codec = Toned(ImageConfig(size=8))
    with pytest.raises(RecipeError, match="'flip' changes what the model is told: tone"):
        opened(folder, codec, conditions=("tone",), augment=("flip",))
    assert opened(folder, codec, conditions=("label",), augment=("flip",)).report[
        "augmentations"
    ] == ["flip"]

    class Flipping(Toned):
        default_augmentations = ("flip", "shift")

    assert opened(folder, Flipping(ImageConfig(size=8)), conditions=("tone",)).report[
        "augmentations"
    ] == ["shift"]


def test_every_name_finds_a_place_in_a_network():
    names = ["label", "type", "keys", "training", "size of pen", "a.b", "作曲家", "told_"]
    told = ConditionEmbedding({name: Classes(("a", "b")) for name in names}, 4, drop=0.0)
    assert slot("label") == "label"
    assert slot("作曲家") == "作曲家"
    assert len({slot(name) for name in names}) == len(names)
    one = told({name: torch.tensor([0]) for name in names}, 1).vector
    two = told({name: torch.tensor([0 if name != "type" else 1]) for name in names}, 1).vector
    assert torch.allclose(
        two - one,
        told.tables[slot("type")].weight[1:2] - told.tables[slot("type")].weight[0:1],
        atol=1e-6,
    )


def test_what_is_not_asked_for_of_several_is_not_told():
    class Two:
        conditions = {"label": Classes(SHAPES), "type": Classes(("a", "b", "c"))}  # noqa: RUF012
        device = torch.device("cpu")

    told = condition(Two(), {"type": "b"}, 3, 0)
    assert told["type"].tolist() == [1, 1, 1]
    assert told["label"].tolist() == [2, 2, 2]
    Two.conditions = {"label": Classes(SHAPES)}
    # the only one is spread evenly
    assert condition(Two(), {}, 3, 1)["label"].tolist() == [1, 0, 1]
    for cond, says in (
        ({"lable": "box"}, "did you mean 'label'"),
        ({"label": "bx"}, "did you mean 'box'"),
    ):
        with pytest.raises(RecipeError, match=says):
            condition(Two(), cond, 1, 0)


def test_given_items_are_told_what_is_known_of_them():
    kinds = {"label": Classes(SHAPES), "tone": Classes(("dark", "light"))}
    known = [{"tone": "light"}, {"label": "disc", "tone": "no such"}]
    told = conditions_of_items(kinds, {}, known)
    assert {name: value.tolist() for name, value in told.items()} == {
        "label": [2, 1],
        "tone": [1, 2],
    }
    assert conditions_of_items(kinds, {"label": "box"}, known)["label"].tolist() == [0, 0]


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_trained_model_obeys_both_conditions(folder: Path, tmp_path: Path, family: str):
    """The colour is what `type` says, whatever the class; saved, opened, sampled,
    edited, exported.
    """
    keys = {
        "codec.size": 8,
        "data.conditions": ["label", "type"],
        "training.steps": 250,
        "training.batch": 16,
        "training.sample_every": 0,
        "training.threads": 1,
        "data.augment": [],
    }
    keys |= {"family.width": 8, "family.latent": 4} if family == "vae" else {"family.width": 8}
    run = castalia.train(f"image/{family}", folder, keys, out=tmp_path / "run")
    run = Run.open(run.folder)
    assert list(run.conditions) == ["label", "type"]

    def redness(**cond: str) -> float:
        rows = torch.stack([sample.x for sample in generate(run, Request(8, 0, cond))])
        return float((rows[:, 0] - rows[:, 2]).mean())

    for shape in SHAPES:
        assert redness(label=shape, type="red") > redness(label=shape, type="blue") + 0.3
    assert redness(type="red") > redness(type="blue") + 0.3
    if family == "vae":
        made = castalia.edit(
            run, "vary", [next((folder / "box").glob("*.png"))], cond={"type": "red"}, steps=2
        )
        assert len(made) == 2
        with pytest.raises(RecipeError, match="did you mean 'type'"):
            castalia.edit(run, "vary", [next((folder / "box").glob("*.png"))], cond={"typ": "red"})


def test_a_model_of_tokens_is_told_several_things(tmp_path: Path):
    """Texts whose first letter follows one column and whose second follows the other."""
    lines = ["file_name,first,second"]
    (tmp_path / "data").mkdir()
    for number in range(40):
        one, two = "ab"[number % 2], "xy"[number // 2 % 2]
        (tmp_path / "data" / f"{number}.txt").write_text(
            f"{one}{two}{number:02d}", encoding="utf-8"
        )
        lines.append(f"{number}.txt,{one},{two}")
    (tmp_path / "data" / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    keys = {
        "data.conditions": ["first", "second"],
        "training.steps": 200,
        "training.batch": 16,
        "family.width": 32,
        "family.depth": 1,
        "family.heads": 2,
        "codec.length": 8,
        "training.threads": 1,
        "training.sample_every": 0,
        "training.optimiser.rate": 0.01,
        "family.dropout": 0,
    }
    run = castalia.train("text/ar", tmp_path / "data", keys, out=tmp_path / "run")
    for one in "ab":
        for two in "xy":
            texts = [
                sample.item
                for sample in generate(run, Request(6, 1, {"first": one, "second": two}))
            ]
            assert sum(text.startswith(one + two) for text in texts) >= 5


def test_a_server_takes_several_conditions_and_a_prompt_that_names_them(
    folder: Path, tmp_path: Path
):
    """The class by the prompt's words, one of each condition; what a client sends is told with what
    the codec knows.
    """
    openai = pytest.importorskip("castalia.serving.openai_images")
    hosted = importlib.import_module("castalia.serving.loaded_runs")
    keys = {
        "codec.size": 8,
        "data.conditions": ["label", "type"],
        "training.steps": 2,
        "training.sample_every": 0,
        "family.width": 8,
    }
    run = castalia.train("image/vae", folder, keys, out=tmp_path / "run")
    one = hosted.Hosted("run", Run.open(run.folder), policy=None, ledger=None)
    assert one.about()["conditions"] == {"label": list(SHAPES), "type": list(COLOURS)}
    assert openai.asked(one, "a red disc", {}) == {"label": "disc", "type": "red"}
    assert openai.asked(one, "red", {}) == {"type": "red"}
    assert openai.asked(one, "a disc", {"type": "blue"}) == {"label": "disc"}
    for prompt in ("a red or blue disc", "nothing"):
        with pytest.raises(Exception, match="the prompt names"):
            openai.asked(one, prompt, {})
    told = one.known({"type": "red"}, [PIL.Image.new("RGB", (8, 8))] * 2)
    assert {name: value.tolist() for name, value in told.items()} == {
        "label": [2, 2],
        "type": [1, 1],
    }
