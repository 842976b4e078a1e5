import io
import json
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotrace.errors import EmotraceError, TraceError
from emotrace.trace import Trace


def example(frames=5, **kwargs):
    values = np.random.default_rng(0).uniform(-1, 1, (frames, 2)).astype(np.float32)
    return Trace(np.arange(frames) * 0.04, values, **kwargs)


def csv_text(trace):
    file = io.StringIO()
    trace.to_csv(file)
    return file.getvalue()


def test_columns_length_and_duration():
    trace = example()
    np.testing.assert_array_equal(trace["valence"], trace.values[:, 1])
    assert trace["arousal"].shape == (5,)
    assert len(trace) == 5
    assert trace.duration_s == pytest.approx(0.2)
    with pytest.raises(TraceError, match=r"'dominance'.*arousal, valence"):
        trace["dominance"]


def test_summary_is_numpys():
    trace = example(50)
    summary = trace.summary()
    assert list(summary) == ["arousal", "valence"]
    values = trace["arousal"].astype(float)
    assert summary["arousal"] == pytest.approx(
        {"mean": values.mean(), "sd": values.std(), "min": values.min(), "max": values.max()}
    )


def test_a_stream_with_nothing_new_to_say_gives_a_trace_without_frames():
    trace = Trace(np.zeros(0), np.zeros((0, 2)), spread=np.zeros((0, 2)))
    assert len(trace) == len(trace["valence"]) == trace.duration_s == 0
    written = io.StringIO()
    trace.to_csv(written)
    assert written.getvalue() == "time_s,arousal,valence,arousal_sd,valence_sd\n"
    with pytest.raises(TraceError, match="without frames has no summary"):
        trace.summary()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"time_s": np.zeros((5, 1))}, "time_s has shape"),
        ({"time_s": np.zeros(5)}, "does not increase at frame 1"),
        ({"time_s": np.array([0, 1, 2, np.nan, 4])}, "time_s is not finite in frame 3"),
        ({"values": np.zeros((4, 2))}, "values has shape"),
        ({"values": np.full((5, 2), np.nan)}, "values is not finite in frame 0"),
        ({"values": [["a", "b"]] * 5}, "not a table of numbers"),
        ({"spread": np.zeros(5)}, "spread has shape"),
        ({"spread": np.full((5, 2), -1.0)}, "negative"),
        ({"speaker": ["A"]}, "speaker has 1 names"),
        ({"speaker": ["A\nB"] * 5}, "line break"),
        ({"targets": ("arousal", "arousal")}, "each once"),
        ({"targets": ("arousal", "time_s")}, "cannot name a target"),
        ({"targets": ("arousal", "a,b")}, "cannot name a target"),
        ({"unit_range": (1, -1)}, "unit_range"),
        ({"frame_s": 0}, "frame_s"),
    ],
)
def test_malformed_traces_are_refused(change, match):
    fields = {"time_s": np.arange(5) * 0.04, "values": np.zeros((5, 2))}
    with pytest.raises(TraceError, match=match) as caught:
        Trace(**(fields | change))
    assert "\n" not in str(caught.value)


def test_csv_is_the_contract_to_the_letter():
    trace = Trace([0, 0.04], [[0.12345, -0.00001], [-1, 1]], spread=[[0.1, 0.2], [0, 0.30006]], speaker=["A", None])
    assert csv_text(trace) == (
        "time_s,arousal,valence,arousal_sd,valence_sd,speaker\n"
        "0.00,0.1234,0.0000,0.1000,0.2000,A\n"
        "0.04,-1.0000,1.0000,0.0000,0.3001,\n"
    )


def test_frames_between_hundredths_stay_apart():
    trace = Trace(np.arange(9) * 0.0025, np.zeros((9, 2)), frame_s=0.0025)
    np.testing.assert_allclose(Trace.from_csv(io.StringIO(csv_text(trace))).time_s, trace.time_s)


tables = st.integers(1, 40).flatmap(
    lambda frames: st.tuples(
        arrays(np.float64, (frames, 2), elements=st.floats(-1, 1)),
        st.none() | arrays(np.float64, (frames, 2), elements=st.floats(0, 1)),
        st.none() | st.lists(st.none() | st.text('ab ,"é', min_size=1), min_size=frames, max_size=frames),
    )
)


@settings(max_examples=60, deadline=None)
@given(tables, st.sampled_from(["csv", "json"]))
def test_round_trip(table, form):
    values, spread, speaker = table
    trace = Trace(np.arange(len(values)) * 0.04, values, spread=spread, speaker=speaker)
    file = io.StringIO()
    getattr(trace, f"to_{form}")(file)
    assert "-0.0000" not in file.getvalue()
    file.seek(0)
    back = getattr(Trace, f"from_{form}")(file)
    np.testing.assert_allclose(back.time_s, trace.time_s, atol=1e-9)
    np.testing.assert_allclose(back.values, values, atol=5.01e-5)
    assert (back.spread is None) == (spread is None)
    if spread is not None:
        np.testing.assert_allclose(back.spread, spread, atol=5.01e-5)
    assert back.speaker == trace.speaker
    assert back.targets == trace.targets
    assert back.frame_s == trace.frame_s


