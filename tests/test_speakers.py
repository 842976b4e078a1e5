import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import EmotraceError
from emotrace.inference.speakers import Segment, at, called, misfits, read, recordings, turns

TURNS = [Segment(0.5, 2.0, "anna"), Segment(2.25, 4.0, "ben")]

RTTM = """;; made by a diariser
SPKR-INFO talk 1 <NA> <NA> <NA> unknown anna <NA> <NA>
SPEAKER talk 1 2.250 1.750 <NA> <NA> ben <NA> <NA>

NON-SPEECH talk 1 4.0 1.0 <NA> noise <NA> <NA> <NA>
SPEAKER talk 1 0.500 1.500 <NA> <NA> anna <NA> <NA>
"""
TWO_FILES = """SPEAKER one 1 0 1 <NA> <NA> a <NA> <NA>
SPEAKER two.wav 1 0 1 <NA> <NA> b <NA> <NA>
"""


@pytest.fixture
def write(tmp_path):
    def to_file(content, name="turns.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


class TestRead:
    @pytest.mark.parametrize(
        "content",
        [
            RTTM,
            RTTM.replace("\n", "\r\n"),
            "\ufeff" + RTTM,
            RTTM.replace(" ", "\t"),
            RTTM.replace(" <NA> <NA>\n", " <NA>\n"),
            "start_s,end_s,speaker\n2.25,4.0,ben\n0.5,2.0,anna\n",
            "\ufeffstart_s,end_s,speaker\r\n0.5,2.0,anna\r\n2.25,4.0,ben\r\n",
            "speaker;start_s;note;end_s\nanna;0.5;x;2\n\nben;2.25;;4\n",
            "start_s\tend_s\tspeaker\n0.5\t2\tanna\n2.25\t4\tben",
            'start_s, end_s, speaker\n0.5, 2.0,"anna"\n2.25, 4.0, ben\n',
            "start_s;end_s;speaker\r\n0,5;2,0;anna\r\n2,25;4;ben\r\n",
            "start_s\tend_s\tspeaker\n0,5\t2\tanna\n2,25\t4,0\tben\n",
            "start_s,end_s,speaker,\n0.5,2.0,anna,,\n2.25,4.0,ben\n",
        ],
    )
    @pytest.mark.parametrize("name", ["turns.rttm", "turns.csv", "turns"])
    def test_tells_by_the_content_what_it_is(self, write, content, name):
        assert read(write(content, name)) == TURNS

    def test_rttm_of_one_recording_is_taken_whatever_its_name(self, write):
        assert read(write(RTTM), recording="other") == TURNS

    @pytest.mark.parametrize(("recording", "speaker"), [("one", "a"), ("two", "b"), ("two.wav", "b")])
    def test_rttm_of_several_gives_the_one_asked_for(self, write, recording, speaker):
        assert [s.speaker for s in read(write(TWO_FILES), recording=recording)] == [speaker]

    @pytest.mark.parametrize("recording", [None, "three"])
    def test_rttm_of_several_without_the_one_asked_for(self, write, recording):
        with pytest.raises(EmotraceError, match=r"2 recordings \(one, two\.wav\)"):
            read(write(TWO_FILES), recording=recording)

    def test_csv_speakers_may_have_spaces_and_any_script(self, write):
        (segment,) = read(write("start_s,end_s,speaker\n0,1,Zoë van Dam 女\n"))
        assert segment.speaker == "Zoë van Dam 女"

    def test_recordings_are_what_an_rttm_names(self, write):
        assert recordings(write(RTTM)) == ["talk"]
        assert recordings(write(TWO_FILES)) == ["one", "two.wav"]
        assert called(["one", "two.wav"]) == {"one", "two", "two.wav"}
        assert recordings(write("start_s,end_s,speaker\n0,1,a\n")) == []
        with pytest.raises(EmotraceError, match="neither RTTM nor"):
            recordings(write("hello\nworld\n"))


class TestSegment:
    @pytest.mark.parametrize(
        ("start_s", "end_s"),
        [(np.nan, 1.0), (0.0, np.nan), (-1.0, 1.0), (0.0, np.inf), (0.0, 1e300), (2.0, 1.0)],
    )
    def test_impossible_times_are_named(self, start_s, end_s):
        with pytest.raises(EmotraceError, match=r"segment of 'anna' from \S+ to \S+ s is not possible"):
            Segment(start_s, end_s, "anna")

    def test_what_it_is_of_takes_no_part_in_comparisons(self):
        assert Segment(0.5, 2.0, "anna", "talk") == TURNS[0]


class TestMisfits:
    def test_what_fits_is_not_spoken_of(self, write):
        assert misfits(TURNS, 3.0, True, "talk") == []
        for recording in ("talk", None):
            assert misfits(read(write(RTTM)), 4.0, True, recording) == []
        assert misfits(read(write(RTTM.replace(" talk ", " talk.wav "))), 4.0, True, "talk") == []
        assert misfits(read(write(RTTM.replace(" talk ", " <NA> "))), 4.0, True, "talk") == []

    def test_nobody_is_heard(self):
        (text,) = misfits([Segment(100, 200, "anna")], 24.0, False, None)
        assert "no frame has a speaker: the segments lie between 100.0 and 200.0 s, the recording lasts 24.0 s" in text
        assert misfits([], 24.0, False, None) == ["no frame has a speaker: no segments were given"]

    def test_segments_after_the_end(self):
        (text,) = misfits([*TURNS, Segment(9, 10, "ben"), Segment(6, 7, "ben")], 3.0, True, None)
        assert "2 of 4 segments of speakers begin after the recording's end at 3.0 s (the first at 6.0 s)" in text

    def test_most_of_what_is_said_is_nobody_s(self):
        (text,) = misfits(TURNS, 60.0, True, None, 0.04)
        assert text.startswith(
            "4% of what is said has a speaker, and the rest is normalised with whoever spoke before;"
        )
        assert misfits(TURNS, 60.0, True, None, 0.25) == []

    def test_another_recording(self, write):
        (text,) = misfits(read(write(RTTM), "other"), 4.0, True, "other")
        assert "the speakers are of a recording called talk" in text


class TestFaults:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("", "empty"),
            (" \n\n", "empty"),
            (b"\x89PNG\r\n\x1a\n\xff\xfe", "line 1: is not text in UTF-8"),
            (b"start_s,end_s,speaker\n0,1,Zo\xeb\n", "line 2: is not text in UTF-8"),
            ("start_s,end_s,speaker\n0,1,a\n".encode("utf-16"), "UTF-8"),
            ("start_s,end_s,speaker\n0,1,a\n".encode("utf-16-le"), "not a text file"),
            ("hello\nworld\n", "neither RTTM nor"),
            ("time_s,arousal\n0,1\n", "line 1: this is neither RTTM nor"),
            ("start_s,end_s\n0,1\n", "line 1: no column speaker"),
            ("start_s,end_s,speaker\n", "no segment"),
            ("SPKR-INFO f 1 <NA> <NA> <NA> unknown a <NA> <NA>\n", "neither RTTM nor"),
            ("start_s,end_s,speaker\n0,1,a\n1,0.5,a\n", "line 3: ends at 0.5 s, before its start"),
            ("start_s,end_s,speaker\n-1,1,a\n", "line 2: start_s is '-1'"),
            ("start_s,end_s,speaker\n0,nan,a\n", "line 2: end_s is 'nan'"),
            ("start_s,end_s,speaker\n0,inf,a\n", "line 2: end_s is 'inf'"),
            ("start_s,end_s,speaker\n0,1:30,a\n", "line 2: end_s is '1:30'"),
            ("start_s,end_s,speaker\n0,1e300,a\n", "line 2: a segment of 'a' from 0 to 1e+300 s is not possible"),
            ("start_s;end_s;speaker\n0;1.000,5;a\n", "line 2: end_s is '1.000,5'"),
            ("start_s,end_s,speaker\n0,0,5,5,anna\n", "line 2: has 5 cells, the header 3"),
            ("start_s,end_s,speaker\n0,1\n", "line 2: has 2 cells"),
            ("start_s,end_s,speaker\n0,1, \n", "line 2: the speaker is empty"),
            ('start_s,end_s,speaker\n0,1,"a\nb"\n', "line break"),
            ('start_s,end_s,speaker\n0,1,"a\n', "is no CSV"),
            ("SPEAKER f 1 0 1 <NA> <NA>\n", "line 1: has 7 fields"),
            (";;\nSPEAKER my talk 1 0 1 <NA> <NA> a <NA> <NA>\n", "line 2: has 11 fields"),
            ("SPEAKER f 1 -0.5 1 <NA> <NA> a <NA> <NA>\n", "line 1: start is '-0.5'"),
            ("SPEAKER f 1 0 -1 <NA> <NA> a <NA> <NA>\n", "line 1: duration is '-1'"),
            ("SPEAKER f 1 0 NaN <NA> <NA> a <NA> <NA>\n", "line 1: duration is 'NaN'"),
            ("SPEAKER f 1 9e307 1e308 <NA> <NA> a <NA> <NA>\n", "line 1: a segment of 'a' from 9e+307 to inf s"),
        ],
    )
    def test_is_one_line_with_the_file(self, write, content, says):
        path = write(content)
        with pytest.raises(EmotraceError) as raised:
            read(path)
        text = str(raised.value)
        assert text.startswith(str(path))
        assert says in text
        assert "\n" not in text

    @pytest.mark.parametrize("name", [".", "none.rttm", "\0"])
    def test_a_file_that_cannot_be_read(self, tmp_path, name):
        with pytest.raises(EmotraceError, match="cannot be read"):
            read(f"{tmp_path}/{name}")

    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_nothing_else_is_ever_raised(self, tmp_path_factory, content):
        path = tmp_path_factory.mktemp("any") / "file"
        path.write_bytes(content)
        with pytest.raises(EmotraceError):
            read(path)


