"""Round trips of any text; the layout of vocabularies; no token ends inside a character;
tokenizer.json of ours and of others.
"""

import itertools
import json

import numpy as np
import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.errors import DataError
from castalia.modalities.text.codec import Streamer, TextCodec, TextConfig
from castalia.modalities.text.tokenizers import learn_alphabet

CHINESE = [
    "聞道黃花戍，頻年不解兵。\n可憐閨裏月，偏照漢家營。",
    "千里東歸客，無心憶舊遊。\n掛帆游白水，高枕到青州。",
    "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。",
    "空山不見人，但聞人語響。\n返景入深林，復照青苔上。",
]
ENGLISH = [
    "the cat sat on the mat, and then the other cat sat there too.\n",
    "that is the question: whether 'tis nobler in the mind\n\n",
]
ANY = st.text(max_size=60)  # any Unicode but lone surrogates
SPECIAL = [
    "<|end|>",
    "<|begin|>",
    "<0xE4>",
    "a\r\n\tb ",
    "\x00\x7f",
    "\u2028\ufeff",
    "😀👩‍👩‍👧",
    "𠮷",
    "e\u0301",
    "",
    " ",
    "  ",
    "\n",
]


def byte_level() -> tokenizers.Tokenizer:
    """A GPT-2-like tokenizer, whose tokens may end inside characters."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(CHINESE * 4 + ENGLISH * 4, trainer)
    return made


def sentencepiece_like() -> tokenizers.Tokenizer:
    """A Llama-2-like tokenizer: "▁" for spaces, bytes as <0xNN>, <s> and </s>."""
    letters = sorted(set("".join(ENGLISH)) - {" ", "\n"})
    names = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *letters,
        "▁t",
        "he",
        "▁the",
    ]
    model = tokenizers.models.BPE(
        {name: number for number, name in enumerate(names)},
        [("▁", "t"), ("h", "e"), ("▁t", "he")],
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    )
    made = tokenizers.Tokenizer(model)
    made.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.Prepend("▁"), tokenizers.normalizers.Replace(" ", "▁")]
    )
    made.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("▁", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
            tokenizers.decoders.Strip(" ", 1, 0),
        ]
    )
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    return made


def fitted(tokenizer: str, texts: list[str] | None = None, **settings: object) -> TextCodec:
    codec = TextCodec(TextConfig(tokenizer=tokenizer, **settings))
    codec.fit(texts or [*CHINESE, *ENGLISH] * 3)
    return codec


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextCodec]:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "tokenizer.json").write_text(byte_level().to_str(), encoding="utf-8")
    return {
        "char": fitted("char"),
        "byte": fitted("byte"),
        "bpe": fitted("bpe", vocab=360),
        "foreign": fitted(str(folder)),
    }


@pytest.mark.parametrize("name", ["char", "byte", "bpe", "foreign"])
@settings(max_examples=150, deadline=None)
@given(text=st.one_of(ANY, st.sampled_from(SPECIAL), st.sampled_from(CHINESE + ENGLISH)))
def test_any_text_comes_back(codecs: dict[str, TextCodec], name: str, text: str):
    codec = codecs[name]
    ids = codec.encode(text).long()
    assert codec.decode(ids) == text
    assert (
        ids[0] == codec.spec.begin
        and ids[-1] == codec.spec.end
        and codec.spec.begin not in ids[1:].tolist()
    )
    stream = Streamer(codec)
    assert "".join(map(stream.push, ids.tolist())) + stream.finish() == text


@pytest.mark.parametrize("name", ["char", "byte", "bpe", "foreign"])
@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(st.integers(-5, 10_000), max_size=40))
def test_any_ids_decode(codecs: dict[str, TextCodec], name: str, numbers: list[int]):
    text = codecs[name].decode(torch.tensor(numbers, dtype=torch.int64))
    text.encode()
    stream = Streamer(codecs[name])
    assert "".join(map(stream.push, numbers)) + stream.finish() == text


def test_lone_surrogates_are_refused_by_name(codecs: dict[str, TextCodec]):
    for codec in codecs.values():
        with pytest.raises(DataError, match=r"U\+D83D"):
            codec.encode("half \ud83d a smile")
    with pytest.raises(DataError, match=r"U\+DC00"):
        fitted("char", ["a\udc00"])


def test_streams_give_whole_characters_only():
    codec = fitted("byte")
    stream = Streamer(codec)
    pieces = [stream.push(byte + 2) for byte in "a日".encode()]
    assert pieces == ["a", "", "", "日"]
    assert stream.push("日".encode()[0] + 2) == "" and stream.finish() == ""
    assert codec.decode(torch.tensor([byte + 2 for byte in "a日".encode()[:-1]])) == "a", (
        "half a character at the end is dropped"
    )
    assert codec.decode(torch.tensor([0xFF + 2, 0x61 + 2])) == "\ufffda"


@pytest.mark.parametrize("name", ["char", "byte", "bpe", "foreign"])
def test_whatever_the_logits_it_is_text(codecs: dict[str, TextCodec], name: str):
    codec = codecs[name]
    grammar, rng = codec.spec.grammar, torch.Generator().manual_seed(0)
    for _ in range(20):
        state, drawn, stream, pieces = grammar.start(), [], Streamer(codec), []
        logits = 8 * torch.randn(codec.spec.vocab, generator=rng)
        logits[codec.spec.end] -= 6  # or the texts are short
        while len(drawn) < 120 or state != 0:
            noise = -torch.rand(codec.spec.vocab, generator=rng).log().neg().log()
            token = int((logits + noise).masked_fill(~grammar.allowed(state), -torch.inf).argmax())
            drawn.append(token)
            if token == codec.spec.end:
                break
            pieces.append(stream.push(token))
            state = grammar.advance(state, token)
        raw = b"".join(codec.token_bytes[token] for token in drawn)
        assert (
            raw.decode("utf-8", "strict")
            == codec.decode(torch.tensor(drawn))
            == "".join(pieces) + stream.finish()
        )


def test_vocabularies_are_tight():
    text = "the quick brown fox\n"
    exact = fitted("char", [text], unknown="error", close=False)
    assert exact.spec.vocab == 1 + len(set(text)) and exact.spec.end is None
    assert fitted("byte", close=True).spec.vocab == 258
    assert fitted("byte", close=False).spec.vocab == 257
    spelled = fitted("char", CHINESE)
    assert spelled.spec.vocab == 2 + 256 + len(
        {character for character in "".join(CHINESE) if ord(character) > 127}
    )
    assert len(set(spelled.token_bytes[2:])) == spelled.spec.vocab - 2, (
        "no two tokens write the same"
    )
    marked = fitted("char", CHINESE, fill_middle=True)
    assert (
        marked.middle == (2, 3, 4)
        and marked.spec.vocab == spelled.spec.vocab + 3
        and spelled.middle is None
    )
    assert marked.token_bytes[:5] == [b""] * 5
    assert fitted("byte", close=False, fill_middle=True).middle == (1, 2, 3)


def test_unknown_characters_are_spelled_or_named():
    spelled = fitted("char", CHINESE)
    assert len(spelled.encode("白鷺")) == 1 + 1 + 3 + 1
    with pytest.raises(DataError, match=r"'鷺' \(U\+9DFA\)"):
        fitted("char", CHINESE, unknown="error").encode("白鷺")


def test_the_alphabet_is_what_occurs():
    assert learn_alphabet(["cab", "", "𠮷日b"]) == "abc日𠮷"


@pytest.mark.parametrize("texts", [CHINESE, CHINESE + ENGLISH, ["naïve café — 日本語 русский 😀"]])
def test_no_merge_ends_inside_a_character(texts: list[str]):
    codec = fitted("bpe", texts * 6, vocab=420)
    long = [token for token in codec.token_bytes if len(token) > 1]
    assert long
    for token in long:
        token.decode("utf-8", "strict")
    assert len(set(codec.token_bytes[2:])) == codec.spec.vocab - 2
    assert any(len(token.decode()) > 1 for token in long), "something was merged"
    joined = "".join(texts)
    assert len(codec.encode(joined)) < len(fitted("byte").encode(joined)) / 2


def test_merges_are_a_function_of_the_texts():
    one, other = (fitted("bpe", [*CHINESE, *ENGLISH] * 5, vocab=400) for _ in range(2))
    assert one.state() == other.state() and one.spec.vocab <= 400
    backwards = fitted("bpe", [*reversed([*CHINESE, *ENGLISH] * 5)], vocab=400)
    assert backwards.state() == one.state()


def test_merges_do_not_build_reserved_names():
    texts = ["<0xE4> <|end|> <|begin|> <|fim_middle|> "] * 200
    codec = fitted("bpe", texts, vocab=600, fill_middle=True)
    assert not {b"<0xE4>", b"<|end|>", b"<|begin|>", b"<|fim_middle|>"} & set(codec.token_bytes)
    assert codec.decode(codec.encode(texts[0]).long()) == texts[0]


def test_merges_match_a_plain_implementation():
    """Greedy merging by rank within words, written out."""
    import re

    codec = fitted("bpe", ENGLISH * 8, vocab=330)
    rank = {tuple(pair): number for number, pair in enumerate(codec.state()[0]["merges"])}
    place = {token: number for number, token in enumerate(codec.token_bytes) if token}
    text = "the mother then sat on that other mat\n"
    ids = []
    for word in re.findall(r" ?[a-z]+|\s", text):
        parts = list(word)
        while True:
            pairs = [
                (rank.get((left, right), 1 << 30), at)
                for at, (left, right) in enumerate(itertools.pairwise(parts))
            ]
            best = min(pairs, default=(1 << 30, 0))
            if best[0] == 1 << 30:
                break
            parts[best[1] : best[1] + 2] = ["".join(parts[best[1] : best[1] + 2])]
        ids += [place[part.encode()] for part in parts]
    assert codec.encode(text).tolist()[1:-1] == ids


@pytest.mark.parametrize("name", ["char", "byte", "bpe", "foreign"])
def test_tokenizer_json_has_the_same_ids(codecs: dict[str, TextCodec], name: str):
    codec = codecs[name]
    library = tokenizers.Tokenizer.from_str(codec.to_json())
    assert library.get_vocab_size() == codec.spec.vocab
    for text in [*CHINESE, *ENGLISH, "naïve 鷺 😀\n\n  x"]:
        ids = codec.encode(text).tolist()[1:-1]
        assert library.encode(text, add_special_tokens=False).ids == ids
        assert library.decode(ids) == text


def test_a_foreign_tokenizer_keeps_its_ids(tmp_path):
    path = tmp_path / "tokenizer.json"
    made = byte_level()
    path.write_text(made.to_str(), encoding="utf-8")
    codec = fitted(str(path), fill_middle=True)
    assert codec.spec.end == made.token_to_id("<|endoftext|>"), (
        "GPT-2's only special ends documents"
    )
    assert (
        codec.spec.begin == made.get_vocab_size() and codec.spec.vocab == made.get_vocab_size() + 4
    )
    assert codec.middle == tuple(made.get_vocab_size() + place for place in (1, 2, 3))
    assert codec.encode(CHINESE[0]).tolist()[1:-1] == made.encode(CHINESE[0]).ids
    path.unlink()
    state, tensors = codec.state()
    again = TextCodec(codec.config).restore(json.loads(json.dumps(state)), tensors)
    assert again.spec == codec.spec and torch.equal(
        again.encode(CHINESE[1]), codec.encode(CHINESE[1])
    )


def test_a_sentencepiece_like_tokenizer(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(sentencepiece_like().to_str(), encoding="utf-8")
    codec = fitted(str(path))
    assert (codec.spec.begin, codec.spec.end) == (1, 2)
    for text in [*ENGLISH, "the 白 cat", " the", "", "  two"]:
        ids = codec.encode(text).long()
        assert codec.decode(ids) == text
        stream = Streamer(codec)
        assert "".join(map(stream.push, ids.tolist())) == text
    assert b" the" in codec.token_bytes


@pytest.mark.parametrize("content", ["", "{}", "[1", '{"model": {"type": "BPE"}}'])
def test_what_is_no_tokenizer_is_refused(content: str, tmp_path):
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(DataError, match=r"mine\.json"):
        fitted(str(tmp_path / "mine.json"))
    with pytest.raises(DataError, match="no tokenizer"):
        fitted("chars")


def test_large_vocabularies_use_more_bytes():
    small = fitted("char", CHINESE)
    assert small.encode("白").dtype == torch.uint16
    everything = (
        np.concatenate([np.arange(0x20, 0xD800), np.arange(0xE000, 0x20000)])
        .astype("<u4")
        .tobytes()
        .decode("utf-32-le")
    )
    large = fitted("char", [everything])
    assert large.encode("白").dtype == torch.int32 and large.spec.vocab > 65536
    assert large.decode(large.encode(everything).long()) == everything
