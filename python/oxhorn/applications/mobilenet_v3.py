"""Inputs and outputs of MobileNetV3, whose networks Keras has in `applications` itself."""

from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing(None)
__all__ = ["decode_predictions", "preprocess_input"]
