"""MNIST with one hidden layer: about 98% of the test digits after five epochs."""

import oxhorn as keras
from _common import mnist_images, run
from oxhorn import layers


def main(epochs=5, data="", samples=60000):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = mnist_images(data, samples)

    model = keras.Sequential()
    model.add(layers.Dense(512, activation="relu", input_shape=(28 * 28,)))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["acc"])

    targets = keras.utils.to_categorical(y_train, 10)
    history = model.fit(x_train.reshape(-1, 784), targets, epochs=epochs, batch_size=128)
    _, accuracy = model.evaluate(x_test.reshape(-1, 784), keras.utils.to_categorical(y_test, 10), verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
