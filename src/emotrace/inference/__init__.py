"""Predicting with saved models: NumPy and onnxruntime, never PyTorch."""
