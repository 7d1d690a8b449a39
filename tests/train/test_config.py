import pytest

from fenlei.errors import SettingsError
from fenlei.train.config import TrainSettings
from fenlei.train.recipes import settings_of


def test_all_conflicts_are_raised_together():
    with pytest.raises(SettingsError) as caught:
        TrainSettings(
            epochs=-1,
            batch_size=0,
            learning_rate=-1.0,
            weight_decay=-0.1,
            warmup=1.0,
            layer_decay=0.0,
            ema=1.0,
            pooling="max",
            schedule="steps",
            seed=-1,
            task="both",
            truncation="tail",
            window_join="sum",
            window_overlap=1.0,
            max_windows=0,
        )
    assert str(caught.value).splitlines() == [
        "--batch-size is 0; it must be 1 or more",
        "--epochs is -1; it must be 0, the linear probe alone, or more",
        "--learning-rate is -1.0; it must be above 0",
        "--weight-decay is -0.1; it must be 0 or more",
        "--seed is -1; it must be 0 or more",
        "--layer-decay is 0.0; it must be above 0 and at most 1",
        "--ema is 1.0; it must be from 0 to below 1",
        "--pooling is 'max'; accepted are first, mean",
        "--schedule is 'steps'; accepted are linear, cosine, constant",
        "--warmup is 1.0; it is a share of the updates, from 0 to below 1",
        "--task is 'both'; accepted are multilabel, multiclass",
        "--truncation is 'tail'; accepted are head, head+tail, windows",
        "--window-join is 'sum'; accepted are max, mean",
        "--window-overlap is 1.0; it is a share, from 0 to below 1",
        "--max-windows is 0; it must be 1 or more",
    ]


def test_windows_are_joined_as_the_task_asks():
    assert TrainSettings().text_settings("multilabel").window_join == "max"
    assert TrainSettings().text_settings("multiclass").window_join == "mean"
    assert TrainSettings(window_join="max").text_settings("multiclass").window_join == "max"


def test_numbers_that_would_overflow_are_refused():
    with pytest.raises(SettingsError) as caught:
        TrainSettings(seed=10**400, batch_size=2**31, tokens_per_batch=10**23, epochs=10**23, freeze_layers=10**400)
    told = str(caught.value).splitlines()
    assert [line.split()[0] for line in told] == [
        "--epochs", "--batch-size", "--tokens-per-batch", "--freeze-layers", "--seed",
    ]  # fmt: skip
    assert told[1] == "--batch-size is 2147483648; it must be 2147483647 or less"
    assert told[-1].endswith("; it must be 4294967295 or less")
    assert TrainSettings(seed=2**32 - 1).seed == 2**32 - 1


def test_without_a_probe_there_is_something_to_train():
    assert TrainSettings(epochs=0).planned_epochs(60) == 0
    with pytest.raises(SettingsError, match="--epochs is 0; it must be 1 or more without a linear probe"):
        TrainSettings(epochs=0, linear_probe=False)


@pytest.mark.parametrize(("rows", "epochs"), [(60, 20), (1_600, 9), (12_000, 6)])
def test_small_tables_are_passed_over_more_often(rows, epochs):
    assert TrainSettings().planned_epochs(rows) == epochs
    assert TrainSettings(epochs=3).planned_epochs(rows) == 3


def test_wider_encoders_learn_at_a_lower_rate():
    assert TrainSettings().encoder_rate(768) == pytest.approx(3e-5)
    assert TrainSettings().encoder_rate(384) == pytest.approx(1.2e-4)
    assert TrainSettings(learning_rate=1e-3).encoder_rate(768) == 1e-3


def test_a_setting_that_there_is_not_is_named_with_the_nearest():
    with pytest.raises(SettingsError, match="there is no setting 'epoch'; the nearest is 'epochs'"):
        settings_of(epoch=3)


def test_a_setting_of_windows_where_there_are_none_is_refused():
    with pytest.raises(SettingsError, match="--window-overlap says how windows are made, and long texts are cut here"):
        settings_of(window_overlap=0.5)
    assert settings_of("strong", window_overlap=0.5).window_overlap == 0.5


def test_a_setting_of_updates_where_there_are_none_is_refused():
    with pytest.raises(SettingsError, match="--fgm says how updates are made, and --epochs 0, the linear probe alone"):
        settings_of(epochs=0, fgm=0.5)
    assert settings_of("strong", epochs=0).epochs == 0
