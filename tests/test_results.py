"""Tables in README and docs are what the committed result files say."""

import json
from pathlib import Path

import pytest

from emotrace.experiments import shipped, tables
from emotrace.training import config

ROOT = Path(__file__).parents[1]


def test_tables_are_rendered_from_the_results(capsys):
    assert tables.main(ROOT, check=True) == 0, capsys.readouterr().out


def test_a_changed_figure_is_noticed(tmp_path):
    for name in tables.DOCUMENTS:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8").replace("**0.", "**9.", 1))
    for folder in ("experiments", "benchmarks"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    assert tables.main(tmp_path, check=True) == 1
    assert tables.main(tmp_path, check=False) == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("network", shipped.NETWORKS)
@pytest.mark.parametrize("target", shipped.TARGETS)
def test_shipped_configurations_are_valid(network, target):
    settings = shipped.settings(network, target, Path("corpus"))
    assert isinstance(settings, config.Config)
    assert (settings.network, settings.target, settings.seeds) == (network, target, 5)


@pytest.mark.parametrize("network", shipped.NETWORKS)
def test_model_cards_say_what_the_results_say(network):
    result = json.loads((ROOT / "experiments" / "results" / f"shipped-{network}.json").read_text())
    card = ROOT / "src" / "emotrace" / "inference" / "weights" / network / "CARD.md"
    assert card.read_text(encoding="utf-8") == shipped.model_card(network, result)
