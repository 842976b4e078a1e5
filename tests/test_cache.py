import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotrace import audio, features
from emotrace.errors import AudioError
from emotrace.features import cache, logmel
from emotrace.features.cache import Sound
from emotrace.features.normalisation import Statistics

RATE_HZ = 16000


def write(path, seconds, seed=0):
    samples = 0.1 * np.random.default_rng(seed).normal(size=round(seconds * RATE_HZ))
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
    # Settled: what has just changed is not remembered.
    os.utime(path, (1e9 + seed, 1e9 + seed))
    return path


@pytest.fixture
def sound(tmp_path):
    return Sound(write(tmp_path / "a.wav", 3.333))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def one(folder, sound):
    return cache.entries(folder, "logmel", [sound])[0]


def computed(monkeypatch):
    """What is computed from now on, by its source."""
    seen = []
    compute = cache._compute

    def watched(folder, key, front_end, sound):
        seen.append(sound.source.name)
        compute(folder, key, front_end, sound)

    monkeypatch.setattr(cache, "_compute", watched)
    return seen


def louder(samples, others):
    return 2 * samples, 1.0


def faster(samples, others):
    return samples[::2], 2.0


def mixed(samples, others):
    return samples + sum(other[: len(samples)] for other in others), 1.0


def noisy(samples, others):
    """Draws as many numbers as there are samples, and something after them."""
    rng = np.random.default_rng(7)
    samples = samples + 0.01 * rng.normal(size=len(samples))
    return (rng.uniform(0.5, 1.5) * samples).astype(np.float32), 1.0


class TestEntry:
    @pytest.mark.parametrize("seconds", [0.04, 0.05, 0.0649, 1.0, 3.333])
    def test_is_what_the_front_end_extracts_to_the_bit(self, tmp_path, folder, seconds):
        sound = Sound(write(tmp_path / "a.wav", seconds))
        wanted = logmel.extract(audio.load(sound.source))
        entry = one(folder, sound)
        np.testing.assert_array_equal(entry.features, wanted)
        own = Statistics(40).update(wanted.reshape(-1, 40))
        for name in ("counts", "sums", "squares"):
            np.testing.assert_array_equal(getattr(entry.statistics, name), getattr(own, name))
        assert entry.speed == 1.0

    def test_is_mapped_and_not_loaded(self, folder, sound):
        entry = one(folder, sound)
        assert isinstance(entry.features, np.memmap)
        assert entry.features.dtype == np.float32

    def test_other_processes_give_mapped_features_too(self, tmp_path, folder):
        sounds = [Sound(write(tmp_path / f"{seed}.wav", 1, seed)) for seed in range(3)]
        for sound, entry in zip(sounds, cache.entries(folder, "logmel", sounds, jobs=2), strict=True):
            assert isinstance(entry.features, np.memmap)
            np.testing.assert_array_equal(entry.features, logmel.extract(audio.load(sound.source)))

    @pytest.mark.parametrize("front_end", features.names())
    def test_every_front_end_can_be_kept(self, folder, sound, front_end):
        module = features.get(front_end)
        assert isinstance(module.VERSION, int)
        entry = cache.entries(folder, front_end, [sound])[0]
        assert entry.features.shape == (83, module.size)

    def test_less_than_a_frame(self, tmp_path, folder):
        with pytest.raises(AudioError, match=r"a\.wav: is shorter than a frame"):
            one(folder, Sound(write(tmp_path / "a.wav", 0.03)))
        assert [path.name for path in folder.iterdir()] == ["sounds"]

    def test_a_file_that_is_not_there(self, tmp_path, folder):
        with pytest.raises(AudioError, match=r"absent\.wav: cannot be read"):
            one(folder, Sound(tmp_path / "absent.wav"))

    def test_relative_paths_mean_the_same_to_other_processes(self, tmp_path, monkeypatch):
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            monkeypatch.chdir(tmp_path / name)
            sounds = [Sound(write(Path(f"{seed}.wav"), 1, seed)) for seed in range(2)]
            assert len(cache.entries(Path("cache"), "logmel", sounds, jobs=2)) == 2
            assert len(list(Path("cache").glob("*.json"))) == 2


