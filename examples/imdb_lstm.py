"""Whether a film review is positive, read word by word by an LSTM."""

import oxhorn as keras
from _common import imdb_sequences, run
from oxhorn import layers, models

WORDS = 10000


def main(epochs=5, data="", samples=25000, maxlen=200):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = imdb_sequences(data, samples, maxlen, WORDS)

    model = models.Sequential()
    model.add(layers.Embedding(WORDS, 32))
    model.add(layers.LSTM(32))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["acc"])
    history = model.fit(x_train, y_train, epochs=epochs, batch_size=128, validation_split=0.2)

    _, accuracy = model.evaluate(x_test, y_test, batch_size=128, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
