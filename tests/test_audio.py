import io
import os
import sys
import warnings

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import audio, output
from emotrace.errors import AudioError

av = pytest.importorskip("av")


def sine(rate_hz, seconds=2.0, hz=440.0, level=0.5):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def frequency_and_level(samples):
    middle = samples[len(samples) // 8 : -len(samples) // 8]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return np.argmax(spectrum) * audio.RATE_HZ / len(middle), np.sqrt(2 * np.mean(middle**2))


def encode(path, codec, rate_hz, container=None):
    with av.open(str(path), "w", format=container) as muxer:
        stream = muxer.add_stream(codec, rate=rate_hz, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.tile(sine(rate_hz), (2, 1)), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = rate_hz, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            muxer.mux(packet)
    return path


def one_line_error(source, match, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(AudioError, match=match) as caught:
            audio.load(source, **kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_rate_and_channels_keep_frequency_level_and_length(tmp_path, rate_hz, channels):
    path = tmp_path / "tone.wav"
    tone = sine(rate_hz)
    soundfile.write(path, np.tile(tone[:, None], (1, channels)), rate_hz, subtype="FLOAT")
    samples = audio.load(path)
    hz, level = frequency_and_level(samples)
    assert samples.dtype == np.float32
    assert abs(len(samples) - round(len(tone) * 16000 / rate_hz)) <= 1
    assert hz == pytest.approx(440, abs=1)
    assert level == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(("subtype", "tolerance"), [("PCM_U8", 1e-2), ("PCM_16", 1e-4), ("PCM_24", 1e-6), ("FLOAT", 0)])
def test_sample_formats_at_16_khz_pass_untouched(tmp_path, subtype, tolerance):
    path = tmp_path / "tone.wav"
    soundfile.write(path, sine(16000), 16000, subtype=subtype)
    np.testing.assert_allclose(audio.load(path), sine(16000), atol=tolerance)


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "au", "caf"])
def test_16_bits_are_the_numbers_that_libsndfile_makes_of_them(tmp_path, suffix):
    path = tmp_path / f"every.{suffix}"
    soundfile.write(path, np.arange(-(1 << 15), 1 << 15, dtype=np.int16), 16000, subtype="PCM_16")
    np.testing.assert_array_equal(audio.load(path), soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf"])
def test_sound_formats_from_path_bytes_and_file(tmp_path, suffix):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, sine(16000), 16000)
    samples = audio.load(path)
    assert frequency_and_level(samples) == pytest.approx((440, 0.5), rel=0.01)
    np.testing.assert_array_equal(audio.load(str(path)), samples)
    np.testing.assert_array_equal(audio.load(path.read_bytes()), samples)
    with path.open("rb") as file:
        np.testing.assert_array_equal(audio.load(file), samples)
        assert not file.closed


def test_mp3_read_in_small_blocks_is_what_one_read_gives(tmp_path):
    path = tmp_path / "tone.mp3"
    soundfile.write(path, sine(16000, 10), 16000)
    whole, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(np.concatenate(list(audio.blocks(path, block_s=0.05))), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.m4a", "aac", 44100),
        ("a.mp4", "aac", 16000),
        ("a.webm", "libopus", 48000),
        ("a.mkv", "flac", 16000),
    ],
)
def test_media_files_through_pyav(tmp_path, name, codec, rate_hz):
    try:
        path = encode(tmp_path / name, codec, rate_hz)
    except Exception as error:
        pytest.skip(f"this PyAV cannot write {name}: {error}")
    for source in (path, path.read_bytes()):
        samples = audio.load(source)
        assert len(samples) == pytest.approx(32000, abs=1200)
        assert frequency_and_level(samples) == pytest.approx((440, 0.5), rel=0.02)


def test_media_without_pyav_says_what_to_install(tmp_path, monkeypatch):
    path = encode(tmp_path / "talk.m4a", "aac", 16000)
    monkeypatch.setitem(sys.modules, "av", None)
    one_line_error(path, r'talk\.m4a.*pip install "emotrace\[media\]"')


def test_video_without_sound(tmp_path):
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            for packet in stream.encode(image):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    one_line_error(path, r"silent\.mp4: has no audio track")


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 5000),
    rate_hz=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    channels=st.integers(1, 3),
    block_s=st.floats(0.001, 1.0),
)
def test_blocks_join_to_the_same_samples_whatever_their_length(length, rate_hz, channels, block_s):
    noise = np.random.default_rng(length).uniform(-1, 1, (length, channels)).astype(np.float32)
    expected = length * 16000 / rate_hz
    try:
        parts = list(audio.blocks(noise, rate_hz, block_s=block_s))
    except AudioError:
        assert expected < 1
        return
    assert all(len(part) and part.ndim == 1 and part.dtype == np.float32 for part in parts)
    assert abs(sum(map(len, parts)) - round(expected)) <= 1
    np.testing.assert_allclose(np.concatenate(parts), audio.load(noise, rate_hz), atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"), [(np.int16, 2**15, 0), (np.int32, 2**31, 0), (np.uint8, 128, 128)]
)
def test_integer_arrays_are_scaled(dtype, scale, offset):
    samples = (sine(16000).astype(np.float64) * scale + offset).astype(dtype)
    np.testing.assert_allclose(audio.load(samples, 16000), sine(16000), atol=1.01 / scale + 1e-6)


