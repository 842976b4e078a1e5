import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from emotrace import evaluation, features
from emotrace.cli import main
from emotrace.corpora import recola, stitched
from emotrace.errors import ConfigError, CorpusError, ModelError
from emotrace.features import voice
from emotrace.features.normalisation import Running
from emotrace.inference import model, predictor, streaming
from emotrace.models import dilated
from emotrace.training import export, loop, run
from emotrace.training.config import Config, Normalising

SMALL = {"downup": {"width": 4, "layers": 2}, "dilated": {"width": 4, "layers": 4}}


def small(root, network, target):
    return Config(root=root, target=target, network=network, arguments=SMALL[network], seeds=2, epochs=2)


@pytest.fixture(scope="module", params=sorted(SMALL))
def runs(request, stitched_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for target in ("arousal", "valence"):
        run.train(small(stitched_root, request.param, target), folder / target, show=False)
    return [folder / "arousal", folder / "valence"]


def test_records_hold_what_a_reader_needs(runs):
    record = json.loads((runs[0] / "seed-1" / "record.json").read_text())
    assert record["seed"] == 1
    assert record["config"]["target"] == "arousal"
    assert len(record["history"]) == 2
    assert record["made_with"]["torch"] == torch.__version__
    assert record["dev_ccc"] == record["history"][record["best_epoch"]]["dev_ccc"]
    assert record["device"] == "cpu"


def test_what_the_paper_has_for_a_target_is_the_default():
    assert run._complete(Config(target="valence")).arguments["width"] == 128
    assert "width" not in run._complete(Config()).arguments
    assert run._complete(Config(target="valence", arguments={"width": 8})).arguments["width"] == 8


def test_what_is_recorded_is_not_run_again(runs, monkeypatch):
    monkeypatch.setattr(loop, "fit", lambda *args: pytest.fail("trained again"))
    assert len(run.train(run.read_config(runs[0]), runs[0], show=False)) == 2


def test_what_is_damaged_in_a_run_is_named(runs, tmp_path):
    copied = shutil.copytree(runs[0], tmp_path / "copied")
    for name, use in (
        ("record.json", lambda: run.train(run.read_config(copied), copied, show=False)),
        ("checkpoint.npz", lambda: run.weights(copied, 1)),
    ):
        path = copied / "seed-1" / name
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(ModelError, match=rf"seed-1/{name}: cannot be read .* delete its folder to run it anew"):
            use()


def test_a_folder_keeps_to_one_configuration(runs, stitched_root):
    other = Config(root=stitched_root, seeds=2, epochs=3)
    with pytest.raises(ConfigError, match="another configuration"):
        run.train(other, runs[0], show=False)


def test_a_model_gives_what_pytorch_gives(runs, tmp_path):
    saved = export.export(runs, tmp_path / "mine", "mine", {"summary": "a test", "licence": "none"})
    assert saved.card["summary"] == "a test"
    root = run.read_config(runs[0]).root
    assert root.is_absolute()
    assert str(root.parent) not in (tmp_path / "mine" / "model.json").read_text()
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.normal(size=16000 * 9)).astype(np.float32)
    members = predictor.predict_members(samples, 16000, saved)
    logmel = features.get("logmel")
    rows = logmel.fill(logmel.log_mel(samples), logmel.trace_frames(len(samples)))
    from emotrace.features.normalisation import Statistics

    normalised = logmel.stack(saved.rule.apply(rows, Statistics().update(rows)))
    for column, folder in enumerate(runs):
        target = saved.targets[column]
        for seed, network in enumerate(export.load_networks(folder, run.read_config(folder))):
            wanted = target.gain * loop.predict(network, normalised) + target.offset
            assert np.abs(members[seed, :, column] - wanted).max() < 1e-4 * max(1, abs(target.gain))


