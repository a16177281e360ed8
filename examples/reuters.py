"""The topic of a newswire, one of 46, from the words that occur in it."""

import numpy as np

import oxhorn as keras
from _common import data_file, run
from oxhorn import layers, models
from oxhorn.datasets import reuters

WORDS = 10000


def multi_hot(sequences):
    """One row per text, with a 1 for each word in it."""
    rows = np.zeros((len(sequences), WORDS), dtype="float32")
    for row, words in zip(rows, sequences):
        row[words] = 1
    return rows


def main(epochs=9, data="", samples=7982):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = reuters.load_data(
        path=data_file("reuters.npz", data), num_words=WORDS
    )
    validation = multi_hot(x_train[:1000]), y_train[:1000]
    x_train, y_train = multi_hot(x_train[1000 : 1000 + samples]), y_train[1000 : 1000 + samples]
    x_test = multi_hot(x_test)

    model = models.Sequential()
    model.add(layers.Dense(64, activation="relu", input_shape=(WORDS,)))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(46, activation="softmax"))
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=epochs, batch_size=512, validation_data=validation)

    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    topic = reuters.get_label_names()[np.argmax(model.predict(x_test[:1], verbose=0))]
    print(f"The first newswire of the test set is about: {topic}")
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
