"""Ratings in the files of other programs: nothing is lost on the way there and back."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotrace.annotation import Ratings, formats
from emotrace.errors import EmotraceError, TraceError
from emotrace.trace import Trace

NAMES = st.text(st.characters(whitelist_categories=["L", "N"]), min_size=1, max_size=8)
VALUES = st.one_of(st.just(np.nan), st.floats(-1e9, 1e9))


@st.composite
def panels(draw, one=False):
    frames = draw(st.integers(1, 12))
    targets = draw(st.lists(NAMES, min_size=1, max_size=1 if one else 2, unique=True))
    raters = draw(st.lists(NAMES, min_size=1, max_size=1 if one else 3, unique=True))
    time_s = (draw(st.integers(0, 50)) + np.arange(frames)) * 0.04
    shape = (frames, len(raters))
    tables = [draw(arrays(np.float64, shape, elements=VALUES)) for _ in targets]
    for table in tables:
        table[0, :] = np.where(np.isnan(table[0, :]), 0.5, table[0, :])
    return [Ratings(time_s, table, tuple(raters), target) for table, target in zip(tables, targets, strict=True)]


def assert_same(found, given_, within_s):
    assert [(each.target, each.raters) for each in found] == [(each.target, each.raters) for each in given_]
    for one, other in zip(found, given_, strict=True):
        np.testing.assert_allclose(one.time_s, other.time_s, atol=within_s, rtol=0)
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("suffix", "within_s", "package"),
    [(".csv", 0, None), (".eaf", 1e-9, "pympi"), (".TextGrid", 1e-6, "praatio"), (".audformat", 1e-9, "audformat")],
)
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_and_back(tmp_path, suffix, within_s, package, data):
    if package:
        pytest.importorskip(package)
    ratings = data.draw(panels())
    path = tmp_path / f"x{suffix}"
    formats.write(path, ratings, force=True)
    assert_same(formats.read(path), ratings, within_s)


@given(panels(one=True))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nova_there_and_back(tmp_path, ratings):
    (only,) = ratings
    path = tmp_path / "x.annotation"
    if len(only.time_s) == 1:
        with pytest.raises(TraceError, match="constant rate"):
            formats.write(path, ratings, force=True)
        return
    formats.write(path, ratings, force=True)
    (found,) = formats.read(path)
    before = round(only.time_s[0] * 25)
    assert np.isnan(found.values[:before]).all()
    shorter = Ratings(found.time_s[before:], found.values[before:], found.raters, found.target)
    assert_same([shorter], ratings, 1e-9)


def test_nova_is_as_its_documentation_says(tmp_path):
    formats.write(tmp_path / "x.annotation", [Ratings([0.0, 0.04], [[-0.021], [np.nan]], ("anna",), "arousal")])
    header = (tmp_path / "x.annotation").read_text()
    assert '<info ftype="ASCII" size="2" />' in header
    assert '<scheme name="arousal" type="CONTINUOUS" sr="25" min="-1" max="1"' in header
    assert (tmp_path / "x.annotation~").read_text() == "-0.021;1\nNaN;0\n"


def test_nova_reads_what_it_did_not_write(tmp_path):
    (tmp_path / "x.annotation").write_text(
        '<?xml version="1.0" ?>\n<annotation ssi-v="3">\n<info ftype="ASCII" size="3" />\n'
        '<meta annotator="Annotator"/>\n<scheme name="valence" type="CONTINUOUS" sr="2" min="0" max="1" />\n'
        "</annotation>"
    )
    (tmp_path / "x.annotation~").write_text("0.5;1\n0.25;0.6\n0;0.4\n")
    (found,) = formats.read(tmp_path / "x.annotation")
    assert (found.target, found.raters, found.time_s.tolist()) == ("valence", ("Annotator",), [0, 0.5, 1.0])
    assert found.values[:, 0].tolist() == [0.5, 0.25, 0]


def test_a_pair_of_files_for_each_trace(tmp_path):
    formats.write(tmp_path / "x.annotation", [Ratings([0.0, 0.04], np.zeros((2, 2)), ("a", "b"), "arousal")])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"x.arousal.{rater}.annotation{end}" for rater in "ab" for end in ("", "~")]


@pytest.mark.parametrize("suffix", [".eaf", ".textgrid"])
def test_a_trace(tmp_path, suffix):
    pytest.importorskip("pympi")
    pytest.importorskip("praatio")
    values = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    trace = Trace(np.arange(5) * 0.04, values, spread=np.abs(values))
    path = tmp_path / f"x{suffix}"
    formats.write(path, formats.of_trace(trace))
    found = {ratings.target: ratings for ratings in formats.read(path)}
    assert list(found) == ["arousal", "valence", "arousal_sd", "valence_sd"]
    np.testing.assert_allclose(found["valence"].values[:, 0], values[:, 1].round(4), atol=1e-12)
    assert found["valence"].raters == ("emotrace",)


@pytest.mark.parametrize(
    ("ratings", "suffix", "message"),
    [
        (Ratings([0.0, 0.0333333], np.zeros((2, 1)), ("a",), "x"), ".eaf", "milliseconds"),
        (Ratings([-0.04, 0.0], np.zeros((2, 1)), ("a",), "x"), ".eaf", "milliseconds"),
        (Ratings([-0.04, 0.0], np.zeros((2, 1)), ("a",), "x"), ".textgrid", "from 0"),
        (Ratings([0.0, 1e-8], np.zeros((2, 1)), ("a",), "x"), ".textgrid", "microsecond"),
        (Ratings([0.0, 0.04, 0.1], np.zeros((3, 1)), ("a",), "x"), ".annotation", "constant rate"),
        (Ratings([0.0, 0.04], np.zeros((2, 1)), ("a,b",), "x"), ".csv", "delimiter"),
        (Ratings([0.0, 0.04], np.zeros((2, 1)), ("a",), "x/y"), ".csv", "slash"),
        (Ratings([0.0, 0.04], np.zeros((2, 1)), ("a\n",), "x"), ".textgrid", "line breaks"),
    ],
)
def test_what_a_format_cannot_hold(tmp_path, ratings, suffix, message):
    with pytest.raises(TraceError, match=message) as error:
        formats.write(tmp_path / f"x{suffix}", [ratings])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".csv", ".eaf", ".TextGrid", ".annotation", ".audformat"])
@pytest.mark.parametrize(
    "content", [None, b"", b"<a>", b"\xff\xfe\x00", b'<annotation><scheme type="FREE"/></annotation>']
)
def test_damaged_files(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EmotraceError) as error:
        formats.read(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_tiers_of_words(tmp_path):
    textgrid = pytest.importorskip("praatio.textgrid")
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("words", [(0.0, 1.0, "hello")], 0, 1))
    grid.save(str(tmp_path / "x.TextGrid"), "long_textgrid", includeBlankSpaces=True)
    with pytest.raises(TraceError, match="'hello', not a number"):
        formats.read(tmp_path / "x.TextGrid")


def test_nothing_is_written_over(tmp_path):
    ratings = [Ratings([0.0, 0.04], np.zeros((2, 1)), ("a",), "x")]
    for suffix in (".csv", ".annotation"):
        formats.write(tmp_path / f"x{suffix}", ratings)
        with pytest.raises(EmotraceError, match="exists"):
            formats.write(tmp_path / f"x{suffix}", ratings)


def test_a_missing_extra_is_named(monkeypatch):
    import importlib

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(EmotraceError, match=r'pip install "emotrace\[export\]"'):
        formats.library("pympi")


def test_an_unknown_ending():
    with pytest.raises(EmotraceError, match=r"\.eaf"):
        formats.read("x.xlsx")