def test_a_graph_that_is_not_its_members_is_refused(tmp_path):
    class Ensemble(export.Ensemble):
        def forward(self, features):
            return super().forward(features) + 0.001

    torch.manual_seed(0)
    networks = [dilated.Network(layers=2, width=4, size=8).eval() for _ in range(2)]
    with pytest.raises(ModelError, match=r"trace\.onnx: onnxruntime's output is 1\.0e-03 from PyTorch's"):
        export.write_graph(networks, tmp_path / "trace.onnx", 8, SimpleNamespace(Ensemble=Ensemble))


def test_a_model_that_hears_the_voice_gives_what_pytorch_gives_and_streams(stitched_root, tmp_path):
    rule = Normalising(range_db=20.0, clip=4.0, prior_s=5.0, stopped_db=(12.0, 24.0), steady_sd=True)
    config = replace(small(stitched_root, "dilated", "valence"), front_end="voice", normalisation=rule, epochs=1)
    run.train(config, tmp_path / "runs", show=False)
    saved = export.export([tmp_path / "runs"], tmp_path / "voice", "voice", {})
    assert (saved.front_end, saved.rule.voice, len(saved.rule.prior_sd)) == ("voice", 2, 42)
    assert "rhythm" in saved.ranges
    samples = (0.1 * np.random.default_rng(0).normal(size=16000 * 9)).astype(np.float32)
    rows = voice.extract(samples).reshape(-1, voice.bins)
    normalised = saved.rule.apply(rows, saved.rule.statistics(voice.bins).update(rows)).reshape(-1, voice.size)
    members = predictor.predict_members(samples, 16000, saved)
    for seed, network in enumerate(export.load_networks(tmp_path / "runs", run.read_config(tmp_path / "runs"))):
        wanted = saved.targets[0].gain * loop.predict(network, normalised) + saved.targets[0].offset
        np.testing.assert_allclose(members[seed, :, 0], wanted, atol=1e-4 * max(1, abs(saved.targets[0].gain)))
    stream = streaming.Stream(saved)
    streamed = [stream.push(piece) for piece in np.array_split(samples, 7)] + [stream.finish()]
    assert sum(len(trace.values) for trace in streamed) == len(samples) // 640


def test_a_model_that_is_behind_by_little_goes_on_frame_by_frame(stitched_root, tmp_path):
    for target in ("arousal", "valence"):
        config = small(stitched_root, "dilated", target)
        rule = replace(config.normalisation, running=True, prior_s=5.0, range_db=35.0)
        arguments = {**SMALL["dilated"], "look_ahead_frames": 3}
        run.train(replace(config, arguments=arguments, normalisation=rule), tmp_path / target, show=False)
    saved = export.export([tmp_path / "arousal", tmp_path / "valence"], tmp_path / "mine", "mine", {})
    assert saved.ages == ((2, 1), (4, 2), (8, 4), (16, 8))
    assert saved.rule.running
    samples = (0.1 * np.random.default_rng(0).normal(size=16000 * 5)).astype(np.float32)
    rows = features.get("logmel").extract(samples)
    normalised = Running(saved.rule).push(rows.reshape(-1, 40)).reshape(rows.shape)
    wanted = np.clip(saved.members(normalised).mean(axis=0), -1, 1)
    stream = streaming.Stream(saved)
    assert stream.latency_s == pytest.approx((3 + 1) * 0.04 + 0.015)
    traces = [stream.push(piece) for piece in np.split(samples, [7, 640, 30000])] + [stream.finish()]
    np.testing.assert_allclose(np.concatenate([trace.values for trace in traces]), wanted, rtol=0, atol=1e-5)
    assert [len(trace) for trace in traces] == [0, 0, 46 - 3, 124 - 46, 1 + 3]


def test_a_folder_is_not_claimed_by_a_configuration_that_cannot_run(stitched_root, tmp_path):
    with pytest.raises(CorpusError):
        run.train(Config(root=tmp_path / "nowhere"), tmp_path / "out", show=False)
    assert not (tmp_path / "out").exists()


