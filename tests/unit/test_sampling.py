"""Blocks, conditions and great circles."""

import pytest
import torch

from castalia.errors import RecipeError
from castalia.nn.counter_random import counter_seed, generators, randn_rows
from castalia.sampling.generate import blocks, class_index
from castalia.sampling.latent_edits import slerp
from castalia.spec import Classes


def test_blocks_cover_everything_once():
    found = [index for first, rows in blocks(5, 150, 64) for index in range(first, first + rows)]
    assert found == list(range(5, 155))


def test_noise_depends_on_seed_and_index_only():
    many = randn_rows(generators(3, 0, 10), 4)
    assert torch.equal(many[6:8], randn_rows(generators(3, 6, 2), 4))
    assert not torch.equal(many[0], randn_rows(generators(4, 0, 1), 4)[0])


def test_counter_seeds_do_not_collide_over_many_counters():
    seeds = {
        counter_seed("train", seed, step, phase, shard)
        for seed in range(4)
        for step in range(500)
        for phase in ("a", "b")
        for shard in range(4)
    }
    assert len(seeds) == 4 * 500 * 2 * 4
    assert counter_seed(1, 23) != counter_seed(12, 3)


def test_slerp_keeps_the_norm_and_the_ends():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert torch.allclose(slerp(a, b, 0.5), torch.tensor([0.5**0.5, 0.5**0.5]))
    assert torch.allclose(slerp(a, b, 0.0), a) and torch.allclose(slerp(a, b, 1.0), b)
    assert torch.allclose(slerp(a, 2 * a, 0.5), 1.5 * a)


def test_classes_by_name_or_number():
    kind = Classes(("cat", "dog", "7"))
    assert [class_index("label", kind, value) for value in ("dog", "1", 0, "7")] == [1, 1, 0, 2]
    with pytest.raises(RecipeError, match="no class 'cow'"):
        class_index("label", kind, "cow")
