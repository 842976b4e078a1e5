import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from emotrace import plots
from emotrace.errors import EmotraceError
from emotrace.trace import Trace


def example(frames=250, **kwargs):
    phase = np.linspace(0, 9, frames)
    values = np.column_stack([np.sin(phase), np.cos(phase)])
    return Trace(np.arange(frames) * 0.04, values, **kwargs)


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def test_lines_are_the_trace_in_its_unit_range():
    trace = example(spread=np.full((250, 2), 0.1))
    figure = plots.plot_trace(trace, title="talk.wav")
    np.testing.assert_allclose(lines(figure)["arousal"].get_ydata(), trace["arousal"])
    np.testing.assert_allclose(lines(figure)["valence"].get_xdata(), trace.time_s + 0.02)
    assert figure.axes[0].get_ylim() == (-1, 1)
    assert figure.axes[0].get_xlim() == pytest.approx((0, 10))
    assert tuple(figure.get_size_inches()) == (7, 4.2)
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert texts == {"calm", "excited", "negative", "positive"}


def test_missing_frames_break_the_line():
    whole = example()
    keep = np.r_[0:100, 150:250]
    trace = Trace(whole.time_s[keep], whole.values[keep])
    drawn = lines(plots.plot_trace(trace))["arousal"].get_ydata()
    np.testing.assert_array_equal(np.isnan(drawn), np.isin(np.arange(250), np.r_[100:150]))


def test_long_traces_are_thinned_by_means():
    trace = example(90_000)
    drawn = lines(plots.plot_trace(trace))["arousal"].get_ydata()
    assert len(drawn) <= 2000
    assert drawn.mean() == pytest.approx(trace["arousal"].mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("frames", "unit", "last"),
    [(250, "time (s)", "10"), (7500, "time (min:s)", "5:00"), (90_000, "time (h:min)", "1:00")],
)
def test_time_axis_speaks_the_readers_units(frames, unit, last):
    axis = plots.plot_trace(example(frames)).axes[-1]
    ticks = [t for t in axis.get_xticks() if axis.get_xlim()[0] <= t <= axis.get_xlim()[1] + 1e-6]
    assert axis.get_xlabel() == unit
    assert axis.xaxis.get_major_formatter()(ticks[-1]) == last


def test_speakers_and_sound_share_the_time_axis():
    trace = example(speaker=["Anna"] * 100 + [None] * 50 + ["Bo"] * 100)
    figure = plots.plot_trace(trace, np.zeros(160_000, np.float32))
    assert len(figure.axes) == 3
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    spans = [path.get_extents() for bars in figure.axes[1].collections for path in bars.get_paths()]
    assert [(span.x0, span.x1) for span in spans] == [pytest.approx((0, 4)), pytest.approx((6, 10))]


@pytest.mark.parametrize(
    "trace",
    [
        example(1),
        example(speaker=[None] * 250),
        example(speaker=[f"speaker {i // 20}" for i in range(250)]),
        Trace([0, 1], [[1], [5]], targets=("dominance",), unit_range=(1, 5), frame_s=1),
    ],
)
def test_unusual_traces_are_drawn(tmp_path, trace):
    plots.save(plots.plot_trace(trace, title="x" * 200), tmp_path / "a.png")


def test_bad_waveform_is_refused():
    with pytest.raises(ValueError, match="waveform has shape"):
        plots.plot_trace(example(), np.zeros((5, 3)))


@pytest.mark.parametrize("block", [7, 160, 1000, 16_000])
def test_envelope_is_the_same_from_any_blocks(block):
    samples = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    parts = (samples[i : i + block] for i in range(0, len(samples), block))
    expected = samples.reshape(100, 160)
    np.testing.assert_array_equal(
        plots.envelope(parts, 1.0, bins=100), np.column_stack([expected.min(1), expected.max(1)])
    )


