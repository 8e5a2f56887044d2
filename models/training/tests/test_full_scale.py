"""The full-scale command: stages in order, calls cut by the clock, parts that come late, failures, what comes back."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from selfracg_training import backbone, bundle, full_scale

# Stands in for a stage's command: leaves a trace, and does what the file named after it in WORK/plan says.
STAGE = """
import pathlib, signal, sys, time
name, work = sys.argv[1], pathlib.Path(sys.argv[3])
with (work / "trace").open("a") as trace: trace.write(name + "\\n")
plan = work / "plan" / name
todo = plan.read_text() if plan.exists() else ""
if todo == "long":
    signal.signal(signal.SIGTERM, lambda *_: (plan.unlink(), sys.exit(143)))
    print("waiting", flush=True)
    time.sleep(60)
sys.exit(int(todo or 0))
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A work folder with a tiny backbone, its data in parts, and stand-ins for the stages."""
    source = tmp_path / "source"
    (source / "shards").mkdir(parents=True)
    np.save(source / "shards" / "train.npy", np.random.default_rng(0).integers(0, 9000, (400, 64)).astype(np.uint16))
    bundle.pack(source, ["shards"], tmp_path / "parts", "data", 30_000, processes=1)
    work = tmp_path / "work"
    backbone.save(backbone.create(backbone.default_config(97, 32, 1, 4, 2, 48, 64)), work / "backbone")
    (work / "plan").mkdir()
    monkeypatch.setattr(full_scale, "python", lambda *arguments: [sys.executable, "-c", STAGE, *arguments])
    return tmp_path


def call(machine, **changes) -> int:
    parser = argparse.ArgumentParser()
    full_scale.add_arguments(parser)
    args = parser.parse_args(["--call-minutes", "0", "--parts", str(machine / "parts"), "--out", str(machine / "out")])
    for name, value in {
        "work": machine / "work",
        "smoke": False,
        "device": "cpu",
        "measures": ["measure stages"],
        **changes,
    }.items():
        setattr(args, name, value)
    return full_scale.run(args)


def trace(machine) -> list[str]:
    return (machine / "work" / "trace").read_text().split()


def test_runs_every_stage_once_and_packs_a_model_of_half_precision(machine):
    assert call(machine) == 0
    assert trace(machine) == ["pretrain", "ing", "stage2", "utility", "measure"]
    assert bundle.join(machine / "out", machine / "home", "model").done
    model = backbone.load(machine / "home" / "backbone", torch.float16)
    assert next(model.parameters()).dtype == torch.float16 and (machine / "home" / "full-scale.jsonl").is_file()
    whole = (machine / "work" / "backbone" / "model.safetensors").read_bytes()
    assert (machine / "home" / "backbone" / "model.safetensors").read_bytes() == whole
    assert call(machine, result_parts="1..1") == 0
    assert len(trace(machine)) == 5


def test_a_stage_that_is_asked_to_stop_goes_on_with_the_next_call(machine, monkeypatch):
    monkeypatch.setattr(full_scale, "LEAST", 0.0)
    monkeypatch.setattr(full_scale, "GRACE", 5.0)
    (machine / "work" / "plan" / "ing").write_text("long")
    assert call(machine, call_minutes=8.0 / 60) == full_scale.TO_BE_CONTINUED
    assert trace(machine) == ["pretrain", "ing"]
    assert (machine / "out" / "logs.json").is_file() and not (machine / "out" / "model.json").exists()
    assert call(machine) == 0
    assert trace(machine) == ["pretrain", "ing", "ing", "stage2", "utility", "measure"]


def test_a_failed_stage_is_noted_and_ends_the_run_only_where_it_is_needed(machine):
    plan = machine / "work" / "plan"
    (plan / "utility").write_text("3")
    (plan / "pretrain").write_text("1")
    assert call(machine) == 1
    assert trace(machine) == ["pretrain"]
    (plan / "pretrain").unlink()
    assert call(machine) == 0
    state = json.loads((machine / "work" / "full-scale.json").read_text())
    assert [failure["stage"] for failure in state["failed"]] == ["pretrain", "utility"]
    assert trace(machine)[-1] == "measure"


def test_training_begins_with_the_parts_that_are_there(machine):
    parts = sorted((machine / "parts").glob("*.xz"))
    assert len(parts) > 1
    parts[-1].rename(machine / "late")
    assert call(machine) == 0
    assert (machine / "work" / "shards" / "train.npy.partial").is_file()
    (machine / "late").rename(parts[-1])
    assert call(machine) == 0
    assert (machine / "work" / "shards" / "train.npy").is_file()
    assert trace(machine).count("pretrain") == 1


def test_what_runs_on_the_gpu_machine_needs_nothing_that_is_absent_there():
    code = (
        "import sys\n"
        "for name in ('onnxruntime', 'tree_sitter', 'matplotlib', 'pytest'): sys.modules[name] = None\n"
        "from selfracg_training import cli, full_scale, ing, measure, pack, pretrain, stage2, utility\n"
        "from selfracg_training.measures import stages\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=full_scale.home(), check=True)
