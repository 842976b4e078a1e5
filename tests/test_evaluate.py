import dataclasses
import json
import shutil
from types import SimpleNamespace

import arff
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from trees import manifest as manifest_tree

from emotrace import evaluation, metrics
from emotrace.annotation import Ratings, fusion, lag
from emotrace.cli import evaluate as command
from emotrace.cli import main
from emotrace.corpora import recola
from emotrace.evaluation import corpus as on_corpus
from emotrace.inference import model, predictor
from emotrace.trace import Trace

pytestmark = pytest.mark.filterwarnings("ignore::emotrace.inference.predictor.FamiliarityWarning")

FRAMES = 300


def evaluate(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def refused(*arguments):
    result = evaluate(*arguments)
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("emotrace: ")
    return last


@pytest.fixture(scope="module", autouse=True)
def quick():
    """A recording is predicted once in this module."""
    known = {}
    plain = predictor.predict

    def remembered(source, *given, model, **named):
        key = (str(source), model.targets[0].graph, model.targets[0].gain)
        if key not in known:
            known[key] = plain(source, *given, model=model, **named)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "predict", remembered)
        yield


@pytest.fixture
def relabelled(monkeypatch):
    """The stitched corpus, every recording changed on its way in."""
    survey = recola.survey

    def change(how):
        def changed(root):
            found = survey(root)
            return dataclasses.replace(found, recordings=[how(recording) for recording in found.recordings])

        monkeypatch.setattr(recola, "survey", changed)

    return change


@pytest.fixture
def plain_model(tmp_path):
    """The shipped model without what it says of itself."""
    folder = shutil.copytree(model._SHIPPED / "downup", tmp_path / "plain")
    note = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**note, "name": "plain", "card": {}}))
    return folder


def expected(root, target, lag_frames):
    """Test recordings' gold standards and traces, moved by hand."""
    test = [r for r in recola.load(root) if r.partition == "test"]
    golds = [fusion.gold_standard_avec2016(r.ratings(target).values)[:FRAMES] for r in test]
    traces = [predictor.predict(r.audio, model=model.load())[target] for r in test]
    return golds, [np.concatenate([np.repeat(t[:1], lag_frames), t[: FRAMES - lag_frames]]) for t in traces]


class TestScores:
    GOLDS = (np.sin(np.arange(50) / 5), np.cos(np.arange(80) / 7))
    TRACES = (np.sin(np.arange(50) / 6), np.cos(np.arange(80) / 8))

    def test_only_rated_frames_count(self):
        masks = [np.arange(50) > 20, np.arange(80) < 60]
        golds = [np.where(mask, gold, np.nan) for gold, mask in zip(self.GOLDS, masks, strict=True)]
        found = evaluation.scores(golds, self.TRACES)
        kept = [[values[mask] for values, mask in zip(each, masks, strict=True)] for each in (self.GOLDS, self.TRACES)]
        for name, wanted in evaluation.scores(*kept).items():
            assert found[name] == pytest.approx(wanted, rel=1e-12), name

    def test_means_of_recordings(self):
        rng = np.random.default_rng(0)
        golds = [np.full(10, level) for level in rng.uniform(-1, 1, 6)]
        golds[2][3:] = np.nan
        traces = [gold[:1] + rng.normal(0, 0.1, 10) for gold in golds]
        found = evaluation.recording_mean_scores(golds, traces)
        ratings = np.array([gold[0] for gold in golds])
        means = np.array([trace.mean() for trace in traces])
        means[2] = traces[2][:3].mean()
        assert found["ccc_population"] == pytest.approx(metrics.ccc_population(ratings, means))
        assert found["ccc_avec2016"] == pytest.approx(metrics.ccc_avec2016(ratings, means))
        assert found["rmse"] == pytest.approx(np.sqrt(np.mean((ratings - means) ** 2)))

    def test_one_recording_has_no_ccc(self):
        found = evaluation.recording_mean_scores([np.full(3, 0.5)], [np.full(3, 0.3)])
        assert found == {"ccc_population": 0.0, "ccc_avec2016": 0.0, "pearson": 0.0, "rmse": pytest.approx(0.2)}


@pytest.fixture(scope="module")
def told(stitched_root, quick, tmp_path_factory):
    path = tmp_path_factory.mktemp("told") / "scores.json"
    result = evaluate("downup", "recola", stitched_root, "-o", path, "--per-recording")
    assert result.exit_code == 0, result.output
    return result.stdout, json.loads(path.read_text()), path.read_text()


