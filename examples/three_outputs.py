"""A model with three outputs of different kinds: from a person's posts their age, income and gender.

The posts are made up: each word is used more by people of some age, income and gender.
"""

import numpy as np

import oxhorn as keras
from _common import run
from oxhorn import layers

WORDS, LENGTH, INCOME_GROUPS = 500, 60, 10


def posts(count, rng):
    """Posts as numbers of words, and a dict of what they tell about who wrote them."""
    traits = np.random.default_rng(1).standard_normal((3, WORDS))  # how each word leans
    person = rng.standard_normal((count, 3))
    scores = person @ traits
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    cumulative = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    words = np.stack([np.searchsorted(row[:-1], rng.random(LENGTH)) for row in cumulative])
    age, income, gender = person.T
    targets = {
        "age": (40 + 12 * age).astype("float32"),
        "income": np.clip((income + 2.5) * INCOME_GROUPS / 5, 0, INCOME_GROUPS - 1).astype("int32"),
        "gender": (gender > 0).astype("float32"),
    }
    return words.astype("int32"), targets


def build():
    text = keras.Input(shape=(None,), dtype="int32", name="posts")
    x = layers.Embedding(WORDS, 32)(text)
    x = layers.Conv1D(64, 5, activation="relu")(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1D(64, 5, activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(64, activation="relu")(x)
    age = layers.Dense(1, name="age")(x)
    income = layers.Dense(INCOME_GROUPS, activation="softmax", name="income")(x)
    gender = layers.Dense(1, activation="sigmoid", name="gender")(x)
    return keras.Model(text, {"age": age, "income": income, "gender": gender})


def main(epochs=10, samples=4000):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x_train, y_train = posts(samples, rng)
    x_test, y_test = posts(500, rng)
    model = build()
    model.compile(
        optimizer="adam",
        loss={"age": "mse", "income": "sparse_categorical_crossentropy", "gender": "binary_crossentropy"},
        # An age is wrong by tens of years squared, the others by fractions: weights make them count alike.
        loss_weights={"age": 0.01, "income": 1.0, "gender": 3.0},
        metrics={"age": "mae", "income": "accuracy", "gender": "accuracy"},
    )
    history = model.fit(x_train, y_train, batch_size=64, epochs=epochs, verbose=2)
    results = model.evaluate(x_test, y_test, return_dict=True, verbose=0)
    print(
        f"Test: age within {results['age_mae']:.1f} years, income group {results['income_accuracy']:.0%}, "
        f"gender {results['gender_accuracy']:.0%}"
    )
    return {"results": results, "history": history.history}


if __name__ == "__main__":
    run(main)
