import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import emotrace
from emotrace import audio, features, output
from emotrace.errors import AudioError, EmotraceError, ModelError
from emotrace.features import voice
from emotrace.features.normalisation import Normalisation, normalise
from emotrace.inference import model, predictor
from emotrace.inference.speakers import Segment, at

RATE_HZ = 16000
DEMO = Path(__file__).parents[1] / "examples" / "demo.flac"


def speechlike(seconds, seed=0, level=0.1):
    """Noise with a syllable rhythm and a moving spectrum."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rhythm = np.clip(np.sin(2 * np.pi * 4 * time_s) + 0.3 * np.sin(2 * np.pi * 0.3 * time_s), 0, None)
    return (level * rhythm * rng.normal(size=len(time_s))).astype(np.float32)


LONG = speechlike(60, seed=3)


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


def whole(samples, chosen, segments=None):
    """The trace by the book: everything in memory, every row looked at one by one, the networks run once."""
    front_end = features.get(chosen.front_end)
    stream, frames = front_end.Stream(), len(samples) // 640
    rows = np.concatenate([stream.push(samples), stream.finish()])
    owner = np.full(len(rows), "all")
    if segments is not None:
        said = at(segments, np.arange(len(rows)) / 100)
        last = next((name for name in said if name), "")
        for row, name in enumerate(said):
            owner[row] = last = name or last
    normal = normalise(rows, owner, chosen.rule)[: 4 * frames]
    members = chosen.members(front_end.stack(normal))
    return np.clip(members.mean(axis=0), -1, 1), members.std(axis=0, ddof=1)


SEGMENTS = st.lists(
    st.builds(
        lambda start_s, length_s, name: Segment(start_s, start_s + length_s, name),
        st.floats(0, 60),
        st.floats(0, 20),
        st.sampled_from("ABC"),
    ),
    max_size=6,
)


@pytest.mark.parametrize("name", model.names())
@given(
    samples=st.integers(640, 50 * RATE_HZ),
    block_s=st.floats(0.05, 40),
    chunk=st.sampled_from([81, 300, 700]),
    threads=st.integers(1, 3),
    in_memory=st.sampled_from([1000, 10**9]),
    segments=st.none() | SEGMENTS,
)
@settings(max_examples=6, deadline=None)
def test_any_cut_gives_what_the_whole_gives(name, samples, block_s, chunk, threads, in_memory, segments):
    chosen, sound = model.load(name), LONG[:samples]
    values, spread = whole(sound, chosen, segments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "CHUNK_FRAMES", chunk)
        patch.setattr(output, "IN_MEMORY_BYTES", in_memory)
        patch.setattr(predictor.audio, "blocks", partial(audio.blocks, block_s=block_s))
        trace = quiet_predict(sound, RATE_HZ, chosen, segments, threads=threads)
    assert np.abs(trace.values - values).max() < 1e-5
    assert np.abs(trace.spread - spread).max() < 1e-5
    if segments is not None:
        assert trace.speaker == tuple(name or None for name in at(segments, np.arange(len(trace)) * 0.04))


def test_a_long_recording_takes_little_more_memory_than_a_short_one(monkeypatch):
    monkeypatch.setattr(output, "IN_MEMORY_BYTES", 1 << 20)
    monkeypatch.setattr(model, "CHUNK_FRAMES", 1500)

    def peak_bytes(minutes):
        samples = np.resize(LONG, minutes * 60 * RATE_HZ)
        tracemalloc.start()
        trace = quiet_predict(samples, RATE_HZ, threads=1)
        trace.to_csv(os.devnull, force=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(1)  # what is made once
    frames = 5 * 60 * 25
    assert peak_bytes(8) - peak_bytes(3) < 100 * frames  # the rows alone would be 640 bytes a frame


def test_a_full_temporary_folder_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(output, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    before = set(threading.enumerate())
    with pytest.raises(EmotraceError, match="TMPDIR") as caught:
        quiet_predict(speechlike(3), RATE_HZ, threads=2)
    assert "\n" not in str(caught.value)
    assert set(threading.enumerate()) <= before, "its threads would end whenever the garbage is collected"


def test_nothing_stays_in_the_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(output, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    quiet_predict(speechlike(3), RATE_HZ)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AudioError):
        quiet_predict(np.concatenate([speechlike(40), np.full(5, np.nan, np.float32)]), RATE_HZ)
    assert list(tmp_path.iterdir()) == []


def test_what_listens_hears_every_sample_once():
    heard = []
    samples = speechlike(70)
    quiet_predict(samples, RATE_HZ, listen=heard.append)
    np.testing.assert_array_equal(np.concatenate(heard), samples)


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
    # The demo's pauses are not digital silence, which stays where it is whatever the gain.
    samples = audio.load(DEMO)
    loud, low = (quiet_predict(gain * samples, RATE_HZ).values for gain in (np.float32(1), np.float32(0.1)))
    assert np.abs(loud - low).max() < 0.05


def test_silence_gives_finite_values_and_a_warning():
    with pytest.warns(emotrace.FamiliarityWarning):
        trace = emotrace.predict(np.zeros(5 * RATE_HZ, np.float32), RATE_HZ)
    assert np.isfinite(trace.values).all()


def test_each_speaker_is_normalised_on_their_own():
    # The demo's pauses are not digital silence, which stays where it is whatever the gain.
    demo = audio.load(DEMO)
    near, far = demo[: 8 * RATE_HZ], np.float32(0.1) * demo[24 * RATE_HZ : 32 * RATE_HZ]
    samples = np.concatenate([near, far])
    who = [Segment(0.0, 8.0, "A"), Segment(8.0, 16.0, "B")]
    trace = quiet_predict(samples, RATE_HZ, speakers=who)
    assert trace.speaker[:200] == ("A",) * 200
    assert trace.speaker[-200:] == ("B",) * 200
    louder = quiet_predict(np.concatenate([near, 10 * far]), RATE_HZ, speakers=who)
    # What lies more than the receptive field away hears only its own speaker's rows, whatever their level.
    assert np.abs(trace.values - louder.values).max() < 0.1
    assert np.abs(trace.values - quiet_predict(samples, RATE_HZ).values).max() > 0.1


def test_speakers_may_be_a_file(tmp_path):
    samples = speechlike(6)
    soundfile.write(tmp_path / "b.wav", samples, RATE_HZ, subtype="FLOAT")
    turns = [("a", 0, 6, "other"), ("b", 0, 3, "A"), ("b", 3, 3, "B")]
    lines = [f"SPEAKER {file} 1 {start} {length} <NA> <NA> {who} <NA> <NA>\n" for file, start, length, who in turns]
    (tmp_path / "who.rttm").write_text("".join(lines))
    trace = quiet_predict(tmp_path / "b.wav", speakers=str(tmp_path / "who.rttm"))
    wanted = quiet_predict(samples, RATE_HZ, speakers=[Segment(0, 3, "A"), Segment(3, 6, "B")])
    np.testing.assert_array_equal(trace.values, wanted.values)
    assert trace.speaker == wanted.speaker
    with pytest.raises(EmotraceError, match=r"none\.csv"):
        quiet_predict(samples, RATE_HZ, speakers=tmp_path / "none.csv")


def test_segments_without_anybody_change_nothing():
    samples = speechlike(5)
    trace = quiet_predict(samples, RATE_HZ, speakers=[Segment(100.0, 101.0, "A")])
    np.testing.assert_allclose(trace.values, quiet_predict(samples, RATE_HZ).values)
    assert set(trace.speaker) == {None}


def misfit_warnings(*args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trace = emotrace.predict(*args, **kwargs)
    assert all(any(str(warning.message).endswith(text) for warning in caught) for text in trace.warnings)
    assert len(trace.warnings) == len(caught)
    return [warning for warning in caught if issubclass(warning.category, emotrace.SpeakersWarning)]


@pytest.mark.parametrize(
    ("segments", "says"),
    [
        ([Segment(100.0, 101.0, "A")], "no frame has a speaker"),
        # Between two frames' starts, so that no frame is anybody's.
        ([Segment(1.01, 1.03, "A")], "no frame has a speaker"),
        ([], "no frame has a speaker"),
        ([Segment(0.0, 1.0, "A"), Segment(2.0, 3.0, "A")], "1 of 2 segments of speakers begin after"),
    ],
)
def test_segments_that_do_not_fit_are_warned_of(segments, says):
    (warning,) = misfit_warnings(speechlike(2), RATE_HZ, speakers=segments)
    assert says in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("name", ["downup", "dilated"])
def test_segments_of_a_small_part_are_warned_of(name):
    spoken = speechlike(8)
    (warning,) = misfit_warnings(spoken, RATE_HZ, name, [Segment(0.0, 1.0, "A")])
    assert "% of what is said has a speaker" in str(warning.message)
    pause = 1e-5 * np.random.default_rng(0).normal(size=60 * RATE_HZ).astype(np.float32)
    assert misfit_warnings(np.concatenate([pause, spoken]), RATE_HZ, name, [Segment(60.0, 68.0, "A")]) == []


def test_segments_that_fit_are_not_warned_of():
    assert misfit_warnings(speechlike(2), RATE_HZ, speakers=[Segment(0.0, 1.0, "A"), Segment(1.9, 2.5, "B")]) == []
    assert misfit_warnings(speechlike(2), RATE_HZ) == []


def test_speakers_of_a_recording_of_another_name_are_warned_of(tmp_path):
    (tmp_path / "who.rttm").write_text("SPEAKER a 1 0 2 <NA> <NA> A <NA> <NA>\n")
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", speechlike(2), RATE_HZ)
    who = tmp_path / "who.rttm"
    assert misfit_warnings(tmp_path / "a.wav", speakers=who) == []
    assert misfit_warnings((tmp_path / "b.wav").read_bytes(), speakers=who) == []
    (warning,) = misfit_warnings(tmp_path / "b.wav", speakers=who)
    assert "of a recording called a;" in str(warning.message)


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


def test_a_model_is_loaded_once_until_its_files_change(copied):
    assert emotrace.load_model() is emotrace.load_model("downup")
    first = emotrace.load_model(copied)
    assert emotrace.load_model(copied) is first
    note = json.loads((copied / "model.json").read_text())
    (copied / "model.json").write_text(json.dumps({**note, "name": "another"}))
    assert emotrace.load_model(copied).name == "another"


def test_one_model_serves_threads():
    chosen, samples = model.load(), speechlike(8)
    with ThreadPoolExecutor(4) as pool:
        traces = list(pool.map(lambda _: predictor.predict_members(samples, RATE_HZ, chosen), range(6)))
    for trace in traces[1:]:
        np.testing.assert_array_equal(trace, traces[0])


@pytest.fixture
def front_ends(tmp_path, monkeypatch):
    """A folder whose modules are front ends."""
    monkeypatch.setattr(features, "__path__", [*features.__path__, str(tmp_path)])
    yield tmp_path
    for name in ("upside_down", "whole_only"):
        sys.modules.pop(f"emotrace.features.{name}", None)


UPSIDE_DOWN = """
from emotrace.features import voice
from emotrace.features.voice import HOP_RATE_HZ, STACK, bins, rate_hz, size, stack, trace_frames

