"""ONNX Runtime's telemetry is off: nothing of it appears in an empty home folder."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = """
import selfracg.export.runtime
from onnx import TensorProto, helper
import onnxruntime

value = helper.make_tensor_value_info
node = helper.make_node("Neg", ["x"], ["y"])
graph = helper.make_graph([node], "negate", [value("x", TensorProto.FLOAT, [1])], [value("y", TensorProto.FLOAT, [1])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


def test_package_switches_telemetry_off_whatever_the_environment_says(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # Nothing else that would hide telemetry, such as CI.
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "ORT_DISABLE_TELEMETRY": "0"}
    subprocess.run([sys.executable, "-B", "-c", WORK], env=environment, cwd=home, check=True)
    assert list(home.rglob("*")) == []
