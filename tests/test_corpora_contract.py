"""What every corpus reader promises, and what the package around them does."""

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trees
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace import corpora
from emotrace.annotation import Ratings, fusion
from emotrace.cli import main
from emotrace.corpora import Info, Recording, inspection
from emotrace.errors import CorpusError, EmotraceError


@pytest.mark.parametrize("name", corpora.names())
class TestEveryReader:
    def test_describes_itself(self, name):
        info = corpora.get(name).INFO
        assert isinstance(info, Info)
        assert info.name == name
        for text in (info.title, info.citation, info.licence, info.access, info.layout, *info.quirks):
            assert text == text.strip()
            assert text
        assert isinstance(info.quirks, tuple)
        assert info.label_rate_hz > 0
        low, high = info.unit_range
        assert low < high
        assert info.targets
        assert len(set(info.targets)) == len(info.targets)

    def test_refuses_a_root_that_holds_something_else(self, name, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing here")
        with pytest.raises(CorpusError, match=str(tmp_path)) as error:
            corpora.get(name).load(tmp_path)
        assert "\n" not in str(error.value)

    def test_refuses_a_root_that_is_not_there(self, name, tmp_path):
        with pytest.raises(CorpusError, match="absent"):
            corpora.get(name).load(tmp_path / "absent")


def test_every_reader_has_a_tree_in_its_corpus_s_format():
    assert trees.names() == corpora.names()


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """Tiny corpora, each made once and not to be written to."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = trees.get(name).make(tmp_path_factory.mktemp(name) / "corpus")
        return made[name]

    return make


def test_the_page_of_corpora_names_every_reader():
    page = (Path(__file__).parents[1] / "docs" / "corpora.md").read_text()
    assert [name for name in corpora.names() if f"| `{name}` |" not in page] == []


def is_rated(recording):
    return recording.load_ratings is not None or recording.load_gold is not None


def matching(root, module, kind):
    return {path for pattern in getattr(module, kind, ()) for path in root.glob(pattern)}


@contextmanager
def without(path):
    """The file is away as long as this lasts."""
    whole = path.read_bytes()
    path.unlink()
    try:
        yield
    finally:
        path.write_bytes(whole)


def refusal(name, root):
    """The one line with which loading fails, or None where it does not."""
    try:
        corpora.get(name).load(root)
    except CorpusError as error:
        (line,) = str(error).splitlines()
        return line
    return None


def counted(output):
    """How many recordings the last line of a check speaks of."""
    return int(re.search(r": (\d+) recordings \(", output.splitlines()[-1])[1])


@pytest.mark.parametrize("name", trees.names())
class TestEveryTree:
    def test_recordings_are_named_once_and_in_order(self, name, tree):
        recordings = corpora.get(name).load(tree(name))
        ids = [recording.id for recording in recordings]
        assert ids == sorted(set(ids))
        assert {recording.partition for recording in recordings} <= {*corpora.PARTITIONS, None}
        assert all(recording.speaker is None or recording.speaker for recording in recordings)
        assert all(recording.audio is None or recording.audio.is_file() for recording in recordings)

    def test_labels_are_in_the_unit_of_the_package_and_fit_the_sound(self, name, tree):
        reader = corpora.get(name)
        reports = list(inspection.inspect(reader.load(tree(name)), reader.INFO.targets))
        rated = 0
        for report in reports:
            for labels in report.labels:
                gold = report.recording.gold(labels.target)
                assert gold.values.shape == (len(gold.time_s), 1)
                assert np.nanmax(np.abs(gold.values)) <= (1.5 if report.recording.load_gold is None else 1)
                if report.recording.load_ratings is not None:
                    ratings = report.recording.ratings(labels.target)
                    assert np.nanmax(np.abs(ratings.values)) <= 1
                    assert len(ratings.raters) == labels.raters >= 1
                if report.sound is not None:
                    frames = report.recording.gold_frames(labels.target, report.sound.frames)
                    assert frames.shape == (report.sound.frames,)
                    assert np.isfinite(frames).any()
                rated += 1
        assert rated

    def test_check_finds_nothing_wrong_and_all_that_is(self, name, tree):
        done = CliRunner().invoke(main, ["check", name, str(tree(name))])
        assert done.exit_code == 0, done.output
        assert done.stdout.rstrip().endswith("no problems")

    def test_any_file_that_is_missing_is_named_and_the_look_goes_on(self, name, tree):
        root, module = tree(name), trees.get(name)
        whole = len(corpora.get(name).load(root))
        index, untold, anywhere = (matching(root, module, kind) for kind in ("INDEX", "UNTOLD", "ANYWHERE"))
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            with without(path):
                done = CliRunner().invoke(main, ["check", name, str(root), "--problems-only"])
                refused = refusal(name, root)
            if path in untold:
                assert (done.exit_code, refused) == (0, None), path
                continue
            named = path.stem if path in anywhere else str(path)
            assert refused is not None, path
            assert named in refused
            assert done.exit_code == (2 if path in index else 1), path
            assert any(named in line for line in done.output.splitlines() if not line.startswith("Usage")), path
            if path not in index:
                assert counted(done.stdout) >= whole - 1, path

    def test_what_one_recording_lacks_hinders_no_other(self, name, tree):
        root, reader = tree(name), corpora.get(name)
        whole = golds(reader.load(root))
        for path in sorted(set(root.rglob("*")) & reader.survey(root).owners.keys()):
            with without(path):
                survey = reader.survey(root)
                found = golds(survey.apart())
            if path not in survey.missing:
                continue
            owner, target = survey.owners[path]
            others = [key for key in whole if key[0] != owner]
            assert [key for key in others if not np.array_equal(found[key], whole[key], equal_nan=True)] == [], path
            (partition,) = (r.partition for r in survey.recordings if r.id == owner)
            assert survey.complete({*corpora.PARTITIONS, None} - {partition})
            for asked in corpora.targets_of(reader.INFO, survey.recordings):
                if target in (None, asked):
                    with pytest.raises(CorpusError, match=re.escape(path.name)):
                        survey.complete([partition], asked)
                else:
                    assert survey.complete(target=asked)

    def test_all_sounds_that_are_missing_are_listed(self, name, tree, tmp_path):
        root = tmp_path / "corpus"
        shutil.copytree(tree(name), root)
        rated = [each for each in corpora.get(name).load(root) if is_rated(each) and each.audio is not None]
        if not rated:
            pytest.skip("this corpus holds no sound")
        lost = {each.audio for each in rated} - {rated[0].audio}
        for path in lost:
            path.unlink()
        done = CliRunner().invoke(main, ["check", name, str(root), "--problems-only"])
        assert done.exit_code == 1
        problems = [line for line in done.stdout.splitlines() if line.startswith("problem: ")]
        assert len(problems) == len(set(problems)) >= len(lost)
        assert [path for path in lost if not any(path.stem in line for line in problems)] == []
        assert refusal(name, root)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test_whatever_befalls_a_label_file_the_error_is_the_package_s_own(self, name, tree, data):
        root = tree(name)
        files = sorted(p for pattern in trees.get(name).LABEL_FILES for p in root.glob(pattern))
        path = data.draw(st.sampled_from(files))
        whole = path.read_bytes()
        try:
            path.write_bytes(data.draw(damaged(whole)))
            read_everything(name, root)
        finally:
            path.write_bytes(whole)


def damaged(whole):
    """Strategies for a file cut off, without a line, with another delimiter, with rubbish in it, or recoded."""
    lines = whole.splitlines(keepends=True)
    cut = st.integers(0, len(whole)).map(lambda at: whole[:at])
    short = st.integers(0, len(lines) - 1).map(lambda at: b"".join([*lines[:at], *lines[at + 1 :]]))
    swapped = st.sampled_from([(b";", b","), (b",", b";"), (b",", b"\t"), (b".", b",")]).map(
        lambda p: whole.replace(*p)
    )
    rubbish = st.tuples(
        st.integers(0, len(whole)), st.sampled_from([b"NaN", b"\0", b"1e999", b"\xff", b'"', b"\n\n", b"-7777", b"x"])
    ).map(lambda drawn: whole[: drawn[0]] + drawn[1] + whole[drawn[0] :])
    recoded = st.just(whole.decode("latin-1").encode("utf-16"))
    return st.one_of(cut, short, swapped, rubbish, recoded, st.binary(max_size=60))


def read_everything(name, root):
    reader = corpora.get(name)
    for recording in told(reader.load, root) or []:
        for target in reader.INFO.targets:
            for label in (recording.gold, recording.ratings):
                ratings = told(label, target)
                assert ratings is None or np.nanmax(np.abs(ratings.values)) <= 1.5


def golds(recordings):
    """Every gold standard that can be read, by recording and target."""
    targets = ("arousal", "valence", "intensity")
    read = {(r.id, target): told(r.gold, target) for r in recordings if not r.kept_back for target in targets}
    return {key: np.array([]) if gold is None else gold.values for key, gold in read.items()}


def told(call, argument):
    """What a call gives, or None where it refuses as the package does: with one line."""
    try:
        return call(argument)
    except EmotraceError as error:
        (_,) = str(error).splitlines()
        return None


class TestCheck:
    @pytest.fixture
    def root(self, tmp_path):
        return trees.get("recola").make(tmp_path / "corpus")

    def check(self, *arguments):
        return CliRunner().invoke(main, ["check", "recola", *map(str, arguments)])

    def test_says_what_there_is(self, root):
        done = self.check(root)
        header, *rows, summary = done.stdout.splitlines()
        assert header.split()[:4] == ["recording", "part", "sound", "labels"]
        recordings = corpora.get("recola").load(root)
        assert len(rows) == 2 * len(recordings)
        assert all("last row, at the end instant, dropped" in row for row in rows)
        assert f"{len(recordings)} recordings" in summary

    def test_labels_that_are_kept_back_are_counted(self, root):
        for path in root.glob("RECOLA-Annotation/emotional_behaviour/*/P13.csv"):
            path.unlink()
        done = self.check(root)
        assert done.exit_code == 0
        assert "4 recordings (1 dev, 1 no partition, 1 test, 1 train), 1 without labels, 0.00 hours" in done.stdout

    @pytest.mark.parametrize(
        ("raters", "line"),
        [
            (range(6), "P16, arousal: the gold standard never moves; whatever is predicted has a CCC of 0 with it"),
            ((0, 2), "P16, arousal: rated without ever moving by FM1, FM3"),
        ],
    )
    def test_labels_that_never_move_are_to_be_looked_at(self, root, tmp_path, raters, line):
        path = root / "RECOLA-Annotation/emotional_behaviour/arousal/P16.csv"
        header, *rows = path.read_text().splitlines()
        cells = [row.split(";") for row in rows]
        for row in cells:
            for rater in raters:
                row[1 + rater] = "0.3"
        path.write_text("\n".join([header, *map(";".join, cells)]) + "\n")
        done = self.check(root, "--problems-only", "--json", tmp_path / "found.json")
        assert done.exit_code == 0
        *_, named, summary = done.stdout.splitlines()
        assert named == f"look at: {line}"
        assert summary.endswith("hours of sound, 1 to look at, no problems")
        assert json.loads((tmp_path / "found.json").read_text())["to_look_at"] == [line]

    def test_one_rating_a_recording_is_not_to_be_looked_at(self, tree):
        done = CliRunner().invoke(main, ["check", "tava", str(tree("tava"))])
        assert "look at" not in done.stdout

    def test_labels_of_another_length_are_named_with_both_and_the_rest_goes_on(self, root):
        path = sorted((root / "RECOLA-Annotation/emotional_behaviour/arousal").iterdir())[0]
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:-5]))
        done = self.check(root)
        assert done.exit_code == 1
        assert f"{len(lines) - 6} label rows do not fit {len(lines) - 2} frames" in done.stdout
        assert done.stdout.rstrip().endswith("1 problem")
        assert "NOT MATCHED" in done.stdout

    def test_malformed_labels_and_damaged_sound_are_both_told(self, root):
        labels = sorted((root / "RECOLA-Annotation/emotional_behaviour/valence").iterdir())[0]
        labels.write_text(labels.read_text().replace(";", ","))
        sound = sorted((root / "RECOLA-Audio-recordings").iterdir())[-1]
        sound.write_text("not a sound")
        done = self.check(root, "--problems-only")
        assert done.exit_code == 1
        problems = [line for line in done.stdout.splitlines() if line.startswith("problem: ")]
        assert len(problems) == 2
        assert str(labels) in problems[0]
        assert str(sound) in problems[1]
        assert done.stdout.count("\n") == 3

    def test_a_sound_that_is_missing_is_told_from_a_damaged_one(self, root):
        gone, damaged, *_ = sorted((root / "RECOLA-Audio-recordings").iterdir())
        gone.unlink()
        damaged.write_text("not a sound")
        rows = {line.split()[0]: line for line in self.check(root).stdout.splitlines() if line.startswith("P")}
        assert "missing" in rows[gone.stem]
        assert "unreadable" in rows[damaged.stem]

    def test_damaged_features_are_told(self, tmp_path):
        root = trees.get("avec2016").make(tmp_path / "corpus")
        path = root / "features_audio/arousal/test_1.arff"
        path.write_text("@data\n")
        done = CliRunner().invoke(main, ["check", "avec2016", str(root), "--problems-only"])
        assert done.exit_code == 1
        assert f"problem: {path}, line 1: not ARFF" in done.stdout

    def test_what_no_recording_tells_is_in_the_json_of_the_whole(self, tmp_path):
        root = trees.get("green").make(tmp_path / "corpus")
        path = root / "TaskA/annotations_raw/TaskA_ann3.csv"
        path.unlink()
        done = CliRunner().invoke(main, ["check", "green", str(root), "--json", str(tmp_path / "found.json")])
        assert done.exit_code == 1
        (problem,) = json.loads((tmp_path / "found.json").read_text())["problems"]
        assert problem.startswith(f"{path}: no such file")

    def test_another_folder(self, tmp_path):
        done = self.check(tmp_path)
        assert done.exit_code == 2
        assert str(tmp_path) in done.stderr

    def test_as_json(self, root, tmp_path):
        assert self.check(root, "--json", tmp_path / "found.json").exit_code == 0
        found = json.loads((tmp_path / "found.json").read_text())
        assert [r["id"] for r in found["recordings"]] == [r.id for r in corpora.get("recola").load(root)]
        assert found["recordings"][0]["labels"][0]["raters"] == 6

    def test_a_file_that_exists_is_refused_before_the_work(self, root, tmp_path, monkeypatch):
        (tmp_path / "found.json").write_text("{}")
        monkeypatch.setattr(inspection, "inspect", lambda *given: pytest.fail("looked at first"))
        done = self.check(root, "--json", tmp_path / "found.json")
        assert done.exit_code == 2
        assert "found.json: exists already; choose another name or give --force" in done.stderr


def test_discovers_readers_and_only_readers():
    assert "recola" in corpora.names()
    assert "stitched" not in corpora.names()
    assert corpora.names() == sorted(corpora.names())


def test_unknown_name_lists_the_known():
    with pytest.raises(CorpusError, match=r"'recolla'.*recola"):
        corpora.get("recolla")


def test_a_reader_that_is_not_finished_says_what_it_lacks(monkeypatch):
    monkeypatch.setattr(corpora, "_modules", lambda: {"mine": SimpleNamespace(INFO=None, load=None)})
    with pytest.raises(CorpusError, match=r"corpora/mine\.py lacks survey; see CONTRIBUTING\.md"):
        corpora.get("mine")


class TestMatchLength:
    def test_as_many_rows_as_frames(self):
        values = np.arange(12.0).reshape(6, 2)
        assert corpora.match_length(values, 6, "P16").tolist() == values.tolist()

    def test_a_row_for_the_end_instant_is_dropped(self):
        values = np.arange(7501)
        assert corpora.match_length(values, 7500, "P16").tolist() == list(range(7500))

    @pytest.mark.parametrize("rows", [0, 7499, 7502, 15000])
    def test_anything_else_names_both_lengths(self, rows):
        with pytest.raises(CorpusError, match=rf"^P16 arousal: {rows} label rows .* 7500 frames"):
            corpora.match_length(np.zeros((rows, 6)), 7500, "P16 arousal")


class TestRecording:
    def recording(self, values, unit_range):
        def load_ratings(target):
            return Ratings(np.arange(len(values)), np.array(values), ("a", "b"), target)

        return Recording("P1", None, "train", None, load_ratings, unit_range)

    def test_maps_onto_minus_one_to_one(self):
        ratings = self.recording([[-100.0, 0.0], [50.0, 100.0]], (-100.0, 100.0)).ratings("arousal")
        assert ratings.values.tolist() == [[-1.0, 0.0], [0.5, 1.0]]
        assert (ratings.target, ratings.raters) == ("arousal", ("a", "b"))

    def test_a_range_that_is_not_symmetric(self):
        assert self.recording([[1.0, 5.0]], (1.0, 5.0)).ratings("arousal").values.tolist() == [[-1.0, 1.0]]

    def test_leaves_minus_one_to_one_exactly_alone(self):
        values = np.random.default_rng(0).uniform(-1, 1, (100, 2))
        assert (self.recording(values, (-1.0, 1.0)).ratings("valence").values == values).all()

    def test_a_value_outside_of_the_unit_is_refused(self):
        with pytest.raises(CorpusError, match=r"P1: arousal .* 1.5.*between -1 and 1"):
            self.recording([[0.0, 1.5]], (-1.0, 1.0)).ratings("arousal")


class TestGold:
    def recording(self, **given):
        time_s = np.arange(50) * 0.1

        def load_gold(target):
            return Ratings(time_s, np.linspace(0, 49, 50)[:, None], ("gold standard",), target)

        given = {"load_ratings": None, "unit_range": (0.0, 98.0), "load_gold": load_gold, "label_rate_hz": 10.0} | given
        return Recording("S1", None, "train", None, **given)

    def test_what_a_corpus_distributes_comes_first_and_is_mapped(self):
        assert self.recording().gold("arousal").values[:, 0] == pytest.approx(np.linspace(-1, 0, 50))

    def test_raters_that_are_not_distributed(self):
        with pytest.raises(CorpusError, match=r"S1: .*no raters"):
            self.recording().ratings("arousal")

    def test_raters_are_fused_where_there_is_nothing_else(self):
        values = np.random.default_rng(0).uniform(-1, 1, (50, 3))
        ratings = Ratings(np.arange(50) * 0.04, values, ("a", "b", "c"), "arousal")
        recording = Recording("P1", None, "train", None, lambda target: ratings)
        assert recording.gold("arousal").values[:, 0].tolist() == fusion.gold_standard_avec2016(values).tolist()
        assert recording.gold_frames("arousal", 49).tolist() == recording.gold("arousal").values[:49, 0].tolist()

    def test_slow_labels_are_interpolated_at_the_frames(self):
        gold = self.recording().gold_frames("arousal", 125)
        assert gold[:123] == pytest.approx((np.arange(123) * 0.04 * 10 - 49) / 49)
        assert gold[123:] == pytest.approx(0.0)

    @pytest.mark.parametrize("frames", [122, 128])
    def test_a_step_and_a_frame_are_forgiven_and_nothing_is_made_up(self, frames):
        gold = self.recording().gold_frames("arousal", frames)
        assert len(gold) == frames
        assert np.flatnonzero(np.isnan(gold)).tolist() == list(range(125, frames))

    @pytest.mark.parametrize("frames", [110, 140])
    def test_other_lengths_are_refused_with_both_named(self, frames):
        with pytest.raises(CorpusError, match=rf"S1, arousal: labels from 0.00 to 5.00 s .* {frames * 0.04:.2f} s"):
            self.recording().gold_frames("arousal", frames)

    def test_labels_that_leave_parts_out(self):
        gold = self.recording(partly_rated=True).gold_frames("arousal", 250)
        assert np.isfinite(gold).sum() == 125
        with pytest.raises(CorpusError, match="do not fit"):
            self.recording(partly_rated=True).gold_frames("arousal", 110)

    def test_a_missing_label_leaves_its_frames_unrated(self):
        values = np.zeros((50, 1))
        values[20] = np.nan
        recording = self.recording(load_gold=lambda t: Ratings(np.arange(50) * 0.1, values, ("gold",), t))
        unrated = np.flatnonzero(np.isnan(recording.gold_frames("arousal", 125))) * 0.04
        assert unrated.min() >= 1.88
        assert unrated.max() <= 2.12


class TestKnownGold:
    def recording(self, **given):
        given = {"load_ratings": None, "label_rate_hz": 25.0} | given
        return Recording("S1", None, "test", None, **given)

    def test_labels_that_are_kept_back(self):
        assert self.recording().known_gold("arousal", 10) is None

    def test_labels_that_are_all_missing(self):
        def unrated(target):
            return Ratings(np.arange(10) * 0.04, np.full((10, 1), np.nan), ("gold",), target)

        assert self.recording(load_gold=unrated).known_gold("arousal", 10) is None

    def test_labels_are_the_gold_standard(self):
        def rated(target):
            return Ratings(np.arange(10) * 0.04, np.linspace(0, 1, 10)[:, None], ("gold",), target)

        recording = self.recording(load_gold=rated)
        assert recording.known_gold("arousal", 10).tolist() == recording.gold_frames("arousal", 10).tolist()
        with pytest.raises(CorpusError, match="do not fit"):
            recording.known_gold("arousal", 12)