class Stream(voice.Stream):
    def join(self, worked):
        return super().join(worked)[:, ::-1]
    def finish(self):
        return super().finish()[:, ::-1]
"""


def test_the_models_front_end_is_the_one_that_works(copied, front_ends):
    (front_ends / "upside_down.py").write_text(UPSIDE_DOWN)
    note = json.loads((copied / "model.json").read_text())
    rule = note["normalisation"]
    (copied / "model.json").write_text(json.dumps({**note, "front_end": "upside_down"}))
    samples = speechlike(5)
    chosen = model.load(copied)
    rows = voice.extract(samples).reshape(-1, voice.bins)[:, ::-1]
    members = chosen.members(voice.stack(normalise(rows, rule=Normalisation(**rule))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # familiarity knows rows of log mel energies alone
        trace = emotrace.predict(samples, RATE_HZ, copied)
    assert np.abs(trace.values - np.clip(members.mean(axis=0), -1, 1)).max() < 1e-5


def test_a_front_end_that_cannot_stream_is_named(copied, front_ends):
    (front_ends / "whole_only.py").write_text("rate_hz, size, bins = 25, 160, 40\n")
    note = json.loads((copied / "model.json").read_text())
    (copied / "model.json").write_text(json.dumps({**note, "front_end": "whole_only"}))
    with pytest.raises(ModelError, match="whole_only cannot predict, it lacks Stream"):
        model.load(copied)


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


def test_a_model_goes_to_another_process_before_and_after_its_use():
    for chosen in (model.load("downup"), model.load("downup")):
        copy = pickle.loads(pickle.dumps(chosen))  # noqa: S301
        np.testing.assert_array_equal(
            quiet_predict(speechlike(2), RATE_HZ, copy).values, quiet_predict(speechlike(2), RATE_HZ, chosen).values
        )


def test_a_warning_names_its_file_and_stays_with_the_trace(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(5 * RATE_HZ), RATE_HZ)
    with pytest.warns(emotrace.FamiliarityWarning) as caught:
        trace = emotrace.predict(tmp_path / "silence.wav")
    assert [str(each.message) for each in caught] == [f"{tmp_path}/silence.wav: {text}" for text in trace.warnings]
    assert trace.warnings[0].startswith("almost no sound")


def test_the_version_is_that_of_the_package():
    assert emotrace.__version__ == metadata.version("emotrace")
