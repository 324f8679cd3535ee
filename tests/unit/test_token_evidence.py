"""Judging tokens: exact matches, n-gram statistics and compression against brute force, and whole
evaluations of known models.
"""

import json
import math
import re
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.evaluation import evaluate
from castalia.evaluation.base import share_estimate
from castalia.evaluation.compression import Compression, baseline_nats
from castalia.evaluation.ngram_overlap import longest, seen
from castalia.evaluation.ngram_variety import bleus, distinct, looping, loops, self_bleu
from castalia.evaluation.report_page import write_page
from castalia.evaluation.suffix_matches import matches
from castalia.families.base import Family, FamilyConfig
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.nn.kneser_ney import Counts
from castalia.spec import Batch, Tokens
from castalia.testing.metrics import token_evidence

rows = st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=1, max_size=4)


def tensors(lists):
    return [torch.tensor(row, dtype=torch.int64) for row in lists]


# exact matches


@settings(max_examples=100, deadline=None)
@given(rows, rows)
def test_the_longest_match_from_every_place(queries, corpus):
    found = matches(tensors(queries), tensors(corpus))
    for number, query in enumerate(queries):
        for place in range(len(query)):
            length = found.lengths[number][place]
            ends = [
                n
                for n in range(len(query) - place, 0, -1)
                for d in corpus
                for i in range(len(d))
                if d[i : i + n] == query[place : place + n]
            ]
            assert length == (ends[0] if ends else 0)
            document, start = corpus[found.documents[number][place]], found.places[number][place]
            assert document[start : start + length] == query[place : place + length]


def test_shares_and_spans_from_matches():
    corpus, query = tensors([[1, 2, 3, 4, 5]]), tensors([[9, 2, 3, 4, 9, 1, 2], [7, 7]])
    lengths = matches(query, corpus).lengths
    assert [row.tolist() for row in lengths] == [[0, 3, 2, 1, 0, 2, 1], [0, 0]]
    assert seen(lengths, 2).value == pytest.approx(3 / 7)  # 2 3, 3 4 and 1 2, of six and one
    assert longest(lengths).value == 1.5 and longest(lengths).details["longest_of_all"] == 3


def test_no_hit_leaves_an_open_interval():
    nothing = share_estimate([0] * 20, [50] * 20, 200)
    assert nothing.low == 0 and 0.005 < nothing.high < 0.05
    even = share_estimate([25] * 20, [50] * 20, 200)
    assert even.low == even.value == even.high == 0.5


# variety


def test_distinct_counts_different_ngrams():
    passages = tensors([[1, 2, 1, 2], [2, 1]])
    assert distinct(passages, 1).value == 2 / 6
    assert distinct(passages, 2).value == 2 / 4  # 1 2, 2 1, 1 2 | 2 1: none across passages
    assert distinct(passages, 5).value == 0.0


def ngrams(row, n):
    return Counter(tuple(row[i : i + n]) for i in range(len(row) - n + 1))


def bleu(candidate, references):
    """Papineni et al. 2002 with the smoothing of method 1, written out."""
    logs = 0.0
    for n in range(1, 5):
        counted = [ngrams(row, n) for row in references]
        matched = sum(
            min(count, max(row[gram] for row in counted))
            for gram, count in ngrams(candidate, n).items()
        )
        logs += math.log((matched or 0.1) / max(1, len(candidate) - n + 1)) / 4
    closest = min(
        (len(row) for row in references), key=lambda length: (abs(length - len(candidate)), length)
    )
    return math.exp(logs) * (
        1.0 if len(candidate) > closest else math.exp(1 - closest / len(candidate))
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=15), min_size=2, max_size=5))
def test_bleu_is_papinenis(passages):
    expected = [
        bleu(row, passages[:number] + passages[number + 1 :]) for number, row in enumerate(passages)
    ]
    np.testing.assert_allclose(bleus(tensors(passages)), expected, rtol=1e-9)


def test_samples_that_are_alike_have_self_bleu_one():
    assert self_bleu(tensors([[1, 2, 3, 4, 5]] * 3)).value == pytest.approx(1)


