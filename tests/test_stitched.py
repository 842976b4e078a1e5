import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotrace import audio, corpora
from emotrace.annotation import agreement
from emotrace.corpora import recola, stitched
from emotrace.corpora.stitched import Placed, Settings, Utterance, simulate_raters, stitch, truth
from emotrace.errors import CorpusError, EmotraceError

SHORT = Settings(duration_s=20.0)
HEADER = "file,speaker,arousal_mean,valence_mean\n"


def tree_hash(root):
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(str(path.relative_to(root)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rated(points, speaker="s"):
    return [
        Utterance(f"{number}.wav", Path(f"{number}.wav"), speaker, tuple(point)) for number, point in enumerate(points)
    ]


def walk(duration_s=300.0, seed=0):
    """A truth as utterances of some seconds make it: (rows, 1), new values every 2 to 5 s."""
    rng = np.random.default_rng(seed)
    placed, at = [], 0
    while at < duration_s * 16000:
        placed.append(Placed(Utterance("a", Path("a"), "s", tuple(rng.uniform(-0.8, 0.8, 2))), at, at + 16000))
        at += round(16000 * rng.uniform(2, 5))
    return truth(placed, duration_s)[:, 0]


def refusal(call, *arguments, **settings):
    with pytest.raises(CorpusError) as caught:
        call(*arguments, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def corpus(ratings_csv, tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "corpus"
    stitch(ratings_csv, root, seed=1, settings=SHORT)
    return root


class TestSeed:
    def test_one_seed_is_one_corpus_bit_for_bit(self, ratings_csv, corpus, tmp_path):
        stitch(ratings_csv, tmp_path / "again", seed=1, settings=SHORT)
        assert tree_hash(tmp_path / "again") == tree_hash(corpus)

    def test_nor_does_it_matter_where_the_utterances_lie(self, ratings_csv, corpus, tmp_path):
        moved = tmp_path / "moved"
        moved.symlink_to(ratings_csv.parent, target_is_directory=True)
        stitch(moved / "ratings.csv", tmp_path / "again", seed=1, settings=SHORT)
        assert tree_hash(tmp_path / "again") == tree_hash(corpus)

    def test_another_seed_is_another_corpus(self, ratings_csv, corpus, tmp_path):
        stitch(ratings_csv, tmp_path / "other", seed=2, settings=SHORT)
        for path in sorted(corpus.rglob("P*.*")):
            assert (tmp_path / "other" / path.relative_to(corpus)).read_bytes() != path.read_bytes()

    def test_an_empty_folder_will_do(self, ratings_csv, corpus, tmp_path):
        (tmp_path / "empty").mkdir()
        stitch(ratings_csv, tmp_path / "empty", seed=1, settings=SHORT)
        assert tree_hash(tmp_path / "empty") == tree_hash(corpus)


class TestLayout:
    def test_the_recola_reader_reads_it(self, corpus):
        recordings = recola.load(corpus)
        assert [r.id for r in recordings] == ["P16", "P17", "P18", "P19"]
        assert [r.speaker for r in recordings] == ["s0", "s1", "s2", "s3"]
        for recording in recordings:
            samples = audio.load(recording.audio)
            assert len(samples) == 20 * 16000
            for target in ("arousal", "valence"):
                ratings = recording.ratings(target)
                assert ratings.values.shape == (501, 6)
                assert len(corpora.match_length(ratings.values, len(samples) // 640, recording.id)) == 500

    def test_five_minutes_are_7501_rows(self, ratings_csv, tmp_path):
        one = tmp_path / "one.csv"
        rows = [f"{ratings_csv.parent}/audio/s0_{n}.wav,s0,{0.1 * n:.1f},{-0.1 * n:.1f}\n" for n in range(6)]
        one.write_text(HEADER + "".join(rows))
        stitch(one, tmp_path / "out", seed=0)
        (recording,) = recola.load(tmp_path / "out")
        assert soundfile.info(recording.audio).frames == 300 * 16000
        ratings = recording.ratings("arousal")
        assert len(ratings.time_s) == 7501
        assert ratings.time_s[-1] == pytest.approx(300.0)
        assert len(corpora.match_length(ratings.values, 300 * 16000 // 640, "P16")) == 7500

    def test_every_speaker_is_in_one_partition(self, ratings_csv, tmp_path):
        settings = Settings(duration_s=5.0, recordings_per_speaker=2)
        stitch(ratings_csv, tmp_path / "out", seed=0, settings=settings, splits=(2, 1, 1))
        rows = table(tmp_path / "out" / "partition.csv")
        assert list(rows[0]) == ["id", "partition", "speaker"]
        assert sorted(row["id"] for row in rows) == [f"P{number}" for number in range(16, 24)]
        assert sorted(row["partition"] for row in rows) == ["dev"] * 2 + ["test"] * 2 + ["train"] * 4
        assert len({(row["speaker"], row["partition"]) for row in rows}) == 4
        assert {r.id: r.partition for r in recola.load(tmp_path / "out")} == {r["id"]: r["partition"] for r in rows}

    def test_calls_itself_stitched(self, corpus):
        record = json.loads((corpus / "stitched.json").read_text())
        assert (record["kind"], record["seed"]) == ("stitched", 1)
        assert record["settings"]["duration_s"] == 20.0
        assert set(record["agreement"]) == {"arousal", "valence"}

    def test_says_what_it_reached(self, corpus, ratings_csv, tmp_path):
        reached = stitch(ratings_csv, tmp_path / "again", seed=1, settings=SHORT)
        assert reached == json.loads((corpus / "stitched.json").read_text())["agreement"]

    def test_progress_sees_every_recording(self, ratings_csv, tmp_path):
        seen = []

        def progress(names):
            for name in names:
                seen.append(name)
                yield name

        stitch(ratings_csv, tmp_path / "out", seed=0, settings=Settings(duration_s=5.0), progress=progress)
        assert seen == ["P16", "P17", "P18", "P19"]


class TestUtterances:
    def test_the_table_says_what_is_heard_when(self, corpus, ratings_csv):
        rows = table(corpus / "utterances.csv")
        ratings = {row["file"]: row for row in table(ratings_csv)}
        speakers = {row["id"]: row["speaker"] for row in table(corpus / "partition.csv")}
        sounds = {name: audio.load(corpus / "RECOLA-Audio-recordings" / f"{name}.wav") for name in speakers}
        for row in rows:
            assert row["speaker"] == speakers[row["id"]] == ratings[row["file"]]["speaker"]
            assert float(row["arousal"]) == float(ratings[row["file"]]["arousal_mean"])
            assert float(row["valence"]) == float(ratings[row["file"]]["valence_mean"])
            source = audio.load(ratings_csv.parent / row["file"])
            assert float(row["end_s"]) - float(row["start_s"]) == pytest.approx(len(source) / 16000, abs=2e-4)
            # Times have four decimals, which leaves a sample open. At 30 dB or more, the room is all that differs.
            about, sound = round(float(row["start_s"]) * 16000), sounds[row["id"]]
            differences = [sound[at : at + len(source)] - source for at in range(about - 1, about + 2)]
            assert min(np.sqrt(np.mean(d**2)) for d in differences) < 10 ** (-29 / 20) * 0.3

    def test_do_not_overlap(self, corpus):
        for name in ("P16", "P17", "P18", "P19"):
            rows = [row for row in table(corpus / "utterances.csv") if row["id"] == name]
            times = [float(row[key]) for row in rows for key in ("start_s", "end_s")]
            assert times == sorted(times)
            assert times[-1] <= 20
            pauses = np.diff(times)[1::2]
            assert pauses.min() >= 0.299

    def test_none_is_repeated_before_all_are_used(self, ratings_csv, tmp_path):
        stitch(ratings_csv, tmp_path / "out", seed=3, settings=Settings(duration_s=60.0))
        for name in ("P16", "P17", "P18", "P19"):
            files = [row["file"] for row in table(tmp_path / "out" / "utterances.csv") if row["id"] == name]
            assert len(files) > 18
            for start in range(0, len(files) - 5, 6):
                assert len(set(files[start : start + 6])) == 6
            assert len(set(files[len(files) // 6 * 6 :])) == len(files) % 6

    def test_takes_of_one_speaker_differ(self, ratings_csv, tmp_path):
        settings = Settings(duration_s=15.0, recordings_per_speaker=2)
        stitch(ratings_csv, tmp_path / "out", seed=0, settings=settings)
        orders = {}
        for row in table(tmp_path / "out" / "utterances.csv"):
            orders.setdefault((row["speaker"], row["id"]), []).append((row["file"], row["start_s"]))
        assert len(orders) == 8
        assert len({tuple(order) for order in orders.values()}) == 8

    @pytest.mark.parametrize("rate_hz", [8000, 11025, 44100, 48000, 96000])
    @pytest.mark.parametrize("extra", [0, 1, 2, 3, 5])
    def test_of_other_sample_rates(self, tmp_path, rate_hz, extra):
        sound = 0.1 * np.sin(2 * np.pi * 200 * np.arange(rate_hz // 2 + extra) / rate_hz)
        soundfile.write(tmp_path / "a.wav", sound, rate_hz)
        (tmp_path / "ratings.csv").write_text(HEADER + "a.wav,s,0.5,-0.5\n")
        stitch(tmp_path / "ratings.csv", tmp_path / "out", seed=0, settings=Settings(duration_s=4.0))
        assert len(audio.load(tmp_path / "out" / "RECOLA-Audio-recordings" / "P16.wav")) == 64000


class TestMood:
    def neighbours(self, drift, seed=0):
        """Mean distance of utterances that follow each other within a round of 40."""
        points = np.random.default_rng(seed).uniform(-1, 1, (40, 2))
        order = stitched._drifting(rated(points), drift, np.random.default_rng([seed, 1]))
        drawn = np.array([next(order).rating for _ in range(40)])
        assert len(np.unique(drawn, axis=0)) == 40
        return np.linalg.norm(np.diff(drawn, axis=0), axis=1).mean()

    def test_neighbours_are_nearer_than_in_a_random_order(self):
        random = np.mean([self.neighbours(1e6, seed) for seed in range(30)])
        # Two random points of a square of side 2 are 1.043 apart on average.
        assert random == pytest.approx(1.043, abs=0.06)
        lasting, fleeting = (
            np.mean([self.neighbours(drift, seed) for seed in range(30)]) for drift in Settings().drift
        )
        assert lasting < 0.55 * random
        assert fleeting < 0.9 * random

    def test_a_stitched_recording_drifts(self, tmp_path):
        rng = np.random.default_rng(0)
        points = rng.uniform(-0.9, 0.9, (30, 2)).round(3)
        soundfile.write(tmp_path / "a.wav", 0.1 * rng.normal(size=8000), 16000)
        rows = []
        for number, (arousal, valence) in enumerate(points):
            (tmp_path / f"{number}.wav").symlink_to(tmp_path / "a.wav")
            rows.append(f"{number}.wav,s,{arousal},{valence}\n")
        (tmp_path / "ratings.csv").write_text(HEADER + "".join(rows))
        settings = Settings(duration_s=150.0)
        stitch(tmp_path / "ratings.csv", tmp_path / "out", seed=0, settings=settings)
        heard = np.array(
            [[float(r[t]) for t in ("arousal", "valence")] for r in table(tmp_path / "out/utterances.csv")]
        )
        distances = np.linalg.norm(points[:, None] - points[None], axis=2)
        random = distances.sum() / (30 * 29)
        assert np.linalg.norm(np.diff(heard, axis=0), axis=1).mean() < 0.8 * random


class TestTruth:
    PLACED = (
        Placed(Utterance("a", Path("a"), "s", (0.1, 0.2)), 8000, 24000),
        Placed(Utterance("b", Path("b"), "s", (0.3, 0.4)), 32000, 48000),
    )

    def test_holds_a_rating_from_its_start_until_the_next_one_s(self):
        values = truth(list(self.PLACED), 4.0)
        assert values.shape == (101, 2)
        assert values[:50].tolist() == [[0.1, 0.2]] * 50
        assert values[50:].tolist() == [[0.3, 0.4]] * 51

    @pytest.mark.parametrize(("duration_s", "rows"), [(300.0, 7501), (10.0, 251), (0.04, 2)])
    def test_a_row_every_40_ms_and_one_for_the_end(self, duration_s, rows):
        assert len(truth(list(self.PLACED), duration_s)) == rows


class TestRaters:
    @pytest.mark.parametrize("target", ["arousal", "valence"])
    def test_agree_as_much_as_they_are_told(self, target):
        settings = Settings().raters[target]
        rated, reached = simulate_raters([walk(seed=seed) for seed in range(8)], settings, [0])
        ccc = np.mean([agreement.mean_pairwise_ccc(values) for values in rated])
        assert ccc == pytest.approx(settings.ccc_raw, abs=0.01)
        assert reached["ccc_raw"] == pytest.approx(settings.ccc_raw, abs=0.01)
        assert reached["ccc_centred"] > reached["ccc_raw"]
        assert reached["noise_sd"] > 0

    @pytest.mark.parametrize("wanted", [0.15, 0.25, 0.33])
    def test_agreement_is_what_the_noise_is_set_for(self, wanted):
        settings = replace(Settings().raters["arousal"], ccc_raw=wanted)
        rated, _ = simulate_raters([walk(seed=seed) for seed in range(8)], settings, [0])
        ccc = np.mean([agreement.mean_pairwise_ccc(values) for values in rated])
        assert ccc == pytest.approx(wanted, abs=0.01)

    def test_more_agreement_than_gains_and_biases_allow_takes_no_noise(self):
        settings = replace(Settings().raters["arousal"], ccc_raw=0.99)
        _, reached = simulate_raters([walk(60.0)], settings, [0])
        assert reached["noise_sd"] == 0
        assert 0 < reached["ccc_raw"] < 0.99

    def test_an_agreement_that_is_not_reached_is_told(self):
        settings = Settings()
        reached = {"arousal": {"ccc_raw": 0.272}, "valence": {"ccc_raw": 0.1}}
        (line,) = stitched.short_of(reached, settings)
        assert line.startswith(
            "valence: the simulated raters do not reach the agreement of RECOLA's (0.100, not 0.370)"
        )

    @pytest.mark.parametrize("target", ["arousal", "valence"])
    def test_answer_with_their_lag(self, target):
        settings = Settings().raters[target]
        truths = [walk(seed=seed) for seed in range(8)]
        rated, _ = simulate_raters(truths, settings, [0])
        lags = range(0, 200)
        correlation = [
            np.mean(
                [
                    np.corrcoef(values[lag:].mean(axis=1), t[: len(t) - lag])[0, 1]
                    for values, t in zip(rated, truths, strict=True)
                ]
            )
            for lag in lags
        ]
        assert 0.04 * int(np.argmax(correlation)) == pytest.approx(settings.lag_s, abs=0.4)
        assert max(correlation) > 0.6

    def test_their_mean_is_steady_between_changes(self):
        settings = replace(Settings().raters["arousal"], ccc_raw=0.99)
        (values,), _ = simulate_raters([np.full(500, 0.3)], settings, [0])
        np.testing.assert_allclose(values, np.tile(values[:1], (500, 1)))
        assert values.mean() == pytest.approx(0.3, abs=0.05)

    def test_keep_to_the_scale_and_four_decimals(self):
        rated, _ = simulate_raters([walk(60.0)], Settings().raters["valence"], [0])
        assert rated[0].shape == (1501, 6)
        assert np.abs(rated[0]).max() <= 1
        np.testing.assert_array_equal(rated[0], rated[0].round(4))

    def test_seeded(self):
        first, again, other = (
            simulate_raters([walk(20.0)], Settings().raters["valence"], [seed])[0][0] for seed in (0, 0, 1)
        )
        assert (first == again).all()
        assert (first != other).any()


class TestRoom:
    def test_noise_lies_as_far_under_speech_as_it_should(self, ratings_csv):
        utterances = stitched.read_utterances(ratings_csv)[:3]
        placed = [Placed(u, 32000 * n + 8000, 32000 * n + 24000) for n, u in enumerate(utterances)]
        sound = stitched.render(placed, Settings(duration_s=6.0, snr_db=(25.0, 25.0)), np.random.default_rng(0))
        assert sound.dtype == np.float32
        spoken = np.concatenate([audio.load(p.utterance.file) for p in placed])
        pauses = np.concatenate([sound[:8000], sound[24000:40000], sound[56000:72000], sound[88000:]])
        snr_db = 10 * np.log10(np.mean(spoken.astype(float) ** 2) / np.mean(pauses.astype(float) ** 2))
        assert snr_db == pytest.approx(25, abs=0.5)

    def test_noise_falls_by_6_db_an_octave_above_200_hz(self):
        noise = stitched.room_noise(160000, np.random.default_rng(0))
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(1, abs=1e-3)
        power = np.square(np.abs(np.fft.rfft(noise.reshape(-1, 1600)))).mean(axis=0)
        octaves = [10 * np.log10(power[hz // 10 : hz // 5].mean()) for hz in (400, 800, 1600)]
        assert np.diff(octaves) == pytest.approx([-6, -6], abs=1.2)


class TestMalformed:
    def table(self, tmp_path, *lines, header=HEADER):
        soundfile.write(tmp_path / "a.wav", np.zeros(8000), 16000)
        path = tmp_path / "ratings.csv"
        path.write_text(header + "".join(f"{line}\n" for line in lines))
        return path

    @pytest.mark.parametrize(
        ("bad", "fault"),
        [
            ("a.wav,s,loud,0.1", "must be numbers"),
            ("a.wav,s,0.1,", "must be numbers"),
            ("a.wav,s,0.1", "must be numbers"),
            ("a.wav,s,1.2,0.1", r"in \[-1, 1\]"),
            ("a.wav,s,0.1,nan", r"in \[-1, 1\]"),
            ("a.wav,s,-inf,0.1", r"in \[-1, 1\]"),
            (",s,0.1,0.1", "file or speaker is empty"),
            ("a.wav,,0.1,0.1", "file or speaker is empty"),
            ("b.wav,s,0.1,0.1", "no such audio file: .*b.wav"),
        ],
    )
    def test_row_is_named(self, tmp_path, bad, fault):
        path = self.table(tmp_path, "a.wav,s,0.5,0.5", bad, "a.wav,s,0.5,0.5")
        message = refusal(stitch, path, tmp_path / "out", seed=0)
        assert message.startswith(f"{path}, line 3: ")
        with pytest.raises(CorpusError, match=fault):
            stitched.read_utterances(path)
        assert not (tmp_path / "out").exists()

    def test_blank_lines_count(self, tmp_path):
        path = self.table(tmp_path, "a.wav,s,0.5,0.5", "", "a.wav,s,loud,0.1")
        assert refusal(stitched.read_utterances, path).startswith(f"{path}, line 4: ")

    @pytest.mark.parametrize("header", ["", "file,speaker,arousal_mean\n", "file;speaker;arousal_mean;valence_mean\n"])
    def test_header(self, tmp_path, header):
        path = self.table(tmp_path, "a.wav,s,0.5,0.5", header=header)
        message = refusal(stitched.read_utterances, path)
        assert message.startswith(f"{path}: no column ")
        assert "valence_mean" in message

    def test_no_rows(self, tmp_path):
        assert "no utterance" in refusal(stitched.read_utterances, self.table(tmp_path))

    def test_nothing_there(self, tmp_path):
        path = tmp_path / "absent.csv"
        message = refusal(stitched.read_utterances, path)
        assert message == f"{path}: No such file or directory; check the file and its permissions"

    def test_a_folder(self, tmp_path):
        assert str(tmp_path) in refusal(stitched.read_utterances, tmp_path)

    def test_not_utf_8(self, tmp_path):
        path = self.table(tmp_path)
        path.write_bytes(HEADER.encode() + "a.wav,s\xe9,0.1,0.1\n".encode("latin-1"))
        assert "line 2: not UTF-8 text; save it as UTF-8" in refusal(stitched.read_utterances, path)

    def test_a_byte_order_mark_and_more_columns_are_fine(self, tmp_path):
        path = self.table(tmp_path)
        path.write_text("valence_mean,x,speaker,file,arousal_mean\n0.25,?,s,a.wav,-0.5\n", encoding="utf-8-sig")
        (utterance,) = stitched.read_utterances(path)
        assert utterance == Utterance("a.wav", tmp_path / "a.wav", "s", (-0.5, 0.25))

    def test_text_for_a_sound_file(self, tmp_path):
        path = self.table(tmp_path, "notes.wav,s,0.5,0.5")
        (tmp_path / "notes.wav").write_text("no sound here\n" * 20)
        with pytest.raises(EmotraceError, match=r"notes\.wav") as error:
            stitch(path, tmp_path / "out", seed=0, settings=SHORT)
        assert "\n" not in str(error.value)

    def test_utterances_longer_than_the_recording(self, tmp_path):
        path = self.table(tmp_path, "a.wav,anna,0.5,0.5")
        message = refusal(stitch, path, tmp_path / "out", seed=0, settings=Settings(duration_s=0.4))
        assert "anna" in message
        assert "0.4 s" in message

    def test_out_is_not_empty(self, tmp_path, ratings_csv):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("mine")
        message = refusal(stitch, ratings_csv, tmp_path / "out", seed=0, settings=SHORT)
        assert message.startswith(f"{tmp_path / 'out'}: exists and is not empty")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]

    def test_out_is_a_file(self, tmp_path, ratings_csv):
        (tmp_path / "out").write_text("mine")
        assert str(tmp_path / "out") in refusal(stitch, ratings_csv, tmp_path / "out", seed=0)
        assert (tmp_path / "out").read_text() == "mine"
