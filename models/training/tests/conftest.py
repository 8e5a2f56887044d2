"""Before any test: importing the package switches ONNX Runtime's telemetry off, also where a test imports the runtime first."""

import selfracg  # noqa: F401
