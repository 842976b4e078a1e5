"""Figures, timing and the page: by hand, and all of it at once on a synthetic corpus from the command line."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from emotrace.cli import main
from emotrace.errors import ConfigError, CorpusError, EmotraceError
from emotrace.experiments import drawing, figure1, figure4, figure5, paper, paper_tables, published, timing
from emotrace.experiments.study import Study
from emotrace.report import reproduction

GREEN = Path(__file__).parents[2] / "shared" / "data" / "green"


@pytest.fixture(scope="module")
def everything(stitched_root, tmp_path_factory):
    """The folder of results of `reproduce all --quick`, and what it printed."""
    runs = tmp_path_factory.mktemp("all") / "runs"
    told = ["--corpus", "recola", "--root", str(stitched_root), "--systems", "dilated,downup", "--quick"]
    done = CliRunner().invoke(main, ["reproduce", "all", *told, "--runs", str(runs)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return runs / "quick-results" / "stitched", done.output


def result(everything, name):
    return json.loads((everything[0] / f"{name}.json").read_text())


class TestAll:
    def test_every_figure_and_table_is_there(self, everything):
        folder, printed = everything
        assert {path.stem for path in folder.glob("*.json")} == set(paper.TITLES)
        assert {path.stem for path in folder.glob("*.png")} == set(drawing.DRAWN)
        assert all(title in printed for title in paper.TITLES.values())

    def test_the_page_stands_alone(self, everything):
        page = (everything[0] / "report.html").read_text(encoding="utf-8")
        assert page.count("data:image/png;base64,") == len(drawing.DRAWN)
        assert "no figure here is a result" in page
        assert "RECOLA (paper): dev CCC" in page
        assert not re.search(r"(?:src|href)=.https?:", page)
        assert "<script" not in page

    def test_a_reduced_budget_is_said_everywhere(self, everything):
        for name in paper.TITLES:
            made = result(everything, name)
            assert made["quick"]
            assert made["command"].endswith("--quick")
            assert "stitched, quick" in "\n".join(paper.lines(name, made))

    def test_systems_are_told_where_they_are_chosen(self, everything):
        chosen = {name for name in paper.TITLES if "--systems dilated,downup" in result(everything, name)["command"]}
        assert chosen == {"table1", "table2", "figure5"}

    def test_equal_parameters_take_turns(self, everything):
        made = result(everything, "timing")
        counts = [row["parameters"] for row in made["networks"].values()]
        assert max(counts) < 1.05 * min(counts)
        assert made["machine"]["processor"]
        assert made["blstm_times_downup"] > 0

    def test_figure_one_holds_every_run(self, everything):
        made = result(everything, "figure1")
        assert made["frames"] == list(figure1.QUICK_FRAMES)
        for target in made["targets"].values():
            assert [len(scores) for scores in target["ccc"]] == [2, 2, 2]
            assert target["mean"] == pytest.approx([np.mean(scores) for scores in target["ccc"]], abs=1e-5)

    def test_figure_five_shows_what_moves(self, everything):
        made = result(everything, "figure5")
        for target in made["targets"].values():
            assert set(target["traces"]) == set(figure5.SHOWN)
            assert {len(trace) for trace in target["traces"].values()} == {len(target["gold"])}
            assert all(row["mean"] > 0 and row["devices"] == ["cpu"] for row in target["roughness"].values())
            target["roughness"]["downup"]["devices"] = ["Abacus 3000"]
        (note,) = [line for line in paper.lines("figure5", made) if "Abacus" in line]
        assert note == "- Down/up: networks on Abacus 3000"


@pytest.mark.parametrize(
    ("name", "option"),
    [("figure4", "--seeds"), ("figure4", "--systems"), ("figure1", "--systems"), ("timing", "--seeds")],
)
def test_options_that_would_change_nothing_are_refused(name, option, tmp_path):
    done = CliRunner().invoke(main, ["reproduce", name, "--corpus", "recola", "--root", str(tmp_path), option, "3"])
    assert done.exit_code == 2
    assert f"No such option '{option}'" in done.output


class TestFigureFour:
    def test_the_longest_rated_stretch(self):
        nan = np.nan
        assert figure4.longest(np.array([nan, 1, 2, nan, 3, 4, 5, nan])).tolist() == [3, 4, 5]
        assert figure4.longest(np.array([1.0, 2.0, nan])).tolist() == [1, 2]
        assert figure4.longest(np.array([nan, nan])).tolist() == []

    def test_slow_traces_survive_and_fast_ones_do_not(self):
        time_s = np.arange(7500) / 25
        slow, fast = (figure4._studied([np.sin(2 * np.pi * hz * time_s)]) for hz in (0.05, 5.0))
        assert slow["power_below_1hz"]["mean"] > 0.999
        assert slow["largest_factor_within_5_percent"] == 128
        assert fast["power_below_1hz"]["mean"] < 0.001
        assert fast["largest_factor_within_5_percent"] == 2
        assert fast["ccc_mean"][3] < 0.1

    def test_ratings_that_never_move_are_left_out(self):
        made = figure4._studied([np.zeros(100), np.sin(np.arange(100) / 20)])
        assert made["recordings"] == 1

    def test_ratings_that_all_stand_still_are_said_to(self, stitched_root, tmp_path, monkeypatch):
        study = Study("recola", stitched_root, tmp_path / "runs", tmp_path, show=False)
        still = SimpleNamespace(gold=np.full(100, 0.2))
        monkeypatch.setattr(Study, "known", lambda self, target: {"one": still})
        with pytest.raises(CorpusError, match="arousal never moves within a recording"):
            figure4.reproduce(study)

    @pytest.mark.skipif(not GREEN.exists(), reason="../shared/data/green is not here")
    def test_green_traces_are_slow_as_well(self):
        made = figure4._green(GREEN, "TaskA")
        assert made["raters"]["recordings"] == 10
        assert all(each["power_below_1hz"]["mean"] > 0.95 for each in made.values())


def test_a_command_that_is_told_makes_the_same_again(stitched_root, tmp_path, monkeypatch):
    study = Study("recola", stitched_root, tmp_path / "runs", tmp_path, only=("dilated",), show=False)
    monkeypatch.setattr(figure4, "_green", lambda root, task: {})
    plain = "emotrace reproduce figure4 --corpus recola --root ROOT"
    assert figure4.reproduce(study)["command"] == plain
    assert figure4.reproduce(study, tmp_path)["command"] == plain.replace("figure4", "figure4 --green DIR")


class TestFigureFive:
    def test_the_liveliest_stretch(self):
        golds = {"a": np.zeros(100), "b": np.zeros(100), "c": np.full(100, np.nan)}
        golds["b"][60:70] = 1.0
        name, stretch = figure5.liveliest(golds, 20)
        assert name == "b"
        assert len(golds["b"][stretch]) == 20
        assert golds["b"][stretch].std() == 0.5

    def test_recordings_that_are_shorter_are_shown_whole(self):
        assert figure5.liveliest({"a": np.array([0.0, 1.0])}, 1000) == ("a", slice(0, 2))

    def test_recordings_that_are_shorter_give_way_to_those_that_are_not(self):
        golds = {"short": np.array([-1.0, 1.0]), "long": np.linspace(0, 0.1, 30)}
        assert figure5.liveliest(golds, 10)[0] == "long"

    def test_where_nothing_is_rated_for_as_long_the_longest_stretches_are_shown(self):
        gold = np.r_[np.zeros(5), np.nan, np.linspace(0, 1, 6), np.nan, np.linspace(0, 2, 6)]
        assert figure5.liveliest({"a": gold, "b": np.zeros(3)}, 1000) == ("a", slice(13, 19))

    def test_systems_are_added(self, stitched_root, tmp_path):
        def made(*told):
            folders = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path)]
            corpus = ["--corpus", "recola", "--root", str(stitched_root), "--quick"]
            done = CliRunner().invoke(main, ["reproduce", "figure5", *corpus, *folders, *told], catch_exceptions=False)
            assert done.exit_code == 0, done.output
            return json.loads((tmp_path / "stitched" / "figure5.json").read_text())

        before = made("--systems", "dilated,downup,ridge")
        after = made("--systems", "dilated,downup,single_filter", "--add")
        assert list(after["titles"]) == ["dilated", "downup", "ridge", "single_filter"]
        assert "--systems dilated,downup,ridge,single_filter" in after["command"]
        for target, found in after["targets"].items():
            assert list(found["roughness"]) == list(after["titles"])
            assert found["roughness"]["ridge"] == before["targets"][target]["roughness"]["ridge"]

    def test_both_networks_are_needed(self, stitched_root, tmp_path):
        with pytest.raises(EmotraceError, match="add dilated to --systems"):
            figure5.reproduce(Study("recola", stitched_root, tmp_path, tmp_path, only=("downup",), show=False))


def test_widths_that_make_networks_as_large():
    aim = timing.parameters(timing.as_large("dilated", 10, 5000))
    assert abs(aim - 5000) < 500


def test_an_unknown_system_is_named(stitched_root):
    done = CliRunner().invoke(
        main, ["reproduce", "table1", "--corpus", "recola", "--root", str(stitched_root), "--systems", "downdown"]
    )
    assert done.exit_code == 2
    assert "no system is called 'downdown'" in done.output


def test_tuned_settings_that_are_none_are_named(stitched_root, tmp_path):
    study = Study("recola", stitched_root, tmp_path / "runs", tmp_path, tmp_path / "configs", ("downup",), show=False)
    path = tmp_path / "configs" / "stitched" / "downup-arousal.yaml"
    path.parent.mkdir(parents=True)
    for text in ("- a list", "a: [", "a: b: c"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"downup-arousal\.yaml"):
            replace(study).plan("downup", "arousal")


def test_the_papers_figures_are_the_papers():
    for target, rows in published.RECOLA.items():
        best = max(rows, key=lambda name: rows[name][1])
        assert best == "downup"
        assert set(rows) == {"avec2016", "brady", "povolny", "blstm", "dilated", "downup"}, target


def test_what_stands_in_cells_is_text_and_no_markup():
    page = reproduction(
        [{"name": "t", "title": "T", "columns": ["a"], "rows": [["**<1>** & 2"]], "notes": ["<b>"]}], "T", "s"
    )
    assert "<b>&lt;1&gt;</b> &amp; 2" in page
    assert "<li>&lt;b&gt;</li>" in page


def test_a_cell_cannot_break_a_table():
    assert paper_tables.Sheet(["a"], [["x | y"]]).lines()[-1] == "| x / y |"