def development(runs):
    config = run.read_config(runs[0])
    networks = export.load_networks(runs[0], config)
    data = export.prepare(config, runs[0].parent / "features")
    traces = {
        e.recording: np.mean([loop.predict(n, e.normalised(data.rule)) for n in networks], axis=0) for e in data.dev
    }
    return config, networks, data, traces


def test_calibration_gives_traces_the_mean_and_sd_of_the_gold_standard(runs, monkeypatch):
    config, networks, data, traces = development(runs)
    monkeypatch.setattr(stitched, "spans", lambda root, target: [])
    gain, offset = export.calibrate(config, networks, data)
    trace, gold = gain * np.concatenate(list(traces.values())) + offset, np.concatenate([e.gold for e in data.dev])
    assert trace.std() == pytest.approx(gold.std(), rel=1e-2)
    assert trace.mean() == pytest.approx(gold.mean(), abs=1e-2)


def test_calibration_goes_halfway_to_the_ratings_of_a_stitched_corpus(runs, monkeypatch):
    config, networks, data, traces = development(runs)
    both, _ = export.calibrate(config, networks, data)
    said = [span for span in stitched.spans(config.root, config.target) if span[0] in traces]
    rated, heard = evaluation.utterance_means(traces, said)
    monkeypatch.setattr(stitched, "spans", lambda root, target: [])
    of_gold, _ = export.calibrate(config, networks, data)
    assert both == pytest.approx(np.sqrt(of_gold * rated.std() / heard.std()), rel=1e-3)


def test_calibration_leaves_out_what_is_not_rated(runs, monkeypatch):
    config, networks, data, _ = development(runs)
    monkeypatch.setattr(stitched, "spans", lambda root, target: [])
    (whole,) = data.dev
    gold = np.where(np.arange(len(whole.gold)) < 100, np.float32(np.nan), whole.gold)
    gain, offset = export.calibrate(config, networks, replace(data, dev=[replace(whole, gold=gold)]))
    trace = np.mean([loop.predict(n, whole.normalised(data.rule)) for n in networks], axis=0)[100:]
    assert gain == pytest.approx(whole.gold[100:].std() / trace.std(), rel=1e-2)
    assert offset == pytest.approx(whole.gold[100:].mean() - gain * trace.mean(), abs=1e-3)


def test_the_card_says_where_the_calibration_comes_from(runs, stitched_root, tmp_path):
    fitted = export.export(runs, tmp_path / "fitted", "mine", {})
    assert set(fitted.card["calibration"].values()) == {"fitted on the development recordings"}
    given = export.export(runs, tmp_path / "given", "mine", {}, calibration={"arousal": (1.5, 0.1)})
    assert given.card["calibration"]["arousal"] == "given to the export"
    assert (given.targets[0].gain, given.targets[0].offset) == (1.5, 0.1)
    run.train(
        replace(small(stitched_root, "downup", "arousal"), seeds=1, fit_all=True), tmp_path / "all" / "a", show=False
    )
    seen = export.export([tmp_path / "all" / "a"], tmp_path / "seen", "mine", {})
    assert "were trained on them too" in seen.card["calibration"]["arousal"]


def test_a_seed_that_fails_does_not_end_the_others(stitched_root, tmp_path, monkeypatch):
    fit = loop.fit

    def failing(config, seed, *arguments):
        if seed == 0:
            raise ModelError(f"seed {seed}, epoch 1: the loss is nan; lower learning_rate")
        return fit(config, seed, *arguments)

    config = replace(small(stitched_root, "downup", "arousal"), epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "fit", failing)
        with pytest.raises(ModelError, match=r"seed 0, epoch 1: the loss is nan.*the other seeds are done") as error:
            run.train(config, tmp_path / "out", show=False)
    assert "\n" not in str(error.value)
    assert [path.parent.name for path in (tmp_path / "out").glob("seed-*/record.json")] == ["seed-1"]
    assert [record["seed"] for record in run.train(config, tmp_path / "out", show=False)] == [0, 1]


