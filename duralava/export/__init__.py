"""A lamp's networks in forms that others run: ONNX, StableHLO, a web page."""
