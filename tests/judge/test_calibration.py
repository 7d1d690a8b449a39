import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fenlei.errors import SettingsError
from fenlei.judge.calibration import Calibration, _fit_line, fit_calibration, known_method
from fenlei.judge.reliability import Reliability


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn(slope, shift, rows=4000, labels=3, seed=0):
    """Logits whose true chances are sigmoid(slope * logit + shift)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (rows, labels))
    return logits, (rng.random(logits.shape) < sigmoid(slope * logits + shift)).astype(np.uint8)


def test_platt_on_many_rows_is_logistic_regression():
    logits, truth = drawn(np.array([0.3, 1.0, 2.0]), np.array([-1.0, 0.0, 0.5]), rows=20_000)
    fitted = fit_calibration(logits, truth, "multilabel", "platt")
    for label in range(3):
        model = LogisticRegression(C=np.inf, tol=1e-8).fit(logits[:, [label]], truth[:, label])
        assert fitted.slopes[label] == pytest.approx(model.coef_[0, 0], abs=2e-3)
        assert fitted.intercepts[label] == pytest.approx(model.intercept_[0], abs=2e-3)


def test_temperature_is_the_slope_of_highest_likelihood():
    logits, truth = drawn(0.4, 0.0)
    fitted = fit_calibration(logits, truth, "multilabel", "temperature")
    assert fitted.intercepts == (0.0,)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(logits.reshape(-1, 1), truth.ravel())
    assert fitted.slopes[0] == pytest.approx(model.coef_[0, 0], abs=1e-3)


def test_multiclass_temperature_minimises_the_log_loss():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (3000, 5))
    chance = np.exp(0.5 * logits) / np.exp(0.5 * logits).sum(axis=1, keepdims=True)
    classes = np.array([rng.choice(5, p=row) for row in chance])
    truth = np.eye(5, dtype=np.uint8)[classes]
    slope = fit_calibration(logits, truth, "multiclass", "temperature").slopes[0]

    def log_loss(tried):
        scores = Calibration(slopes=(tried,)).apply(logits, "multiclass")
        return -np.log(scores[np.arange(3000), classes]).mean()

    assert slope == pytest.approx(0.5, abs=0.05)
    assert log_loss(slope) < min(log_loss(slope * 1.05), log_loss(slope / 1.05))


def least_by_hand(loss):
    """The slope in [0.01, 100] with the least loss, to three digits."""
    slopes = np.geomspace(0.01, 100, 40_001)
    return slopes[np.argmin([loss(slope) for slope in slopes])]


def test_platts_targets_are_what_few_rows_are_fitted_to():
    """Of P that are true and N that are not, (P + 1) / (P + 2) and 1 / (N + 2)."""
    logits, truth = np.array([[2.0, -1.0], [1.0, -3.0], [-0.5, -2.0]]), np.array([[1, 0], [1, 0], [0, 0]])
    targets = np.where(truth, 3 / 4, 1 / 6)
    expected = least_by_hand(lambda slope: (np.logaddexp(0, slope * logits) - targets * slope * logits).sum())
    assert fit_calibration(logits, truth, "multilabel", "temperature").slopes[0] == pytest.approx(expected, rel=1e-3)


def test_of_classes_the_others_share_what_the_target_leaves():
    logits, truth = np.array([[2.0, 0.0, -1.0, 0.5], [0.3, 1.0, 0.0, -2.0]]), np.eye(4, dtype=int)[[0, 1]]
    targets = np.where(truth, 3 / 4, 1 / 4 / 3)

    def loss(slope):
        shifted = slope * logits
        return (targets.sum(1) * np.log(np.exp(shifted).sum(1)) - (targets * shifted).sum(1)).sum()

    found = fit_calibration(logits, truth, "multiclass", "temperature").slopes[0]
    assert found == pytest.approx(least_by_hand(loss), rel=1e-3)


def test_labels_with_few_rows_are_drawn_to_what_fits_all():
    logits, truth = drawn(0.5, -1.0, rows=3000, labels=5)
    truth[:, 4] = 0
    truth[3:, 3] = 0
    fitted = fit_calibration(logits, truth, "multilabel", "platt")
    assert fitted.slopes[0] == pytest.approx(0.5, abs=0.08)
    # A label that dev never shows still gets a low chance and a slope of its right sign, not an endless one.
    assert 0 < fitted.slopes[4] < 2
    assert -20 < fitted.intercepts[4] < fitted.intercepts[0]
    few = fit_calibration(logits[:10], truth[:10], "multilabel", "platt")
    assert np.ptp(few.slopes) < 1.5


def test_calibration_makes_scores_reliable_and_keeps_every_ranking():
    logits, truth = drawn(np.array([0.3, 0.5, 0.2]), np.array([-2.0, 1.0, 0.0]))
    before = Reliability.of(truth, Calibration().apply(logits, "multilabel"), "multilabel").figures()
    held_out, held_out_truth = drawn(np.array([0.3, 0.5, 0.2]), np.array([-2.0, 1.0, 0.0]), seed=1)
    for method in ("temperature", "platt"):
        fitted = fit_calibration(logits, truth, "multilabel", method)
        scores = fitted.apply(held_out, "multilabel")
        after = Reliability.of(held_out_truth, scores, "multilabel").figures()
        assert after["brier_score"] < before["brier_score"]
        assert (scores.argsort(axis=0, kind="stable") == held_out.argsort(axis=0, kind="stable")).all()
    assert after["calibration_error"] < 0.02 < before["calibration_error"]


@pytest.mark.parametrize(("rows", "share", "mean"), [(800, 0.3, -6.0), (2000, 0.1, -8.0), (800, 0.5, 3.0)])
def test_a_label_that_the_rows_contradict_gets_its_share_and_no_slope(rows, share, mean):
    rng = np.random.default_rng(0)
    truth = (rng.random((rows, 4)) < share).astype(np.uint8)
    logits = rng.normal(mean, 1.5, (rows, 4)) + truth * np.array([5, 5, 5, -1.5])
    fitted = fit_calibration(logits, truth, "multilabel", "platt")
    assert fitted.slopes[3] == pytest.approx(0.01)
    assert fitted.apply(logits, "multilabel")[:, 3].mean() == pytest.approx(truth[:, 3].mean(), rel=0.05)


@pytest.mark.parametrize("seed", range(4, 10))
def test_logits_far_from_zero_are_fitted_as_well(seed):
    """Where all chances are 0 the curvature vanishes, and a plain Newton step leads nowhere."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((60, 3)) < 0.3).astype(np.uint8)
    logits = rng.normal(size=truth.shape) * 3 - 35 + 4 * truth
    slope, intercept = _fit_line(logits, truth.astype(float))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit((logits + 35).reshape(-1, 1), truth.ravel())
    assert slope == pytest.approx(model.coef_[0, 0], rel=1e-3)
    assert intercept == pytest.approx(model.intercept_[0] + 35 * model.coef_[0, 0], rel=1e-3)


