"""Rater files of anybody's making, and what is said of those that are broken."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.annotation import Ratings, files, formats
from emotrace.errors import EmotraceError, TraceError

WIDE = "time,anna,ben\n0.0,0.1,0.2\n0.04,0.3,0.4\n0.08,0.5,0.6\n"


def write(folder, text, name="r.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        WIDE,
        WIDE.replace(",", ";"),
        WIDE.replace(",", "\t"),
        WIDE.replace(",", " "),
        WIDE.replace(",", ", "),
        WIDE.replace("\n", "\r\n"),
        "\ufeff" + WIDE,
        WIDE.replace("time", "Time(sec)"),
        WIDE.replace(",", ";").replace("0.", "0,"),
        "time_ms;anna ;ben\n0;0.1;0.2\n40;0.3;0.4\n80;0.5;0.6\n",
        "anna,time_s,ben\n0.1,0.0,0.2\n0.3,0.04,0.4\n0.5,0.08,0.6\n",
        WIDE + "\n",
        "anna,Time [ms],ben\n0.1,0,0.2\n0.3,40,0.4\n0.5,80,0.6\n",
        "Time <ms>\tanna\tben\n0\t0.1\t0.2\n40\t0.3\t0.4\n80\t0.5\t0.6\n",
        "time in ms,anna,ben\n0,0.1,0.2\n40,0.3,0.4\n80,0.5,0.6\n",
        WIDE.replace("time", "Timestamp {s}"),
    ],
)
def test_dialects(tmp_path, text):
    first, second = files.read([write(tmp_path, text)])
    assert (first.name, second.name) == ("anna", "ben")
    np.testing.assert_allclose(first.time_s, [0, 0.04, 0.08])
    np.testing.assert_allclose(second.values, [0.2, 0.4, 0.6])


@pytest.mark.parametrize("header", ["timestamp,1,2\n", "time,1,2\n", "frametime,1,2\n", ""])
def test_steady_times_without_a_unit_are_milliseconds_where_steps_are_long(tmp_path, header):
    rows = "".join(f"{1000 + 250 * i},0.{i},0\n" for i in range(9))
    traces = files.read([write(tmp_path, header + rows)])
    np.testing.assert_allclose(traces[0].time_s, 1 + 0.25 * np.arange(9))
    assert files.in_guessed_ms(traces) == str(tmp_path / "r.csv")


@given(st.floats(0.001, 4.9), st.integers(3, 20))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_times_without_a_unit_are_seconds_where_steps_are_short(tmp_path, step_s, entries):
    traces = files.read([write(tmp_path, "time,a\n" + "".join(f"{i * step_s},1\n" for i in range(entries)))])
    np.testing.assert_allclose(traces[0].time_s, step_s * np.arange(entries))
    assert files.in_guessed_ms(traces) == ""


@pytest.mark.parametrize(("name", "unit_s"), [("time_s", 1), ("Time(sec)", 1), ("Second", 1), ("time_ms", 0.001)])
def test_a_named_unit_is_believed(tmp_path, name, unit_s):
    traces = files.read([write(tmp_path, f"{name},a\n0,1\n60,2\n120,1\n")])
    np.testing.assert_allclose(traces[0].time_s, np.array([0, 60, 120]) * unit_s)
    assert files.in_guessed_ms(traces) == ""


PREDICTED = "time_s,arousal,valence,arousal_sd,valence_sd,speaker\n0.00,0.1,0.2,0.3,,A\n0.04,0.4,0.5,0.6,,B\n"


@pytest.mark.parametrize(
    "header",
    [
        "time,arousal,valence",
        "time,Arousal,arousal_sd",
        "time,tension,tension_sd",
        "Second,X,Y",
        "time,arousal/anna,valence/anna",
        "time,film/anna,song/anna",
    ],
)
def test_dimensions_side_by_side_are_no_raters(tmp_path, header):
    path = write(tmp_path, header + "\n0,1,2\n1,2,1\n")
    with pytest.raises(TraceError, match=r"r.csv, line 1: holds ratings of .*, which are no raters; choose .*--target"):
        files.read([path])


def test_dimensions_in_several_files_are_no_raters_either(tmp_path):
    paths = [write(tmp_path, f"time,{name}\n0,1\n1,2\n", f"{name}.csv") for name in ("arousal", "valence")]
    with pytest.raises(TraceError, match=r"arousal.csv and .*valence.csv: holds ratings of arousal, valence"):
        files.read(paths)


def test_the_column_of_a_target_is_taken_and_nothing_else_looked_at(tmp_path):
    (alone,) = files.read([write(tmp_path, PREDICTED)], "Valence")
    assert (alone.name, alone.values.tolist()) == ("valence", [0.2, 0.5])
    paths = [write(tmp_path, PREDICTED, "anna.csv"), write(tmp_path, "t,v\n0,1\n1,2\n", "ben.csv")]
    traces = files.read(paths, "arousal")
    assert [(trace.name, trace.values.tolist()) for trace in traces] == [("anna", [0.1, 0.4]), ("ben", [1, 2])]


@pytest.mark.parametrize(("files_of", "names"), [(1, ["anna", "ben"]), (2, ["r anna", "r ben", "s"])])
def test_columns_of_a_target_by_rater(tmp_path, files_of, names):
    paths = [write(tmp_path, "time,arousal/anna,valence/anna,arousal/ben\n0,1,2,3\n1,4,5,6\n")]
    paths += [write(tmp_path, "t,v\n0,1\n1,2\n", "s.csv")] * (files_of - 1)
    traces = files.read(paths, "arousal")
    assert [trace.name for trace in traces] == names
    assert [trace.values.tolist() for trace in traces[:2]] == [[1, 4], [3, 6]]


def test_raters_are_of_whatever_target_is_named(tmp_path):
    assert [trace.name for trace in files.read([write(tmp_path, WIDE)], "arousal")] == ["anna", "ben"]
    assert [trace.name for trace in files.read([write(tmp_path, "time,arousal\n0,1\n1,2\n")])] == ["arousal"]
    with pytest.raises(TraceError, match=r"line 1: holds no ratings of liking, only of arousal, valence"):
        files.read([write(tmp_path, "time,arousal,valence\n0,1,2\n1,2,1\n")], "liking")


def test_every_column_of_a_file(tmp_path):
    path = write(tmp_path, "time,arousal,valence\n0,1,2\n1,2,1\n")
    assert [trace.name for trace in files.read_columns(path)] == ["arousal", "valence"]


CARMA = (
    "Time of Rating,13-Jul-2017 10:00:00\nMultimedia File,talk;final.mp4\nLower Label,very negative\n"
    "Upper Label,very positive\nMinimum Value,-100\nMaximum Value,100\nNumber of Steps,9\n"
    "Second,Rating\n%%%%%%,%%%%%%\n1,7.801\n2,NaN\n3,-8.8133"
)
DARMA = (
    "Time of Rating,13-Jul-2017 10:00:00,,\nMultimedia File,talk.mp4,,\nMagnitude,100,,\n"
    "Second,Valence,Arousal,Button\n%%%%%%,%%%%%%,%%%%%%,%%%%%%\n1,10,-20,0\n2,11,-21,0"
)


@pytest.mark.parametrize(
    "text", [CARMA, CARMA.replace("\n", "\r\n"), CARMA + "\n", CARMA.replace("Second,Rating", '"Second","Rating"')]
)
def test_carma(tmp_path, text):
    (trace,) = files.read([write(tmp_path, text)])
    assert (trace.name, trace.time_s.tolist()) == ("Rating", [1, 2, 3])
    np.testing.assert_array_equal(trace.values, [7.801, np.nan, -8.8133])
    anna, ben = files.read([write(tmp_path, text, "anna.csv"), write(tmp_path, "Second,Rating\n1,2\n2,3\n", "ben.csv")])
    assert (anna.name, ben.name) == ("anna", "ben")


def test_darma_records_two_dimensions_at_once(tmp_path):
    path = write(tmp_path, DARMA)
    (trace,) = files.read([path], "arousal")
    assert (trace.time_s.tolist(), trace.values.tolist()) == ([1, 2], [-20, -21])
    with pytest.raises(TraceError, match=r"r.csv, line 4: holds ratings of valence, arousal, which are no raters"):
        files.read([path])


@given(
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=30), max_size=5),
    st.sampled_from([",", ";", "\t"]),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_above_the_header_does_not_count(tmp_path, preamble, delimiter):
    above = "".join(f"# {line}\n" for line in preamble)
    traces = files.read([write(tmp_path, above + WIDE.replace(",", delimiter))])
    assert [trace.name for trace in traces] == ["anna", "ben"]
    assert traces[1].values.tolist() == [0.2, 0.4, 0.6]


def test_lines_below_a_preamble_keep_their_numbers(tmp_path):
    path = write(tmp_path, CARMA.replace("NaN", "much"))
    with pytest.raises(TraceError, match=r"r.csv, line 11: 'much' is not a number"):
        files.read([path])


@pytest.mark.parametrize(
    ("suffix", "package"), [(".eaf", "pympi"), (".TextGrid", "praatio"), (".audformat", "audformat"), (".EAF", "pympi")]
)
def test_tiers_of_other_programs_are_raters(tmp_path, suffix, package):
    pytest.importorskip(package)
    time_s = np.arange(5) * 0.04
    values = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    values[2, 1] = np.nan
    path = tmp_path / f"x{suffix}"
    panel = [Ratings(time_s, values, ("anna", "ben"), "arousal"), Ratings(time_s, values[:, :1], ("anna",), "valence")]
    formats.write(path, panel)
    traces = files.read([path], "arousal")
    assert [trace.name for trace in traces] == ["anna", "ben"]
    np.testing.assert_allclose(traces[1].time_s, time_s, atol=1e-6)
    np.testing.assert_array_equal(np.column_stack([trace.values for trace in traces]), values)
    with pytest.raises(TraceError, match=f"x{suffix}: holds ratings of arousal, valence, which are no raters"):
        files.read([path])


def test_tiers_called_by_raters_alone(tmp_path):
    pytest.importorskip("pympi")
    panel = [Ratings([0.0, 0.04], [[1.0], [2.0]], ("rater",), name) for name in ("anna", "ben")]
    formats.write(tmp_path / "x.eaf", panel)
    document = (tmp_path / "x.eaf").read_text()
    (tmp_path / "x.eaf").write_text(document.replace("anna/rater", "anna").replace("ben/rater", "ben"))
    assert [trace.name for trace in files.read([tmp_path / "x.eaf"], "arousal")] == ["anna", "ben"]


def test_a_file_of_nova_a_rater(tmp_path):
    paths = [tmp_path / f"{name}.annotation" for name in ("anna", "ben")]
    for path in paths:
        formats.write(path, [Ratings([0.0, 0.04], [[1.0], [2.0]], ("x",), "arousal")])
    assert [trace.name for trace in files.read(paths)] == ["anna", "ben"]
    (tmp_path / "damaged.annotation").write_text("<?xml")
    with pytest.raises(TraceError, match="not a NOVA annotation, or damaged"):
        files.read([tmp_path / "damaged.annotation"])


def test_without_a_header(tmp_path):
    traces = files.read([write(tmp_path, "0 1 2\n1 3 4\n")])
    assert [trace.name for trace in traces] == ["rater 1", "rater 2"]


def test_a_file_a_rater(tmp_path):
    paths = [write(tmp_path, f"Time(sec),Data\n0,{i}\n1,2\n", f"{name}.csv") for i, name in enumerate("ab")]
    assert [trace.name for trace in files.read(paths)] == ["a", "b"]


def test_the_last_entry_of_a_time_counts(tmp_path):
    (trace,) = files.read([write(tmp_path, "t,v\n0,1\n0,2\n0.5,3\n0.5,4\n")])
    assert trace.time_s.tolist() == [0, 0.5]
    assert trace.values.tolist() == [2, 4]


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "NA", "null"])
def test_what_was_not_rated(tmp_path, cell):
    first, _ = files.read([write(tmp_path, f"time,a,b\n0,{cell},1\n1,2,3\n")])
    assert np.isnan(first.values[0])
    assert first.values[1] == 2


def test_recola_label_files_work_as_they_are(tmp_path):
    header = "time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3"
    rows = [";".join([f"{i * 0.04:.2f}"] + [f"{0.1 * r - i / 100:.4f}" for r in range(6)]) for i in range(50)]
    path = write(tmp_path, "\n".join([header, *rows]) + "\n")
    ratings = files.ratings(files.read([path]), "arousal")
    assert ratings.raters == ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
    np.testing.assert_array_equal(ratings.values[:, 2], [float(row.split(";")[3]) for row in rows])


def test_ratings_of_different_lengths_and_rates_meet_on_a_grid(tmp_path):
    slow = write(tmp_path, "t,v\n" + "".join(f"{i / 10},{i / 10}\n" for i in range(21)), "slow.csv")
    logged = write(tmp_path, "t,v\n0.21,1\n0.35,2\n1.5,3\n", "logged.csv")
    ratings = files.ratings(files.read([slow, logged]), "x", 25.0, "auto", 1.0)
    assert ratings.time_s[[0, -1]].tolist() == [0.0, 2.08]
    np.testing.assert_allclose(ratings.values[:, 0], np.minimum(ratings.time_s, 2.0), atol=1e-9)
    held = dict(zip(ratings.time_s.round(2).tolist(), ratings.values[:, 1].tolist(), strict=True))
    assert np.isnan(held[0.2])
    assert (held[0.24], held[0.36], held[1.48], held[1.52], held[2.0]) == (1, 2, 2, 3, 3)


@pytest.mark.parametrize(
    ("step_s", "rate_hz", "how", "frames"),
    [
        (0.1, 25, "auto", 25),
        (0.1, 25, "hold", 25),
        (0.04, 25, "auto", 10),
        (0.04, 10, "auto", 4),
        (0.1, 10, "auto", 10),
    ],
)
def test_the_last_entry_holds_for_the_raters_own_step(tmp_path, step_s, rate_hz, how, frames):
    path = write(tmp_path, "time,a\n" + "".join(f"{i * step_s:.2f},{i}\n" for i in range(10)))
    ratings = files.ratings(files.read([path]), "x", rate_hz, how, max_gap_s=0.0)
    assert len(ratings.time_s) == frames
    assert np.isfinite(ratings.values).all()


def test_two_entries_are_no_rate_at_which_the_last_would_hold(tmp_path):
    ratings = files.ratings(files.read([write(tmp_path, "time_s,a\n0,1\n60,2\n")]), "x")
    assert ratings.time_s[-1] == 60


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", None, "empty"),
        ("   \n\n", None, "empty"),
        ("time,a\n", None, "no rows"),
        ("time\n1\n2\n", 1, "one column"),
        ("time|a\n0|1\n", 1, "delimiter"),
        ("0,1\n1,x\n", 2, "'x' is not a number"),
        ("time,a\n0,1\nx,2\n", 3, "'x' is not a time"),
        ("time,a\n0,1\n,2\n", 3, "is not a time"),
        ("time,a\n0,1\nnan,2\n", 3, "is not a time"),
        ("time,a\n0,1\n1,inf\n", 3, "'inf'"),
        ("time,a,b\n0,1,2\n1,3\n", 3, "2 cells, the header has 3"),
        ("time,a\n0,1\n1,3,4\n", 3, "3 cells"),
        ("time,a\n0,1\n2,1\n1,1\n", 4, "goes back from 2 to 1"),
        ("time,a,b\n0,1,\n1,3,\n", None, "'b' rated nothing"),
        ("time,a,a\n0,1,2\n1,3,4\n", None, "two raters"),
        ("anna,ben\n0,1\n1,2\n", 1, "no column is called time, only 'anna', 'ben'; call it time or time_s"),
        ("frame,anna,ben\n0,1,2\n1,1,2\n", 1, "only 'frame', 'anna', 'ben'"),
        (",anna,ben\n0,1,2\n1,1,2\n", 1, "only '', 'anna', 'ben'"),
        ("time (min),anna\n0,1\n1,1\n", 1, "no column is called time"),
        ("time,a\n0,1\n8.1,0\n31.7,1\n", None, "steps of 15.85 (median) and may be seconds or milliseconds"),
        ("time,a\n0,1\n60,2\n", None, "call their column time_s or time_ms"),
        ("time,a\n0,1\n1,0.", 3, "cut off"),
        ("time,a,b\n0,1,2\n1,0.", 3, "cut off"),
        ("time,käse\n0,1\n1,2\n".encode("latin-1"), 1, "not UTF-8"),
        ("time,a\n0,1\n".encode("utf-16"), None, "UTF-8"),
        (",\n,\n", None, "no cell holds anything"),
        ("time,a\n0,1\0\n", None, "not a text file"),
        ('time,a\n0,"1\n1,2\n', None, ""),
    ],
)
def test_broken_files_are_named_with_line_and_remedy(tmp_path, text, line, what):
    path = write(tmp_path, text)
    with pytest.raises(TraceError) as error:
        files.read([path])
    said = str(error.value)
    assert "\n" not in said
    assert what in said
    if line is not None:
        assert said.startswith(f"{path}, line {line}: ")
    assert ";" in said  # what is wrong; what to do


def test_missing_and_foreign_paths(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path, "a\0b"):
        with pytest.raises(TraceError, match="cannot be read"):
            files.read([path])
    with pytest.raises(TraceError, match="no file"):
        files.read([])


def test_two_files_of_one_name(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    paths = [write(tmp_path / folder, "t,v\n0,1\n1,2\n", "same.csv") for folder in ("x", "y")]
    with pytest.raises(TraceError, match=r"x/same.csv and .*y/same.csv: two raters are called 'same'"):
        files.read(paths)


@pytest.mark.parametrize("rows", ["3,1\n", "3,1\n3,2\n", "3,1\n3.001,2\n"])
def test_one_frame_alone_is_no_trace(tmp_path, rows):
    path = write(tmp_path, "time,a\n" + rows)
    with pytest.raises(TraceError, match=r"r.csv: entries from 3 to .* s make one frame at 25 Hz; give"):
        files.ratings(files.read([path]), "x")


CELLS = st.sampled_from(
    ["0", "1", "0.5", "-1e300", "1e308", "nan", "", "x", "inf", "time", '"', "1,5", "é", "1e400", "-0"]
)
LINES = st.lists(st.lists(CELLS, min_size=0, max_size=4), max_size=6)
TEXTS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(
        lambda lines, delimiter, end: (end.join(delimiter.join(cells) for cells in lines) + end).encode(),
        LINES,
        st.sampled_from([",", ";", "\t", " "]),
        st.sampled_from(["\n", "\r\n", "\r"]),
    ),
)


@given(st.lists(TEXTS, min_size=1, max_size=2))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_the_complaint_is_a_line(tmp_path, texts):
    paths = [write(tmp_path, text, f"{number}.csv") for number, text in enumerate(texts)]
    try:
        ratings = files.ratings(files.read(paths), "x", rate_hz=25.0)
        assert np.isfinite(ratings.values).any()
    except EmotraceError as error:
        said = str(error)
        assert "\n" not in said
