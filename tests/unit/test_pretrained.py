"""Language models of others: read once, fine-tuned, judged against their own library, and never
needed twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.language_model import KINDS, TEMPLATE, TEXTS, language_model
from tests.texts import conversations

import castalia
from castalia import pretrained_cache
from castalia.errors import DataError, RecipeError, RunError, SpecError
from castalia.export.targets import export
from castalia.families.pretrained import Pretrained
from castalia.governance.release_gate import sample_facts
from castalia.run import Run
from castalia.sampling.generate import reproduce
from castalia.spec import Batch, Tokens
from castalia.training.held_out import held_out_loss
from castalia.training.plan import plan_of
from castalia.training.setup import open_data

SHORT = {
    "training.steps": 4,
    "training.batch": 2,
    "training.threads": 1,
    "training.save_every": 2,
    "codec.length": 32,
    "sampling.length": 12,
}
transformers = pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    texts = [f"{TEXTS[number % 3]} {number} 第{number}行\n\n" for number in range(400)]
    (tmp_path / "texts.txt").write_text("".join(texts), encoding="utf-8")
    return tmp_path / "home"


def family(folder: Path, length: int = 32) -> Pretrained:
    base = pretrained_cache.take_in(str(folder))
    known = json.loads((base.folder / "config.json").read_text())["vocab_size"]
    return Pretrained(
        Pretrained.Config(base=base.digest), Tokens(length, known + 1, begin=known, end=0), {}
    ).eval()


def tuned(out: str, start: Path | Run, **more: Any) -> Run:
    begin = str(start.folder if isinstance(start, Run) else start)
    return castalia.train(
        "text/pretrained", "texts.txt", SHORT | {"start_from": begin} | more, out=out
    )


def rows(model: Pretrained, count: int = 3, width: int = 20) -> torch.Tensor:
    x = torch.randint(
        3, model.known, (count, width), generator=torch.Generator().manual_seed(count)
    )
    x[:, 0] = model.spec.begin
    return x


@pytest.mark.parametrize("kind", KINDS)
def test_nats_are_those_of_the_library(kind: str, tmp_path: Path) -> None:
    folder = language_model(tmp_path / kind, kind)
    model = family(folder)
    x = rows(model)
    read = x.clone()
    read[:, 0] = 0  # what closed the document before
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)(input_ids=read).logits[
        :, :-1
    ]
    expected = torch.nn.functional.cross_entropy(theirs.transpose(1, 2), x[:, 1:], reduction="none")
    assert torch.allclose(model.token_nats(Batch(x)), expected, atol=1e-5)
    assert torch.allclose(model.nats(Batch(x)), expected.sum(1), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_documents_do_not_see_each_other(kind: str, tmp_path: Path) -> None:
    model = family(language_model(tmp_path / kind, kind))
    one, two = rows(model, 1, 12), rows(model, 2, 9)[:1]
    packed = Batch(torch.cat([one, two], 1), segment=torch.tensor([[0] * 12 + [1] * 9]))
    found = model.token_nats(packed)
    assert torch.allclose(found[:, :11], model.token_nats(Batch(one)), atol=1e-5)
    assert torch.allclose(found[:, 12:], model.token_nats(Batch(two)), atol=1e-5)
    # without segments they do
    assert not torch.allclose(model.token_nats(Batch(packed.x))[:, 12:], found[:, 12:], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_agree_with_the_whole_however_rows_come_and_go(kind: str, tmp_path: Path) -> None:
    """Rows of unequal length leave, join and change places; each one's logits stay those of a full
    pass over it.
    """
    model = family(language_model(tmp_path / kind, kind))
    x = rows(model, 4, 16)

    def whole(row: int, upto: int) -> torch.Tensor:
        return model.prefill(x[row : row + 1, :upto], torch.ones(1, upto, dtype=torch.bool), {})[0][
            0
        ]

    lengths = torch.tensor([3, 9])
    logits, state = model.prefill(x[:2, :9], torch.arange(9) < lengths[:, None], {})
    assert torch.allclose(logits[0], whole(0, 3), atol=1e-4) and torch.allclose(
        logits[1], whole(1, 9), atol=1e-4
    )
    logits, state = model.step(torch.stack([x[0, 3], x[1, 9]]), state)
    assert torch.allclose(logits[0], whole(0, 4), atol=1e-4) and torch.allclose(
        logits[1], whole(1, 10), atol=1e-4
    )
    _, other = model.prefill(x[2:, :5], torch.tensor([[True] * 5, [True] * 2 + [False] * 3]), {})
    state = state.join(other).take(torch.tensor([3, 0, 2]))  # the longest leaves
    assert state.lengths.tolist() == [2, 4, 5] and state.seen.shape[1] == 5
    logits, state = model.step(torch.stack([x[3, 2], x[0, 4], x[2, 5]]), state)
    for place, (row, upto) in enumerate(((3, 3), (0, 5), (2, 6))):
        assert torch.allclose(logits[place], whole(row, upto), atol=1e-4)


def test_a_checkpoint_holds_the_pairs_alone_and_resumes_to_the_bit(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "model")
    run = tuned("whole", folder)
    assert {name.rpartition(".")[2] for name in run.tensors(4, "model")} == {"a", "b"}
    half = tuned("half", folder, **{"training.steps": 2})
    for name in ("recipe.yaml", "run.json"):  # as if the first run had been killed after step 2
        (half.folder / name).write_bytes((run.folder / name).read_bytes())
    resumed = castalia.resume(Run.open("half"))
    for group in ("model", "optimiser"):
        one, two = run.tensors(4, group), resumed.tensors(4, group)
        assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    before, after = family(folder), run.model()
    x = Batch(rows(before))
    assert not torch.allclose(after.nats(x), before.nats(x), atol=1e-3)


def test_whoever_goes_on_from_an_adapted_run_needs_no_more_than_the_base(tmp_path: Path) -> None:
    """Pairs on top of merged pairs: the child's checkpoint is whole, and gives what it gave in
    training.
    """
    first = tuned("first", language_model(tmp_path / "model"))
    second = tuned("second", first, **{"training.steps": 2})
    begun = first.model()
    assert any(name.endswith("embed_tokens.weight") for name in second.tensors(2, "model"))
    third = tuned("third", second, **{"training.steps": 1, "training.optimiser.rate": 1e-12})
    x = Batch(rows(begun))
    assert torch.allclose(third.model().token_nats(x), second.model().token_nats(x), atol=1e-4)
    assert not torch.allclose(second.model().token_nats(x), begun.token_nats(x), atol=1e-4)


def test_everything_can_be_trained(tmp_path: Path) -> None:
    run = tuned("run", language_model(tmp_path / "model", "gpt2"), **{"training.adapt": None})
    begun = family(tmp_path / "model")
    assert not torch.equal(
        run.model().network.transformer.h[0].attn.c_attn.weight,
        begun.network.transformer.h[0].attn.c_attn.weight,
    )


def test_tokenizer_and_chat_template_come_with_the_model_and_stay_with_the_run(
    tmp_path: Path, home: Path
) -> None:
    folder = language_model(tmp_path / "model")
    run = tuned("run", folder)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    text = "床前明月光 river\n"
    assert run.codec.encode(text).tolist()[1:-1] == theirs.encode(text, add_special_tokens=False)
    assert Run.open("run").codec.chat_template == TEMPLATE
    for file in folder.iterdir():
        file.unlink()
    assert len(castalia.sample(Run.open("run"), n=2)) == 2  # the folder may go: the cache has it
    held = held_out_loss(run.model(), open_data(run))
    forgotten = json.loads((run.folder / "eval" / "forgetting.json").read_text())
    assert forgotten["new"]["after"] == pytest.approx(held) and forgotten["new"]["before"] > held
    (home / "bases").rename(home / "gone")
    with pytest.raises(RunError, match="not on this machine") as caught:
        Run.open("run").model()
    assert f"start_from={folder}" in str(caught.value)


def test_exports_are_loaded_by_their_libraries(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "model")
    run = tuned("run", folder)
    model = run.model()
    x = rows(model)[:, 1:]
    expected = model.network(input_ids=x).logits
    written = export(run, "transformers", tmp_path / "out")
    assert written.difference is not None and written.difference < 1e-4
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.allclose(loaded(input_ids=x).logits, expected, atol=1e-4)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").chat_template == TEMPLATE
    peft = pytest.importorskip("peft")
    export(run, "peft", tmp_path / "pairs")
    adapted = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(folder), str(tmp_path / "pairs")
    )
    assert torch.allclose(adapted(input_ids=x).logits, expected, atol=1e-4)


def test_the_same_model_is_taken_in_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = language_model(tmp_path / "one"), language_model(tmp_path / "two")
    first = pretrained_cache.take_in(str(one))
    assert pretrained_cache.take_in(str(other)).digest == first.digest
    assert (
        pretrained_cache.take_in(str(language_model(tmp_path / "three", seed=1))).digest
        != first.digest
    )
    monkeypatch.setattr(pretrained_cache, "_convert", None)  # from here on nothing may be converted
    assert {pretrained_cache.take_in(str(folder)).digest for folder in (one, other)} == {
        first.digest
    }


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "model")
    with pytest.raises(RecipeError, match="no model to fine-tune"):
        plan_of("text/pretrained", "texts.txt", {"training.adapt": None})
    with pytest.raises(RecipeError, match="can be adapted"):
        plan_of("text/pretrained", "texts.txt")
    with pytest.raises(DataError, match="no such model"):
        pretrained_cache.take_in("nowhere.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and nothing else")
    with pytest.raises(DataError, match=r"broken\.gguf"):
        pretrained_cache.take_in(str(broken))
    with pytest.raises(SpecError, match="longer than the model's"):
        family(folder, length=1000)
    pickled = language_model(tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(DataError, match="no language model"):
        pretrained_cache.take_in(str(pickled))
    code = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**code, "model_type": "own", "auto_map": {"AutoModelForCausalLM": "own.Own"}})
    )
    (folder / "own.py").write_text("raise SystemExit('code of a model was run')")
    with pytest.raises(DataError, match="not run"):
        pretrained_cache.take_in(str(folder))


def test_conversations_by_the_model_s_own_template(tmp_path: Path) -> None:
    """Tuned, read back and talked to; the loss is that of the assistant's tokens under
    transformers' own masks.
    """
    folder, source = language_model(tmp_path / "llama"), conversations(tmp_path / "talks.jsonl")
    run = castalia.train(
        "text/pretrained",
        source,
        SHORT | {"start_from": str(folder), "codec.length": 120, "training.sample_every": 4},
        out="talks",
    )
    codec, oracle = Run.open("talks").codec, transformers.AutoTokenizer.from_pretrained(folder)
    assert codec.chats and codec.spec.end == oracle.convert_tokens_to_ids("<|im_end|>")  # type: ignore[attr-defined]
    talk = next(iter(codec.read(source)))
    x, weight = codec.encode(talk).long(), codec.weigh(talk)
    assert weight is not None and x[1:].tolist() == oracle.apply_chat_template(
        talk.plain(), tokenize=True, return_dict=False
    )
    model = run.model()
    each = model.token_nats(Batch(x[None]))[0]
    assert torch.allclose(
        model.nats(Batch(x[None], weight=weight[None].float())), (each * weight[1:]).sum()[None]
    )
    reply = castalia.chat(
        run,
        [{"role": "system", "content": "简短。"}, {"role": "user", "content": "那只猫？"}],
        seed=1,
    )
    assert reproduce(run, sample_facts(reply)).item == reply.item
    plain = tuned("plain", folder)
    assert not plain.codec.chats and plain.codec.spec.end == oracle.convert_tokens_to_ids(
        "<|endoftext|>"
    )  # type: ignore[attr-defined]
    later = castalia.train(
        "text/pretrained",
        source,
        SHORT | {"start_from": str(plain.folder), "codec.length": 120},
        out="later",
    )
    assert later.codec.chats and later.spec.vocab == plain.spec.vocab


def test_a_model_without_a_template_says_so(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "llama")
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(SpecError, match="no chat template"):
        castalia.train(
            "text/pretrained",
            conversations(tmp_path / "talks.jsonl"),
            SHORT | {"start_from": str(folder)},
            out="talks",
        )
