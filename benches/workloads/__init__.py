"""The programs that are compared: each a function of the `keras` module that it is given.

It takes besides a function that scales numbers of repetitions, and returns a `measure.Measured`. Modules that
cost time to import are imported by the workload itself, since some measure that.
"""

from .dense import book_mlp, cold_start, predict_row, regression, seed_mlp, wide_mlp
from .language import transformer
from .recurrent import gru_dropout, gru_masked, gru_predict, lstm_imdb, lstm_masked, lstm_predict
from .vision import convnet, inference, resnet20, separable, unet, whole_job

# Function, what it measures, how many times faster Oxhorn is meant to be than the best peer.
WORKLOADS = {
    "seed_mlp": (seed_mlp, "MLP 784-32-10, batch 128: training step", 10),
    "regression": (regression, "MLP 13-64-64-1, batch 8: training step", 25),
    "predict_row": (predict_row, "MLP 784-32-10: `predict` on one row", 40),
    "cold_start": (cold_start, "start of Python to first training step", 10),
    "whole_job": (whole_job, "start of Python to end of 3 epochs of the MNIST convnet on 6,000 images", 4),
    "book_mlp": (book_mlp, "MLP 784-512-10, batch 128: training step", 2),
    "wide_mlp": (wide_mlp, "MLP 1024-2048x3-1000, gelu, Adam, batch 256: training step", 1.4),
    "convnet": (convnet, "MNIST convnet 32-64-64, batch 64: training step", 3),
    "separable": (separable, "separable convnet at 64x64, batch 32: training step", 3),
    "unet": (unet, "U-Net at 96x96, batch 8: training step", 3),
    "resnet20": (resnet20, "ResNet-20 at 32x32, batch 32: training step", 2.5),
    "lstm_imdb": (lstm_imdb, "Embedding and LSTM(32), 200 words, batch 128: training step", 4),
    "lstm_masked": (lstm_masked, "the same with masks and two LSTM(32): training step", 4),
    "lstm_predict": (lstm_predict, "Embedding and LSTM(32), 200 words: `predict`, batches of 128", 4),
    "gru_dropout": (gru_dropout, "two GRU(32) with dropout, 120 hours, batch 128: training step", 4),
    "gru_masked": (gru_masked, "the same with masks and sequences returned: training step", 4),
    "gru_predict": (gru_predict, "two GRU(32), 120 hours: `predict`, batches of 128", 4),
    "transformer": (transformer, "transformer 4x256, 128 tokens, batch 16: training step", 2),
    "resnet50_1": (inference("ResNet50", 1), "ResNet-50 at 224x224: `predict`, batch 1", 1.5),
    "resnet50_16": (inference("ResNet50", 16), "ResNet-50 at 224x224: `predict`, batch 16", 1.5),
    "mobilenet_1": (inference("MobileNetV2", 1), "MobileNetV2 at 224x224: `predict`, batch 1", 1.5),
    "mobilenet_16": (inference("MobileNetV2", 16), "MobileNetV2 at 224x224: `predict`, batch 16", 1.5),
}
