"""The first model of the book: a small network that reads handwritten digits, in two ways of writing it."""

import oxhorn as keras
from _common import mnist_images, run
from oxhorn import layers, models, optimizers


def sequential():
    model = models.Sequential()
    model.add(layers.Dense(32, activation='relu', input_shape=(784,)))
    model.add(layers.Dense(10, activation='softmax'))
    return model


def functional():
    input_tensor = layers.Input(shape=(784,))
    x = layers.Dense(32, activation='relu')(input_tensor)
    output_tensor = layers.Dense(10, activation='softmax')(x)
    model = models.Model(inputs=input_tensor, outputs=output_tensor)
    return model


def main(epochs=10, data="", samples=60000):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = mnist_images(data, samples)
    input_tensor = x_train.reshape(-1, 784)
    target_tensor = keras.utils.to_categorical(y_train)

    results = {}
    for make in (sequential, functional):
        model = make()
        model.compile(optimizer=optimizers.RMSprop(lr=0.001), loss='mse', metrics=['accuracy'])
        model.fit(input_tensor, target_tensor, batch_size=128, epochs=epochs)
        _, accuracy = model.evaluate(x_test.reshape(-1, 784), keras.utils.to_categorical(y_test), verbose=0)
        print(f"{make.__name__}: test accuracy {accuracy:.4f}")
        results[make.__name__] = accuracy
    return results


if __name__ == "__main__":
    run(main)
