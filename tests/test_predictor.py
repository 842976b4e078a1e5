import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import emotrace
from emotrace.errors import AudioError, ModelError
from emotrace.inference import model, predictor
from emotrace.inference.speakers import Segment

RATE_HZ = 16000


def speechlike(seconds, seed=0, level=0.1):
    """Noise with a syllable rhythm and a moving spectrum."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rhythm = np.clip(np.sin(2 * np.pi * 4 * time_s) + 0.3 * np.sin(2 * np.pi * 0.3 * time_s), 0, None)
    return (level * rhythm * rng.normal(size=len(time_s))).astype(np.float32)


def quiet_predict(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return emotrace.predict(*args, **kwargs)


@pytest.fixture(params=model.names())
def shipped(request):
    return model.load(request.param)


def test_both_networks_of_the_paper_are_shipped():
    assert {"downup", "dilated"} <= set(model.names())
    assert model.DEFAULT == "downup"


def test_a_trace_has_the_contracts_shape(shipped):
    trace = quiet_predict(speechlike(3.1), RATE_HZ, shipped)
    assert len(trace) == round(3.1 * RATE_HZ) // 640
    assert trace.targets == ("arousal", "valence")
    assert np.abs(trace.values).max() <= 1
    assert (trace.spread > 0).any()
    np.testing.assert_allclose(np.diff(trace.time_s), 0.04)


@given(samples=st.integers(640, 40_000))
@settings(max_examples=20, deadline=None)
def test_every_length_gives_its_frames(samples):
    assert len(quiet_predict(speechlike(3)[:samples], RATE_HZ)) == samples // 640


@pytest.mark.parametrize("samples", [0, 1, 639])
def test_less_than_a_frame_is_an_error(samples):
    with pytest.raises(AudioError) as caught:
        quiet_predict(np.zeros(samples, np.float32) + 0.1, RATE_HZ)
    assert "\n" not in str(caught.value)


def test_pieces_give_what_the_whole_gives(shipped, monkeypatch):
    samples = speechlike(150)
    monkeypatch.setattr(model, "CHUNK_FRAMES", 10**6)
    whole = quiet_predict(samples, RATE_HZ, shipped)
    monkeypatch.setattr(model, "CHUNK_FRAMES", 200)
    pieces = quiet_predict(samples, RATE_HZ, shipped)
    assert np.abs(whole.values - pieces.values).max() < 1e-5
    assert np.abs(whole.spread - pieces.spread).max() < 1e-5


@given(frames=st.integers(1, 20_000))
@settings(max_examples=50, deadline=None)
def test_pieces_tile_the_recording_on_the_grid(frames):
    saved = model.load()
    at = 0
    for read, keep in saved.pieces(frames):
        assert read.start % saved.grid_frames == 0
        assert read.start + keep.start == at
        at = read.start + keep.stop
    assert at == frames


def test_array_and_file_give_the_same(tmp_path):
    samples = (speechlike(4) * 32768).round() / 32768
    soundfile.write(tmp_path / "a.wav", samples, RATE_HZ, subtype="PCM_16")
    np.testing.assert_array_equal(
        quiet_predict(tmp_path / "a.wav").values, quiet_predict(samples.astype(np.float32), RATE_HZ).values
    )


def test_gain_hardly_matters():
    loud, low = (quiet_predict(speechlike(20, level=level), RATE_HZ).values for level in (0.2, 0.02))
    assert np.abs(loud - low).max() < 0.1


def test_silence_gives_finite_values_and_a_warning():
    with pytest.warns(emotrace.FamiliarityWarning):
        trace = emotrace.predict(np.zeros(5 * RATE_HZ, np.float32), RATE_HZ)
    assert np.isfinite(trace.values).all()


def test_each_speaker_is_normalised_on_their_own():
    near, far = speechlike(8, seed=1, level=0.3), speechlike(8, seed=2, level=0.01)
    samples = np.concatenate([near, far])
    who = [Segment(0.0, 8.0, "A"), Segment(8.0, 16.0, "B")]
    trace = quiet_predict(samples, RATE_HZ, speakers=who)
    assert trace.speaker[:200] == ("A",) * 200
    assert trace.speaker[-200:] == ("B",) * 200
    louder = quiet_predict(np.concatenate([near, 10 * far]), RATE_HZ, speakers=who)
    # What lies more than the receptive field away hears only its own speaker's rows, whatever their level.
    assert np.abs(trace.values - louder.values).max() < 0.1
    assert np.abs(trace.values - quiet_predict(samples, RATE_HZ).values).max() > 0.1


def test_segments_without_anybody_change_nothing():
    samples = speechlike(5)
    trace = quiet_predict(samples, RATE_HZ, speakers=[Segment(100.0, 101.0, "A")])
    np.testing.assert_allclose(trace.values, quiet_predict(samples, RATE_HZ).values)
    assert set(trace.speaker) == {None}


def test_members_average_to_the_trace():
    samples = speechlike(3)
    members = predictor.predict_members(samples, RATE_HZ, model.load())
    assert members.shape == (5, len(samples) // 640, 2)
    np.testing.assert_array_equal(np.clip(members.mean(axis=0), -1, 1), quiet_predict(samples, RATE_HZ).values)


def test_the_mean_is_held_to_the_unit_and_not_the_members(copied):
    note = json.loads((copied / "model.json").read_text())
    for target in note["targets"].values():
        target["gain"], target["offset"] = 20.0, 0.5
    (copied / "model.json").write_text(json.dumps(note))
    samples = speechlike(3)
    members = predictor.predict_members(samples, RATE_HZ, model.load(copied))
    assert np.abs(members).max() > 1
    np.testing.assert_array_equal(np.clip(members.mean(axis=0), -1, 1), quiet_predict(samples, RATE_HZ, copied).values)


def test_predicting_does_not_import_torch(tmp_path):
    soundfile.write(tmp_path / "a.wav", speechlike(1), RATE_HZ)
    code = "import sys, emotrace; emotrace.predict(sys.argv[1]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.wav")], check=False).returncode == 0


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(model._SHIPPED / "downup", tmp_path / "mine")


def test_a_model_is_its_folder(copied):
    samples = speechlike(2)
    np.testing.assert_array_equal(
        quiet_predict(samples, RATE_HZ, copied).values, quiet_predict(samples, RATE_HZ).values
    )


def break_format(folder):
    note = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**note, "format": 99}))


def break_front_end(folder):
    note = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**note, "front_end": "os"}))


@pytest.mark.parametrize(
    "break_it",
    [
        lambda folder: (folder / "model.json").unlink(),
        lambda folder: (folder / "model.json").write_text("{"),
        lambda folder: (folder / "model.json").write_text("[]"),
        lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00"),
        break_format,
        break_front_end,
        lambda folder: (folder / "arousal.onnx").unlink(),
        lambda folder: (folder / "arousal.onnx").write_bytes(b"no graph"),
    ],
)
def test_damaged_models_are_one_line_errors(copied, break_it):
    break_it(copied)
    with pytest.raises(ModelError) as caught:
        quiet_predict(speechlike(1), RATE_HZ, copied)
    assert str(copied.name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_model_lists_those_there_are():
    with pytest.raises(ModelError, match="downup"):
        emotrace.load_model("nonsense")


@pytest.mark.parametrize("name", model.names())
def test_shipped_models_come_with_a_card_that_says_data_licence_and_scores(name):
    saved = model.load(name)
    card = (model._SHIPPED / name / "CARD.md").read_text()
    assert "TAVA" in card
    assert "AGPL" in card
    assert saved.card["scores"]["stitched"]["arousal"]["five_run_mean"]
    assert saved.ranges
