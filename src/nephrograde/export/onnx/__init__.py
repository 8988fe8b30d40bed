"""A model as a graph that ONNX Runtime scores, without torch."""
