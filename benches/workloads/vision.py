"""Convolutional networks."""

import os
import time

from .measure import Measured, classes, step_time


def convnet_model(keras):
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convnet(keras, scale):
    x, y = classes(64 * 30, (28, 28, 1))
    return step_time(convnet_model(keras), x, y, 64, scale(3))


def whole_job(keras, scale):
    """The seconds are those from the start of the process to the end of three epochs."""
    x, y = classes(6000, (28, 28, 1))
    losses = convnet_model(keras).fit(x, y, batch_size=64, epochs=3, verbose=0).history["loss"]
    return Measured(time.monotonic() - float(os.environ["OXHORN_BENCH_START"]), losses)


def separable(keras, scale):
    """Residual blocks of separable convolutions with batch normalisation, 32 to 512 channels."""
    layers = keras.layers
    inputs = keras.Input(shape=(64, 64, 3))
    x = layers.Conv2D(32, 5, use_bias=False)(inputs)
    for size in (32, 64, 128, 256, 512):
        residual = layers.Conv2D(size, 1, strides=2, padding="same", use_bias=False)(x)
        for _ in range(2):
            x = layers.BatchNormalization()(x)
            x = layers.Activation("relu")(x)
            x = layers.SeparableConv2D(size, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = layers.add([x, residual])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return step_time(model, *classes(32 * 4, (64, 64, 3)), 32, scale(2))


def unet(keras, scale):
    """Encoder and decoder with skips, 32 to 256 channels, up again by transposed convolutions."""
    import numpy as np

    layers = keras.layers

    def block(x, filters):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    inputs = keras.Input(shape=(96, 96, 3))
    x, skips = inputs, []
    for filters in (32, 64, 128):
        x = block(x, filters)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = block(x, 256)
    for filters in (128, 64, 32):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
        x = block(layers.concatenate([x, skips.pop()]), filters)
    model = keras.Model(inputs, layers.Conv2D(3, 1, activation="softmax")(x))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    images, _ = classes(8 * 4, (96, 96, 3))
    brightness = images.mean(axis=-1)
    masks = np.digitize(brightness, np.quantile(brightness, [0.3, 0.6])).astype("int32")
    return step_time(model, images, masks, 8, scale(2))


def resnet20(keras, scale):
    """He et al.'s network for CIFAR: three stages of three blocks, 16 to 64 channels."""
    layers = keras.layers

    def convolution(x, filters, size, strides=1):
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input(shape=(32, 32, 3))
    x = layers.Activation("relu")(convolution(inputs, 16, 3))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage and not block else 1
            y = layers.Activation("relu")(convolution(x, filters, 3, strides))
            y = convolution(y, filters, 3)
            if strides == 2:
                x = convolution(x, filters, 1, strides)
            x = layers.Activation("relu")(layers.add([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return step_time(model, *classes(32 * 8, (32, 32, 3)), 32, scale(3))


def inference(name, batch):
    """`predict` on batches of `batch` images of 224x224, by one of `keras.applications`."""

    def workload(keras, scale):
        import numpy as np

        model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
        rng = np.random.default_rng(0)
        weights = model.get_weights()
        for place, array in enumerate(weights):
            if array.ndim > 1:  # kernels: the same on every side, of a size that keeps the activations'
                fan_in = np.prod(array.shape[:-1] if array.shape[-1] > 1 else array.shape[:2])
                weights[place] = rng.standard_normal(array.shape, dtype="float32") * (2 / fan_in) ** 0.5
        model.set_weights(weights)
        x = rng.random((batch, 224, 224, 3), dtype="float32")
        outputs = model.predict(x, batch_size=batch, verbose=0)
        calls = scale(max(3, 24 // batch))
        start = time.perf_counter()
        for _ in range(calls):
            model.predict(x, batch_size=batch, verbose=0)
        seconds = (time.perf_counter() - start) / calls
        return Measured(seconds, outputs=outputs[0, :20].tolist())

    return workload
