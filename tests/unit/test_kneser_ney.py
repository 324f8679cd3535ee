"""Kneser-Ney counts against the textbook written out with dictionaries, and what a module owes its
callers.
"""

import copy
import math
from collections import Counter, defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.errors import DataError, SpecError
from castalia.nn.kneser_ney import FALLBACK, LEAST, Counts, best_order

BEGIN = 0


def windows(document, k):
    """All k-grams of a document that do not cross a `begin` (one may stand first), the last token
    predicted.
    """
    for stop in range(1, len(document)):
        gram = tuple(document[stop - k + 1 : stop + 1]) if stop - k + 1 >= 0 else None
        if gram is not None and BEGIN not in gram[1:] and gram != (BEGIN,):
            yield gram


class Textbook:
    """Chen & Goodman 1999, section 3.2, one dictionary for each order and kind of counting."""

    def __init__(self, documents, vocab, order):
        self.vocab, self.order = vocab, order
        self.counts = {
            k: Counter(gram for d in documents for gram in windows(d, k))
            for k in range(1, order + 1)
        }
        lefts = {k: defaultdict(set) for k in range(1, order)}
        for k in range(1, order):
            for gram in self.counts[k + 1]:
                lefts[k][gram[1:]].add(gram[0])
        self.lefts = {
            k: Counter({gram: len(seen) for gram, seen in lefts[k].items()}) for k in lefts
        }

    @staticmethod
    def discount(table, c):
        n = [sum(value == k for value in table.values()) for k in (1, 2, 3, 4)]
        if not all(n):
            return FALLBACK[min(c, 3) - 1]
        k, y = min(c, 3), n[0] / (n[0] + 2 * n[1])
        return min(max(k - (k + 1) * y * n[k] / n[k - 1], LEAST), k)

    def p(self, token, context, whole=True):
        """context: a tuple of the tokens before, already cut."""
        k = len(context) + 1
        table = self.counts[k] if whole or k == self.order else self.lefts[k]
        after = {gram[-1]: c for gram, c in table.items() if gram[:-1] == context}
        lower = (
            self.p(token, context[1:], False) if context else (token != BEGIN) / (self.vocab - 1)
        )
        if not after:
            return lower
        total = sum(after.values())
        rest = sum(self.discount(table, c) for c in after.values()) / total
        own = (
            max(after[token] - self.discount(table, after[token]), 0) / total
            if token in after
            else 0
        )
        return own + rest * lower


def cut(row, stop, order, segment=None):
    """The context of row[stop]: back to the row's start, the last begin, the segment's start, at
    most order - 1 tokens.
    """
    first = max(0, stop - order + 1)
    for place in range(first, stop):
        if row[place] == BEGIN:
            first = place
    while segment is not None and first < stop and segment[first] != segment[stop]:
        first += 1
    return tuple(row[first:stop])


tokens = st.lists(st.integers(0, 5), min_size=2, max_size=30)
corpora = st.lists(tokens, min_size=1, max_size=5).filter(
    lambda docs: any(any(t != BEGIN for t in d[1:]) for d in docs)
)


@settings(max_examples=60, deadline=None)
@given(corpora, tokens, st.integers(1, 4))
def test_score_and_distribution_are_the_textbook(documents, row, order):
    counts, book = (
        Counts(6, order, BEGIN).fit(map(torch.tensor, documents)),
        Textbook(documents, 6, order),
    )
    found, features = counts.score(torch.tensor([row]))
    assert features.shape == (1, len(row) - 1, Counts.features) and torch.isfinite(features).all()
    for stop in range(1, len(row)):
        context = cut(row, stop, order)
        if row[stop] != BEGIN:
            assert math.exp(found[0, stop - 1]) == pytest.approx(
                book.p(row[stop], context), abs=1e-6
            )
        padded = [-1] * (order + 1 - len(context)) + list(context)
        p, told = counts.distribution(torch.tensor([padded]))
        assert p[0].tolist() == pytest.approx(
            [book.p(token, context) for token in range(6)], abs=1e-6
        )
        assert p.sum().item() == pytest.approx(1, abs=1e-6) and p[0, BEGIN] == 0
        torch.testing.assert_close(told[0], features[0, stop - 1])


def corpus(documents=40, length=300, vocab=30, seed=0):
    """Documents of a random second-order chain: structure enough for every order to have counts of
    counts.
    """
    rng = torch.Generator().manual_seed(seed)
    step = torch.randint(1, vocab, (vocab, vocab, 3), generator=torch.Generator().manual_seed(9))
    rows = []
    for _ in range(documents):
        row = [BEGIN, 1]
        for choice in torch.randint(0, 3, (length,), generator=rng).tolist():
            row.append(int(step[row[-2], row[-1], choice]))
        rows.append(torch.tensor(row))
    return rows


def test_a_larger_corpus_is_the_textbook_with_discounts_of_its_own():
    documents = corpus(8, 200, 12)
    counts, book = (
        Counts(12, 4, BEGIN).fit(documents),
        Textbook([d.tolist() for d in documents], 12, 4),
    )
    assert all(sum(v == k for v in book.counts[3].values()) for k in (1, 2, 3, 4))
    row = corpus(1, 30, 12, seed=5)[0]
    found = counts.score(row[None])[0][0].exp().tolist()
    assert found == pytest.approx(
        [book.p(int(row[i]), cut(row.tolist(), i, 4)) for i in range(1, len(row))], abs=1e-6
    )


