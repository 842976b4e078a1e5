import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.annotation import Ratings
from emotrace.corpora import recola
from emotrace.errors import CorpusError

HEADER = "time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3\n"
ROWS = 26


def rows(count=ROWS, seed=0):
    values = np.random.default_rng(seed).uniform(-0.9, 0.9, (count, 6))
    return [f"{0.04 * row:.2f};" + ";".join(f"{value:.2f}" for value in values[row]) + "\n" for row in range(count)]


def label_text(count=ROWS, seed=0):
    return HEADER + "".join(rows(count, seed))


def make_tree(root, participants=("P16", "P19", "P13", "P17")):
    audio = root / "RECOLA-Audio-recordings"
    audio.mkdir(parents=True)
    for target in ("arousal", "valence"):
        labels = root / "RECOLA-Annotation" / "emotional_behaviour" / target
        labels.mkdir(parents=True)
        for number, participant in enumerate(participants):
            (labels / f"{participant}.csv").write_text(label_text(seed=number + 100 * (target == "valence")))
            (audio / f"{participant}.wav").write_bytes(b"RIFF")
    return root


@pytest.fixture
def root(tmp_path):
    return make_tree(tmp_path / "recola")


@pytest.fixture
def label_file(tmp_path):
    path = tmp_path / "P16.csv"
    path.write_text(label_text())
    return path


