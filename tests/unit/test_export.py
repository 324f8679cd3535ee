"""A run in Qwen3's layout against the library that loads it: logits, attention, tokens, greedy
text; and what is refused.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.untrained import SMALL_TEXT, untrained
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.errors import AbilityError, RecipeError, RunError
from castalia.export.targets import MANIFEST, export
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.run import Run
from castalia.spec import Classes, Condition

TEXTS = [
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n" * 4,
    "To be, or not to be, that is the question:\n" * 8,
]
PROMPT = "床前 to be 月"
STRANGE = [
    "",
    PROMPT,
    "  two\n\n\tblanks ",
    "é € 𝄞 鹳",
    "<|end|> and <|begin|>",
    "<0xE5>",
    "l'été ０１２ 3.14",
]


def make(
    folder: Path,
    *overrides: str,
    title: str = "text/ar",
    conditions: dict[str, Condition] | None = None,
) -> Run:
    return untrained(folder, title, TEXTS, *SMALL_TEXT, *overrides, conditions=conditions)


def load(folder: Path) -> tuple[Any, Any]:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    return model, transformers.AutoTokenizer.from_pretrained(folder)


def all_logits(model: Any, ids: Tensor) -> Tensor:
    """(T, V) logits after each prefix of ids (T,)."""
    lengths = torch.arange(1, len(ids) + 1)
    return model.prefill(ids.expand(len(ids), -1), torch.arange(len(ids)) < lengths[:, None], {})[0]


VARIANTS = {
    "characters, tied": ["codec.tokenizer=char"],
    "bytes, a head of its own": ["codec.tokenizer=byte", "family.tie=false"],
    "merges, grouped queries": [
        "codec.tokenizer=bpe",
        "family.kv_heads=2",
        "family.theta=500",
        "family.hidden=24",
    ],
    "open documents, marks for the middle": [
        "codec.close=false",
        "codec.fill_middle=true",
        "family.kv_heads=1",
    ],
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_library_gives_the_same_numbers(variant: str, tmp_path: Path):
    run = make(tmp_path / "run", *VARIANTS[variant])
    export(run, "transformers", tmp_path / "out")
    other, tokenizer = load(tmp_path / "out")
    model, codec, spec = run.model(), run.codec, run.codec.spec
    assert type(other).__name__ == "Qwen3ForCausalLM" and other.dtype == torch.float32
    assert other.config.max_position_embeddings == tokenizer.model_max_length == 48

    for text in STRANGE:
        ids = codec.encode(text).tolist()
        ids = ids if spec.end is None else ids[:-1]
        assert tokenizer(text).input_ids == ids, text
        assert tokenizer.decode(ids, skip_special_tokens=True) == text

    ids = torch.tensor(tokenizer(PROMPT).input_ids)
    with torch.no_grad():
        theirs = other(ids[None], output_attentions=True)
    ours = all_logits(model, ids)
    assert ours.std() > 0.3  # or an agreement to 1e-4 would say little
    torch.testing.assert_close(theirs.logits[0], ours, atol=1e-4, rtol=0)
    for mine, layer in zip(model.attention(ids[None]), theirs.attentions, strict=True):
        torch.testing.assert_close(mine, layer, atol=1e-5, rtol=0)

    # of the automaton, only what is constant is exported
    free = replace(spec, grammar=None) if codec.config.tokenizer != "char" else spec
    banned = () if codec.middle is None else codec.middle
    wanted = complete(
        model,
        [ids],
        generators(0, 0, 1),
        SampleOptions(temperature=0, length=20),
        spec=free,
        banned=banned,
    )[0].tokens
    made = other.generate(ids[None], do_sample=False, max_length=None, max_new_tokens=20)[
        0, len(ids) :
    ].tolist()
    assert (made[:-1] if made and made[-1] == spec.end else made) == wanted
    assert len(wanted) > 3


def test_a_tokenizer_of_others_keeps_its_ids(tmp_path: Path):
    import tokenizers

    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False
    )
    theirs.train_from_iterator(TEXTS, trainer)
    theirs.save(str(tmp_path / "tokenizer.json"))
    run = make(tmp_path / "run", f"codec.tokenizer={tmp_path / 'tokenizer.json'}")
    export(run, "transformers", tmp_path / "out")
    other, tokenizer = load(tmp_path / "out")
    assert other.config.vocab_size == run.spec.vocab
    for text in STRANGE:
        assert tokenizer(text).input_ids == run.codec.encode(text).tolist()[:-1]
    assert tokenizer.eos_token == "</s>" and tokenizer.bos_token_id == run.spec.begin


def test_the_folder_says_where_it_came_from_and_is_replaced_whole(tmp_path: Path):
    run = make(tmp_path / "run")
    files = list(export(run, "transformers", tmp_path / "out").sizes)
    assert files == sorted(path.name for path in (tmp_path / "out").iterdir())
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert (manifest["export"], manifest["run"], manifest["model"], manifest["step"]) == (
        "transformers",
        "run",
        run.model_hash(),
        1,
    )
    everything = "".join(
        (tmp_path / "out" / name).read_text() for name in files if not name.endswith(".safetensors")
    )
    assert str(tmp_path) not in everything and "CC0-1.0" in everything
    assert {
        tensor.dtype for tensor in load_file(tmp_path / "out" / "model.safetensors").values()
    } == {torch.float32}
    (tmp_path / "out" / "old").touch()
    export(run, "transformers", tmp_path / "out")
    assert not (tmp_path / "out" / "old").exists()


def test_nothing_of_the_users_is_overwritten(tmp_path: Path):
    run = make(tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("precious")
    for place in (tmp_path / "mine", tmp_path / "mine" / "letter.txt"):
        with pytest.raises(RunError, match="in the way"):
            export(run, "transformers", place)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("title", "overrides", "option"),
    [
        ("text/ar", ["family.activation=relu2"], "family.activation=relu2"),
        ("text/ar-infill", [], "family.order=any"),
        ("text/ar-small", ["family.activation=swiglu"], "family.ngrams=[2, 3, 4]"),
        ("text/ar", ["family.counts=3"], "family.counts=3"),
    ],
)
def test_what_the_layout_has_no_place_for_is_named(
    title: str, overrides: list[str], option: str, tmp_path: Path
):
    run = make(tmp_path / "run", *overrides, title=title)
    with pytest.raises(AbilityError) as caught:
        export(run, "transformers", tmp_path / "out")
    assert caught.value.where == option and "text/ar" in caught.value.fix
    assert not (tmp_path / "out").exists()


def test_conditions_other_families_and_unknown_formats_are_refused(tmp_path: Path):
    run = make(tmp_path / "run", conditions={"label": Classes(("a", "b"))})
    with pytest.raises(AbilityError) as caught:
        export(run, "transformers", tmp_path / "out")
    assert "data.conditional" in caught.value.where
    with pytest.raises(RecipeError) as unknown:
        export(run, "onyx", tmp_path / "out")
    assert "transformers" in unknown.value.fix
    vector = untrained(
        tmp_path / "vae", "array/vae", [np.zeros(4, dtype=np.float32), np.ones(4, dtype=np.float32)]
    )
    with pytest.raises(AbilityError, match="'vae' model of 'array' data"):
        export(vector, "transformers", tmp_path / "out")
