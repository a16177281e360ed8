"""A model with two inputs, a story and a question, that answers with one word.

The stories are made up: "mary is in the garden . john is in the office . where is mary ?"
"""

import numpy as np

import oxhorn as keras
from _common import run
from oxhorn import layers

PEOPLE = ["mary", "john", "sandra", "daniel"]
PLACES = ["kitchen", "garden", "office", "hallway", "bathroom", "bedroom"]
VOCABULARY = ["", *PEOPLE, *PLACES, "is", "in", "the", "where", ".", "?"]
NUMBER = {word: number for number, word in enumerate(VOCABULARY)}
FACTS = 3


def encode(text):
    return [NUMBER[word] for word in text.split()]


def stories(count, rng):
    """Stories, questions and answers as numbers of words."""
    texts, questions, answers = [], [], []
    for _ in range(count):
        people = rng.permutation(PEOPLE)[:FACTS]
        places = rng.choice(PLACES, FACTS)
        asked = rng.integers(FACTS)
        facts = (f"{person} is in the {place} ." for person, place in zip(people, places))
        texts.append(encode(" ".join(facts)))
        questions.append(encode(f"where is {people[asked]} ?"))
        answers.append(NUMBER[places[asked]])
    return {"story": np.array(texts), "question": np.array(questions)}, np.array(answers)


def build():
    story = keras.Input(shape=(None,), dtype="int32", name="story")
    question = keras.Input(shape=(None,), dtype="int32", name="question")
    embedding = layers.Embedding(len(VOCABULARY), 32)
    words = layers.Bidirectional(layers.LSTM(32, return_sequences=True))(embedding(story))
    asked = layers.LSTM(64)(embedding(question))
    # The question looks for the words of the story that it is about.
    found = layers.Attention(use_scale=True)([layers.Reshape((1, 64))(asked), words])
    x = layers.concatenate([layers.Flatten()(found), asked])
    x = layers.Dense(64, activation="relu")(x)
    answer = layers.Dense(len(VOCABULARY), activation="softmax", name="answer")(x)
    return keras.Model([story, question], answer)


def main(epochs=10, samples=4000):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x_train, y_train = stories(samples, rng)
    x_test, y_test = stories(500, rng)
    model = build()
    model.compile(keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy", metrics=["acc"])
    history = model.fit(x_train, y_train, batch_size=64, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
    for row in range(3):
        one = {name: values[row : row + 1] for name, values in x_test.items()}
        answer = VOCABULARY[np.argmax(model.predict(one, verbose=0))]
        print(" ".join(VOCABULARY[i] for i in [*one["story"][0], *one["question"][0]]), "->", answer)
    return {"accuracy": accuracy, "losses": history.history["loss"]}


if __name__ == "__main__":
    run(main)
