import perception  # noqa: F401 - before ONNX Runtime, see perception.engines.telemetry
