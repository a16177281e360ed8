"""Whether a film review is positive, from the words that occur in it."""

import numpy as np

import oxhorn as keras
from _common import data_file, run
from oxhorn import layers, models
from oxhorn.datasets import imdb

WORDS = 10000


def multi_hot(sequences):
    """One row per review, with a 1 for each word in it. Bytes are enough: batches become float32 as they
    are used."""
    rows = np.zeros((len(sequences), WORDS), dtype="uint8")
    for row, words in zip(rows, sequences):
        row[words] = 1
    return rows


def main(epochs=4, data="", samples=25000):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = imdb.load_data(path=data_file("imdb.npz", data), num_words=WORDS)
    x_train, y_train = multi_hot(x_train[:samples]), y_train[:samples].astype("float32")
    x_test, y_test = multi_hot(x_test[:samples]), y_test[:samples].astype("float32")

    model = models.Sequential()
    model.add(layers.Dense(16, activation="relu", input_shape=(WORDS,)))
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=epochs, batch_size=512)

    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
