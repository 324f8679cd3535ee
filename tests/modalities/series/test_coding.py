"""Values to tokens and back, beside closed forms."""

import numpy as np
import pytest

from castalia.errors import DataError
from castalia.modalities.series import coding
from castalia.modalities.series.codec import SeriesCodec, SeriesConfig
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.frequency import Frequency
from castalia.modalities.series.series import Series


def waves(count: int = 12, steps: int = 200) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        30 + 5 * np.sin(2 * np.pi * np.arange(steps) / 12 + phase) + rng.normal(size=steps)
        for phase in rng.uniform(0, 6, count)
    ]


def test_the_predictor_is_that_of_the_process():
    """Differences that follow an AR(1) of coefficient 0.5: x_t = 1.5 x_(t-1) - 0.5 x_(t-2) + e."""
    rng = np.random.default_rng(1)
    series = []
    for _ in range(20):
        steps = np.zeros(500)
        for t in range(1, 500):
            steps[t] = 0.5 * steps[t - 1] + rng.normal()
        series.append(np.cumsum(steps))
    weights = Coding.fitted(series, 6, 64, 1).weights
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert weights[:3] == pytest.approx([1.5, -0.5, 0.0], abs=0.05)


def test_scale_and_level_do_not_matter():
    """A power of two as a factor and a shift change the head alone."""
    made = Coding.fitted(waves(), 13, 64, 12)
    one = waves()[0]
    first, other = made.encode(one), made.encode(4 * one + 100)
    assert (first[3:] == other[3:]).all() and first[1] + 4 == other[1]


def test_decoded_values_lie_in_their_bins():
    made = Coding.fitted(waves(), 13, 64, 12)
    tokens = made.encode(waves()[3])
    again = made.encode(made.decode(tokens.tolist()))
    assert (tokens == again).mean() > 0.99


def test_innovations_continue_the_past_exactly():
    made = Coding.fitted(waves(), 13, 64, 12)
    z = waves()[2] / 3
    later = made.innovations(z)[99:]
    assert made.continued(z[:100], later[None])[0] == pytest.approx(z[100:], abs=1e-9)


def test_gaps_are_tokens():
    made = Coding.fitted(waves(), 13, 64, 12)
    values = waves()[1].copy()
    values[50:53] = np.nan
    tokens = made.encode(values)
    assert (np.flatnonzero(tokens == coding.MISSING) == np.array([52, 53, 54])).all()
    assert np.isnan(made.decode(tokens.tolist())[50:53]).all()


def test_scales_reach_far():
    made = Coding.fitted(waves(), 13, 64, 12)
    for size in (1e-7, 1.0, 1e8):
        assert (made.encode(size * waves()[0])[3:] == made.encode(waves()[0])[3:]).mean() > 0.3
    assert np.isfinite(made.decode(made.encode(np.zeros(30)).tolist())).all()


def test_the_codec_refuses_what_never_changes_and_mixed_steps():
    with pytest.raises(DataError, match="no series varies"):
        SeriesCodec().fit([Series("", np.full(30, 3.0))] * 3)
    hourly = Series("h", waves()[0], 0, Frequency("second", 3600))
    daily = Series("d", waves()[1], 0, Frequency("second", 86_400))
    with pytest.raises(DataError, match="several lengths"):
        SeriesCodec().fit([hourly, daily])
    SeriesCodec(SeriesConfig(season=12)).fit([hourly, daily])
