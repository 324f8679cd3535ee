"""An `ar` run as a folder that `transformers` loads as Qwen3ForCausalLM (arXiv:2505.09388), with
its tokenizer.

The network is in that layout already (nn/transformer.py); only names differ, and two fused matrices
are cut: queries, keys and values, and gate and up of the feed-forward part. Both sides turn the
pairs (d, d + D/2), so rotary positions need no permutation. What the layout has no place for is
refused by name: other activations, other orders, n-grams, counts, conditions. Neither the library
nor its code is needed to write the folder.

Not exported: the UTF-8 automaton of texts, because it is not a property of
the weights. Its part that does not depend on the state goes into `suppress_tokens`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from castalia.codecs.protocols import Tokenizes, WritesBytes, chats
from castalia.errors import AbilityError
from castalia.escapes import markdown
from castalia.export.targets import Written
from castalia.families.ar import Ar
from castalia.nn.transformer import EPS
from castalia.recipe_sections import SampleConfig
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Tokens

ARCHITECTURE = "Qwen3ForCausalLM"


def has_tokenizer(codec: object) -> bool:
    """Whether transformers can have the codec's tokenizer."""
    return isinstance(codec, WritesBytes) and isinstance(codec, Tokenizes)


def write(run: Run, folder: Path) -> Written:
    """config.json, model.safetensors (float32), generation_config.json, tokenizer.json,
    tokenizer_config.json and README.md.

    Raises AbilityError where the run is not in Qwen3's layout, naming the option.
    """
    for name, content in _files(run).items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return Written({}, say("{0}/README.md says how to load it", "FOLDER"))


def _files(run: Run) -> dict[str, bytes | str]:
    _refuse_others(run)
    model, codec = run.model(), run.codec
    if not isinstance(model, Ar) or not has_tokenizer(codec):
        raise AbilityError(
            say("only an 'ar' model of texts has this layout"),
            where="export --to transformers",
            fix=say("use a text/ar run"),
        )
    names = token_names(codec)
    return {
        "config.json": _json(config(model)),
        "model.safetensors": save(weights(model), metadata={"format": "pt"}),
        "generation_config.json": _json(generation(codec, run.recipe.sampling)),
        "tokenizer.json": tokenizer(codec, names),
        "tokenizer_config.json": _json(tokenizer_config(codec.spec, names) | _talk(codec)),
        "README.md": _readme(run, codec.spec),
    }


def _refuse_others(run: Run) -> None:
    recipe, fix = run.recipe, say("export a run of the recipe text/ar")
    if recipe.family.name != "ar" or not has_tokenizer(run.codec):
        raise AbilityError(
            say(
                "transformers has no place for a '{0}' model of '{1}' data",
                recipe.family.name,
                recipe.codec.name,
            ),
            where="export --to transformers",
            fix=fix,
        )
    options = recipe.family.config
    outside = {
        "family.activation": options.activation != "swiglu" and options.activation,
        "family.order": options.order != "left" and options.order,
        "family.ngrams": list(options.ngrams),
        "family.counts": options.counts,
        "data.conditional": bool(run.conditions),
    }
    found = [
        f"{name}={json.dumps(value)}".replace('"', "") for name, value in outside.items() if value
    ]
    if found:
        raise AbilityError(
            say("this model has parts that Qwen3's layout has no place for"),
            where=" ".join(found),
            fix=fix,
        )


def config(model: Ar) -> dict[str, Any]:
    """config.json: Qwen3Config."""
    own, spec = model.config, model.spec
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "qwen3",
        "vocab_size": spec.vocab,
        "hidden_size": own.width,
        "intermediate_size": model.network.blocks[0].feed_forward.out.in_features,
        "num_hidden_layers": own.depth,
        "num_attention_heads": own.heads,
        "num_key_value_heads": own.kv_heads or own.heads,
        "head_dim": own.width // own.heads,
        "hidden_act": "silu",
        "rms_norm_eps": EPS,
        "max_position_embeddings": spec.length,
        "rope_theta": own.theta,  # where versions before 5 look
        "rope_parameters": {"rope_type": "default", "rope_theta": own.theta},
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_sliding_window": False,
        "tie_word_embeddings": own.tie,
        "bos_token_id": spec.begin,
        "eos_token_id": spec.end,
        # not `begin`: the library takes padding in a prompt for something to be masked
        "pad_token_id": spec.end,
        "dtype": "float32",
    }


