import numpy as np
import pytest
import trees

from emotrace.corpora import msp_conversation
from emotrace.errors import CorpusError

TREE = trees.get("msp_conversation")
NAME = "MSP-Conversation_0047"


@pytest.fixture
def root(tmp_path):
    return TREE.make(tmp_path / "msp")


def refusal(call, *arguments):
    with pytest.raises(CorpusError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def recording(root, name=NAME):
    return {each.id: each for each in msp_conversation.load(root)}[name]


def trace_file(root, part=1, annotator="001", target="Arousal"):
    return root / f"Annotations/{target}/{NAME}_{part}_{annotator}.csv"


def write_trace(path, times, values):
    rows = [f"{time:.4f},{value:.4f}\n" for time, value in zip(times, values, strict=True)]
    path.write_text(TREE.PREAMBLE + "Time,Annotation\n" + "".join(rows))


def test_partitions(root):
    assert [(r.id[-4:], r.partition) for r in msp_conversation.load(root)] == [
        ("0047", "train"),
        ("0079", "dev"),
        ("0103", "test"),
    ]


def test_all_annotators_of_all_parts_are_columns_each_where_they_rated(root):
    ratings = recording(root).ratings("arousal")
    assert ratings.raters == ("001", "002", "004", "007")
    assert ratings.time_s == pytest.approx(np.arange(125) * 0.04)
    first = ratings.time_s < 3 - 1e-6
    rated = np.isfinite(ratings.values)
    assert rated[first].mean(axis=0)[:3].min() > 0.9
    assert not rated[first, 3].any()
    assert not rated[~first][:, 1:3].any()
    assert rated[~first][:, [0, 3]].mean() > 0.8


def test_a_part_is_placed_at_its_own_time_and_interpolated(root):
    for part, slope in ((1, 10.0), (2, -20.0)):
        times = np.sort(np.random.default_rng(part).uniform(0, 2, 200))
        write_trace(trace_file(root, part), [0, *times, 2], slope * np.array([0, *times, 2]))
    ratings = recording(root).load_ratings("arousal")
    own = ratings.values[:, 0]
    at = ratings.time_s
    first, second = at <= 2, (at >= 3 - 1e-6) & (at <= 5)
    assert own[first] == pytest.approx(10 * at[first], abs=2e-3)
    assert own[second] == pytest.approx(-20 * (at[second] - 3), abs=4e-3)
    assert np.isnan(own[(at > 2) & (at < 3 - 1e-6)]).all()


def test_without_conversations_txt_the_first_part_starts_the_sound(root):
    expected = recording(root).ratings("valence").values
    (root / "Time Labels/conversations.txt").unlink()
    np.testing.assert_array_equal(recording(root).ratings("valence").values, expected)


def test_the_file_with_a_third_column_is_read_like_the_others(root):
    path = trace_file(root, 2, "001", "Dominance")
    assert path.read_text().splitlines()[-1].count(",") == 2
    times, values = msp_conversation.read_trace(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rsplit(",", 1)[0] if line.count(",") == 2 else line for line in lines))
    again = msp_conversation.read_trace(path)
    assert (times == again[0]).all()
    assert (values == again[1]).all()


def test_values_on_the_scale_s_ends_are_mapped(root):
    write_trace(trace_file(root), [0.0, 1.0], [-100.0, 100.0])
    values = recording(root).ratings("arousal").values[:26, 0]
    assert values[[0, 25]].tolist() == [-1.0, 1.0]
    write_trace(trace_file(root), [0.0, 1.0], [-100.0, 101.0])
    assert "between -100 and 100" in refusal(recording(root).ratings, "arousal")


def test_nothing_is_drawn_over_more_than_a_second(root):
    write_trace(trace_file(root), [0.0, 0.5, 1.6, 2.6], [0, 0, 0, 0])
    own = recording(root).ratings("arousal").values[:75, 0]
    unrated = np.flatnonzero(np.isnan(own)) * 0.04
    assert unrated[unrated < 2.6].min() == pytest.approx(0.52)
    assert unrated[unrated < 2.6].max() == pytest.approx(1.56)
    assert np.isfinite(own[40:65]).all()


def test_of_values_at_the_same_time_the_last_counts(root):
    write_trace(trace_file(root), [0.0, 0.5, 0.5, 1.0], [0, 10, 20, 20])
    assert msp_conversation.read_trace(trace_file(root))[1].tolist() == [0, 20, 20]


def test_gold_covers_the_parts_and_leaves_the_rest_unrated(root):
    frames = recording(root).gold_frames("dominance", 137)
    assert np.isfinite(frames[10:70]).all()
    assert np.isnan(frames[126:]).all()


def test_a_preamble_without_names_of_columns(root):
    path = trace_file(root)
    expected = msp_conversation.read_trace(path)[0]
    path.write_text(path.read_text().replace("Time,Annotation\n", ""))
    assert (msp_conversation.read_trace(path)[0] == expected).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "no row of a time and a value"),
        (lambda text: TREE.PREAMBLE, "no row of a time and a value"),
        (lambda text: text.replace(",", ";"), "no row of a time and a value, separated by ','"),
        (lambda text: text.removeprefix(TREE.PREAMBLE), "line 2: rows begin here, below 1 lines rather than 8"),
        (lambda text: text + "0.0100,5\n", "the time 0.01 s comes before"),
        (lambda text: text + "2.9999,NaN\n", "value is 'NaN', not a finite number"),
        (lambda text: text + "2.9999", "1 cells rather than 2"),
        (lambda text: text + "2.9999,1,2\n", "3 cells rather than 2"),
        (lambda text: text + "9.0,1\n", "s do not fit a part of 3.00 s"),
    ],
)
def test_malformed_traces(root, change, message):
    path = trace_file(root)
    path.write_text(change(path.read_text()))
    found = refusal(recording(root).ratings, "arousal")
    assert found.startswith(str(path))
    assert message in found
    assert recording(root).ratings("valence").raters


def test_wrong_encoding(root):
    path = trace_file(root)
    path.write_text(path.read_text(), encoding="utf-16")
    assert "line 1: not UTF-8" in refusal(recording(root).ratings, "arousal")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("partitions.txt", "Train", "Training", "line 1: the partition is 'Training'"),
        ("Time Labels/conversation_parts.txt", ";103.0;105.0", ";105.0;103.0", "line 2: .* ends at 103 s and starts"),
        ("Time Labels/conversation_parts.txt", ";103.0", ",103.0", "line 1: 2 cells rather than 3"),
        ("Time Labels/conversations.txt", "0047", "0048", "nothing tells where MSP-Conversation_0047 starts"),
    ],
)
def test_malformed_lists(root, file, old, new, message):
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(CorpusError, match=message):
        msp_conversation.load(root)


def test_a_part_that_no_list_places(root):
    trace_file(root).rename(trace_file(root, 9))
    assert f"conversation_parts.txt does not list {NAME}_9" in refusal(recording(root).ratings, "arousal")


def test_sound_that_is_missing_and_sound_that_nobody_rated(root):
    (root / f"Audio/{NAME}.wav").rename(root / "Audio/MSP-Conversation_0200.wav")
    assert f"{NAME}.wav: no such file" in refusal(msp_conversation.load, root)
    *_, unrated = msp_conversation.survey(root).recordings
    assert (unrated.id[-4:], unrated.partition) == ("0200", None)
    assert "no labels of arousal" in refusal(unrated.ratings, "arousal")
