"""The whole of ``reproduce shipped`` on a corpus of seconds: synthetic voices, tiny networks, one epoch."""

import csv
import json
import shutil
from dataclasses import replace
from functools import partial

import pytest

from emotrace.corpora import recola, stitched
from emotrace.errors import CorpusError
from emotrace.experiments import shipped
from emotrace.inference import model


@pytest.fixture(scope="module")
def folders(ratings_csv, tmp_path_factory):
    root = tmp_path_factory.mktemp("shipped")
    shutil.copytree(ratings_csv.parent, root / "data" / "tava")
    shutil.copytree(ratings_csv.parent / "audio", root / "data" / "emodb47" / "audio")
    with ratings_csv.open() as lines, (root / "data" / "emodb47" / "ratings.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "speaker", "arousal", "valence"])
        for row in csv.DictReader(lines):
            rows.writerow([row["file"], "0" + row["speaker"][1:], row["arousal_mean"], row["valence_mean"]])
    return shipped.Folders(root / "data", root / "runs", root / "results", root / "weights")


@pytest.fixture(scope="module")
def done(folders):
    small = {"downup": {"width": 4, "layers": 2}, "dilated": {"width": 4, "layers": 3}}
    chosen = shipped.settings

    def settings(network, target, corpus):
        config = chosen(network, target, corpus)
        return replace(config, arguments=small[network], seeds=2, epochs=1, variants=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "settings", settings)
        patch.setattr(shipped, "RECORDINGS_PER_SPEAKER", 1)
        patch.setattr(stitched, "Settings", partial(stitched.Settings, duration_s=12.0))
        said = []
        shipped.reproduce(folders, 1, said.append)
    return folders


@pytest.mark.parametrize("network", shipped.NETWORKS)
def test_every_figure_is_recorded(done, network):
    result = json.loads((done.results / f"shipped-{network}.json").read_text())
    for row in ("stitched", *(f"{c}_{k}" for c in ("tava", "emodb") for k in shipped.CONDITIONS)):
        for target in shipped.TARGETS:
            assert set(result[row][target]) >= {"seeds_mean", "seeds_sd", "five_run_mean"}
    assert result["stitched"]["arousal"]["ceiling"]["ccc_population_concatenated"] > 0
    assert len(result["dev_ccc_by_seed"]["valence"]) == 2


@pytest.mark.parametrize("network", shipped.NETWORKS)
def test_models_are_made_with_their_cards(done, network):
    saved = model.load(done.weights / network)
    assert saved.card["command"] == shipped.COMMAND
    assert saved.ranges
    card = (done.weights / network / "CARD.md").read_text()
    assert card.count("| valence |") == len(shipped._CARD_ROWS) == 1 + 2 * len(shipped.CONDITIONS)


def test_what_is_measured_on_took_no_part_in_training(done):
    recordings = recola.load(done.runs / "tava")
    spoken = {part: {r.speaker for r in recordings if r.partition == part} for part in ("train", "dev", "test")}
    assert all(spoken.values())
    assert not spoken["test"] & (spoken["train"] | spoken["dev"])
    result = json.loads((done.results / "shipped-downup.json").read_text())
    assert set(result["test_speakers"]) == spoken["test"]


def test_the_calibration_is_that_of_the_development_speakers(done):
    split, final = (model.load(path) for path in (done.runs / "models" / "downup-split", done.weights / "downup"))
    assert [(t.gain, t.offset) for t in split.targets] == [(t.gain, t.offset) for t in final.targets]


@pytest.fixture
def clean(monkeypatch):
    """A checkout without changes, which is what decides whether figures may be kept."""
    made = {**shipped.run.made_with(), "commit": "0" * 40}
    monkeypatch.setattr(shipped.run, "made_with", lambda: made)
    return made


def runs_of(done, network="downup"):
    return [done.runs / f"split-{network}-{target}" for target in shipped.TARGETS]


def test_figures_of_the_same_code_and_runs_are_kept(done, clean, tmp_path):
    result = json.loads((done.results / "shipped-downup.json").read_text())
    path = tmp_path / "known.json"
    for made, kept in ((clean, True), ({**clean, "commit": "1" * 40}, False), ({**clean, "numpy": "0"}, False)):
        path.write_text(json.dumps({**result, "made_with": made}))
        assert (shipped._measured(path, runs_of(done)) is not None) == kept
    path.write_text(json.dumps({**result, "made_with": clean, "dev_ccc_by_seed": {}}))
    assert shipped._measured(path, runs_of(done)) is None
    path.write_text("{")
    assert shipped._measured(path, runs_of(done)) is None


def test_figures_of_changed_code_are_never_kept(done, clean, tmp_path):
    clean["commit"] += "-dirty"
    path = tmp_path / "known.json"
    path.write_text(json.dumps({**json.loads((done.results / "shipped-downup.json").read_text()), "made_with": clean}))
    assert shipped._measured(path, runs_of(done)) is None


def test_another_corpus_is_not_taken_for_this_one(done, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "RECORDINGS_PER_SPEAKER", 1)
    monkeypatch.setattr(stitched, "Settings", partial(stitched.Settings, duration_s=12.0))
    corpus = shutil.copytree(done.runs / "tava", tmp_path / "tava")
    shipped._stitch(done.data / "absent.csv", corpus)
    for changes in ({"SEED": 2}, {"RECORDINGS_PER_SPEAKER": 2}):
        with monkeypatch.context() as patch:
            for name, value in changes.items():
                patch.setattr(shipped, name, value)
            with pytest.raises(CorpusError, match=r"stitched\.json: .*another seed or other settings.*--runs"):
                shipped._stitch(done.data / "absent.csv", corpus)
    (corpus / "stitched.json").write_text("{}")
    with pytest.raises(CorpusError, match="another seed"):
        shipped._stitch(done.data / "absent.csv", corpus)


def test_joined_utterances_lie_where_they_are_said_to(done):
    joined, spans = shipped.join_emodb(done.data / "emodb47" / "ratings.csv")
    for speaker, _, start_s, end_s, _ in spans["arousal"]:
        samples = joined[speaker]
        said = samples[round(start_s * 16000) : round(end_s * 16000)]
        before = samples[round((start_s - 0.5) * 16000) : round(start_s * 16000)]
        assert said.std() > 5 * before.std()
