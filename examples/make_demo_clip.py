"""Make examples/demo.flac, 45 seconds of two synthetic voices in changing moods, and the list of who speaks when.

The voices are those of espeak-ng (https://github.com/espeak-ng/espeak-ng); the text was written for this file. Nobody
was recorded, so the clip may be used for anything. It shows what the program does, not how well: synthetic moods are
a matter of pitch, rate and loudness alone.

Run as ``python examples/make_demo_clip.py``. The same version of espeak-ng gives the same files, bit for bit.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from emotrace import audio
from emotrace.corpora.stitched import room_noise

HERE = Path(__file__).parent
SEED = 20260
LEAD_S = 0.6
SNR_DB = 40.0


@dataclass(frozen=True)
class Passage:
    """What is said and how, in espeak-ng's units; ``gain_db`` is added and ``pause_s`` of room follow."""

    speaker: str
    text: str
    pitch: int
    pitch_range: int
    words_a_minute: int
    gain_db: float
    pause_s: float


VOICES = {"anna": "en-us+f3", "ben": "en-gb+m3"}

PASSAGES = (
    Passage("anna", "Good morning. The kettle is on, and there is bread on the table.", 48, 40, 150, -6, 0.7),
    Passage("ben", "Thank you. It is quiet today. I will sit by the window for a while.", 38, 35, 140, -7, 1.0),
    Passage("anna", "Wait! Look at that! They are here, they are really here, open the door!", 82, 95, 215, 3, 0.4),
    Passage("ben", "What? Already? No way! Run, run, I can hear them on the stairs!", 75, 95, 220, 3, 1.4),
    Passage("ben", "It was only the postman. They are not coming. I waited so long.", 18, 12, 105, -9, 1.2),
    Passage("anna", "I know. I am so sorry. The house feels empty now.", 25, 15, 105, -10, 1.3),
    Passage(
        "anna",
        "Oh, but listen to this letter! They are on the next train, with a cake!",
        68,
        80,
        175,
        -1,
        0.5,
    ),
    Passage("ben", "A cake? Wonderful! Then let us put up the lights, and sing all evening!", 62, 85, 175, -1, 0.9),
)


def speak(passage: Passage) -> np.ndarray:
    """Let espeak-ng say a passage: (n,) float32 at 16 kHz, loud as its gain asks.

    Raises:
        SystemExit: espeak-ng is not installed, or fails.
    """
    settings = {"-v": VOICES[passage.speaker], "-p": passage.pitch, "-s": passage.words_a_minute}
    words = [str(part) for pair in settings.items() for part in pair]
    ssml = f'<prosody range="{passage.pitch_range}">{passage.text}</prosody>'
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "said.wav"
        try:
            subprocess.run(["espeak-ng", *words, "-m", "-w", str(wav), ssml], capture_output=True, check=True)
        except FileNotFoundError:
            sys.exit("espeak-ng is not installed; get it by: apt-get install espeak-ng, or: brew install espeak-ng")
        except subprocess.CalledProcessError as error:
            sys.exit(f"espeak-ng failed: {error.stderr.decode(errors='replace').strip()}")
        if not wav.exists():
            sys.exit("espeak-ng does not know an option of this script; use version 1.51 or later")
        said = audio.load(wav)
    voice = trimmed(said)
    rms = np.sqrt(np.mean(voice**2))
    return (0.08 * 10 ** (passage.gain_db / 20) / rms * voice).astype(np.float32)


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Cut off the silence at both ends, so that the pauses are those of the script and the segments fit."""
    heard = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[heard[0] : heard[-1] + 1]


def make(flac: Path, rttm: Path) -> None:
    """Write the clip and its segments."""
    parts, lines = [np.zeros(round(LEAD_S * audio.RATE_HZ), dtype=np.float32)], []
    for passage in PASSAGES:
        start = sum(map(len, parts))
        parts += [speak(passage), np.zeros(round(passage.pause_s * audio.RATE_HZ), dtype=np.float32)]
        start_s, length_s = start / audio.RATE_HZ, len(parts[-2]) / audio.RATE_HZ
        lines.append(f"SPEAKER {flac.stem} 1 {start_s:.3f} {length_s:.3f} <NA> <NA> {passage.speaker} <NA> <NA>\n")
    clip = np.concatenate(parts)
    noise = room_noise(len(clip), np.random.default_rng(SEED))
    clip += np.sqrt(np.mean(clip**2)) * 10 ** (-SNR_DB / 20) * noise
    soundfile.write(flac, np.clip(clip, -1, 1), audio.RATE_HZ, subtype="PCM_16")
    rttm.write_text("".join(lines))
    print(f"{flac}: {len(clip) / audio.RATE_HZ:.1f} s, peak {np.abs(clip).max():.2f}; {rttm}: {len(lines)} segments")


if __name__ == "__main__":
    make(HERE / "demo.flac", HERE / "demo_speakers.rttm")
