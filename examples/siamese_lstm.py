"""A siamese network: one LSTM, with one set of weights, reads two texts; are they about the same thing?

The texts are made up: most of a text's words are of its topic, the others of any.
"""

import numpy as np

import oxhorn as keras
from _common import run
from oxhorn import layers

TOPICS, WORDS_PER_TOPIC, LENGTH = 4, 25, 12


def texts(topics, rng):
    """One row of words for each topic; topic t has the words t * 25 + 1 ... t * 25 + 25."""
    own = topics[:, np.newaxis] * WORDS_PER_TOPIC + rng.integers(0, WORDS_PER_TOPIC, (len(topics), LENGTH))
    any_word = rng.integers(0, TOPICS * WORDS_PER_TOPIC, own.shape)
    return 1 + np.where(rng.random(own.shape) < 0.75, own, any_word).astype("int32")


def pairs(count, rng):
    """Two arrays of texts, and 1 where they share a topic (half of them)."""
    left = rng.integers(0, TOPICS, count)
    other = (left + rng.integers(1, TOPICS, count)) % TOPICS
    same = rng.random(count) < 0.5
    return [texts(left, rng), texts(np.where(same, left, other), rng)], same.astype("float32")


def main(epochs=8, samples=4000):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x_train, y_train = pairs(samples, rng)
    x_test, y_test = pairs(1000, rng)

    embedding = layers.Embedding(1 + TOPICS * WORDS_PER_TOPIC, 16)
    lstm = layers.LSTM(32)
    left, right = (keras.Input(shape=(LENGTH,), dtype="int32") for _ in range(2))
    left_code, right_code = lstm(embedding(left)), lstm(embedding(right))
    merged = layers.concatenate([left_code, right_code, layers.multiply([left_code, right_code])])
    merged = layers.Dense(32, activation="relu")(merged)
    model = keras.Model([left, right], layers.Dense(1, activation="sigmoid")(merged))
    model.compile(keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=64, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}; the LSTM has {lstm.count_params()} weights, used twice")
    return {"accuracy": accuracy, "losses": history.history["loss"], "model": model}


if __name__ == "__main__":
    run(main)