class TestOverTime:
    @pytest.mark.parametrize(("target", "lag_frames"), [("arousal", 70), ("valence", 90)])
    def test_figures_are_those_of_the_traces_moved_by_the_stated_lag(self, told, stitched_root, target, lag_frames):
        found = told[1]["targets"][target]["partitions"]["test"]
        golds, traces = expected(stitched_root, target, lag_frames)
        for name, wanted in evaluation.scores(golds, traces).items():
            assert found[name] == pytest.approx(wanted, abs=6e-5), name
        assert found["lag_s"] == pytest.approx(lag_frames * 0.04)
        assert (found["recordings"], found["hours"]) == (1, pytest.approx(12 / 3600, abs=1e-4))

    def test_the_table_shows_them(self, told):
        text, found, _ = told
        for target in ("arousal", "valence"):
            for part, recordings in (("train", 2), ("dev", 1), ("test", 1)):
                (row,) = (line for line in text.splitlines() if line.startswith(f"{target:10} {part}"))
                scores = found["targets"][target]["partitions"][part]
                cells = row.split()[2:]
                assert cells[0] == str(recordings)
                names = [
                    *(
                        f"ccc_{kind}_{how}"
                        for kind in ("population", "avec2016")
                        for how in ("concatenated", "per_recording")
                    ),
                    "pearson_concatenated",
                    "rmse_concatenated",
                ]
                assert cells[2:8] == [f"{scores[name]:.3f}" for name in names]
                assert cells[8:] == [f"{scores['roughness']:.4f}", f"{scores['roughness_gold']:.4f}"]

    def test_the_lag_is_never_hidden(self, told):
        assert "arousal: traces moved 2.80 s later (stated by the model)" in told[0]
        assert "valence: traces moved 3.60 s later (stated by the model)" in told[0]

    def test_rows_of_recordings(self, told, stitched_root):
        rows = [line.split() for line in told[0].splitlines() if line.startswith("P")]
        assert len(rows) == 8
        golds, traces = expected(stitched_root, "arousal", 70)
        (row,) = (row for row in rows if row[1:3] == ["test", "arousal"])
        assert row[5] == f"{metrics.ccc_population(golds[0], traces[0]):.3f}"

    def test_the_json_says_what_was_evaluated_and_names_no_path(self, told, stitched_root):
        _, found, text = told
        assert found["model"]["name"] == "downup"
        assert found["model"]["summary"] == model.load().card["summary"]
        assert found["corpus"]["name"] == "recola"
        assert {"emotrace", "commit", "onnxruntime"} <= found["made_with"].keys()
        assert len(found["recordings"]) == 4
        assert str(stitched_root.parent) not in text

    def test_other_processes_tell_the_same(self, told, stitched_root, tmp_path):
        evaluate("downup", "recola", stitched_root, "-o", tmp_path / "two.json", "--jobs", 2)
        two = json.loads((tmp_path / "two.json").read_text())
        for key in ("model", "targets", "recordings"):
            assert two[key] == told[1][key]


class TestChoices:
    def test_a_partition_and_a_target(self, stitched_root):
        text = evaluate("downup", "recola", stitched_root, "--partition", "dev", "--target", "valence").stdout
        rows = [line.split()[:3] for line in text.splitlines() if line.startswith(("arousal ", "valence "))]
        assert rows == [["valence", "dev", "1"]]

    def test_a_lag_of_one_s_own(self, stitched_root, tmp_path):
        path = tmp_path / "a.json"
        result = evaluate("downup", "recola", stitched_root, "--lag", 1, "-o", path)
        assert "arousal: traces moved 1.00 s later (given)" in result.stdout
        golds, traces = expected(stitched_root, "arousal", 25)
        found = json.loads(path.read_text())["targets"]["arousal"]["partitions"]["test"]
        assert found["ccc_population_concatenated"] == pytest.approx(
            evaluation.scores(golds, traces)["ccc_population_concatenated"], abs=6e-5
        )

    def test_a_model_that_states_no_lag(self, stitched_root, plain_model):
        text = evaluate(plain_model, "recola", stitched_root).stdout
        assert "model plain\n" in text
        assert "arousal: traces moved 0.00 s later (the model states none)" in text


