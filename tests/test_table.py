"""Tables 1 and 2 on systems whose scores are known."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from trees import studyforrest as tree

from emotrace import metrics, systems
from emotrace.errors import ConfigError, CorpusError, ModelError, SoundlessError
from emotrace.experiments import paper_tables, significance, table
from emotrace.experiments.study import CONFIGS, LABELS, Study, rounded
from emotrace.systems import materials

CCC = "ccc_population_concatenated"


@dataclass(frozen=True)
class Settings:
    front_end: str = "logmel"


def system(fit, title, seeded=True):
    return SimpleNamespace(TITLE=title, SOURCE="none", SEEDED=seeded, Settings=Settings, SPACE={}, fit=fit)


def telling(offset, by_seed=0.0):
    """Tells the gold standard, too high by an amount: scores that are known."""
    return lambda task, settings: lambda material: np.nan_to_num(material.gold) + offset + by_seed * (-1) ** task.seed


def failing(task, settings):
    raise ValueError("it never works")


def half_failing(task, settings):
    return telling(0.1)(task, settings) if task.seed == 0 else failing(task, settings)


@pytest.fixture
def toys(monkeypatch):
    found = {
        "downup": system(telling(0.0, by_seed=0.2), "Down/up"),
        "ridge": system(telling(0.3), "Ridge", seeded=False),
        "bad": system(failing, "Bad"),
        "half": system(half_failing, "Half"),
    }
    monkeypatch.setattr(systems, "_systems", lambda: found)
    return found


@pytest.fixture
def compared(stitched_root, tmp_path):
    return Study(
        "recola", stitched_root, tmp_path / "runs", tmp_path / "results", tmp_path / "configs", seeds=2, show=False
    )


class TestTable:
    def test_scores_by_hand(self, compared, toys):
        made = table.reproduce(compared, ["arousal"])["arousal"]
        row = made["rows"]["downup"]
        assert row["test"]["averaged"]["rmse_concatenated"] == pytest.approx(0.0, abs=1e-6)
        assert row["test"]["averaged"][CCC] == pytest.approx(1.0)
        assert row["dev"]["runs_mean"]["rmse_concatenated"] == pytest.approx(0.2)
        assert row["dev"]["runs_sd"]["rmse_concatenated"] == pytest.approx(0.0, abs=1e-6)
        assert (row["runs"], row["empty"], row["failed"]) == (2, None, [])
        ridge = made["rows"]["ridge"]
        assert ridge["runs"] == 1
        assert ridge["test"]["averaged"]["rmse_concatenated"] == pytest.approx(0.3)
        assert ridge["test"]["runs_sd"][CCC] is None
        assert made["command"] == "emotrace reproduce table1 --corpus recola --root ROOT --seeds 2"

    def test_the_comparison_is_of_recordings(self, compared, toys):
        made = table.reproduce(compared, ["arousal"])["arousal"]
        known = compared.known("arousal")
        golds = [known[name].gold for name in made["recordings"]["test"]]
        less = [metrics.ccc_population(gold, gold + 0.3) - 1 for gold in golds]
        found = made["rows"]["ridge"]["against_downup"]
        assert found["difference"] == pytest.approx(np.mean(less), abs=1e-5)
        assert found["p"] == significance.sign_flip(less)
        assert "against_downup" not in made["rows"]["downup"]

    def test_no_cell_is_empty_without_its_reason(self, compared, toys, capsys):
        made = table.reproduce(compared, ["arousal"])["arousal"]
        assert made["rows"]["bad"]["empty"] == "ValueError: it never works"
        assert (made["rows"]["half"]["runs"], made["rows"]["half"]["failed"]) == (1, ["ValueError: it never works"])
        text = "\n".join(paper_tables.scores(made).lines())
        assert "- Bad: empty, because ValueError: it never works" in text
        assert "- Half: some runs failed: ValueError: it never works" in text

    def test_a_device_is_told_where_it_is_not_the_processor(self, compared, toys):
        table.reproduce(compared, ["arousal"])
        for job in compared.plan("downup", "arousal"):
            record = json.loads((job.folder / "record.json").read_text())
            (job.folder / "record.json").write_text(json.dumps({**record, "device": "Abacus 3000"}))
        made = table.reproduce(compared, ["arousal"])["arousal"]
        assert made["rows"]["downup"]["devices"] == ["Abacus 3000"]
        assert made["rows"]["ridge"]["devices"] == ["cpu"]
        text = "\n".join(paper_tables.scores(made).lines())
        assert text.count("networks on") == 1
        assert "- Down/up: networks on Abacus 3000" in text

    def test_the_same_in_any_order(self, compared, toys, tmp_path):
        table.reproduce(compared)
        other = replace(compared, runs=tmp_path / "other", results=tmp_path / "backwards")
        jobs = [
            job for target in ("valence", "arousal") for each in table.runs_of(other, target).values() for job in each
        ]
        other.run(jobs[::-1])
        table.reproduce(other)
        for name in ("table1", "table2"):
            own, again = (
                {**json.loads((s.results / "stitched" / f"{name}.json").read_text()), "seconds": None}
                for s in (compared, other)
            )
            for each in (own, again):
                for row in each["rows"].values():
                    row.pop("seconds", None)
            assert own == again

    def test_systems_that_were_left_out_are_named(self, compared, toys):
        whole = paper_tables.scores(table.reproduce(compared, ["arousal"])["arousal"])
        assert not any(note.startswith("Not run") for note in whole.notes)
        alone = replace(compared, only=("downup",))
        part = paper_tables.scores(table.reproduce(alone, ["arousal"])["arousal"])
        assert part.notes[0].startswith("Not run here: ")
        assert "Down/up" not in part.notes[0]

    def test_settings_that_were_tuned_on_another_corpus_are_marked(self, compared, toys):
        own, reduced = (study.labels_of_all("arousal") for study in (compared, replace(compared, quick=True)))
        assert own == reduced == compared.labels("arousal")
        folder = compared.configs / "stitched"
        folder.mkdir(parents=True)
        (folder / "downup-arousal.yaml").write_text(f"labels: {own!r}\nfront_end: mfcc\n")
        (folder / "ridge-arousal.yaml").write_text("labels: 0123456789abcdef\nfront_end: mfcc\n")
        (folder / "half-arousal.yaml").write_text("front_end: mfcc\n")
        made = table.reproduce(compared, ["arousal"])["arousal"]
        assert made["rows"]["ridge"]["settings"]["partitions"] == {"front_end": "mfcc"}
        titles = [cells[0] for cells in paper_tables.scores(made).rows]
        assert sorted(titles) == [
            "Bad (not tuned)",
            "Down/up",
            "Half (tuned on another corpus)",
            "Ridge (tuned on another corpus)",
        ]

    def test_the_winners_that_ship_say_what_they_were_tuned_on(self):
        results = Path(__file__).parents[1] / "experiments" / "results" / "stitched"
        for target, number in table.NUMBERS.items():
            known = json.loads((results / f"{number}.json").read_text())["labels"]
            files = sorted((CONFIGS / "stitched").glob(f"*-{target}.yaml"))
            assert files
            assert {yaml.safe_load(path.read_text())[LABELS] for path in files} == {known}

    def test_how_often_the_test_part_was_looked_at(self, compared, toys):
        assert table.reproduce(compared, ["arousal"])["arousal"]["test_scored"] == 1
        assert table.reproduce(compared, ["arousal"])["arousal"]["test_scored"] == 1
        alone = replace(compared, only=("downup",))
        assert table.reproduce(alone, ["arousal"])["arousal"]["test_scored"] == 1
        more = replace(compared, seeds=3)
        assert table.reproduce(more, ["arousal"])["arousal"]["test_scored"] == 2

    def test_a_damaged_count_is_named(self, compared, toys):
        alone = replace(compared, only=("ridge",))
        table.reproduce(alone, ["arousal"])
        (compared.folder / "times-scored.json").write_text("{")
        with pytest.raises(ModelError, match=r"times-scored\.json: cannot be read .* delete it to count anew"):
            table.reproduce(alone, ["arousal"])

    def test_rows_are_added_to_a_table_as_if_all_had_been_made_at_once(self, compared, toys, tmp_path):
        whole = table.reproduce(compared, ["arousal"])["arousal"]
        parts = replace(compared, runs=tmp_path / "elsewhere", results=tmp_path / "parts", add=True)
        table.reproduce(replace(parts, only=("bad", "downup")), ["arousal"])
        made = table.reproduce(replace(parts, runs=tmp_path / "again", only=("half", "ridge")), ["arousal"])["arousal"]
        for row in (*whole["rows"].values(), *made["rows"].values()):
            row.pop("seconds", None)
        assert list(made["rows"]) == list(whole["rows"])
        assert {key: made[key] for key in ("command", "not_run", "recordings", "labels", "test_scored")} == {
            key: whole[key] for key in ("command", "not_run", "recordings", "labels", "test_scored")
        }
        assert json.loads(json.dumps(rounded(made["rows"]))) == json.loads(json.dumps(rounded(whole["rows"])))

    def test_comparisons_with_another_down_up_do_not_stay(self, compared, toys):
        added = replace(compared, only=("downup",), add=True)
        table.reproduce(replace(compared, only=("downup", "half", "ridge")), ["arousal"])
        path = compared.results / "stitched" / "table1.json"
        held = json.loads(path.read_text())
        del held["rows"]["half"]["per_recording"]  # as in files made before recordings' scores were kept
        path.write_text(json.dumps(held))
        kept = table.reproduce(replace(added, only=("ridge",)), ["arousal"])["arousal"]["rows"]
        assert {name for name in kept if "against_downup" in kept[name]} == {"half", "ridge"}
        made = table.reproduce(added, ["arousal"])["arousal"]["rows"]
        assert {name for name in made if "against_downup" in made[name]} == {"ridge"}

    def test_rows_are_not_added_to_other_labels(self, compared, toys):
        table.reproduce(replace(compared, only=("downup",)), ["arousal"])
        path = compared.results / "stitched" / "table1.json"
        other = path.read_text().replace('"labels": "', '"labels": "0')
        for text, reason in ((other, "of other recordings or labels"), ("{", "cannot be added to")):
            path.write_text(text)
            with pytest.raises(ConfigError, match=reason):
                table.reproduce(replace(compared, only=("ridge",), add=True), ["arousal"])
            assert path.read_text() == text
        table.reproduce(replace(compared, only=("ridge",)), ["arousal"])
        assert list(json.loads(path.read_text())["rows"]) == ["ridge"]

    def test_published_figures_stand_in_columns_of_their_own(self, compared, toys):
        header, _, *rows = paper_tables.scores(table.reproduce(compared, ["valence"])["valence"]).lines()
        columns = [cell.strip() for cell in header.split("|")[1:-1]]
        assert [c for c in columns if "RECOLA" in c] == columns[-4:]
        (downup,) = [row for row in rows if row.startswith("| Down/up")]
        assert [cell.strip() for cell in downup.split("|")[-5:-1]] == [".107", ".592", ".117", ".502"]
        assert rows[0].startswith("| Down/up")  # the best one first


class TestRotation:
    @pytest.fixture
    def film(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tree, "RUNS", {"1": 0.0, "2": 8.0, "3": 16.0})
        tree.make(tmp_path / "film")
        return Study(
            "studyforrest",
            tmp_path / "film",
            tmp_path / "runs",
            tmp_path / "results",
            tmp_path / "configs",
            seeds=1,
            show=False,
        )

    def test_every_recording_is_tested_by_a_fold_that_never_met_it(self, film, toys):
        made = table.reproduce(film, ["arousal"])["arousal"]
        assert made["recordings"]["test"] == sorted(film.known("arousal"))
        assert set(made["rows"]["ridge"]["groups"]) == {"av", "ao"}
        assert made["rows"]["ridge"]["settings"]["run-1"] == {"front_end": materials.GIVEN}

    def test_a_system_that_listens_says_why_it_cannot(self, film, toys):
        def listening(task, settings):
            raise SoundlessError("ao_run-1: has no sound, which waveform needs")

        toys["deaf"] = system(listening, "Deaf")
        row = table.reproduce(film, ["arousal"])["arousal"]["rows"]["deaf"]
        assert row["empty"] == "ao_run-1: has no sound, which waveform needs"
        assert row["failed"] == []

    def test_labels_that_are_missing_are_no_lack_of_sound(self, film, toys):
        def starved(task, settings):
            raise CorpusError("no frame of the training part is rated; check its labels")

        toys["starved"] = system(starved, "Starved")
        row = table.reproduce(film, ["arousal"])["arousal"]["rows"]["starved"]
        assert row["failed"]
        assert all("no frame of the training part is rated" in line for line in row["failed"])
