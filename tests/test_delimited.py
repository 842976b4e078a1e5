"""Tables of delimited text: what is forgiven, and what is refused with file, line and remedy."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.corpora.delimited import read_table
from emotrace.errors import CorpusError

GOOD = "time,value\n0.0,0.5\n0.1,-0.5\n0.2,1\n"


def table(path, text, *, encoding="utf-8", **options):
    path = path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return read_table(path, **options)


def refusal(call, *arguments, **options):
    with pytest.raises(CorpusError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.rstrip("\n"),
        GOOD + "\n \n",
        GOOD.replace(",", " , "),
        GOOD.replace("time,value", "Time,Value,"),
        GOOD.replace("0.0,0.5", '"0.0","0.5",'),
    ],
)
def test_harmless_variants(tmp_path, text):
    found = table(tmp_path, text, header=("time", "value"))
    assert list(found.columns) == ["time", "value"]
    assert found.times("time").tolist() == [0.0, 0.1, 0.2]
    assert found.numbers("value").tolist() == [0.5, -0.5, 1.0]


def test_columns_are_found_by_name_and_further_ones_kept(tmp_path):
    found = table(tmp_path, "a;VALUE;time\nx;1;0\n", delimiter=";", header=("time", "value"))
    assert {name: cells[0] for name, cells in found.columns.items()} == {"a": "x", "value": "1", "time": "0"}


def test_preamble_and_no_header(tmp_path):
    found = table(tmp_path, 'By,hand\n\nnotes "\n0,1\n\n5,2\n', names=("time", "value"), preamble=3)
    assert found.numbers("value").tolist() == [1, 2]
    assert found.lines == (4, 6)
    assert "line 6: wrong" in str(found.fault(1, "wrong"))


def test_ragged_rows_and_values_that_are_missing(tmp_path):
    found = table(tmp_path, "id,a,b\n1,2\n2,nan,3\n", ragged=True)
    np.testing.assert_array_equal(found.numbers("a", missing=True), [2, np.nan])
    np.testing.assert_array_equal(found.numbers("b", missing=True), [np.nan, 3])
    assert "line 2: b is '', not a number" in refusal(found.numbers, "b")
    assert "line 3: a is 'nan', not a finite number" in refusal(found.numbers, "a")


def test_milliseconds(tmp_path):
    assert table(tmp_path, "t\n0\n250\n").times("t", 0.001).tolist() == [0, 0.25]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header is not time, value separated by ','; copy it again"),
        ("\n\n", "line 1: the header is not"),
        ("time,value\n", "no rows below the header; copy it again"),
        (GOOD.replace(",", ";"), "line 1: the header is not time, value separated by ','"),
        ("time,value\n" + GOOD.replace(",", ";"), "line 2: 1 cells rather than 2, separated by ','"),
        (GOOD.replace("value", "other"), "line 1: the header lacks value"),
        (GOOD.replace("time,", "time,value,"), "line 1: the header names a column twice"),
        (GOOD + "0.3", "line 5: 1 cells rather than 2"),
        (GOOD + "0.3,1,2\n", "line 5: 3 cells rather than 2"),
        (GOOD + '"0.3,1\n0.4,1\n', 'line 5: a quote " is not closed'),
        (GOOD + "0.3,\0\n", "line 5: not UTF-8 text"),
    ],
)
def test_refused_tables(tmp_path, text, message):
    found = refusal(table, tmp_path, text, header=("time", "value"))
    assert found.startswith(f"{tmp_path / 'labels.csv'}")
    assert message in found


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_wrong_encoding(tmp_path, encoding):
    assert "line 1: not UTF-8 text" in refusal(table, tmp_path, GOOD, encoding=encoding)


def test_the_line_of_a_wrong_byte(tmp_path):
    assert "line 3: not UTF-8" in refusal(table, tmp_path, GOOD.replace("-0.5", "±0.5"), encoding="latin-1")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("x", "line 3: value is 'x', not a number"),
        ("", "line 3: value is '', not a number"),
        ("0,5", None),
        ("NaN", "line 3: value is 'NaN', not a finite number"),
        ("inf", "line 3: value is 'inf', not a finite number"),
        ("1_0", "line 3: value is '1_0', not a number"),
        ("x" * 1000, "line 3: value is 'xxxxxxxxxxxxxxxxxxxx...', not a number"),
    ],
)
def test_refused_numbers(tmp_path, cell, message):
    text = GOOD.replace("-0.5", cell)
    if message is None:
        assert "line 3: 3 cells" in refusal(table, tmp_path, text)
    else:
        assert message in refusal(table(tmp_path, text).numbers, "value")


@pytest.mark.parametrize("time", ["0.0", "-1"])
def test_times_that_do_not_increase(tmp_path, time):
    found = table(tmp_path, GOOD.replace("0.1,", f"{time},"))
    assert f"line 3: time {float(time):g} does not come after 0; copy" in refusal(found.times, "time")


def test_a_column_that_is_not_there(tmp_path):
    assert "no column arousal, only time, value" in refusal(table(tmp_path, GOOD).numbers, "arousal")


def test_a_file_that_is_not_there(tmp_path):
    assert str(tmp_path / "no.csv") in refusal(read_table, tmp_path / "no.csv")
    assert str(tmp_path) in refusal(read_table, tmp_path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(alphabet=st.sampled_from("0.,;\"'\n\r \0_nae-x\ufeff"), max_size=60), ragged=st.booleans())
def test_anything_is_a_table_or_a_refusal_of_one_line(tmp_path, text, ragged):
    (tmp_path / "any.csv").write_bytes(text.encode())
    fault = ""
    try:
        found = read_table(tmp_path / "any.csv", ragged=ragged)
        assert all(len(cells) == len(found) > 0 for cells in found.columns.values())
        for column in found.columns:
            assert np.isfinite(found.numbers(column)).all()
    except CorpusError as error:
        fault = str(error)
    assert len(fault.splitlines()) <= 1


def test_the_head_alone(tmp_path):
    assert len(table(tmp_path, GOOD + "cut off", head=2)) == 2


def test_packed_files(tmp_path):
    path = tmp_path / "labels.csv.gz"
    path.write_bytes(gzip.compress(GOOD.encode()))
    assert read_table(path).numbers("value").tolist() == [0.5, -0.5, 1.0]
    path.write_bytes(gzip.compress(GOOD.encode())[:-9])
    assert "labels.csv.gz: not a gzip file, or cut off" in refusal(read_table, path)


def test_blank_lines_where_they_matter(tmp_path):
    table(tmp_path, GOOD + "\n\n").reject_gaps()
    assert "line 3: is blank" in refusal(table(tmp_path, "a\n1\n\n2\n").reject_gaps)
