"""Aff-Wild2: valence before arousal, -5 where invalid, a video of 29.97 frames a second, a sound that was extracted."""

from fractions import Fraction

import numpy as np

from trees import sound, text, trace

LABEL_FILES = ("VA_Estimation_Challenge/*/*.txt",)
# A video without labels may be of the test part, or of another track.
UNTOLD = ("VA_Estimation_Challenge/*/*.txt",)
ANYWHERE = ("videos/*", "audio/*")
RATE_HZ = Fraction(30000, 1001)
FRAMES = 60
INVALID = (0, 30)


def content(frames, seed=0):
    values = np.column_stack([trace(frames, seed), trace(frames, seed + 1)])
    lines = [f"{valence:.3f},{arousal:.3f}\n" for valence, arousal in values]
    for frame in INVALID:
        lines[frame] = "-5,-5\n"
    return "valence,arousal\n" + "".join(lines)


def video(path, frames=FRAMES, rate_hz=RATE_HZ):
    """A small film with sound of the same length."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=rate_hz)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        voice = container.add_stream("aac", rate=44100, layout="stereo")
        for number in range(frames):
            grey = np.full((32, 32, 3), 4 * (number % 60), np.uint8)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(pictures.encode())
        samples = 0.1 * np.random.default_rng(0).normal(size=(2, round(44100 * frames / rate_hz))).astype(np.float32)
        for start in range(0, samples.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(samples[:, start : start + 1024].copy(), format="fltp", layout="stereo")
            block.sample_rate, block.pts, block.time_base = 44100, start, Fraction(1, 44100)
            container.mux(voice.encode(block))
        container.mux(voice.encode())
    return path


def make(root):
    labels = root / "VA_Estimation_Challenge"
    text(labels / "Train_Set/1-30-640x480.txt", content(FRAMES))
    text(labels / "Train_Set/video5_left.txt", content(FRAMES, 5))
    text(labels / "Train_Set/video5_right.txt", content(FRAMES, 7))
    text(labels / "Validation_Set/8-30.txt", content(40, 9))
    video(root / "videos/1-30-640x480.mp4")
    video(root / "videos/video5.mp4")
    sound(root / "audio/8-30.wav", 1.6, 48000)
    text(root / "frame_rates.csv", "video,frames_per_second\n8-30,25\n")
    return root
