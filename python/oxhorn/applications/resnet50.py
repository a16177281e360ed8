"""ResNet of 50 layers, by itself as in Keras."""

from oxhorn.applications.resnet import ResNet50, decode_predictions, preprocess_input

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
