"""The two losses of 3DSS-VLG against slow formulas, finite differences and the edges of their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_training.losses.vlg import (
    adapter_cross_entropy,
    class_logits,
    constant_cosine_loss,
    constant_l1_loss,
    cosine_guidance,
    l1_guidance,
)

GUIDANCE = [cosine_guidance, l1_guidance]
SEEDS = st.integers(0, 10_000)
few = settings(max_examples=20)


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def slow_cross_entropy(adapted, text, class_of_prompt, class_id, scale):
    losses = []
    for feature, true_class in zip(adapted, class_id, strict=True):
        if true_class == 255:
            continue
        logits = [
            max(scale * float(feature @ text[p]) for p in range(len(text)) if class_of_prompt[p] == k)
            for k in range(max(class_of_prompt) + 1)
        ]
        losses.append(np.log(np.sum(np.exp(logits))) - logits[true_class])
    return np.mean(losses)


@few
@given(
    SEEDS, st.integers(1, 12), st.sampled_from([(0, 1), (0, 0, 1, 2, 2), (0, 1, 1, 1)]), st.sampled_from([1.0, 20.0])
)
def test_the_adapters_loss_is_the_slow_formula_with_the_best_synonym_of_each_class(seed, count, class_of_prompt, scale):
    adapted, text = random(seed, count, 6), random(seed + 1, len(class_of_prompt), 6)
    class_id = np.random.default_rng(seed).choice([*range(max(class_of_prompt) + 1), 255], count)
    class_id[0] = 0
    expected = slow_cross_entropy(adapted.numpy(), text.numpy(), class_of_prompt, class_id, scale)
    found = adapter_cross_entropy(
        adapted, text, torch.tensor(class_of_prompt), torch.from_numpy(class_id.astype(np.int64)), scale
    )
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_without_a_label_the_adapters_loss_is_zero_with_a_gradient_path():
    adapted = random(0, 4, 6).requires_grad_()
    loss = adapter_cross_entropy(adapted, random(1, 2, 6), torch.tensor([0, 1]), torch.full((4,), 255))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(adapted.grad, torch.zeros_like(adapted))


def test_class_logits_keep_the_order_of_classes_whatever_the_order_of_prompts():
    feature, text = random(0, 5, 3), random(1, 4, 3)
    order = torch.tensor([2, 0, 3, 1])
    class_of_prompt = torch.tensor([0, 1, 1, 2])
    expected = class_logits(feature, text, class_of_prompt)
    torch.testing.assert_close(class_logits(feature, text[order], class_of_prompt[order]), expected)
    one_each = torch.tensor([0, 1, 2, 3])
    torch.testing.assert_close(class_logits(feature, text[order], one_each[order]), feature @ text.T)


@few
@given(SEEDS, st.floats(0.01, 100.0), st.floats(0.01, 100.0))
def test_the_cosine_loss_is_0_for_parallel_and_2_for_opposite_rows_whatever_their_lengths(seed, length, other_length):
    feature = random(seed, 7, 5)
    assert float(cosine_guidance(length * feature, other_length * feature)) == pytest.approx(0.0, abs=1e-6)
    assert float(cosine_guidance(length * feature, -other_length * feature)) == pytest.approx(2.0, abs=1e-6)


@few
@given(SEEDS, st.floats(0.01, 100.0))
def test_the_length_of_a_target_does_not_matter_to_the_cosine_loss(seed, length):
    feature, target = random(seed, 7, 5), random(seed + 1, 7, 5)
    one, other = cosine_guidance(feature, target), cosine_guidance(feature, length * target)
    assert float(other) == pytest.approx(float(one), abs=1e-6)


def slow_guidance(loss, feature, target, visible):
    rows = [(f.numpy(), t.numpy()) for f, t, v in zip(feature, target, visible, strict=True) if v]
    if loss is l1_guidance:
        return np.mean([np.abs(f - t) for f, t in rows])
    return np.mean([1 - f @ t / np.sqrt((f @ f) * (t @ t)) for f, t in rows])


@pytest.mark.parametrize("loss", GUIDANCE)
@few
@given(SEEDS, st.integers(1, 12))
def test_guidance_is_the_slow_formula_over_visible_rows(loss, seed, count):
    feature, target = random(seed, count, 5), random(seed + 1, count, 5)
    visible = np.random.default_rng(seed).random(count) < 0.5
    visible[0] = True
    found = loss(feature, target, torch.from_numpy(visible))
    assert float(found) == pytest.approx(slow_guidance(loss, feature, target, visible), rel=1e-9)


@pytest.mark.parametrize("loss", GUIDANCE)
def test_gradients_agree_with_finite_differences(loss):
    feature, target = random(0, 4, 5).requires_grad_(), random(1, 4, 5)
    visible = torch.tensor([True, False, True, True])
    assert torch.autograd.gradcheck(lambda f: loss(f, target, visible), feature)
    loss(feature, target, visible).backward()
    assert torch.equal(feature.grad[1], torch.zeros(5, dtype=torch.float64))


def test_the_gradient_of_the_adapters_loss_agrees_with_finite_differences():
    text, class_of_prompt = random(1, 4, 5), torch.tensor([0, 0, 1, 2])
    class_id = torch.tensor([0, 2, 255, 1])
    adapted = random(0, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: adapter_cross_entropy(a, text, class_of_prompt, class_id, 5.0), adapted)


@pytest.mark.parametrize("loss", GUIDANCE)
def test_without_a_visible_row_guidance_is_zero_with_a_gradient_path(loss):
    feature = random(0, 3, 5).requires_grad_()
    value = loss(feature, random(1, 3, 5), torch.zeros(3, dtype=torch.bool))
    value.backward()
    assert float(value.detach()) == 0.0
    assert torch.equal(feature.grad, torch.zeros_like(feature))


def test_a_row_of_zeros_counts_one_and_spoils_no_gradient():
    feature = torch.zeros(2, 5).requires_grad_()
    loss = cosine_guidance(feature, random(1, 2, 5).float())
    loss.backward()
    assert float(loss.detach()) == 1.0
    assert bool(torch.isfinite(feature.grad).all())


def test_targets_in_half_precision_are_compared_in_single():
    feature, target = random(0, 50, 64).float(), random(0, 50, 64).half()
    assert cosine_guidance(feature, target).dtype == torch.float32
    assert float(cosine_guidance(feature, target)) < 1e-6


@pytest.mark.parametrize(
    ("loss", "constant"), [(cosine_guidance, constant_cosine_loss), (l1_guidance, constant_l1_loss)]
)
def test_no_vector_that_is_the_same_for_all_rows_does_better_than_the_best_one(loss, constant):
    target = random(0, 41, 6) + 0.5
    best = float(constant(target.float()))
    direction = torch.nn.functional.normalize(target, dim=1).mean(dim=0)
    found = direction if loss is cosine_guidance else target.median(dim=0).values
    assert float(loss(found.expand(41, 6), target)) == pytest.approx(best, abs=1e-5)
    for seed in range(20):
        other = found + 0.2 * random(seed, 1, 6)[0]
        assert float(loss(other.expand(41, 6), target)) >= best - 1e-6