def test_at_the_least_slope_the_intercept_is_the_best():
    logits = np.array([[-40.0]] * 8 + [[-10.0]] * 12)
    truth = np.array([[1.0]] * 6 + [[0.0]] * 2 + [[0.0]] * 12)  # the more, the less likely
    slope, intercept = _fit_line(logits, truth)
    assert slope == 0.01
    assert sigmoid(0.01 * logits + intercept).sum() == pytest.approx(truth.sum())


def test_rows_that_are_all_right_do_not_call_for_endless_certainty():
    truth = np.eye(3, dtype=np.uint8)[np.arange(30) % 3]
    logits = 3.0 * truth - 1
    for task, method in [("multilabel", "platt"), ("multilabel", "temperature"), ("multiclass", "temperature")]:
        scores = fit_calibration(logits, truth, task, method).apply(logits, task)
        assert scores[truth == 1].min() > 0.9
        assert scores.max() < 0.999


@pytest.mark.parametrize(("classes", "rows"), [(15, 150), (100, 200), (1000, 500)])
def test_many_classes_in_few_rows_do_not_flatten_good_scores(classes, rows):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (rows, classes))
    chance = Calibration().apply(logits, "multiclass")
    truth = np.eye(classes, dtype=np.uint8)[[rng.choice(classes, p=row / row.sum()) for row in chance]]
    assert fit_calibration(logits, truth, "multiclass", "temperature").slopes[0] == pytest.approx(1, abs=0.15)


def test_degenerate_rows_have_a_finite_answer():
    for logits, truth in [
        (np.array([[1000.0, -1000.0]] * 3), np.array([[1, 0]] * 3)),  # beyond any sigmoid, all right
        (np.array([[1000.0, -1000.0]] * 3), np.array([[0, 1]] * 3)),  # all wrong
        (np.zeros((4, 2)), np.array([[1, 0]] * 4)),
        (np.array([[1.0], [-1.0]]), np.array([[0], [1]])),  # worse than chance: the slope stays above 0
    ]:
        for method in ("temperature", "platt"):
            fitted = fit_calibration(logits, truth, "multilabel", method)
            assert min(fitted.slopes) > 0
            assert np.isfinite([*fitted.slopes, *fitted.intercepts]).all()
    assert fit_calibration(np.zeros((0, 2)), np.zeros((0, 2)), "multilabel", "platt") == Calibration()
    assert fit_calibration(np.ones((2, 2)), np.ones((2, 2)), "multilabel", "none") == Calibration()


def test_wrong_calibrations_are_refused():
    for slopes, intercepts in [((0.0,), (0.0,)), ((1.0, 2.0), (0.0,)), ((), ()), ((float("nan"),), (0.0,))]:
        with pytest.raises(SettingsError):
            Calibration(slopes=slopes, intercepts=intercepts)
    with pytest.raises(ValueError, match="2 labels for 3"):
        Calibration(slopes=(1.0, 1.0), intercepts=(0.0, 0.0)).apply(np.zeros((1, 3)), "multilabel")
    with pytest.raises(SettingsError, match="--calibration is 'platt'; for multiclass accepted are none, temperature"):
        known_method("platt", "multiclass")
