"""Trained models as ONNX graphs: a builder, converters for Keras and scikit-learn, and the check that both agree."""