class TestAt:
    def test_a_turn_holds_its_start_and_not_its_end(self):
        assert at(TURNS, [0, 0.5, 1.99, 2.0, 2.25, 4.0, 9]).tolist() == ["", "anna", "anna", "", "ben", "", ""]

    def test_who_started_last_wins_and_then_the_other_goes_on(self):
        turns = [Segment(1, 2, "b"), Segment(0, 3, "a")]
        assert at(turns, [0.5, 1.5, 2.5]).tolist() == ["a", "b", "a"]

    def test_nobody_speaks(self):
        assert at([], [0.0, 1.0]).tolist() == ["", ""]
        assert at(TURNS, []).shape == (0,)

    # Quarters, so that times meet the edges often and rounding never.
    quarters = st.integers(0, 40).map(lambda number: number / 4)
    turn = st.tuples(quarters, quarters, st.sampled_from("abc")).map(lambda t: Segment(t[0], t[0] + t[1], t[2]))

    @given(st.lists(turn, max_size=8), st.lists(quarters, max_size=30))
    def test_is_the_literal_rule(self, segments, times):
        def literal(time):
            speaking = [(s.start_s, i, s.speaker) for i, s in enumerate(segments) if s.start_s <= time < s.end_s]
            return max(speaking, default=(0, 0, ""))[2]

        names = at(segments, times)
        assert names.dtype.kind == "U"
        assert names.tolist() == [literal(time) for time in times]

    @given(st.lists(turn, min_size=1, max_size=8))
    def test_what_is_written_as_csv_is_read_back(self, tmp_path_factory, segments):
        path = tmp_path_factory.mktemp("turns") / "turns.csv"
        rows = [f"{s.start_s},{s.end_s},{s.speaker}\n" for s in segments]
        path.write_text("start_s,end_s,speaker\n" + "".join(rows))
        assert read(path) == sorted(segments, key=lambda s: s.start_s)


class TestTurns:
    @given(
        st.lists(
            st.builds(
                lambda start_s, length_s, name: Segment(start_s, start_s + length_s, name),
                # Hundredths meet the rows exactly, where rounding would show.
                st.integers(0, 500).map(lambda n: n / 100) | st.floats(0, 5),
                st.integers(0, 100).map(lambda n: n / 100) | st.floats(0, 1),
                st.sampled_from(["anna", "ben", "cleo"]),
            ),
            max_size=8,
        )
    )
    def test_rows_are_told_as_at_tells_times(self, segments):
        rows = np.arange(620)
        found = turns(segments, 100.0)
        said = at(segments, rows / 100)
        assert found.speaker(rows) == [name or None for name in said]
        assert found.spoken(0, 620).tolist() == [name != "" for name in said.tolist()]
        owners = [found.names[n] if found.names else "" for n in found.owner(0, 620)]
        last = next((name for name in said if name), found.names[0] if found.names else "")
        for name, owner in zip(said.tolist(), owners, strict=True):
            last = name or last
            assert owner == last

    def test_names_come_in_order_of_their_turns(self):
        assert turns([Segment(3, 4, "b"), Segment(0, 1, "a"), Segment(5, 6, "b")], 100.0).names == ("a", "b")
