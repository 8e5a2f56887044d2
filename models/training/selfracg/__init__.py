"""Training of the SelfRACG model: corpus, tokenizer, backbone, retrieval adapters and export."""

import os

# ONNX Runtime's official builds send telemetry, keep a database of events and an identifier of the machine, unless this is
# set before they are first imported ("Disabling Telemetry" in their Privacy.md).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