def test_channels_are_averaged():
    stereo = np.column_stack([np.full(1600, 0.5), np.full(1600, -0.1)])
    np.testing.assert_allclose(audio.load(stereo, 16000), 0.2, atol=1e-6)


VOICE = sine(16000)[:, None]
OTHER = np.random.default_rng(0).uniform(-0.5, 0.5, VOICE.shape)


@pytest.mark.parametrize(
    ("channels", "cancelled"),
    [
        ((VOICE, -VOICE), True),
        ((VOICE, -0.8 * VOICE), True),
        ((VOICE + 0.2, -VOICE + 0.1), True),
        ((VOICE, -VOICE, VOICE, -VOICE), True),
        ((VOICE, VOICE), False),
        ((VOICE, -0.3 * VOICE), False),
        ((VOICE, OTHER), False),
        ((VOICE, 0 * VOICE), False),
        ((VOICE, *[0 * VOICE] * 7), False),
        ((VOICE, -VOICE, OTHER), False),
        ((0 * VOICE, 0 * VOICE), False),
        ((0 * VOICE + 0.3, 0 * VOICE - 0.3), False),
        ((VOICE,), False),
    ],
)
def test_channels_that_cancel_each_other_are_named(tmp_path, channels, cancelled):
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.hstack(channels), 16000)
    text = f"{path}: its channels cancel each other, as if one had opposite polarity; give one channel alone"
    assert said(path)[1] == [text] * cancelled