def test_a_relative_root_is_found_from_anywhere(stitched_root, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "corpus").symlink_to(stitched_root)
    monkeypatch.chdir(tmp_path / "project")
    config = replace(small(Path("corpus"), "downup", "arousal"), seeds=1, epochs=1)
    run.train(config, Path("runs"), show=False)
    monkeypatch.chdir(tmp_path)
    saved = export.export([Path("project/runs")], tmp_path / "mine", "mine", {})
    assert saved.card["configuration"]["arousal"]["root"] == "corpus"
    # A project that is moved keeps its runs, and exports where its corpus is below it.
    Path("project").rename("moved")
    with pytest.raises(ConfigError, match=r"moved/runs: its corpus is not at .*project/corpus; put it there, or call"):
        export.export([Path("moved/runs")], tmp_path / "again", "mine", {})
    monkeypatch.chdir(tmp_path / "moved")
    assert len(run.train(config, Path("runs"), show=False)) == 1
    assert export.export([Path("runs")], tmp_path / "again", "mine", {}).name == "mine"


def test_an_unfinished_run_is_not_exported(runs, tmp_path):
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        export.export([tmp_path], tmp_path / "mine", "mine", {})
    with pytest.raises(ConfigError, match="one folder a target"):
        export.export([runs[0], runs[0]], tmp_path / "mine", "mine", {})
    assert not (tmp_path / "mine").exists()


def test_targets_may_differ_in_how_they_were_trained(stitched_root, tmp_path):
    for target, stop_after, shuffled in (("arousal", 1, 0.5), ("valence", 2, 0.0)):
        config = replace(small(stitched_root, "downup", target), seeds=1, fit_all=True, stop_after=stop_after)
        config = replace(config, shuffled_share=shuffled)
        run.train(config, tmp_path / target, show=False)
    saved = export.export([tmp_path / "arousal", tmp_path / "valence"], tmp_path / "mine", "mine", {})
    assert [target.name for target in saved.targets] == ["arousal", "valence"]


def test_a_folder_that_is_no_model_is_not_replaced(runs, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(ConfigError, match="is no model"):
        export.export(runs, tmp_path / "mine", "mine", {})
    assert (tmp_path / "mine" / "thesis.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_model_is_replaced_whole(runs, tmp_path):
    export.export(runs, tmp_path / "mine", "first", {})
    with pytest.raises(ConfigError, match="--force"):
        export.export(runs, tmp_path / "mine", "second", {})
    assert model.load(tmp_path / "mine").name == "first"
    export.export(runs, tmp_path / "mine", "second", {}, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert model.load(tmp_path / "mine").name == "second"


def test_the_command_warns_in_one_line_and_names_the_calibration(stitched_root, tmp_path, monkeypatch):
    survey = recola.survey
    unrated = next(r.id for r in recola.load(stitched_root) if r.partition == "train")

    def without(root):
        there = survey(root)
        kept = [replace(r, load_ratings=None) if r.id == unrated else r for r in there.recordings]
        return replace(there, recordings=kept)

    monkeypatch.setattr(recola, "survey", without)
    (tmp_path / "a.yaml").write_text(
        f"root: {stitched_root}\narguments: {{width: 4, layers: 2}}\nseeds: 1\nepochs: 1\nfit_all: true\n"
    )
    trained = CliRunner().invoke(main, ["train", str(tmp_path / "a.yaml"), "-o", str(tmp_path / "a")])
    assert trained.exit_code == 0, trained.output
    assert f"warning: {unrated}: no frame is rated for arousal; it is left out\n" in trained.stderr
    exported = CliRunner().invoke(main, ["export", str(tmp_path / "a"), "-o", str(tmp_path / "mine")])
    assert exported.exit_code == 0, exported.output
    assert "arousal: gain and offset fitted on the development recordings; the networks were trained" in exported.stdout
