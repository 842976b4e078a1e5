import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml

from emotrace.errors import ConfigError
from emotrace.features.normalisation import Normalisation
from emotrace.training import config as configuration
from emotrace.training.augmentation import Strength
from emotrace.training.config import Config, Normalising, read
from emotrace.training.dataset import Example


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return path

    return write


def refusal(path, *settings):
    with pytest.raises(ConfigError) as caught:
        read(path, settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestDefaults:
    def test_nothing_given_is_the_default(self, written):
        assert read(None) == Config()
        assert read(written("")) == Config()
        assert read(written("# nothing but a remark\n")) == Config()

    def test_are_the_paper_s_where_it_states_one(self):
        config = Config()
        assert (config.network, config.front_end, config.seeds) == ("downup", "logmel", 5)
        assert (config.lag_s, config.variants, config.averaging) == (0.0, 0, 0.0)
        assert config.normalising() == Normalisation()
        assert config.arguments == {}

    def test_two_configurations_share_nothing(self):
        Config().arguments["width"] = 1
        assert Config().arguments == {}


class TestOverlay:
    def test_a_file_states_its_difference(self, written):
        config = read(written("target: valence\narguments:\n  width: 128\nnormalisation:\n  range_db: 40\n"))
        assert config == Config(target="valence", arguments={"width": 128}, normalisation=Normalising(range_db=40.0))

    def test_settings_lie_over_the_file(self, written):
        path = written("target: valence\nseeds: 3\narguments: {width: 128, layers: 3}\n")
        config = read(path, ["seeds=7", "arguments.width=16", "arguments.dropout=0.2"])
        assert (config.target, config.seeds) == ("valence", 7)
        assert config.arguments == {"width": 16, "layers": 3, "dropout": 0.2}

    def test_the_last_setting_wins(self):
        assert read(None, ["seeds=1", "seeds=2"]).seeds == 2

    def test_settings_reach_inside_of_what_the_file_does_not_mention(self):
        config = read(None, ["normalisation.prior_s=10", "augmentation.room=0", "arguments.width=8"])
        assert config.normalisation == Normalising(prior_s=10.0)
        assert config.augmentation == Strength(room=0.0)
        assert config.normalising() == Normalisation(prior_s=10.0)

    def test_an_equals_sign_in_the_value(self):
        assert read(None, ["root=data/a=b"]).root == Path("data/a=b")

    def test_survives_json_and_yaml(self):
        config = read(None, ["root=some/where", "normalisation.clip=5", "augmentation.room_s=[0.2, 0.4]", "l2=1e-4"])
        assert read_text(json.dumps(config.as_dict())) == config
        assert read_text(yaml.safe_dump(json.loads(json.dumps(config.as_dict())))) == config


def read_text(text):
    values = yaml.safe_load(text)
    return read(None, [f"{key}={json.dumps(value)}" for key, value in values.items()])


class TestTypes:
    @pytest.mark.parametrize("value", ["1e-3", "0.001", "1.0e-3", "1E-3"])
    def test_numbers_with_and_without_a_dot(self, written, value):
        for config in (read(written(f"learning_rate: {value}\n")), read(None, [f"learning_rate={value}"])):
            assert config.learning_rate == 0.001
            assert type(config.learning_rate) is float

    def test_whole_numbers_for_floats(self):
        config = read(None, ["lag_s=3", "normalisation.range_db=40"])
        assert type(config.lag_s) is type(config.normalisation.range_db) is float

    def test_none_where_none_is_meant(self, written):
        assert read(written("normalisation: {range_db: null}")).normalisation.range_db is None

    def test_ranges_are_tuples_and_paths_are_paths(self):
        config = read(None, ["augmentation.room_s=[0.2, 0.4]", "root=data"])
        assert config.augmentation.room_s == (0.2, 0.4)
        assert config.root == Path("data")

    @pytest.mark.parametrize(
        ("setting", "key", "kind"),
        [
            ("seeds=many", "seeds", "int"),
            ("seeds=1.5", "seeds", "int"),
            ("seeds=true", "seeds", "int"),
            ("seeds=[1]", "seeds", "int"),
            ("fit_all=1", "fit_all", "bool"),
            ("learning_rate=fast", "learning_rate", "float"),
            ("learning_rate=", "learning_rate", "float"),
            ("learning_rate=true", "learning_rate", "float"),
            ("target=3", "target", "str"),
            ("arguments=3", "arguments", "dict"),
            ("normalisation=3", "normalisation", "Normalising"),
            ("normalisation.range_db=wide", "normalisation.range_db", "float"),
            ("augmentation.room_s=0.3", "augmentation.room_s", "tuple"),
            ("root=3", "root", "Path"),
        ],
    )
    def test_wrong_ones_are_named(self, setting, key, kind):
        message = refusal(None, setting)
        assert f"{key} wants {kind}, not " in message

    @pytest.mark.parametrize("value", ["[0.2]", "[0.2, 0.3, 0.4]", "[some, more]", "[0.2, null]"])
    def test_ranges_are_two_numbers(self, value):
        assert "augmentation.room_s" in refusal(None, f"augmentation.room_s={value}")

    def test_numbers_in_ranges_are_numbers(self):
        assert read(None, ["augmentation.room_s=[1e-1, 1]"]).augmentation.room_s == (0.1, 1.0)

    def test_unknown_schedule(self):
        assert "constant" in refusal(None, "schedule=cosin")


class TestRanges:
    @pytest.mark.parametrize(
        ("setting", "fault"),
        [
            ("seeds=0", "seeds is 0; it must be at least 1"),
            ("epochs=0", "epochs is 0; it must be at least 1"),
            ("patience=-1", "patience is -1; it must be at least 1"),
            ("variants=-1", "variants is -1; it must be at least 0"),
            ("stop_after=-1", "stop_after is -1; it must be at least 0"),
            ("lag_s=-0.1", "lag_s is -0.1; it must be at least 0"),
            ("l2=-1", "l2 is -1.0; it must be at least 0"),
            ("learning_rate=0", "learning_rate is 0.0; it must be above 0"),
            ("learning_rate=-0.1", "learning_rate is -0.1; it must be above 0"),
            ("learning_rate=.nan", "learning_rate is nan; it must be above 0"),
            ("learning_rate=.inf", "learning_rate is inf; it must be above 0"),
            ("averaging=1.5", "averaging is 1.5; it must be between 0 and 1"),
            ("normalisation.cut_share=2", "normalisation.cut_share is 2.0; it must be between 0 and 1"),
            ("normalisation.steady_sd=true", "normalisation.steady_sd takes the SD of the training speech"),
            ("normalisation.clip=0", "normalisation.clip is 0.0; it must be above 0"),
            ("normalisation.cut_s=[0, 1]", "normalisation.cut_s is [0.0, 1.0]; it must be two numbers, the lower"),
            ("normalisation.cut_s=[3, 1]", "normalisation.cut_s is [3.0, 1.0]; it must be two numbers, the lower"),
            ("augmentation.room=-0.1", "augmentation.room is -0.1; it must be between 0 and 1"),
            ("augmentation.speed_range=[0, 1]", "augmentation.speed_range is [0.0, 1.0]; it must be two numbers"),
            ("augmentation.gate_db=[45, 25]", "augmentation.gate_db is [45.0, 25.0]; it must be two numbers"),
        ],
    )
    def test_numbers_that_no_run_can_make_sense_of(self, setting, fault):
        assert refusal(None, setting).startswith(f"--set: {fault}")

    def test_edges_are_in(self):
        settings = ["seeds=1", "averaging=1", "lag_s=0", "augmentation.room=1", "normalisation.cut_s=[0.04, 0.04]"]
        assert read(None, settings).normalisation.cut_s == (0.04, 0.04)

    def test_every_number_has_limits(self):
        for kind, limits in configuration._LIMITS.items():
            numbers = {f.name for f in fields(kind) if any(name in str(f.type) for name in ("int", "float"))}
            assert set(limits) == numbers

    def test_the_shortest_pieces_come_to_an_end(self):
        whole = Example("R", np.zeros((50, 8), np.float32), np.zeros(50, np.float32), 8)
        assert len(whole.cut((0.04, 0.04), np.random.default_rng(0))) == 49


class TestMistakes:
    def test_unknown_key(self, written):
        path = written("targets: valence\n")
        message = refusal(path)
        assert message.startswith(f"{path}: unknown key targets; known: ")
        assert all(f.name in message for f in fields(Config))

    def test_unknown_key_inside(self, written):
        assert "unknown key normalisation.range; known: range_db" in refusal(written("normalisation: {range: 3}\n"))
        assert "unknown key augmentation.rooms" in refusal(None, "augmentation.rooms=1")

    def test_keys_that_are_no_words(self, written):
        assert "unknown key 1" in refusal(written("1: 2\n"))
        assert "unknown key" in refusal(None, "=2")

    @pytest.mark.parametrize("text", ["- 1\n- 2\n", "valence\n", "3\n"])
    def test_not_a_mapping(self, written, text):
        path = written(text)
        assert refusal(path).startswith(f"{path}: a configuration is a list of 'key: value' lines")

    @pytest.mark.parametrize("text", ["a: [1, 2\n", "a: b: c\n", "\tseeds: 3\n", "seeds: !!python/name:os.system\n"])
    def test_not_yaml(self, written, text):
        path = written(text)
        assert refusal(path).startswith(f"{path}: cannot be read as a YAML configuration: ")

    def test_not_text(self, tmp_path):
        path = tmp_path / "run.yaml"
        path.write_bytes(b"target: \xff\xfe\n")
        assert refusal(path) == f"{path}: is not text in UTF-8; save it as UTF-8, as YAML"

    def test_missing_file(self, tmp_path):
        path = tmp_path / "absent.yaml"
        assert refusal(path) == f"{path}: cannot be read (No such file or directory); check the path"

    def test_a_folder(self, tmp_path):
        assert refusal(tmp_path) == f"{tmp_path}: cannot be read (Is a directory); check the path"

    def test_setting_without_a_value(self):
        assert refusal(None, "seeds").startswith("--set seeds: wants key=value")

    def test_setting_that_is_no_yaml(self):
        assert refusal(None, "arguments=[1").startswith("--set arguments=[1: ")

    def test_setting_inside_of_a_value(self, written):
        assert "seeds holds a value" in refusal(written("seeds: 3\n"), "seeds.first=1")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "src/emotrace/experiments/configs").glob("*.yaml")), ids=str
)
def test_every_shipped_configuration_is_one(path):
    assert isinstance(read(path), Config)