def refusal(call, *arguments):
    with pytest.raises(CorpusError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestLoad:
    def test_lists_recordings_with_avec_2016_s_partitions(self, root):
        recordings = recola.load(root)
        assert [(r.id, r.partition, r.speaker) for r in recordings] == [
            ("P13", "test", "P13"),
            ("P16", "train", "P16"),
            ("P17", None, "P17"),
            ("P19", "dev", "P19"),
        ]
        assert recordings[0].audio == root / "RECOLA-Audio-recordings" / "P13.wav"

    def test_partitions_are_nine_each_and_disjoint(self):
        participants = [p for group in recola.AVEC2016_PARTICIPANTS.values() for p in group]
        assert [len(group) for group in recola.AVEC2016_PARTICIPANTS.values()] == [9, 9, 9]
        assert len(set(participants)) == 27

    def test_reads_all_six_raters_of_the_target_asked_for(self, root):
        recording = recola.load(root)[1]
        arousal, valence = recording.ratings("arousal"), recording.ratings("valence")
        assert arousal.raters == ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
        assert (arousal.target, valence.target) == ("arousal", "valence")
        expected = [[float(cell) for cell in row.split(";")] for row in rows(seed=0)]
        np.testing.assert_array_equal(np.column_stack([arousal.time_s, arousal.values]), expected)
        assert not np.array_equal(arousal.values, valence.values)

    def test_takes_a_root_as_text(self, root):
        assert len(recola.load(str(root))) == 4

    def test_takes_flac_and_upper_case(self, root):
        audio = root / "RECOLA-Audio-recordings"
        (audio / "P16.wav").rename(audio / "P16.flac")
        (audio / "P19.wav").rename(audio / "P19.WAV")
        assert [r.audio.name for r in recola.load(root)] == ["P13.wav", "P16.flac", "P17.wav", "P19.WAV"]

    def test_ignores_other_files(self, root):
        (root / "RECOLA-Audio-recordings" / "README.txt").write_text("")
        (root / "RECOLA-Annotation" / "emotional_behaviour" / "arousal" / "._P16.csv").write_text("")
        assert len(recola.load(root)) == 4

    def test_does_not_read_labels_before_they_are_asked_for(self, root):
        path = root / "RECOLA-Annotation" / "emotional_behaviour" / "arousal" / "P16.csv"
        path.write_text("broken")
        recording = recola.load(root)[1]
        assert str(path) in refusal(recording.ratings, "arousal")
        assert recording.ratings("valence").target == "valence"

    def test_unknown_target(self, root):
        message = refusal(recola.load(root)[0].ratings, "dominance")
        assert "'dominance'" in message
        assert "arousal, valence" in message

    @pytest.mark.parametrize("folder", ["RECOLA-Audio-recordings", "RECOLA-Annotation"])
    def test_missing_folder(self, root, folder):
        (root / folder).rename(root / "elsewhere")
        message = refusal(recola.load, root)
        assert str(root / folder) in message
        assert f"give the root that holds {folder}" in message

    def test_empty_folder(self, root):
        for path in (root / "RECOLA-Audio-recordings").iterdir():
            path.unlink()
        assert "no file P*.wav or P*.flac" in refusal(recola.load, root)

    def test_audio_without_labels(self, root):
        (root / "RECOLA-Annotation" / "emotional_behaviour" / "valence" / "P16.csv").unlink()
        message = refusal(recola.load, root)
        assert "valence/P16.csv: no such file" in message

    def test_a_test_recording_without_any_label_has_them_kept_back(self, root):
        for target in ("arousal", "valence"):
            (root / "RECOLA-Annotation" / "emotional_behaviour" / target / "P13.csv").unlink()
        recordings = {r.id: r for r in recola.load(root)}
        assert recordings["P13"].known_gold("arousal", 10) is None
        assert recordings["P16"].gold("arousal") is not None

    @pytest.mark.parametrize(("participant", "targets"), [("P13", ["valence"]), ("P19", ["arousal", "valence"])])
    def test_what_else_lacks_labels_is_incomplete(self, root, participant, targets):
        for target in targets:
            (root / "RECOLA-Annotation" / "emotional_behaviour" / target / f"{participant}.csv").unlink()
        assert f"{targets[0]}/{participant}.csv: no such file" in refusal(recola.load, root)

    def test_labels_without_audio(self, root):
        (root / "RECOLA-Audio-recordings" / "P16.wav").unlink()
        (root / "RECOLA-Audio-recordings" / "P19.wav").unlink()
        assert re.search(r"P16.wav: no such file.* \(1 more", refusal(recola.load, root))

    def test_the_same_recording_twice(self, root):
        (root / "RECOLA-Audio-recordings" / "P16.flac").write_bytes(b"fLaC")
        assert "same recording" in refusal(recola.load, root)


class TestPartitionFile:
    def test_replaces_avec_2016_s_partitions(self, root):
        (root / "partition.csv").write_text("id,partition,speaker\nP16,test,anna\nP19,train,\nP17,dev,anna\n")
        assert [(r.id, r.partition, r.speaker) for r in recola.load(root)] == [
            ("P13", None, "P13"),
            ("P16", "test", "anna"),
            ("P17", "dev", "anna"),
            ("P19", "train", "P19"),
        ]

    def test_speakers_are_optional(self, root):
        (root / "partition.csv").write_bytes(b"\xef\xbb\xbfid,partition\r\nP16,dev\r\n\r\n")
        assert [(r.partition, r.speaker) for r in recola.load(root)][1] == ("dev", "P16")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "line 1: the header must be"),
            ("name,partition\n", "line 1: the header must be"),
            ("id;partition\n", "line 1: the header must be"),
            ("id,partition\nP16,devel\n", "line 2: partition 'devel'; write one of train, dev, test"),
            ("id,partition\nP16,dev\nP16,train\n", "line 3: P16 is listed before"),
            ("id,partition\nP99,dev\n", "line 2: 'P99' has no files"),
            ("id,partition,speaker\nP16,dev\n", "line 2: 2 cells under 3 columns"),
            ("id,partition\nP16,dev,anna\n", "line 2: 3 cells under 2 columns"),
            ('id,partition\n"P16' + "x" * 200_000 + '",dev\n', "line 2: field larger"),
        ],
    )
    def test_refusals(self, root, text, message):
        (root / "partition.csv").write_text(text)
        assert f"{root / 'partition.csv'}, {message}" in refusal(recola.load, root)


def changed(line, text):
    """The label file with one line (1 is the header) replaced."""
    lines = label_text().split("\n")
    lines[line - 1] = text
    return "\n".join(lines)


GOOD_CELLS = "0.1;0.1;0.1;0.1;0.1;0.1"