def test_loops_are_three_repeats_that_cover_six_symbols():
    free = list(range(10, 20))
    assert not looping(torch.tensor([*free, 1, 1, 1, *free])).any()  # "ha ha ha"
    assert looping(torch.tensor([*free, *[1] * 6, *free])).nonzero()[0].tolist() == list(
        range(10, 16)
    )
    assert not looping(torch.tensor([*free, *[1, 2, 3] * 2, *free])).any()
    assert looping(torch.tensor([*free, *[1, 2, 3] * 3])).sum() == 9
    found = loops(tensors([free, [*free, *[1, 2] * 5]]))
    assert (
        found.value == pytest.approx(10 / 30)
        and found.details["passages_that_end_in_a_loop"] == 0.5
    )
    assert not looping(torch.tensor([], dtype=torch.int64)).any()


# compression


def test_bits_are_exact_nats_over_exact_units():
    shown = token_evidence(60)
    byte, character = Compression().scores(shown)
    nats = shown.model.nats(shown.batches[0]).double()
    assert (byte.name, character.name) == ("bits-per-byte", "bits-per-character")
    assert byte.value == pytest.approx(
        nats.sum().item() / math.log(2) / (60 * 48)
    ) and character.value == pytest.approx(2 * byte.value)
    assert byte.low < byte.value < byte.high
    assert byte.details["perplexity_per_token"] == pytest.approx(
        math.exp(nats.sum().item() / (60 * 24))
    )


def test_baselines_see_what_they_should():
    shown = token_evidence(120)
    x = shown.batches[0].x
    nats, facts = baseline_nats([x], shown.documents, shown.spec)
    order = facts["counts_order"]
    assert order == 2  # the chain looks back one token
    expected = -Counts(40, 2, 0).fit(shown.documents).score(x)[0].double().sum(1)
    torch.testing.assert_close(nats["counts"], expected)
    assert (
        nats["counts"].sum() < nats["naive"].sum()
        and nats["counts"].sum() < nats["memoriser"].sum()
    )
    known = torch.stack([document[:25] for document in shown.documents])
    replayed, _ = baseline_nats([known], shown.documents, shown.spec)
    # it knows its own text by heart
    assert replayed["memoriser"].sum() < 0.6 * replayed["counts"].sum()


def test_recall_is_the_share_after_the_longest_seen_context():
    counts = Counts(6, 4, 0).fit([torch.tensor([0, 1, 2, 3, 1, 2, 4, 5, 2, 3])])
    # after 1: 2, 2; after 1 2: 3, 4
    assert counts.recall(torch.tensor([[1, 2, 4]]))[0].tolist() == pytest.approx([1.0, 0.5])
    # after 5 always 2
    assert counts.recall(torch.tensor([[5, 5]]))[0].tolist() == pytest.approx([0.0])
    assert counts.recall(torch.tensor([[4, 5, 2, 4]]))[0].tolist() == pytest.approx([1.0, 1.0, 0.0])


def test_a_model_that_counting_beats_is_told_so():
    shown = token_evidence(120)
    shown.model.step.copy_(shown.model.step.flip(0))  # knows nothing
    words = " ".join(Compression().scores(shown)[0].details["words"])
    assert (
        "counting n-grams predicts these data better than the model does" in words
        and "not even" in words.lower()
    )
    assert "the model saves" in Compression().scores(token_evidence(120))[0].details["words"][0]


# whole evaluations

WORDS = [
    *"春江花月夜山水",
    "the",
    "a",
    "old",
    "young",
    "sea",
    "king",
    "queen",
    "night",
    "sees",
    "loves",
    "fears",
    "leaves",
    "of",
    "under",
    "and",
]