@given(lengths=st.lists(st.integers(0, 5000), min_size=1, max_size=12), bins=st.integers(1, 50))
@settings(deadline=None)
def test_an_envelope_of_unknown_length_has_equal_parts(lengths, bins):
    samples = np.random.default_rng(0).normal(size=sum(lengths)).astype(np.float32)
    heard = plots.Envelope(bins)
    for block in np.split(samples, np.cumsum(lengths)[:-1]):
        heard.add(block)
    table = heard.table()
    assert len(table) < 2 * bins
    width = 1
    while len(samples) // width >= 2 * bins:
        width *= 2
    parts = samples[: len(samples) // width * width].reshape(-1, width)
    np.testing.assert_array_equal(table, np.column_stack([parts.min(axis=1), parts.max(axis=1)]))


def test_an_envelope_of_a_day_stays_small():
    heard = plots.Envelope()
    block = np.ones(16000 * 30, np.float32)
    for _ in range(2 * 60):
        heard.add(block)
    assert len(heard._rest) + heard._table.size < 60_000
    assert (heard.table() == 1).all()


def test_envelope_of_sound_longer_and_shorter_than_asked():
    ones = np.ones(16_000, np.float32)
    assert plots.envelope([ones, ones], 0.5, bins=10).tolist() == [[1, 1]] * 10
    assert plots.envelope([ones], 2.0, bins=10).tolist() == [[1, 1]] * 5 + [[0, 0]] * 5
    assert plots.envelope([ones], 3 / 16_000, bins=10).shape == (3, 2)
    with pytest.raises(ValueError, match="positive"):
        plots.envelope([ones], 0)


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_saved_by_suffix(tmp_path, suffix, magic):
    path = tmp_path / f"a.{suffix}"
    figure = plots.plot_trace(example())
    plots.save(figure, path)
    assert path.read_bytes().startswith(magic)
    with pytest.raises(EmotraceError, match="--force"):
        plots.save(figure, path)
    if suffix == "png":
        assert imread(path).shape[:2] == (1260, 2100)


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(EmotraceError, match=r"a\.bmp: figures are \.png, \.svg, \.pdf"):
        plots.save(plots.plot_trace(example()), tmp_path / "a.bmp")


def test_an_hour_is_drawn(tmp_path):
    trace = example(90_000, spread=np.full((90_000, 2), 0.1), speaker=["A", "B"] * 45_000)
    plots.save(plots.plot_trace(trace, np.zeros((2000, 2))), tmp_path / "a.png")
    assert imread(tmp_path / "a.png").ndim == 3


def test_pyplot_stays_out():
    code = "import sys, emotrace.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_raters_and_their_gold_standard():
    from emotrace.annotation import Ratings, standard

    time_s = np.arange(2000) / 25
    rng = np.random.default_rng(0)
    values = (np.sin(time_s) + np.sin(time_s / 2.7))[:, None] + 0.1 * rng.normal(size=(2000, 4))
    values[:, 3] = rng.normal(size=2000)
    values[500:600, 1] = np.nan
    ratings = Ratings(time_s, values, ("anna", "ben", "cleo", "$dan"), "arousal")
    figure = plots.plot_gold(ratings, standard.gold_standard(ratings, "aligned"), title="a_$talk")
    (ax,) = figure.axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["gold standard (aligned)", "±1 SD over raters", "4 raters", "outlier: $dan"]
    figure.canvas.draw()


def test_a_speaker_whose_name_begins_with_an_underscore_is_named():
    trace = example(speaker=["_anna"] * 100 + ["ben"] * 150)
    figure = plots.plot_trace(trace, np.zeros(160_000, np.float32))
    assert [text.get_text() for text in figure.axes[-1].get_legend().get_texts()] == ["_anna", "ben"]


def test_warnings_stand_in_the_picture(tmp_path):
    plain, warned = example(), dataclasses.replace(example(), warnings=("no speech found; the trace means nothing",))
    for name, trace in (("plain", plain), ("warned", warned)):
        plots.save(plots.plot_trace(trace, title="日本"), tmp_path / f"{name}.png")
    assert (tmp_path / "plain.png").read_bytes() != (tmp_path / "warned.png").read_bytes()
    texts = [text.get_text() for text in plots.plot_trace(warned).axes[0].texts]
    assert "Warning: no speech found; the trace means nothing" in texts
