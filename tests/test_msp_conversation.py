"""MSP-Conversation: annotators' own clocks on one grid, parts in their conversation, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import msp_conversation as tree

from emotrace.annotation import fusion
from emotrace.corpora import msp_conversation
from emotrace.errors import CorpusError

NAME = "MSP-Conversation_0047"


@pytest.fixture
def root(tmp_path):
    return tree.make(tmp_path)


def recording(root, name=NAME):
    return next(each for each in msp_conversation.load(root) if each.id == name)


def annotation(root, annotator="001", part=1, target="Arousal"):
    return root / f"Annotations/{target}/{NAME}_{part}_{annotator}.csv"


def test_partitions(root):
    partitions = [each.partition for each in msp_conversation.load(root)]
    assert partitions == ["train", "train", "dev", "test"]
    (root / "partitions.txt").rename(root / "Time Labels/partitions.txt")
    assert recording(root).partition == "train"
    (root / "Time Labels/partitions.txt").unlink()
    assert recording(root).partition is None


def test_every_annotator_of_every_part_at_its_place(root):
    ratings = recording(root).ratings("arousal")
    assert ratings.raters == ("001", "002", "005", "007")
    rated = {
        name: ratings.time_s[np.isfinite(column)] for name, column in zip(ratings.raters, ratings.values.T, strict=True)
    }
    first, second = (0.5, 3.5), (4.5, 6.5)
    for name, (start_s, end_s) in {"001": (first[0], second[1]), "002": first, "005": second, "007": second}.items():
        assert start_s <= rated[name][0] <= start_s + 0.06
        assert end_s - 0.5 <= rated[name][-1] < end_s
    assert not ((rated["001"] > first[1]) & (rated["001"] < second[0])).any()


def test_the_slider_stays_where_it_is(root):
    lines = tree.PREAMBLE + "0.05,10\n1.0,-20\n1.0,30\n2.02,40\n"
    annotation(root).write_text(lines)
    ratings = recording(root).ratings("arousal")
    at = dict(zip(np.round(ratings.time_s - 0.5, 2).tolist(), ratings.values[:, 0].tolist(), strict=True))
    assert np.isnan(at[0.02])
    assert [at[0.06], at[0.98], at[1.02], at[1.98]] == pytest.approx([0.1, 0.1, 0.3, 0.3])
    assert np.isnan(at[2.06])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-100, 100)), min_size=1, max_size=20), st.floats(-1, 11))
def test_held_is_the_last_sample(samples, instant):
    times, values = (np.array(column) for column in zip(*sorted(samples, key=lambda pair: pair[0]), strict=True))
    result = msp_conversation.held(times, values, np.array([instant]))[0]
    before = np.flatnonzero(times <= instant + 1e-9)
    if not len(before) or instant > times[-1] + 1e-9:
        assert np.isnan(result)
    else:
        assert result == values[before[-1]]


def test_gold_standard_is_fused_part_by_part(root):
    whole = recording(root)
    ratings, gold = whole.ratings("valence"), whole.gold("valence").values[:, 0]
    second = ratings.values[:, [0, 2, 3]]
    agreed = np.isfinite(second).all(axis=1) & (ratings.time_s >= 4.5)
    assert gold[agreed] == pytest.approx(fusion.gold_standard_avec2016(second[agreed]))
    assert np.isnan(gold[(ratings.time_s > 3.5) & (ratings.time_s < 4.5)]).all()
    frames = whole.gold_frames("valence", 175)
    assert np.isfinite(frames[113:155]).sum() > 20
    assert np.isnan(frames[165:]).all()


def test_the_file_with_an_extra_column(root):
    path = root / tree.MALFORMED
    times, values = msp_conversation.read_annotation(path)
    path.write_text(path.read_text().replace(",0\n", "\n"))
    plain_times, plain_values = msp_conversation.read_annotation(path)
    assert times.tolist() == plain_times.tolist()
    assert values.tolist() == plain_values.tolist()


def test_eight_lines_without_a_rule_and_the_folder_s_other_name(root):
    path = annotation(root)
    path.write_text(path.read_text().replace("%%%%%%,%%%%%%\n", ""))
    (root / "Time Labels").rename(root / "Time_Labels")
    assert np.isfinite(recording(root).ratings("arousal").values[:, 0]).any()


def test_without_conversations_txt_the_first_part_begins_the_sound(root):
    (root / "Time Labels/conversations.txt").unlink()
    assert msp_conversation.read_parts(root)[NAME]["2"] == msp_conversation.Part(4.0, 6.0)


def test_a_conversation_without_annotations_has_no_labels(root):
    for path in root.glob("Annotations/*/MSP-Conversation_0061_*"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"MSP-Conversation_0061: .*no labels of arousal"):
        recording(root, "MSP-Conversation_0061").gold("arousal")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "no rows of time and value"),
        (tree.PREAMBLE, "no rows of time and value"),
        (tree.PREAMBLE + "0.1;3\n", "no rows of time and value"),
        ("0.1,3\n0.2,4\n", "line 1: samples begin after 0 lines"),
        (tree.PREAMBLE + "0.1\n0.2\n", "line 10: 1 cells rather than 2"),
        (tree.PREAMBLE + "0.1,3\n0.2\n", "line 11: 1 cells rather than 2"),
        (tree.PREAMBLE + "0.1,3\n0.2,4,5\n", "line 11: 3 cells rather than 2"),
        (tree.PREAMBLE + "0.1,3\n0.2,nan\n", "line 11: value is 'nan'"),
        (tree.PREAMBLE + "0.2,3\n0.1,4\n", "line 11: the time 0.1 s comes before 0.2 s"),
        (tree.PREAMBLE + "-0.2,3\n0.1,4\n", "line 10: the time -0.2 s lies before the part"),
        (tree.PREAMBLE + "100.5,3\n103.0,4\n", r"samples go to 103.00 s, but its part lasts 3.00 s"),
        (tree.PREAMBLE + "0.1,300\n0.9,4\n", "between -100 and 100"),
        (tree.PREAMBLE + "0.001,3\n", "no instant of its part is rated by all annotators"),
    ],
)
def test_damaged_annotations(root, content, fault):
    annotation(root).write_text(content)
    with pytest.raises(CorpusError, match=fault) as error:
        recording(root).gold("arousal"), recording(root).ratings("arousal")
    assert "\n" not in str(error.value)


def test_another_encoding(root):
    annotation(root).write_bytes(annotation(root).read_text().encode("utf-16"))
    with pytest.raises(CorpusError, match="not UTF-8"):
        recording(root).ratings("arousal")


def test_what_does_not_belong_together_is_named(root):
    annotation(root, "001", part=2, target="Valence").unlink()
    load = msp_conversation.load
    for annotator in ("005", "007"):
        annotation(root, annotator, part=2, target="Valence").unlink()
    with pytest.raises(CorpusError, match=r"Valence: MSP-Conversation_0047_2: annotations of other targets"):
        load(root)
    parts = root / "Time Labels/conversation_parts.txt"
    parts.write_text(parts.read_text().replace(f"{NAME}_2;104.5;106.5\n", ""))
    with pytest.raises(CorpusError, match=r"MSP-Conversation_0047_2: no row in conversation_parts.txt"):
        load(root)
    (root / f"Audio/{NAME}.wav").unlink()
    with pytest.raises(CorpusError, match=r"Audio/MSP-Conversation_0047.wav: no such file.* \(2 more"):
        load(root)
    parts.write_text(f"{NAME}_1;5;3\n")
    with pytest.raises(CorpusError, match=r"line 1: .* goes from 5 to 3 s"):
        load(root)
    parts.unlink()
    with pytest.raises(CorpusError, match=r"conversation_parts.txt: no such file"):
        load(root)