def corpus(count, seed, length=30):
    """Documents of a second-order chain of words, English and Chinese."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(1)
    step = fixed.integers(0, len(WORDS), (len(WORDS), len(WORDS), 2))
    texts = []
    for _ in range(count):
        a, b = rng.integers(0, len(WORDS), 2)
        row = [a, b]
        for _ in range(length):
            a, b = (
                b,
                step[a, b, rng.integers(0, 2)]
                if rng.random() > 0.1
                else rng.integers(0, len(WORDS)),
            )
            row.append(b)
        texts.append(" ".join(WORDS[i] for i in row) + " <&>\n")
    return texts


class Side:
    """What evaluation needs of one side of token data: rows of documents cut into pieces."""

    def __init__(self, spec, documents):
        self.spec, self._documents = spec, documents
        self.cuts = [
            (number, start)
            for number, d in enumerate(documents)
            for start in range(0, max(1, len(d) - 1), spec.length)
        ]

    def __len__(self):
        return len(self.cuts)

    def documents(self):
        return iter(self._documents)

    def document_of(self, indices):
        return torch.tensor([self.cuts[i][0] for i in indices.tolist()])

    def take(self, indices):
        pieces = [
            self._documents[d][start : start + self.spec.length + 1]
            for d, start in (self.cuts[i] for i in torch.as_tensor(indices).tolist())
        ]
        return Batch(
            torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True, padding_value=self.spec.begin)
        )


class Data:
    def __init__(self, codec, train, validation):
        self.codec, self.spec, self.conditions = codec, codec.spec, {}
        self.train, self.validation = (
            Side(codec.spec, [codec.encode(text).long() for text in texts])
            for texts in (train, validation)
        )


class State:
    def __init__(self, ids):
        self.ids = ids

    @property
    def lengths(self):
        return torch.tensor([len(row) for row in self.ids])

    def take(self, rows):
        return State([self.ids[row] for row in rows.tolist()])

    def join(self, other):
        return State(self.ids + other.ids)


class Teller(Family):
    """Kneser-Ney counts as a model of tokens."""

    name, accepts, Config, exact = "teller", (Tokens,), FamilyConfig, True

    def __init__(self, spec, documents, order):
        super().__init__(FamilyConfig(), spec, {})
        self.weight = torch.nn.Parameter(torch.zeros(3))
        self.counts = Counts(spec.vocab, order, spec.begin).fit(documents)

    def phases(self):
        return []

    def forward(self, batch, phase="main"):
        raise NotImplementedError

    def nats(self, batch, rngs=None):
        return -self.counts.score(batch.x)[0].sum(1)

    def prefill(self, ids, mask, cond):
        return self._next(State([row[keep] for row, keep in zip(ids, mask, strict=True)]))

    def step(self, tokens, state):
        return self._next(
            State(
                [
                    torch.cat([row, token[None]])
                    for row, token in zip(state.ids, tokens, strict=True)
                ]
            )
        )

    def _next(self, state):
        wide = self.counts.order - 1
        rows = [
            torch.cat(
                [torch.full((max(0, wide - len(row)),), -1), row[len(row) - min(wide, len(row)) :]]
            )
            for row in state.ids
        ]
        return self.counts.distribution(torch.stack(rows))[0].log().clamp_min(-1e9), state


@pytest.fixture(scope="module")
def data():
    train, validation = corpus(150, 0), corpus(60, 5)
    codec = TextCodec(TextConfig(tokenizer="char", length=64))
    codec.fit(train)
    return Data(codec, train, validation)


@pytest.fixture(scope="module")
def judged(data):
    return evaluate(
        Teller(data.spec, list(data.train.documents()), 8), data.codec, data, n=60, seed=3, batch=60
    )


def test_every_score_of_text_is_there(judged):
    document = judged.to_json("run-1")
    json.dumps(document, allow_nan=False)
    assert [score["name"] for score in document["scores"]] == [
        "kernel-ngrams-v1",
        "c2st-ngrams-v1",
        "vendi-ngrams-v1",
        "creativity-ngrams-v1",
        "bits-per-byte",
        "bits-per-character",
        "distinct-1",
        "distinct-2",
        "distinct-3",
        "distinct-4",
        "self-bleu",
        "loops",
        "seen-8-grams",
        "longest-copy",
        "samples-per-second",
        "peak-memory",
        "parameters",
    ]
    bits = judged.score("bits-per-character")
    assert set(bits.baselines) == {"naive", "counts", "memoriser", "xz"} and all(
        value > 0 for value in bits.baselines.values()
    )
    assert bits.baselines["counts"] < bits.baselines["xz"] < bits.baselines["naive"]
    assert bits.details["characters"] == sum(len(text) for text in corpus(60, 5))
    assert judged.score("bits-per-byte").value < bits.value  # Chinese characters have three bytes
    for name in ("distinct-2", "self-bleu", "seen-8-grams", "longest-copy"):
        score = judged.score(name)
        assert (
            score.low <= score.value <= score.high
            and score.floor is not None
            and score.n == 60
            and score.seeds == (3,)
        )


def test_bits_do_not_depend_on_the_tokenizer(data, judged):
    codec = TextCodec(TextConfig(tokenizer="byte", length=128))
    other = Data(codec, corpus(150, 0), corpus(60, 5))
    found = evaluate(
        Teller(codec.spec, list(other.train.documents()), 8),
        codec,
        other,
        n=40,
        seed=3,
        batch=40,
        metrics=["compression"],
    )
    assert (
        found.score("bits-per-byte").details["bytes"]
        == judged.score("bits-per-byte").details["bytes"]
    )
    assert found.score("bits-per-byte").value == pytest.approx(
        judged.score("bits-per-byte").value, rel=0.15
    )


def test_a_model_as_good_as_counting_is_told_so(judged):
    words = dict(judged.verdict)
    assert (
        "counting n-grams" in words["headline"].lower()
        and "no clear sign of copying" in words["novelty"]
    )
    assert "bits per character" in words["fidelity"]


def test_a_model_that_copies_is_found_out(data):
    model = Teller(data.spec, list(data.train.documents()), 24)
    model.counts._rest[:] *= 1e-4  # next to nothing is left for what was not seen
    found = evaluate(model, data.codec, data, n=60, seed=0, batch=60, metrics=["borrowing"])
    assert dict(found.verdict)["headline"] == "The model repeats its training text."
    assert found.score("seen-8-grams").low > 0.5 > found.score("seen-8-grams").floor
    one = found.shared[0]
    text = list(data.train.documents())[one.document]
    assert (
        one.trained[1].split() == one.sampled[1].split()
        and one.trained[1] in data.codec.decode(text)
        and one.length > 10
    )


def test_a_model_that_loops_is_found_out(data):
    class Stuck(Teller):
        def _next(self, state):
            logits, state = super()._next(state)
            period = [row[-6:-5] if len(row) > 12 else row[:0] for row in state.ids]
            for place, token in enumerate(period):
                logits[place, token] += 50.0
            return logits, state

    found = evaluate(
        Stuck(data.spec, list(data.train.documents()), 5),
        data.codec,
        data,
        n=60,
        seed=0,
        batch=60,
        metrics=["variety"],
    )
    assert dict(found.verdict)["headline"] == "The samples get stuck in loops."
    assert (
        found.score("loops").value > 0.2
        and "gets stuck" in found.score("loops").details["words"][0]
    )


def test_the_page_shows_texts(judged, data, tmp_path):
    write_page(judged, data.codec, tmp_path / "page.html", title="texts")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (
        "&lt;&amp;&gt;" in page and "<&>" not in page and any(word in page for word in "春江花月夜")
    )
    assert (
        "Longest copies" in page
        and "<mark>" in page
        and "white-space: pre-wrap" in page
        and "Bits per character" in page
    )
    assert "<img" not in page and not re.search(r"https?:|//[a-z]|@import|url\(", page)


def test_the_same_seed_gives_the_same_scores(judged, data):
    again = evaluate(
        Teller(data.spec, list(data.train.documents()), 8), data.codec, data, n=60, seed=3, batch=60
    )
    changing = ("samples-per-second", "peak-memory")
    assert [s.value for s in again.scores if s.name not in changing] == [
        s.value for s in judged.scores if s.name not in changing
    ]


def test_against_other_text(data):
    other = [data.codec.encode(text).long() for text in corpus(60, 9)]
    model = Teller(data.spec, list(data.train.documents()), 5)
    found = evaluate(
        model, data.codec, data, n=50, batch=50, against=other, metrics=["kernel", "borrowing"]
    )
    assert (
        found.score("kernel").n == 50
        and "given passages" in found.score("kernel").details["reference"]
    )


@pytest.mark.parametrize(("train", "validation"), [(1, 0), (3, 0), (2, 1)])
def test_hardly_any_text(train, validation, data):
    few = Data(data.codec, corpus(train, 0, 4), corpus(validation, 1, 4))
    found = evaluate(
        Teller(data.spec, list(few.train.documents()), 3), data.codec, few, n=20, batch=8
    )
    json.dumps(found.to_json("x"), allow_nan=False)
    assert found.score("kernel") is None or found.score("kernel").value is None
    assert found.score("parameters").value == 3


def test_pieces_are_words_and_chinese_characters():
    codec = TextCodec()
    assert codec.pieces("Hello,  world!\n明月 abc月x ") == [
        "Hello",
        ",",
        "  world",
        "!",
        "\n明",
        "月",
        " abc",
        "月",
        "x ",
    ]
    assert codec.pieces("") == [] and codec.pieces(" \n") == [" \n"]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_pieces_joined_are_the_text(text):
    assert "".join(TextCodec().pieces(text)) == text
