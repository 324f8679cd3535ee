"""The attention page holds what the model computed, for any text, and fetches nothing."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.evaluation.attention_page import LONGEST, page, write_page
from castalia.families.ar import Ar, ArConfig
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.spec import Classes

TEXT = "床前 </script>\n月\t& 😀"


@pytest.fixture
def codec() -> TextCodec:
    codec = TextCodec(TextConfig(length=400))
    codec.fit(["床前明月光 </script>\n\t&"])
    return codec


def model_for(codec: TextCodec, **options: Any) -> Ar:
    torch.manual_seed(0)
    model = Ar(ArConfig(width=16, depth=2, heads=2, **options), codec.spec, {})
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.5, 0.5)
    return model.eval()


def data_of(html: str) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', html, flags=re.DOTALL
    )
    assert found
    return json.loads(found[1])


def test_the_page_holds_the_weights_and_the_tokens(codec: TextCodec, tmp_path: Path):
    model = model_for(codec)
    write_page(model, codec, TEXT, tmp_path / "attention.html", title="a <run>")
    html = (tmp_path / "attention.html").read_text(encoding="utf-8")
    data = data_of(html)
    ids = codec.encode(TEXT)[:-1].long()
    assert data["labels"] == codec.labels(ids)
    assert (data["layers"], data["heads"]) == (2, 2)
    rows, columns = np.tril_indices(len(ids))
    packed = np.frombuffer(base64.b64decode(data["weights"]), "<u2").reshape(2, 2, -1)
    for layer, weights in enumerate(model.attention(ids[None])):
        expected = weights[0].numpy()[:, rows, columns]
        assert np.abs(packed[layer] / data["scale"] - expected).max() <= 0.51 / data["scale"]
        assert expected.std() > 0.05
    # the text's own does not end the data
    assert "a &lt;run&gt;" in html and html.count("</script>") == 2
    assert "://" not in html and "@import" not in html and not re.search(r"(src|href)\s*=", html)


def test_labels_show_what_cannot_be_seen(codec: TextCodec):
    assert codec.labels(codec.encode("床 a\n\t\x00é")) == [
        "⟨begin⟩",
        "床",
        "␣",
        "a",
        "↵",
        "⇥",
        "U+0000",
        "⟨C3⟩",
        "⟨A9⟩",
        "⟨end⟩",
    ]


def test_ten_heads_and_a_hundred_tokens_stay_small():
    maps = [torch.rand(10, 100, 100).tril().softmax(-1) for _ in range(4)]
    html = page(maps, ["月"] * 100, title="t")
    assert len(html) < 2**20


def test_maps_do_not_depend_on_how_the_model_predicts(codec: TextCodec):
    """With another order, n-grams or classes there are maps too, and attention with its values is
    what the model computes.
    """
    ids = codec.encode("床前明月光")[None, :-1].long()
    for options in ({"order": "any"}, {"ngrams": (2, 3), "counts": 2}, {"kv_heads": 1}):
        model = model_for(codec, **options)
        mask = torch.ones_like(ids, dtype=torch.bool)
        before = model.prefill(ids, mask, {})[0]
        for block, weights in zip(model.network.blocks, model.attention(ids), strict=True):
            block.attention.forward = _with(block.attention, weights)
        torch.testing.assert_close(model.prefill(ids, mask, {})[0], before, atol=1e-4, rtol=1e-4)


def _with(attention: Any, weights: torch.Tensor) -> Any:
    """The layer with these weights instead of its own."""

    def forward(x: torch.Tensor, rotation: Any, mask: Any, cache: Any = None) -> torch.Tensor:
        _, _, values = attention._project(x, rotation, None)
        return attention.out((weights @ values).transpose(1, 2).flatten(2))

    return forward


def test_a_model_of_classes_reads_as_one_that_was_told_none():
    codec = TextCodec(TextConfig(length=16))
    codec.fit(["abc"])
    torch.manual_seed(0)
    model = Ar(
        ArConfig(width=16, depth=1, heads=1), codec.spec, {"label": Classes(("a", "b"))}
    ).eval()
    ids = codec.encode("abcab")[None, :-1].long()
    before = model.attention(ids)[0]
    torch.nn.init.normal_(model.network.told.tables["label"].weight, 0.0, 5.0)
    assert (model.attention(ids)[0] - before).abs().max() > 0.01


def test_what_cannot_be_shown_is_said(codec: TextCodec, tmp_path: Path):
    target = tmp_path / "attention.html"
    with pytest.raises(AbilityError, match="cannot show where it looks") as caught:
        write_page(torch.nn.Linear(1, 1), codec, "a", target, title="")
    assert "ar" in caught.value.fix
    with pytest.raises(RecipeError, match="no text"):
        write_page(model_for(codec), codec, "", target, title="")
    with pytest.raises(RecipeError, match="too long for a page"):
        write_page(model_for(codec), codec, "月" * LONGEST, target, title="")
    short = TextCodec(TextConfig(length=4))
    short.fit(["abc"])
    with pytest.raises(SpecError, match="longer than the context"):
        write_page(model_for(short), short, "abcab", target, title="")
    assert not target.exists()