def test_json_keys_and_one_target(tmp_path):
    trace = Trace([1.0], [[3.0]], targets=("dominance",), unit_range=(1, 5), frame_s=0.1)
    trace.to_json(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "frame_s": 0.1,
        "unit_range": [1.0, 5.0],
        "targets": ["dominance"],
        "time_s": [1.0],
        "dominance": [3.0],
    }
    assert Trace.from_json(tmp_path / "a.json").unit_range == (1.0, 5.0)


def test_csv_paths_are_never_overwritten_unasked(tmp_path):
    trace = example()
    trace.to_csv(tmp_path / "a.csv")
    with pytest.raises(EmotraceError, match="--force"):
        trace.to_csv(tmp_path / "a.csv")
    trace.to_csv(tmp_path / "a.csv", force=True)
    assert (tmp_path / "a.csv").read_bytes().decode() == csv_text(trace)


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_csv_from_other_editors_is_read(tmp_path, prefix, line_end):
    path = tmp_path / "a.csv"
    path.write_bytes(prefix + csv_text(example()).encode().replace(b"\n", line_end))
    np.testing.assert_allclose(Trace.from_csv(path).values, example().values, atol=5e-5)


HEAD = "time_s,arousal,valence\n"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        (HEAD, "no rows"),
        ("time,arousal\n0,0\n", "line 1: no column time_s"),
        ("time_s\n0\n", "line 1: no column target"),
        ("time_s,a,a\n0,0,0\n", "line 1: names a column twice"),
        ("time_s,a,b,a_sd\n0,0,0,0\n", "line 1: b_sd has no partner"),
        ("time_s,a b\n0,0\n", "line 1: 'a b' cannot name"),
        (HEAD + "0.00,0,0\n0.04,nan,0\n", "line 3: arousal is 'nan'"),
        (HEAD + "0.00,0,0\n0.04,0,oops\n", "line 3: valence is 'oops'"),
        (HEAD + "0.00,0,0\n0.04,,0\n", "line 3: arousal is ''"),
        (HEAD + "0.00,0,0\n0.04,0\n", "line 3: has 2 fields"),
        (HEAD + "0.00,0,0\n0.08,0,0\n0.04,0,0\n", "line 4: time_s does not increase"),
        (HEAD + "0.00,0.1,0.1\n0.04,0.1,0.1", "line 3: has no line end"),
        ("time_s;arousal\n0;0\n", "line 1: no column time_s"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not a text file"),
        (b"time_s,arousal\n\0\0\n", "not a text file"),
        (HEAD + "0," + "1" * 200_000 + ",0\n", "line 2: not CSV"),
    ],
)
def test_malformed_csv_is_named_with_its_line(tmp_path, content, match):
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TraceError, match=match) as caught:
        Trace.from_csv(path)
    assert "bad.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "{}", '{"targets": []}', '{"targets": ["a"], "time_s": [0]}', "[" * 100_000],
)
def test_malformed_json_is_one_line(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(TraceError, match=r"bad\.json") as caught:
        Trace.from_json(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"arousal": [0]}, {"arousal": [float("nan")] * 2}, {"arousal": ["x", "y"]}, {"time_s": None}]
)
def test_json_with_wrong_contents_is_one_line(tmp_path, change):
    data = {
        "frame_s": 0.04,
        "unit_range": [-1, 1],
        "targets": ["arousal"],
        "time_s": [0, 1],
        "arousal": [0, 0],
    }
    (tmp_path / "bad.json").write_text(json.dumps(data | change))
    with pytest.raises(TraceError, match=r"bad\.json") as caught:
        Trace.from_json(tmp_path / "bad.json")
    assert "\n" not in str(caught.value)


def test_missing_files(tmp_path):
    for read in (Trace.from_csv, Trace.from_json):
        with pytest.raises(TraceError, match=r"none: cannot be read \(No such file"):
            read(tmp_path / "none")


def test_an_hour_is_written_whole(tmp_path):
    trace = example(90_000, spread=np.full((90_000, 2), 0.1))
    trace.to_csv(tmp_path / "hour.csv")
    assert len(Trace.from_csv(tmp_path / "hour.csv")) == 90_000


def test_dataframe_needs_pandas_only_when_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(EmotraceError, match="pip install pandas"):
        example().to_dataframe()
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=dict))
    assert list(example().to_dataframe()) == ["time_s", "arousal", "valence"]


def test_a_trace_without_frames_is_json_too(tmp_path):
    Trace(np.zeros(0), np.zeros((0, 2))).to_json(tmp_path / "t.json")
    assert len(Trace.from_json(tmp_path / "t.json")) == 0


def test_warnings_are_kept_by_json(tmp_path):
    told = ("no speech found; the trace means nothing", "very quiet")
    trace = Trace(np.arange(3) * 0.04, np.zeros((3, 2)), warnings=told)
    trace.to_json(tmp_path / "t.json")
    assert Trace.from_json(tmp_path / "t.json").warnings == told
    Trace(np.arange(3) * 0.04, np.zeros((3, 2))).to_json(tmp_path / "u.json")
    assert "warnings" not in (tmp_path / "u.json").read_text()
    with pytest.raises(TraceError, match="give a list of sentences"):
        Trace(np.arange(3) * 0.04, np.zeros((3, 2)), warnings="quiet")
    (tmp_path / "v.json").write_text((tmp_path / "t.json").read_text().replace('["no speech', '[1, "no speech'))
    with pytest.raises(TraceError, match=r"v\.json: not a trace"):
        Trace.from_json(tmp_path / "v.json")