def weights(model: Ar) -> dict[str, Tensor]:
    """The state dict of Qwen3ForCausalLM, float32; a tied head is left out, as the library does."""
    own, network = model.config, model.network
    head_width, kv_heads = own.width // own.heads, own.kv_heads or own.heads
    found = {
        "model.embed_tokens.weight": network.embedding.weight,
        "model.norm.weight": network.norm.weight,
    }
    if network.head is not None:
        found["lm_head.weight"] = network.head.weight
    for index, block in enumerate(network.blocks):
        attention, feed_forward = block.attention, block.feed_forward
        q, k, v = attention.qkv.weight.split(
            [own.heads * head_width, kv_heads * head_width, kv_heads * head_width]
        )
        gate, up = feed_forward.into.weight.chunk(2)
        layer = {
            "input_layernorm": block.attention_norm.weight,
            "self_attn.q_proj": q,
            "self_attn.k_proj": k,
            "self_attn.v_proj": v,
            "self_attn.q_norm": attention.q_norm,
            "self_attn.k_norm": attention.k_norm,
            "self_attn.o_proj": attention.out.weight,
            "post_attention_layernorm": block.feed_forward_norm.weight,
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": feed_forward.out.weight,
        }
        found |= {f"model.layers.{index}.{name}.weight": value for name, value in layer.items()}
    # clone: cut tensors share one storage
    return {name: value.detach().float().cpu().clone() for name, value in found.items()}


def generation(codec: Any, sampling: SampleConfig) -> dict[str, Any]:
    """generation_config.json: sampling as the recipe has it, up to the context's length."""
    spec = codec.spec
    silent = set(codec.silent)
    never = [
        number
        for number, written in enumerate(codec.token_bytes)
        if number != spec.end and (not written or number in silent)
    ]
    rules: dict[str, Any] = {"do_sample": False}
    if sampling.temperature > 0:
        rules = {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k or 0,  # the library's own default is 50
            "top_p": sampling.top_p,
            "min_p": sampling.min_p or None,
        }
    return {
        "bos_token_id": spec.begin,
        "eos_token_id": spec.end,
        "pad_token_id": spec.end,
        **rules,
        "repetition_penalty": sampling.repetition,
        "max_length": spec.length,
        "suppress_tokens": never,
    }


def token_names(codec: Any) -> dict[int, str]:
    """What tokenizer.json calls its special tokens, by id."""
    return {
        token["id"]: token["content"]
        for token in json.loads(codec.to_json())["added_tokens"]
        if token["special"]
    }


def tokenizer(codec: Any, names: dict[int, str]) -> str:
    """tokenizer.json: the codec's, and `begin` goes before each text. There is no `end`: a prompt
    is open.
    """
    made, begin = json.loads(codec.to_json()), names[codec.spec.begin]
    first, text, other = (
        {"SpecialToken": {"id": begin, "type_id": 0}},
        *({"Sequence": {"id": one, "type_id": 0}} for one in "AB"),
    )
    made["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, other],
        "special_tokens": {begin: {"id": begin, "ids": [codec.spec.begin], "tokens": [begin]}},
    }
    return json.dumps(made, ensure_ascii=False)


def tokenizer_config(spec: Tokens, names: dict[int, str]) -> dict[str, Any]:
    """tokenizer_config.json. split_special_tokens: a text that contains "<|end|>" contains seven
    characters, as in the codec.
    """
    ends = {} if spec.end is None else {"eos_token": names[spec.end], "pad_token": names[spec.end]}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": names[spec.begin],
        **ends,
        "model_max_length": spec.length,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
    }


def _talk(codec: Any) -> dict[str, Any]:
    """Of a run that was tuned on conversations: its template. Names of special tokens in a text are
    tokens then: what a template writes is a text.
    """
    return (
        {"chat_template": codec.chat_template, "split_special_tokens": False}
        if chats(codec)
        else {}
    )


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _readme(run: Run, spec: Tokens) -> str:
    licence = run.about["data"].get("licence")
    return f"""---
library_name: transformers
pipeline_tag: text-generation
---
# {markdown(run.recipe.title)}

{run.about["parameters"]:,} parameters, a vocabulary of {spec.vocab:,}, a context of {spec.length:,} tokens. Licence of the training texts: {markdown(licence or "not stated")}.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer, model = AutoTokenizer.from_pretrained("."), AutoModelForCausalLM.from_pretrained(".")
ids = tokenizer("A text begins", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids)[0], skip_special_tokens=True))
```

Trained and exported by Castalia; `castalia.json` says which run and which data this is.
"""