def test_the_first_orders_are_the_smaller_models():
    documents, row = corpus(), corpus(1, 100, seed=3)[0][None]
    large = Counts(30, 5, BEGIN).fit(documents)
    for order in (1, 2, 3):
        small = Counts(30, order, BEGIN).fit(documents)
        torch.testing.assert_close(large.score(row, order=order)[0], small.score(row)[0])


def test_batched_contexts_agree_with_scores():
    counts, rows = Counts(30, 4, BEGIN).fit(corpus()), torch.stack(corpus(5, 40, seed=2))
    rows[:, 20] = BEGIN
    found, features = counts.score(rows)
    # of each target
    contexts = torch.cat([torch.full((5, 2), -1), rows], 1).unfold(1, 3, 1)[:, : rows.shape[1] - 1]
    p, told = counts.distribution(contexts.reshape(-1, 3))
    target = rows[:, 1:].reshape(-1, 1)
    coded = target[:, 0] != BEGIN
    torch.testing.assert_close(
        p.gather(1, target)[coded, 0].log(), found.flatten()[coded], atol=1e-6, rtol=1e-6
    )
    torch.testing.assert_close(told.flatten(), features.flatten())
    torch.testing.assert_close(p.sum(1), torch.ones(len(p)))
    assert (found.flatten()[~coded] == 0).all()


def test_contexts_do_not_cross_segments():
    counts, row = Counts(30, 4, BEGIN).fit(corpus()), corpus(1, 20, seed=7)[0]
    segment = torch.tensor([0] * 8 + [1] * (len(row) - 8))
    joined = counts.score(row[None], segment[None])[0][0]
    torch.testing.assert_close(joined[:7], counts.score(row[None, :8])[0][0])
    torch.testing.assert_close(joined[8:], counts.score(row[None, 8:])[0][0])
    assert joined[7].exp().item() == pytest.approx(
        counts.distribution(torch.full((1, 3), -1))[0][0, row[8]].item()
    )


def test_features_describe_the_context():
    counts = Counts(5, 3, BEGIN).fit([torch.tensor([BEGIN, 1, 2, 1, 2, 1, 3])])
    length, *pair = counts.distribution(torch.tensor([[2, 1]]))[1][0].tolist()
    assert length == 1.0  # "2 1" was followed by 2 and by 3, "1" by 2 twice and by 3
    assert pair[:2] == pytest.approx([math.log1p(2) / 8, math.log1p(2) / 8])
    assert pair[4:6] == pytest.approx([math.log1p(3) / 8, math.log1p(2) / 8])
    assert counts.distribution(torch.tensor([[4, 4]]))[1][0, 0] == 0


@pytest.mark.parametrize("order", [1, 4])
def test_a_state_dict_brings_its_sizes(order):
    fitted = Counts(30, order, BEGIN).fit(corpus(5))
    fresh = torch.nn.ModuleDict({"counts": Counts(30, order, BEGIN)})
    fresh.load_state_dict(
        {f"counts.{name}": value.clone() for name, value in fitted.state_dict().items()}
    )
    row = corpus(1, 50, seed=4)[0][None]
    assert all(
        torch.equal(a, b)
        for a, b in zip(fitted.score(row), fresh["counts"].score(row), strict=True)
    )
    assert set(fitted.state_dict()) == {"token", "count", "left", "right"}


def test_a_copy_shares_the_tables_until_it_is_fitted_anew():
    counts, row = Counts(30, 3, BEGIN).fit(corpus(5)), corpus(1, 50, seed=4)[0][None]
    twin, before = copy.deepcopy(counts), counts.score(row)[0]
    assert twin.token.data_ptr() == counts.token.data_ptr() and torch.equal(
        twin.score(row)[0], before
    )
    twin.fit(corpus(5, seed=6))
    assert torch.equal(counts.score(row)[0], before) and not torch.equal(twin.score(row)[0], before)


def test_before_fitting_it_is_uniform():
    p, _ = Counts(5, 3, BEGIN).distribution(torch.tensor([[1, 2]]))
    assert p[0].tolist() == pytest.approx([0, 0.25, 0.25, 0.25, 0.25])
    assert torch.isfinite(Counts(5, 3, BEGIN).score(torch.tensor([[0, 1, 2, 3, 0, 4]]))[0]).all()


def test_the_best_order_is_the_chains():
    best, nats = best_order(corpus(120), corpus(10, seed=8), range(1, 6), 30, BEGIN)
    assert best.order == 3 and nats[3] == min(nats.values()) and nats[1] > nats[2] > nats[3]
    assert nats[3] == pytest.approx(
        -torch.cat([best.score(d[None])[0][0] for d in corpus(10, seed=8)]).mean().item(), rel=1e-5
    )


def test_bad_input_says_what_to_do():
    with pytest.raises(DataError, match="no text to count"):
        Counts(5, 3, BEGIN).fit([torch.tensor([BEGIN]), torch.tensor([])])
    with pytest.raises(DataError, match="outside the vocabulary"):
        Counts(5, 3, BEGIN).fit([torch.tensor([BEGIN, 9])])
    with pytest.raises(SpecError):
        Counts(5, 0, BEGIN)
    counts = Counts(300, 3, BEGIN).fit([torch.tensor([BEGIN, 299, 4], dtype=torch.uint16)])
    assert counts.distribution(torch.tensor([[BEGIN, 299]]))[0].argmax() == 4
