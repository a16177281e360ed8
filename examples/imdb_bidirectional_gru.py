"""Whether a film review is positive, read forwards and backwards by two GRUs. The padding is masked."""

import oxhorn as keras
from _common import imdb_sequences, run
from oxhorn import layers, models

WORDS = 10000


def main(epochs=4, data="", samples=25000, maxlen=200):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = imdb_sequences(data, samples, maxlen, WORDS)

    model = models.Sequential()
    model.add(layers.Embedding(WORDS, 32, mask_zero=True))
    model.add(layers.Bidirectional(layers.GRU(32)))
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["acc"])
    stop_early = keras.callbacks.EarlyStopping(monitor="val_acc", patience=1, restore_best_weights=True)
    history = model.fit(
        x_train, y_train, epochs=epochs, batch_size=128, validation_split=0.2, callbacks=[stop_early]
    )

    _, accuracy = model.evaluate(x_test, y_test, batch_size=128, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
