"""`reproduce shipped` and `reproduce live` on a corpus of seconds: synthetic voices, tiny networks, one epoch."""

import csv
import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from emotrace import audio
from emotrace.corpora import recola, stitched
from emotrace.errors import CorpusError
from emotrace.experiments import live, shipped
from emotrace.inference import model, streaming


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


@pytest.fixture(scope="module")
def streamed(done):
    chosen = live.settings

    def settings(target, look_ahead_s, corpus):
        config = chosen(target, look_ahead_s, corpus)
        arguments = config.arguments | {"width": 4, "layers": 3}
        return replace(config, arguments=arguments, seeds=min(2, config.seeds), epochs=1, variants=0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "RECORDINGS_PER_SPEAKER", 1)
        patch.setattr(stitched, "Settings", partial(stitched.Settings, duration_s=12.0))
        patch.setattr(live, "settings", settings)
        patch.setattr(live, "LOOK_AHEADS_S", (0.0, 0.2, None))
        patch.setattr(live, "CHOSEN_S", 0.2)
        patch.setattr(live, "WINDOW_S", 1.5)
        live.reproduce(done, 1, lambda text: None)
    return done


def test_live_results_are_complete(streamed, tmp_path):
    result = json.loads((streamed.results / "live.json").read_text())
    assert [row["look_ahead_s"] for row in result["look_ahead"]] == [0.0, 0.2, None]
    assert [len(row["arousal"]) for row in result["look_ahead"]] == [1, 2, 1]
    for target in shipped.TARGETS:
        assert [row["start_s"] for row in result["start"][target]] == [1.5 * n for n in range(7)]
        assert all(-1 <= row["ccc_running"] <= 1 and row["difference"] >= 0 for row in result["start"][target])
        assert set(result["emodb_telephone"][target]) >= {"seeds_mean", "five_run_mean"}
    live.draw(result, tmp_path / "live.png")
    assert (tmp_path / "live.png").stat().st_size > 10_000


def test_the_live_model_is_one_that_streams(streamed):
    saved = model.load(streamed.weights / "live")
    assert saved.card["command"] == live.COMMAND
    assert saved.reach == (9, 5)
    assert saved.rule.running
    assert streaming.latency_s(saved) == pytest.approx(0.255)
    card = (streamed.weights / "live" / "CARD.md").read_text()
    assert "a frame is given 0.255 s after its start" in card


def test_what_is_measured_is_what_streams_give(streamed):
    saved = model.load(streamed.weights / "live")
    sound = audio.load(next((streamed.runs / "tava").rglob("*.wav")))
    stream = streaming.Stream(saved)
    traces = [stream.push(piece) for piece in np.array_split(sound, 30)] + [stream.finish()]
    given = np.concatenate([trace.values for trace in traces])
    measured = np.clip(live.members_live(sound, saved).mean(axis=0), -1, 1)
    np.testing.assert_allclose(given, measured, rtol=0, atol=1e-5)


@pytest.mark.parametrize("network", shipped.NETWORKS)
def test_every_figure_is_recorded(done, network):
    result = json.loads((done.results / f"shipped-{network}.json").read_text())
    rows = [f"{corpus}_{kind}" for corpus in ("tava", "emodb", "dev_short") for kind in shipped.CONDITIONS]
    for row in ("stitched", "emodb_shipped", *rows):
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
    assert card.count("| valence |") == len(shipped._CARD_ROWS) == 4 + 2 * len(shipped.CONDITIONS)


def test_what_is_measured_on_took_no_part_in_training(done):
    recordings = recola.load(done.runs / "tava")
    spoken = {part: {r.speaker for r in recordings if r.partition == part} for part in ("train", "dev", "test")}
    assert all(spoken.values())
    assert not spoken["test"] & (spoken["train"] | spoken["dev"])
    result = json.loads((done.results / "shipped-downup.json").read_text())
    assert set(result["test_speakers"]) == spoken["test"]


def test_short_recordings_hold_every_utterance_of_a_speaker_as_often(ratings_csv):
    sounds, spoken = shipped.short_recordings(ratings_csv, {"s1", "s2"})
    utterances = [u for u in stitched.read_utterances(ratings_csv) if u.speaker in {"s1", "s2"}]
    times = {u.name: [said[1] for said in spoken["valence"]].count(u.name) for u in utterances}
    assert set(times.values()) == {shipped.SHORT_ROUNDS}
    assert sounds.keys() == {said[0] for said in spoken["arousal"]}
    for name, _, start_s, end_s, _ in spoken["arousal"]:
        assert 0 < start_s < end_s < len(sounds[name]) / audio.RATE_HZ
    again, _ = shipped.short_recordings(ratings_csv, {"s2", "s1"})
    assert all((again[name] == sound).all() for name, sound in sounds.items())


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
    folders = shipped.Folders(tmp_path / "absent", tmp_path, tmp_path, tmp_path)
    assert shipped.stitched_corpus(folders) == corpus
    for changes in ({"SEED": 2}, {"RECORDINGS_PER_SPEAKER": 2}):
        with monkeypatch.context() as patch:
            for name, value in changes.items():
                patch.setattr(shipped, name, value)
            with pytest.raises(CorpusError, match=r"stitched\.json: .*another seed or other settings.*--runs"):
                shipped.stitched_corpus(folders)
    (corpus / "stitched.json").write_text("{}")
    with pytest.raises(CorpusError, match="another seed"):
        shipped.stitched_corpus(folders)


def test_joined_utterances_lie_where_they_are_said_to(done):
    joined, spans = shipped.join_emodb(done.data / "emodb47" / "ratings.csv")
    for speaker, _, start_s, end_s, _ in spans["arousal"]:
        samples = joined[speaker]
        said = samples[round(start_s * 16000) : round(end_s * 16000)]
        before = samples[round((start_s - 0.5) * 16000) : round(start_s * 16000)]
        assert said.std() > 5 * before.std()