class TestStretches:
    """Sounds longer than what is held in memory at a time."""

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setattr(cache, "STRETCH_S", 1.0)

    @pytest.mark.parametrize("seconds", [1.0, 1.00007, 1.5, 2.0, 3.333])
    def test_give_what_the_whole_gives(self, tmp_path, folder, seconds):
        sound = Sound(write(tmp_path / "a.wav", seconds))
        wanted = logmel.extract(audio.load(sound.source))
        entry = one(folder, sound)
        assert entry.features.shape == wanted.shape
        np.testing.assert_allclose(entry.features, wanted, atol=1e-5)
        own = Statistics(40).update(wanted.reshape(-1, 40))
        for mine, whole in zip(entry.statistics.moments(), own.moments(), strict=True):
            np.testing.assert_allclose(mine, whole, rtol=1e-5)

    def test_no_more_than_one_is_in_memory(self, sound):
        assert [len(stretch) for stretch in cache._stretches(sound.source)] == [16000, 16000, 16000, 5328]

    def test_changes_draw_the_same_for_each(self, sound):
        lengths = []

        def change(samples, others):
            lengths.append(len(samples))
            return noisy(samples, others)

        changed = np.concatenate([part for part, _ in cache._changed(replace(sound, change=change))])
        plain = audio.load(sound.source)
        assert lengths == [16000] * 4
        assert len(changed) == len(plain)
        gain = noisy(np.zeros(16000), [])[0].std() / (0.01 * np.random.default_rng(7).normal(size=16000)).std()
        for start in (0, 16000, 32000, 48000):
            part = slice(start, start + 16000)
            slope = np.polyfit(plain[part], changed[part], 1)[0]
            assert slope == pytest.approx(gain, abs=0.02)

    def test_speed_keeps_the_length_in_step(self, folder, sound):
        entry = one(folder, replace(sound, change=faster, recipe="faster"))
        assert (len(entry.features), entry.speed) == (83 // 2, 2.0)


class TestKey:
    def names(self, folder):
        return {path.name for path in folder.glob("*.npy")}

    def test_the_second_time_nothing_is_computed(self, folder, sound, monkeypatch):
        first = one(folder, sound)
        seen = computed(monkeypatch)
        np.testing.assert_array_equal(one(folder, sound).features, first.features)
        assert seen == []

    def test_content_and_not_place(self, tmp_path, folder, sound, monkeypatch):
        one(folder, sound)
        seen = computed(monkeypatch)
        moved = sound.source.rename(tmp_path / "b.wav")
        one(folder, Sound(moved))
        assert seen == []
        one(folder, Sound(write(moved, 3.333, seed=1)))
        assert seen == ["b.wav"]

    def test_version_of_the_front_end(self, folder, sound, monkeypatch):
        one(folder, sound)
        seen = computed(monkeypatch)
        monkeypatch.setattr(logmel, "VERSION", logmel.VERSION + 1)
        one(folder, sound)
        assert seen == ["a.wav"]

    def test_what_was_done(self, folder, sound):
        plain, changed = one(folder, sound), one(folder, replace(sound, change=louder, recipe={"gain": 2}))
        np.testing.assert_allclose(changed.features, plain.features + np.log(4), atol=1e-3)

    def test_content_of_what_else_takes_part(self, tmp_path, folder, sound):
        other = write(tmp_path / "other.wav", 4, seed=1)
        babbled = replace(sound, change=mixed, recipe="mixed", others=(other,))
        first = np.array(one(folder, babbled).features)
        write(other, 4, seed=2)
        second = one(folder, babbled).features
        assert (first != second).any()
        np.testing.assert_array_equal(second, logmel.extract(mixed(audio.load(sound.source), [audio.load(other)])[0]))


class TestContent:
    def test_is_hashed_once(self, folder, sound, monkeypatch):
        one(folder, sound)
        monkeypatch.setattr(cache.hashlib, "file_digest", lambda *given: pytest.fail("read again"))
        one(folder, sound)

    def test_a_file_of_another_time_or_size_is_hashed_again(self, folder, sound):
        first = cache._content(folder, sound.source)
        write(sound.source, 3.333, seed=1)
        second = cache._content(folder, sound.source)
        write(sound.source, 2, seed=1)
        assert len({first, second, cache._content(folder, sound.source)}) == 3

    def test_what_has_just_changed_is_not_remembered(self, folder, sound):
        os.utime(sound.source)
        cache._content(folder, sound.source)
        assert not folder.exists()

    def test_a_damaged_memory_is_no_memory(self, folder, sound):
        first = cache._content(folder, sound.source)
        (memory,) = (folder / "sounds").iterdir()
        for text in ("", "{", "[1, 2]", "[]", "null"):
            memory.write_text(text)
            assert cache._content(folder, sound.source) == first

    def test_no_path_is_written_down(self, folder, sound, tmp_path):
        one(folder, sound)
        for path in folder.rglob("*.json"):
            assert str(tmp_path) not in path.read_text()


class TestDamage:
    @pytest.fixture
    def sound(self, tmp_path):
        return Sound(write(tmp_path / "a.wav", 60))

    @pytest.mark.parametrize("which", ["features", "statistics", "note"])
    @pytest.mark.parametrize("how", ["gone", "empty", "cut", "longer", "zeros", "header"])
    def test_is_noticed_and_mended(self, folder, sound, which, how, monkeypatch):
        wanted = np.array(one(folder, sound).features)
        assert wanted.nbytes > 2 * cache._PAGE * cache._PAGES_CHECKED
        (note,) = folder.glob("*.json")
        names = {"features": f"{note.stem}.npy", "statistics": f"{note.stem}.statistics.npy", "note": note.name}
        path = folder / names[which]
        content = path.read_bytes()
        half = len(content) // 2
        damaged = {
            "empty": b"",
            "cut": content[:half],
            "longer": content + bytes(100),
            "zeros": content[: half // 2] + bytes(half) + content[half // 2 + half :],
            "header": b"\x93NUMPY" + bytes(20) + content[26:],
        }
        path.unlink()
        if how != "gone":
            path.write_bytes(damaged[how])
        seen = computed(monkeypatch)
        np.testing.assert_array_equal(one(folder, sound).features, wanted)
        assert seen == ["a.wav"]
        assert path.read_bytes() == content

    def test_a_note_of_something_else(self, folder, sound, monkeypatch):
        one(folder, sound)
        seen = computed(monkeypatch)
        (note,) = folder.glob("*.json")
        for values in ([], 3, {}, {"checks": []}, {**json.loads(note.read_text()), "speed": None}):
            note.write_text(json.dumps(values))
            one(folder, sound)
        assert len(seen) == 5

    def test_killed_before_the_note(self, folder, sound, monkeypatch):
        def killed(*given):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(cache, "_write_json", killed)
            with pytest.raises(KeyboardInterrupt):
                cache._compute(folder, "0" * 32, logmel, sound)
        cache._compute(folder, "0" * 32, logmel, sound)
        np.testing.assert_array_equal(cache._open(folder, "0" * 32).features, one(folder, sound).features)

    def test_killed_while_it_is_written_leaves_nothing(self, folder, sound, monkeypatch):
        def killed(self, samples):
            raise KeyboardInterrupt

        monkeypatch.setattr(logmel.Stream, "push", killed)
        with pytest.raises(KeyboardInterrupt):
            cache._compute(folder, "0" * 32, logmel, sound)
        assert list(folder.iterdir()) == []

    def test_what_is_open_stays_whole_while_another_mends(self, folder, sound):
        entry = one(folder, sound)
        wanted = np.array(entry.features)
        (note,) = folder.glob("*.json")
        cache._compute(folder, note.stem, logmel, sound)
        np.testing.assert_array_equal(entry.features, wanted)

    def test_several_at_once_do_no_harm(self, folder, sound):
        wanted = logmel.extract(audio.load(sound.source))
        found = []
        threads = [threading.Thread(target=lambda: found.append(one(folder, sound).features)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        for values in found:
            np.testing.assert_array_equal(values, wanted)
        assert not list(folder.glob(".*"))


def test_progress_knows_how_many_there_are(tmp_path, folder):
    sounds = [Sound(write(tmp_path / f"{seed}.wav", 1, seed)) for seed in range(3)]
    seen = []

    def progress(work):
        assert len(work) == 3
        for each in work:
            seen.append(each.source.name)
            yield each

    cache.entries(folder, "logmel", sounds, progress=progress)
    assert seen == ["0.wav", "1.wav", "2.wav"]