class TestLabelFile:
    def test_full_length(self, tmp_path):
        path = tmp_path / "P16.csv"
        path.write_text(label_text(7501))
        ratings = recola.read_ratings(path, "arousal")
        assert ratings.values.shape == (7501, 6)
        assert ratings.time_s[-1] == 300.0

    @pytest.mark.parametrize(
        "text",
        [
            "\ufeff" + label_text(),
            label_text().replace("\n", "\r\n"),
            label_text().rstrip("\n"),
            label_text() + "\n\n",
            label_text().replace(" ;", ";"),
            label_text().replace("time;", " time ; "),
        ],
        ids=["BOM", "CRLF", "no last newline", "blank lines at the end", "no spaces", "more spaces"],
    )
    def test_harmless_variants(self, label_file, text):
        expected = recola.read_ratings(label_file, "arousal").values
        label_file.write_bytes(text.encode())
        np.testing.assert_array_equal(recola.read_ratings(label_file, "arousal").values, expected)

    def test_time_within_tolerance(self, label_file):
        label_file.write_text(changed(4, f"0.0809;{GOOD_CELLS}"))
        assert recola.read_ratings(label_file, "arousal").time_s[2] == 0.0809

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "line 1: the header is not separated by ';'"),
            (HEADER, "no rows below the header"),
            (HEADER + " \n\n", "no rows below the header"),
            (label_text().replace(";", ","), "line 1: the header is not separated by ';'"),
            (HEADER + "".join(rows()).replace(";", ","), "line 2: 1 cells rather than 7"),
            (label_text().replace("FM3 ;", ""), "line 1: the header lacks FM3"),
            (label_text().replace("FM1 ;FM2 ;", "FM2 ;FM1 ;"), "line 1: the header must be time;FM1;FM2"),
            (label_text().replace("FF3\n", "FF3;FF4\n"), "line 1: the header must be time;FM1;FM2"),
            (changed(5, "0.12;0.1;0.1;0.1;0.1;0.1"), "line 5: 6 cells rather than 7"),
            (changed(5, f"0.12;{GOOD_CELLS};0.1"), "line 5: 8 cells rather than 7"),
            (changed(5, "0.12;0.1;0.1;x;0.1;0.1;0.1"), "line 5: FM3 is 'x', not a number"),
            (changed(5, "0.12;0.1;0.1;0,1;0.1;0.1;0.1"), "line 5: FM3 is '0,1', not a number"),
            (changed(5, "0.12;0.1;0.1;;0.1;0.1;0.1"), "line 5: FM3 is '', not a number"),
            (changed(5, "0.12;0.1;0.1;NaN;0.1;0.1;0.1"), "line 5: FM3 is 'NaN', not a finite number"),
            (changed(5, "inf;0.1;0.1;0.1;0.1;0.1;0.1"), "line 5: time is 'inf', not a finite number"),
            (changed(5, "0.12;0.1;0.1;1.5;0.1;0.1;0.1"), "line 5: FM3 is 1.5, outside of [-1, 1]"),
            (changed(5, f"0.04;{GOOD_CELLS}"), "line 5: the time is 0.04 s where 0.12 s should follow"),
            (changed(5, f"0.14;{GOOD_CELLS}"), "line 5: the time is 0.14 s where 0.12 s should follow"),
            (changed(2, f"0.04;{GOOD_CELLS}"), "line 2: the time is 0.04 s where 0.00 s should follow"),
            (label_text().replace("0.20;", "\n0.21;", 1), "the time is 0.21 s where 0.20 s should follow"),
            (label_text()[:-12], f"line {ROWS + 1}: 5 cells rather than 7"),
            (label_text().rpartition(";")[0] + ";", f"line {ROWS + 1}: FF3 is '', not a number"),
        ],
    )
    def test_refusals(self, label_file, text, message):
        label_file.write_text(text)
        found = refusal(recola.read_ratings, label_file, "arousal")
        assert found.startswith(str(label_file))
        assert message in found
        assert "copy it again" in found

    def test_cells_that_only_python_takes_for_numbers(self, label_file):
        label_file.write_text(changed(5, "0.12;0_0;0.1;0.1;0.1;0.1;0.1"))
        assert refusal(recola.read_ratings, label_file, "arousal").startswith(str(label_file))

    def test_a_number_in_latin_1(self, label_file):
        label_file.write_bytes(changed(5, "0.12;±0.1;0.1;0.1;0.1;0.1;0.1").encode("latin-1"))
        assert f"{label_file}, line 5: not UTF-8" in refusal(recola.read_ratings, label_file, "arousal")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
    def test_wrong_encoding(self, label_file, encoding):
        label_file.write_bytes(label_text().encode(encoding))
        assert "line 1" in refusal(recola.read_ratings, label_file, "arousal")

    def test_a_binary_line_is_not_repeated_in_full(self, label_file):
        label_file.write_text(changed(5, f"0.12;{'x' * 10_000};0.1;0.1;0.1;0.1;0.1"))
        assert len(refusal(recola.read_ratings, label_file, "arousal")) < 300

    def test_missing_and_unreadable(self, tmp_path):
        assert str(tmp_path / "P1.csv") in refusal(recola.read_ratings, tmp_path / "P1.csv", "arousal")
        assert str(tmp_path) in refusal(recola.read_ratings, tmp_path, "arousal")

    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.data())
    def test_mutated_bytes_raise_nothing_else(self, label_file, data):
        mutated = bytearray(label_text().encode())
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(mutated)))
            stop = data.draw(st.integers(start, min(start + 20, len(mutated))))
            mutated[start:stop] = data.draw(st.binary(max_size=10) | st.sampled_from(SPLINTERS))
        path = label_file.with_name("mutated.csv")
        path.write_bytes(mutated)
        fault = None
        try:
            ratings = recola.read_ratings(path, "arousal")
        except CorpusError as error:
            fault = str(error)
        if fault is None:
            assert np.abs(ratings.values).max() <= 1.0
        else:
            assert fault.startswith(str(path))
            assert len(fault.splitlines()) == 1


