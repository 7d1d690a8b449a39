import numpy as np
import pytest

from fenlei.errors import SettingsError
from fenlei.judge import blend as blend_module
from fenlei.judge.blend import NO_BLEND, Blend, fit_blend
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut


def two_views(rows, own_noise, other_noise, seed=0, labels=4):
    """Logits of two models that see the truth through noises of their own, on scales of their own."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, labels)) < 0.4).astype(np.uint8)
    sign = 2.0 * truth - 1
    own = 3 * (sign + own_noise * rng.normal(size=truth.shape))
    other = 0.5 * (sign + other_noise * rng.normal(size=truth.shape))
    return own, other, truth


def test_two_models_that_err_elsewhere_are_mixed_and_the_mixture_is_better_on_other_rows():
    own, other, truth = two_views(400, 1.0, 1.0)
    blend = fit_blend(own, other, truth, "multilabel")
    # Equally good, but the other on a sixth of the scale.
    assert blend.baseline / blend.encoder == pytest.approx(6, rel=0.35)
    new_own, new_other, new_truth = two_views(4000, 1.0, 1.0, seed=1)
    right = {
        name: ((logits >= 0) == new_truth).mean()
        for name, logits in [("own", new_own), ("other", new_other), ("both", blend.apply(new_own, new_other))]
    }
    assert right["both"] > max(right["own"], right["other"]) + 0.03


def test_many_rows_leave_a_baseline_that_adds_nothing_out():
    own, _, truth = two_views(4000, 0.8, 1.0)
    noise = np.random.default_rng(9).normal(size=truth.shape)
    blend = fit_blend(own, noise, truth, "multilabel")
    # Its temperature is so high that no share of it weighs.
    assert np.abs(blend.apply(own, noise) / blend.encoder - own).max() < 0.1
    far_worse = own + 12 * noise
    assert fit_blend(own, far_worse, truth, "multilabel").baseline < 0.1
    assert fit_blend(own, own, np.zeros_like(truth), "multilabel") == NO_BLEND


def test_few_rows_give_equal_shares_and_noise_costs_little_even_then():
    """The scales differ six times, so equal shares have six times the factor."""
    ratios, costs = [], []
    new_own, _, new_truth = two_views(4000, 0.8, 1.0, seed=50)
    new_noise = np.random.default_rng(51).normal(size=new_truth.shape)
    for seed in range(20):
        own, other, truth = two_views(40, 0.8, 0.8, seed=seed)
        blend = fit_blend(own, other, truth, "multilabel")
        ratios.append(blend.baseline / blend.encoder / 6)
        noise = np.random.default_rng(100 + seed).normal(size=truth.shape)
        mixed = fit_blend(own, noise, truth, "multilabel").apply(new_own, new_noise)
        costs.append(((new_own >= 0) == new_truth).mean() - ((mixed >= 0) == new_truth).mean())
    assert 0.4 < min(ratios) < max(ratios) < 2.5
    assert np.mean(costs) < 0.005
    few = np.array([[0.1, -0.1]]), np.array([[3.0, -3.0]]), np.array([[1, 0]])
    assert fit_blend(*few, "multilabel") == NO_BLEND


def test_rows_left_out_for_speed_count_as_evidence_all_the_same(monkeypatch):
    """Every row twice, every second one looked at: half of the prior's weight, and not all of it."""
    own, _, truth = two_views(1000, 0.8, 1.0)
    other = own + np.random.default_rng(9).normal(size=own.shape)
    once = {rows: fit_blend(own, other, truth, "multilabel", prior_rows=rows) for rows in (20, 40)}
    assert once[20] != once[40]
    monkeypatch.setattr(blend_module, "_MOST_CELLS", truth.size)
    twice = (np.repeat(table, 2, axis=0) for table in (own, other, truth))
    assert fit_blend(*twice, "multilabel", prior_rows=40) == once[20]


def test_multiclass():
    rng = np.random.default_rng(0)
    classes = rng.integers(3, size=500)
    truth = np.eye(3, dtype=np.uint8)[classes]
    own, other = (2 * truth + rng.normal(size=truth.shape) * 1.2 for _ in range(2))
    blend = fit_blend(own, other, truth, "multiclass")
    assert blend.encoder > 0 < blend.baseline
    assert (blend.apply(own, other).argmax(axis=1) == classes).mean() > (own.argmax(axis=1) == classes).mean()


def test_labels_beyond_any_margin_do_not_overrule():
    blend = Blend(encoder=1.0, baseline=0.1)
    logits = blend.apply(np.array([[20.0, 0.0]]), np.array([[-1000.0, 1000.0]]))
    assert logits.tolist() == [[15.0, 5.0]]
    assert NO_BLEND.apply(np.array([[2.0]]), None).tolist() == [[2.0]]


def test_a_fitted_decision_blends_what_it_was_fitted_on():
    own, other, truth = two_views(400, 1.0, 1.0)
    held_out = HeldOut(own.astype(np.float32), other.astype(np.float32), truth, "dev")
    fitted = FittedDecision.fit(held_out, "multilabel", DecisionPlan())
    assert fitted.blend.baseline > 0
    scores = fitted.scores(held_out.logits, held_out.baseline_logits)
    assert (scores == fitted.decision.scores(fitted.blend.apply(held_out.logits, held_out.baseline_logits))).all()
    alone = FittedDecision.fit(held_out, "multilabel", DecisionPlan(blend=False))
    assert alone.blend == NO_BLEND
    assert (alone.scores(held_out.logits) == alone.decision.scores(held_out.logits)).all()


def test_blends_that_cannot_be_are_refused():
    for wrong in [(-1.0, 1.0), (0.0, 0.0), (float("nan"), 1.0), (1.0, float("inf"))]:
        with pytest.raises(SettingsError, match="cannot be"):
            Blend(encoder=wrong[0], baseline=wrong[1])
