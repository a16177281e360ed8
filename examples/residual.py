"""Residual connections: an identity one, and a linear one where the size of the feature map changes."""

import oxhorn as keras
from _common import digits, run
from oxhorn import layers


def residual(x, filters, strides=1):
    y = layers.Conv2D(filters, 3, padding="same", strides=strides, use_bias=False)(x)
    y = layers.BatchNormalization(momentum=0.9)(y)
    y = layers.Activation("relu")(y)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization(momentum=0.9)(y)
    if strides != 1 or x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, strides=strides)(x)
    return layers.Activation("relu")(layers.add([y, x]))


def main(epochs=10):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = digits()
    image = keras.Input(shape=(8, 8, 1))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    x = residual(x, 16)
    x = residual(x, 32, strides=2)
    x = residual(x, 32)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=32, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