SPLINTERS = [
    b";",
    b"\n",
    b"\r",
    b"\x00",
    b"nan",
    b"-inf",
    b"1e999",
    b"1_0",
    b'"',
    b"#",
    b"\xef\xbb\xbf",
    b" ",
    b"0x1",
]


class TestWrite:
    def ratings(self, frames=ROWS, **change):
        values = np.random.default_rng(3).uniform(-1, 1, (frames, 6))
        fields = dict(time_s=np.arange(frames) * 0.04, values=values, raters=recola.RATERS, target="arousal")
        return Ratings(**{**fields, **change})

    def test_is_the_release_s_format(self, tmp_path):
        path = tmp_path / "made" / "P16.csv"
        values = np.tile([0.0, -0.25, 1.0, -1.0, -1e-9, 1 / 3], (2, 1))
        recola.write_ratings(path, self.ratings(2, values=values))
        assert path.read_bytes() == (
            b"time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3\n"
            b"0.00;0.0000;-0.2500;1.0000;-1.0000;0.0000;0.3333\n"
            b"0.04;0.0000;-0.2500;1.0000;-1.0000;0.0000;0.3333\n"
        )

    def test_comes_back(self, tmp_path):
        written = self.ratings(7501)
        recola.write_ratings(tmp_path / "P16.csv", written)
        read = recola.read_ratings(tmp_path / "P16.csv", "arousal")
        np.testing.assert_allclose(read.time_s, written.time_s, atol=1e-9)
        np.testing.assert_allclose(read.values, written.values, atol=5.0001e-5)

    @pytest.mark.parametrize(
        "change",
        [
            dict(raters=("a", "b", "c", "d", "e", "f")),
            dict(values=np.full((ROWS, 6), 1.01)),
            dict(time_s=np.arange(ROWS) * 0.05),
            dict(time_s=np.arange(ROWS) * 0.04 + 1),
        ],
    )
    def test_refusals(self, tmp_path, change):
        path = tmp_path / "P16.csv"
        assert refusal(recola.write_ratings, path, self.ratings(**change)).startswith(str(path))
        assert not path.exists()
