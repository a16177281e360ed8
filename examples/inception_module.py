"""An Inception-like module: branches with different receptive fields over one input, joined again."""

import oxhorn as keras
from _common import digits, run
from oxhorn import layers


def inception(x, filters):
    branch_a = layers.Conv2D(filters, 1, activation="relu", padding="same")(x)
    branch_b = layers.Conv2D(filters, 1, activation="relu")(x)
    branch_b = layers.Conv2D(filters, 3, activation="relu", padding="same")(branch_b)
    branch_c = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    branch_c = layers.Conv2D(filters, 3, activation="relu", padding="same")(branch_c)
    branch_d = layers.Conv2D(filters, 1, activation="relu")(x)
    branch_d = layers.Conv2D(filters, 3, activation="relu", padding="same")(branch_d)
    branch_d = layers.Conv2D(filters, 3, activation="relu", padding="same")(branch_d)
    return layers.concatenate([branch_a, branch_b, branch_c, branch_d], axis=-1)


def main(epochs=15):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = digits()
    image = keras.Input(shape=(8, 8, 1))
    x = inception(image, 16)
    x = layers.MaxPooling2D(2)(x)
    x = inception(x, 24)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=32, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