def test_channels_that_cancel_each_other_for_a_while_are_left():
    channels = np.vstack([np.hstack([VOICE, -VOICE]), np.hstack([VOICE, VOICE])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(audio.blocks(channels, 16000, block_s=0.1))


@pytest.mark.parametrize(
    ("samples", "rate_hz", "match"),
    [
        (np.zeros(100), None, "rate_hz"),
        (np.zeros(100), 0, "sample rate of 0"),
        (np.zeros(100), float("nan"), "sample rate of nan"),
        (np.zeros(0), 16000, "no audio samples"),
        (np.zeros((0, 2)), 16000, "no audio samples"),
        (np.zeros((10, 0)), 16000, "shape"),
        (np.zeros((2, 2, 2)), 16000, "shape"),
        (np.zeros((2, 16000)), 16000, "transpose"),
        (np.zeros(100, np.int64), 16000, "int64"),
        (np.zeros(100, complex), 16000, "complex128"),
    ],
)
def test_bad_arrays(samples, rate_hz, match):
    one_line_error(samples, match, rate_hz=rate_hz)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("channels", [1, 2])
def test_bad_samples_are_named_with_their_time(tmp_path, bad, channels):
    samples = np.zeros((8000 * 3, channels), np.float32)
    samples[8000 * 2 + 4000 :, -1] = bad
    path = tmp_path / "broken.wav"
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    one_line_error(path, r"broken\.wav: the sample at 2\.500 s")
    one_line_error(samples, r"audio array: the sample at 2\.500 s", rate_hz=8000)


def test_float64_beyond_float32_is_refused():
    one_line_error(np.full(100, 1e300), "at 0.000 s is inf", rate_hz=16000)


@pytest.mark.parametrize("name", ["a.wav", "a.au", "a.mp3", "a.gsm", "a.vox", "a.raw", "a.flac", "a.sw", "a.mp4"])
def test_text_is_never_taken_for_sound(tmp_path, name):
    path = tmp_path / name
    path.write_text("It was the best of times, it was the worst of times.\n" * 300)
    one_line_error(path, rf"{name}: ")
    with path.open("rb") as file:
        one_line_error(file, rf"{name}: ")
    one_line_error(path.read_bytes(), "audio bytes: ")


def test_a_playlist_opens_no_other_file(tmp_path):
    soundfile.write(tmp_path / "secret.mp3", sine(16000), 16000)
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/secret.mp3\n#EXT-X-ENDLIST\n")
    one_line_error(path, "cannot|can be decoded")
    one_line_error(path.read_bytes(), "cannot|can be decoded")


def test_what_is_no_file(tmp_path, monkeypatch):
    one_line_error(tmp_path / "none.wav", r"none\.wav: no such file")
    one_line_error(tmp_path, "is a folder")
    one_line_error("bad\0name.wav", "cannot be opened")
    one_line_error(None, "NoneType")
    one_line_error([0.0] * 48000, "a list cannot be read; .* numpy.asarray makes of a list", rate_hz=16000)
    one_line_error(io.StringIO("text"), "binary mode")
    one_line_error(b"", r"empty \(0 bytes\)")
    one_line_error(tmp_path / "x.wav", "arrays only", rate_hz=16000)
    (tmp_path / "empty.wav").touch()
    one_line_error(tmp_path / "empty.wav", r"empty\.wav: is empty")

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    one_line_error("locked.wav", r"locked\.wav: permission denied")


def test_header_without_samples(tmp_path, monkeypatch):
    path = tmp_path / "header.wav"
    soundfile.write(path, np.zeros(0), 16000)
    one_line_error(path, r"header\.wav: holds no audio samples")
    monkeypatch.setitem(sys.modules, "av", None)
    one_line_error(path, r"header\.wav: holds no audio samples")


def cut_in_half(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def test_truncated_files_give_what_is_there(tmp_path):
    path = tmp_path / "tone.aiff"
    soundfile.write(path, sine(16000, 10), 16000)
    samples = audio.load(cut_in_half(path))
    assert 50_000 < len(samples) < 110_000
    assert frequency_and_level(samples) == pytest.approx((440, 0.5), rel=0.05)


def said(source, **kwargs):
    """The samples of a source, and the warnings that they came with."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples = audio.load(source, **kwargs)
    return samples, [str(each.message) for each in caught if issubclass(each.category, UserWarning)]


def changing(rate_hz=16000, seconds=10.0):
    """Noise that is faint at first: of a variable bit rate, the start says nothing of the whole."""
    noise = np.random.default_rng(0).uniform(-1, 1, round(seconds * rate_hz)).astype(np.float32)
    return noise * np.linspace(0, 0.9, len(noise), dtype=np.float32) ** 3


def written(path, **kind):
    soundfile.write(path, changing(), 16000, **kind)
    return path


def mp3_of_ffmpeg(path, rate_hz=16000, **container):
    """A variable bit rate, with a count of the frames or without."""
    with av.open(str(path), "w", options=container) as muxer:
        stream = muxer.add_stream("libmp3lame", rate=rate_hz, layout="mono")
        stream.options = {"flags": "+qscale", "global_quality": "472"}
        frame = av.AudioFrame.from_ndarray(changing(rate_hz)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            muxer.mux(packet)
    return path


SOUNDS = {
    "pcm.wav": {},
    "float.wav": {"subtype": "FLOAT"},
    "adpcm.wav": {"subtype": "IMA_ADPCM"},
    "wide.wav": {"format": "WAVEX"},
    "constant.mp3": {"bitrate_mode": "CONSTANT"},
    "average.mp3": {"bitrate_mode": "AVERAGE"},
    "variable.mp3": {"bitrate_mode": "VARIABLE"},
    "vorbis.ogg": {},
    "opus.ogg": {"subtype": "OPUS"},
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("share", [0.5, 0.75, 0.97])
def test_what_is_cut_off_warns_and_gives_what_is_there(tmp_path, name, share):
    path = written(tmp_path / name, **SOUNDS[name])
    whole, warned = said(path)
    assert warned == []
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    samples, warned = said(path)
    assert 1 < len(samples) / 16000 < 9.8
    assert np.corrcoef(samples[:-2000], whole[: len(samples) - 2000])[0, 1] > 0.99
    assert warned == [f"{path}: damaged after {len(samples) / 16000:.2f} s; the rest is left out"]
    with path.open("rb") as file:
        assert len(said(file)[1]) == 1
    assert len(said(path.read_bytes())[1]) == 1
    assert len(said(_Pipe(path.read_bytes()))[1]) == 1


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
@pytest.mark.parametrize("counted", ["1", "0"])
def test_an_mp3_is_cut_off_only_where_its_frames_are_counted(tmp_path, rate_hz, counted):
    path = mp3_of_ffmpeg(tmp_path / "tone.mp3", rate_hz, write_xing=counted)
    with soundfile.SoundFile(path) as file:
        guessed = file.frames / rate_hz
    samples, warned = said(path)
    assert warned == []
    # What makes the guess useless: it is far off for whole files.
    assert (guessed > 1.2 * len(samples) / 16000) == (counted == "0")
    assert len(said(cut_in_half(path))[1]) == int(counted)


def test_a_count_of_no_frames_is_none(tmp_path):
    data = bytearray(mp3_of_ffmpeg(tmp_path / "tone.mp3").read_bytes())
    at = data.index(b"Xing") + 8
    data[at : at + 4] = bytes(4)
    assert said(bytes(data))[1] == []


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_that_lacks_but_the_mark_of_its_end_is_whole(tmp_path, subtype):
    data = written(tmp_path / "tone.ogg", subtype=subtype).read_bytes()
    last = data.rindex(b"OggS")
    assert data[last + 5] & 4
    assert said(data[:last])[1] == []
    assert len(said(data[: last + 20])[1]) == 1


def chunk(kind, data, stated=None):
    size = len(data) if stated is None else stated
    return kind + size.to_bytes(4, "little") + data + bytes(len(data) % 2)


@pytest.mark.parametrize(
    "stated", [8000, 8044, 0, 0x7FFFF000, 0x7FFFFFFF - 36, 0x80000000, 0xFFFFFFFF - 36, 0xFFFFFFFF]
)
@pytest.mark.parametrize("behind", [b"", chunk(b"LIST", b"INFO" + bytes(300))])
def test_a_whole_wav_is_whole_whatever_its_header_states(stated, behind):
    form = chunk(b"fmt ", b"\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0")
    before = chunk(b"LIST", b"INFOodd")
    body = b"WAVE" + form + before + chunk(b"data", bytes(8000), stated) + behind
    samples, warned = said(chunk(b"RIFF", body, min(0xFFFFFFFF, len(body) + stated - 8000) if stated else 0))
    assert len(samples) >= 4000
    assert warned == []


def test_a_wav_that_lacks_less_than_writers_miscount_by_is_whole(tmp_path):
    data = written(tmp_path / "tone.wav").read_bytes()
    assert said(data[:-100])[1] == []
    assert len(said(data[:-8000])[1]) == 1


def test_a_wav_of_countless_chunks_is_read(tmp_path):
    data = written(tmp_path / "tone.wav").read_bytes()
    at = data.index(b"data")
    samples, warned = said(data[:at] + chunk(b"JUNK", b"") * 2000 + data[at:])
    assert (len(samples), warned) == (160_000, [])


def test_damaged_flac_warns_and_gives_what_is_there(tmp_path):
    path = tmp_path / "tone.flac"
    soundfile.write(path, sine(16000, 10), 16000)
    with pytest.warns(UserWarning, match=r"tone\.flac: damaged after 4\.\d+ s"):
        samples = audio.load(cut_in_half(path))
    np.testing.assert_allclose(samples, sine(16000, 10)[: len(samples)], atol=1e-4)


def test_media_cut_before_its_index_is_an_error(tmp_path):
    one_line_error(cut_in_half(encode(tmp_path / "talk.m4a", "aac", 16000)), r"talk\.m4a: ")


def test_a_pipe_is_read():
    reading, writing = os.pipe()
    buffer = io.BytesIO()
    soundfile.write(buffer, sine(16000, 0.5), 16000, format="WAV")
    os.write(writing, buffer.getvalue())
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert len(audio.load(pipe)) == 8000


def test_block_length_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        next(audio.blocks(np.zeros(10), 16000, block_s=0))


def test_blocks_are_about_as_long_as_asked(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, sine(48000, 10), 48000)
    lengths = [len(block) / 16000 for block in audio.blocks(path, block_s=2)]
    assert 4 <= len(lengths) <= 6
    assert max(lengths) < 2.5


def test_find_files_folders_and_patterns(tmp_path):
    names = ["b.wav", "a.MP3", "deep/er/c.flac", ".hidden.wav", ".cache/d.wav", "notes.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = audio.find([tmp_path])
    assert [str(p.relative_to(tmp_path)) for p in found] == [
        "a.MP3",
        "b.wav",
        os.path.join("deep", "er", "c.flac"),
    ]
    assert audio.find([tmp_path / "*.wav"]) == [tmp_path / "b.wav"]
    assert audio.find([tmp_path / "**" / "*.flac"]) == [tmp_path / "deep/er/c.flac"]
    assert audio.find([tmp_path / "notes.txt", tmp_path / "b.wav", tmp_path / "b.wav"]) == [
        tmp_path / "notes.txt",
        tmp_path / "b.wav",
    ]
    assert audio.find(str(tmp_path / "b.wav")) == [tmp_path / "b.wav"]


def test_find_takes_brackets_in_a_name_literally(tmp_path):
    path = tmp_path / "take[1].wav"
    path.touch()
    assert audio.find([path]) == [path]


def test_find_names_what_is_missing(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none.wav", tmp_path / "empty", tmp_path / "*.wav"):
        with pytest.raises(AudioError) as caught:
            audio.find([path])
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


class _Pipe(io.BytesIO):
    def seekable(self):
        return False


@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF, 0x7FFFF000], ids=["none yet", "unknown", "too much"])
@pytest.mark.parametrize("piped", [False, True])
def test_a_wav_that_is_still_being_written_gives_what_is_there(tmp_path, stated, piped):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(4000, 0.25), 16000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    for place in (4, 40):
        data[place : place + 4] = stated.to_bytes(4, "little")
    path.write_bytes(data)
    source = _Pipe(bytes(data)) if piped else path
    np.testing.assert_array_equal(audio.load(source), np.full(4000, 0.25, np.float32))


def test_a_pipe_longer_than_memory_is_to_hold(monkeypatch):
    monkeypatch.setattr(output, "IN_MEMORY_BYTES", 1000)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(40_000, 0.25), 16000, format="WAV", subtype="PCM_16")
    assert len(audio.load(_Pipe(buffer.getvalue()))) == 40_000