class TestPartlyRated:
    def test_scores_are_those_of_the_rated_frames(self, relabelled, stitched_root):
        def change(recording):
            values = recording.gold("arousal").values.copy()
            values[:100] = np.nan
            gold = Ratings(np.arange(len(values)) * 0.04, values, ("gold standard",), "arousal")
            return dataclasses.replace(recording, load_gold=lambda target: gold)

        golds, traces = expected(stitched_root, "arousal", 70)
        relabelled(change)
        done = on_corpus.evaluate("downup", "recola", stitched_root, ["arousal"])
        found = done.scores("arousal", "test")
        wanted = evaluation.scores([g[100:] for g in golds], [t[100:] for t in traces])
        assert found["ccc_population_concatenated"] == pytest.approx(wanted["ccc_population_concatenated"], abs=6e-5)
        assert found["hours"] == pytest.approx(8 / 3600, abs=1e-4)

    def test_test_recordings_without_labels(self, relabelled, stitched_root, tmp_path):
        relabelled(lambda r: dataclasses.replace(r, load_ratings=None) if r.partition == "test" else r)
        result = evaluate(
            "downup",
            "recola",
            stitched_root,
            "-o",
            tmp_path / "a.json",
            "--predictions",
            tmp_path / "p",
            "--per-recording",
        )
        assert result.exit_code == 0, result.output
        assert "without ratings, predicted only: 1 of 4 recordings" in result.stdout
        assert "not rated" in result.stdout
        found = json.loads((tmp_path / "a.json").read_text())
        assert found["targets"]["arousal"]["partitions"]["test"] is None
        assert found["without_ratings"] == [r["id"] for r in found["recordings"] if r["partition"] == "test"]
        assert len(list((tmp_path / "p").glob("*.csv"))) == 4

    def test_no_labels_at_all(self, relabelled, stitched_root):
        relabelled(lambda r: dataclasses.replace(r, load_ratings=None))
        result = evaluate("downup", "recola", stitched_root)
        assert result.exit_code == 0
        assert "4 of 4 recordings" in result.stdout
        assert "CCC" not in result.stdout

    def test_recordings_without_sound(self, relabelled, stitched_root, tmp_path):
        relabelled(lambda r: dataclasses.replace(r, audio=None) if r.partition == "train" else r)
        result = evaluate("downup", "recola", stitched_root, "-o", tmp_path / "a.json")
        assert "has no sound; it is left out" in result.stderr
        assert len(json.loads((tmp_path / "a.json").read_text())["without_sound"]) == 2

    def test_they_are_told_before_what_is_unlike_speech(self, capsys):
        noted = SimpleNamespace(id="P2", notes=("very quiet",) * 9)
        command._warn(SimpleNamespace(silent=("P1",), heard=[noted]))
        first, *_, last = capsys.readouterr().err.splitlines()
        assert first == "warning: P1: has no sound; it is left out"
        assert last == "warning: and 5 more; -o writes them all"


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest of recordings that are rated for one target each."""
    root = manifest_tree.make(tmp_path / "manifest")

    def write(**told):
        targets = sorted(set(told.values()))
        lines = [",".join(["id", "audio", *targets])]
        for name, own in told.items():
            cells = [f"traces/{name}_arousal.csv" if target == own else "" for target in targets]
            lines.append(",".join([name, f"audio/{name}.wav", *cells]))
        (root / "manifest.csv").write_text("\n".join(lines) + "\n")
        return root

    return write


class TestAnyTargets:
    def test_what_the_recordings_say_is_what_is_scored(self, manifest, tmp_path):
        result = evaluate("downup", "manifest", manifest(bert="arousal"), "-o", tmp_path / "scores.json")
        assert result.exit_code == 0, result.output
        found = json.loads((tmp_path / "scores.json").read_text())
        assert list(found["targets"]) == ["arousal"]

    def test_recordings_may_be_rated_for_different_targets(self, manifest):
        root = manifest(anna="arousal", bert="valence")
        done = on_corpus.evaluate("downup", "manifest", root)
        assert [list(heard.golds) for heard in done.heard] == [["arousal"], ["valence"]]
        assert [done.scores(target, None)["recordings"] for target in ("arousal", "valence")] == [1, 1]


class TestNothingMoves:
    """A CCC of 0 where there was nothing to follow."""

    @staticmethod
    def flat(recording):
        """In the test part, ratings that never move."""
        gold = Ratings(np.arange(301) * 0.04, np.full((301, 1), 0.2), ("gold standard",), "arousal")
        return dataclasses.replace(recording, load_gold=lambda t: gold) if recording.partition == "test" else recording

    def test_a_gold_standard(self, stitched_root, relabelled, tmp_path):
        relabelled(self.flat)
        result = evaluate("downup", "recola", stitched_root, "--target", "arousal", "-o", tmp_path / "a.json")
        (name,) = (r.id for r in recola.load(stitched_root) if r.partition == "test")
        assert f"arousal: the gold standard of {name} never moves, which makes a CCC of 0" in result.stdout
        assert "the trace of" not in result.stdout
        found = json.loads((tmp_path / "a.json").read_text())["targets"]["arousal"]
        assert found["never_moves"] == {"gold": [name], "trace": []}

    def test_a_trace(self, stitched_root):
        result = evaluate("downup", "recola", stitched_root, "--target", "arousal", "--lag", 11.96)
        assert "arousal: the trace of P16, P17, P18, P19 never moves" in result.stdout
        assert "the gold standard of" not in result.stdout

    def test_what_moves_is_not_spoken_of(self, told):
        assert "never moves" not in told[0]
        assert told[1]["targets"]["valence"]["never_moves"] == {"gold": [], "trace": []}

    def test_many_are_counted(self):
        names = [f"P{number}" for number in range(7)]
        (line,) = command._still("arousal", {"gold": names, "trace": []})
        assert "of P0, P1, P2, P3, P4 and 2 more never moves" in line

    def test_a_lag_that_no_recording_is_longer_than(self, stitched_root):
        text = refused("downup", "recola", stitched_root, "--lag", 12)
        assert "--lag 12: no recording is longer (the longest lasts 12.0 s); give" in text


class TestWholes:
    """Utterances: one rating a recording."""

    @pytest.fixture(autouse=True)
    def whole(self, relabelled):
        def change(recording):
            level = recording.gold("arousal").values.mean()
            gold = Ratings(np.arange(301) * 0.04, np.full((301, 1), level), ("gold standard",), "arousal")
            return dataclasses.replace(recording, load_gold=lambda target: gold)

        relabelled(change)

    def test_means_are_scored_and_not_moved(self, stitched_root, tmp_path):
        result = evaluate("downup", "recola", stitched_root, "--target", "arousal", "-o", tmp_path / "a.json")
        assert result.exit_code == 0, result.output
        assert "arousal: traces moved 0.00 s later (recordings are rated as wholes)" in result.stdout
        assert "joined" not in result.stdout
        found = json.loads((tmp_path / "a.json").read_text())["targets"]["arousal"]
        assert found["rated"] == "as wholes"
        train = [r for r in recola.load(stitched_root) if r.partition == "train"]
        ratings = np.array([r.gold("arousal").values[0, 0] for r in train])
        means = np.array([predictor.predict(r.audio, model=model.load())["arousal"].mean() for r in train])
        scores = found["partitions"]["train"]["recording_means"]
        assert scores["ccc_population"] == pytest.approx(metrics.ccc_population(ratings, means), abs=1e-4)
        assert "ccc_population_concatenated" not in found["partitions"]["train"]
        (row,) = (line.split() for line in result.stdout.splitlines() if line.startswith("arousal    train"))
        assert row[4] == f"{scores['ccc_population']:.3f}"

    def test_rows_of_recordings_have_no_ccc(self, stitched_root):
        text = evaluate("downup", "recola", stitched_root, "--target", "arousal", "--per-recording").stdout
        for row in (line.split() for line in text.splitlines() if line.startswith("P")):
            assert row[5:8] == ["-", "-", "-"]

    def test_that_nothing_moves_is_not_spoken_of(self, stitched_root):
        assert "never moves" not in evaluate("downup", "recola", stitched_root, "--target", "arousal").stdout


class TestOutputs:
    def test_predictions_are_what_predict_writes(self, stitched_root, tmp_path):
        evaluate("downup", "recola", stitched_root, "--partition", "test", "--predictions", tmp_path / "p")
        (recording,) = (r for r in recola.load(stitched_root) if r.partition == "test")
        (path,) = (tmp_path / "p").iterdir()
        assert path.name == f"{recording.id}.csv"
        wanted = predictor.predict(recording.audio, model=model.load())
        np.testing.assert_allclose(Trace.from_csv(path).values, wanted.values, atol=5.1e-5)

    def test_a_submission_is_laid_out_as_the_gold_standards(self, stitched_root, tmp_path):
        result = evaluate("downup", "recola", stitched_root, "--submission", tmp_path / "s")
        assert result.exit_code == 0, result.output
        (recording,) = (r for r in recola.load(stitched_root) if r.partition == "test")
        for target, lag_frames in (("arousal", 70), ("valence", 90)):
            (path,) = (tmp_path / "s" / target).iterdir()
            assert path.name == f"{recording.id}.arff"
            read = arff.loads(path.read_text())
            assert [name.lower() for name, _ in read["attributes"]] == ["instance_name", "frametime", "prediction"]
            rows = read["data"]
            assert len(rows) == FRAMES + 1
            assert {row[0] for row in rows} == {recording.id}
            assert [row[1] for row in rows] == pytest.approx(np.arange(FRAMES + 1) * 0.04)
            trace = predictor.predict(recording.audio, model=model.load())[target]
            moved = lag.shift_forward(trace, lag_frames)
            assert [row[2] for row in rows] == pytest.approx([*moved, moved[-1]], abs=1e-6)
            # Scripts for the challenge's files skip nine lines.
            table = np.genfromtxt(path, delimiter=",", skip_header=9, usecols=(1, 2))
            assert len(table) == FRAMES + 1

    def test_a_submission_needs_test_recordings(self, stitched_root, tmp_path):
        text = refused("downup", "recola", stitched_root, "--partition", "dev", "--submission", tmp_path / "s")
        assert "none of these is in a test partition" in text

    @pytest.mark.parametrize("option", ["-o", "--predictions", "--submission"])
    def test_nothing_is_written_over(self, stitched_root, tmp_path, option):
        path = tmp_path / "there"
        if option == "-o":
            path.write_text("dear")
        else:
            path.mkdir()
            (path / "thesis.txt").write_text("dear")
        assert "there: exists already" in refused("downup", "recola", stitched_root, option, path)
        assert evaluate("downup", "recola", stitched_root, option, path, "--force").exit_code == 0


class TestFailures:
    """The good recordings are scored and the bad ones listed."""

    @pytest.fixture
    def root(self, stitched_root, tmp_path):
        return shutil.copytree(stitched_root, tmp_path / "corpus")

    @staticmethod
    def of(root, partition):
        """The files of a partition's first recording: sound, arousal, valence."""
        name = next(r.id for r in recola.survey(root).recordings if r.partition == partition)
        labels = [root / recola.LABELS_FOLDER / target / f"{name}.csv" for target in ("arousal", "valence")]
        return [root / recola.AUDIO_FOLDER / f"{name}.wav", *labels]

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_a_sound_that_cannot_be_read(self, root, told, tmp_path, jobs):
        sound = self.of(root, "train")[0]
        sound.write_bytes(b"")
        outputs = ["-o", tmp_path / "a.json", "--predictions", tmp_path / "p"]
        result = evaluate("downup", "recola", root, *outputs, "--jobs", jobs)
        assert result.exit_code == 1
        assert f"failed and not in the scores: 1 of 4 recordings ({sound.stem} train)" in result.stdout
        *_, head, line = result.stderr.splitlines()
        assert (head, line.startswith(f"  {sound}: is empty")) == ("1 of 4 recordings failed:", True)
        found = json.loads((tmp_path / "a.json").read_text())
        parts, whole = (each["targets"]["valence"]["partitions"] for each in (found, told[1]))
        assert (parts["dev"], parts["test"]) == (whole["dev"], whole["test"])
        assert (parts["train"]["recordings"], parts["train"]["missing"]) == (1, [sound.stem])
        (failure,) = found["failed"]
        assert (failure["id"], failure["partition"], failure["predicted"]) == (sound.stem, "train", False)
        assert failure["targets"]["arousal"].startswith(f"{sound.name}: is empty")
        assert str(root.parent) not in (tmp_path / "a.json").read_text()
        assert len(list((tmp_path / "p").iterdir())) == 3

    def test_labels_of_one_target_that_are_missing(self, root, told, tmp_path):
        sound, _, valence = self.of(root, "test")
        valence.unlink()
        result = evaluate("downup", "recola", root, "-o", tmp_path / "a.json", "--per-recording")
        assert result.exit_code == 1
        assert f"recordings ({sound.stem} test valence)" in result.stdout
        assert result.stderr.splitlines()[-1].startswith(f"  {valence}: ")
        assert "without ratings" not in result.stdout
        (row,) = (line for line in result.stdout.splitlines() if line.startswith(f"{sound.stem} ") and "failed" in line)
        assert row.split()[1:3] == ["test", "valence"]
        found = json.loads((tmp_path / "a.json").read_text())
        assert found["targets"]["arousal"] == told[1]["targets"]["arousal"]
        assert found["targets"]["valence"]["partitions"]["test"] is None
        assert found["failed"][0]["predicted"]
        for asked in (["--target", "arousal"], ["--partition", "dev"]):
            assert evaluate("downup", "recola", root, *asked).exit_code == 0

    def test_labels_that_do_not_fit(self, stitched_root, relabelled):
        gold = Ratings(np.arange(100) * 0.04, np.zeros((100, 1)), ("gold standard",), "arousal")
        relabelled(lambda r: dataclasses.replace(r, load_gold=lambda target: gold))
        result = evaluate("downup", "recola", stitched_root)
        assert result.exit_code == 1
        assert "4 of 4 recordings failed:" in result.stderr
        assert result.stderr.count(": 100 label rows do not fit 300 frames") == 8

    def test_nothing_that_can_be_read(self, root):
        for path in (root / recola.AUDIO_FOLDER).iterdir():
            path.write_bytes(b"")
        assert "P16.wav: is empty" in refused("downup", "recola", root)
        assert "(3 more fail too: emotrace check lists them)" in refused("downup", "recola", root)

    def test_a_submission_is_whole_or_not_at_all(self, root, tmp_path):
        lost, whole = self.of(root, "test")[0], self.of(root, "test")[0].read_bytes()
        lost.write_bytes(b"")
        text = refused("downup", "recola", root, "-o", tmp_path / "a.json", "--submission", tmp_path / "t")
        assert f"not written, since a submission holds all test recordings and {lost.stem} cannot be predicted" in text
        assert (tmp_path / "a.json").exists()
        assert not (tmp_path / "t").exists()
        lost.write_bytes(whole)
        self.of(root, "dev")[0].write_bytes(b"")
        self.of(root, "test")[1].unlink()
        assert evaluate("downup", "recola", root, "--submission", tmp_path / "s").exit_code == 1
        assert len(list((tmp_path / "s").rglob("*.arff"))) == 2

    def test_what_nobody_foresaw_is_raised(self, stitched_root, monkeypatch):
        monkeypatch.setattr(predictor, "predict", lambda *given, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            on_corpus.evaluate("downup", "recola", stitched_root)

    def test_notes_name_no_folder(self, root):
        sound = self.of(root, "dev")[0]
        soundfile.write(sound, np.zeros(12 * 16000), 16000)
        done = on_corpus.evaluate("downup", "recola", root, partition="dev")
        assert done.heard[0].notes[0].startswith("almost no sound")


class TestMistakes:
    def test_no_such_model(self, stitched_root):
        assert "updown: no model of that name" in refused("updown", "recola", stitched_root)

    def test_no_such_corpus(self, stitched_root):
        assert "no corpus is called 'recolla'" in refused("downup", "recolla", stitched_root)

    def test_no_such_root(self, tmp_path):
        assert "absent" in refused("downup", "recola", tmp_path / "absent")

    def test_a_target_that_the_model_does_not_predict(self, stitched_root):
        assert "does not predict liking; it predicts arousal, valence" in refused(
            "downup", "recola", stitched_root, "--target", "liking"
        )

    def test_a_corpus_that_rates_something_else(self, stitched_root, relabelled):
        relabelled(lambda r: dataclasses.replace(r, targets=("intensity",)))
        text = refused("downup", "recola", stitched_root)
        assert "predicts arousal, valence, and this corpus rates intensity" in text

    def test_a_target_that_the_corpus_does_not_rate(self, manifest):
        text = refused("downup", "manifest", manifest(bert="arousal"), "--target", "valence")
        assert "and this corpus rates arousal; name with --target what both have" in text

    def test_a_model_of_something_that_no_recording_is_rated_for(self, manifest):
        text = refused("downup", "manifest", manifest(bert="dominance"))
        assert "predicts arousal, valence, and this corpus rates dominance;" in text

    def test_a_corpus_without_sound(self, stitched_root, relabelled):
        relabelled(lambda r: dataclasses.replace(r, audio=None))
        assert "no sound" in refused("downup", "recola", stitched_root)

    def test_a_partition_that_is_empty(self, stitched_root, relabelled):
        relabelled(lambda r: dataclasses.replace(r, partition="train"))
        assert "no recording in its test partition" in refused("downup", "recola", stitched_root, "--partition", "test")

    def test_a_negative_lag(self, stitched_root):
        assert evaluate("downup", "recola", stitched_root, "--lag", -1).exit_code == 2
