"""A neural Turing machine that learns to copy: a recurrent cell with a memory beside it, which it reads and
writes through attention (Graves, Wayne and Danihelka, 2014).

It sees a sequence of random bits, then a mark, then nothing, and has to repeat the sequence.
"""

import numpy as np

import oxhorn as keras
from _common import run
from oxhorn import layers, ops

BITS = 6
LONGEST = 6


@keras.saving.register_keras_serializable("examples")
class NTMCell(layers.Layer):
    """One step of a neural Turing machine with one writing and one reading head.

    Args:
        units: width of the controller, an LSTM.
        slots: number of memory slots.
        width: numbers in each slot.
        outputs: width of the output, logits.
    """

    def __init__(self, units, slots, width, outputs, **kwargs):
        super().__init__(**kwargs)
        self.units, self.slots, self.width, self.outputs = units, slots, width, outputs
        self.output_size = outputs
        # Controller (two states), what was read, where was read and written, and the memory.
        self.state_size = [units, units, width, slots, slots, slots * width]
        self.controller = layers.LSTMCell(units)
        addressing = width + 6  # key, its strength, gate, three shifts, sharpening
        self.read_head = layers.Dense(addressing, name="read_head")
        self.write_head = layers.Dense(addressing + 2 * width, name="write_head")
        self.answer = layers.Dense(outputs, name="answer")

    def build(self, input_shape):
        batch, features = input_shape
        self.controller.build((batch, features + self.width))
        self.read_head.build((batch, self.units))
        self.write_head.build((batch, self.units))
        self.answer.build((batch, self.units + self.width))

    def get_initial_state(self, batch_size=None):
        first_slot = ops.tile(ops.one_hot([0], self.slots), (batch_size, 1))
        sizes = (self.units, self.units, self.width, self.slots * self.width)
        hidden, carry, read, memory = (ops.zeros((batch_size, size)) for size in sizes)
        return [hidden, carry, read, first_slot, first_slot, memory]

    def address(self, parameters, memory, previous):
        """Where a head is: by content, or by a shift from where it was."""
        key = ops.tanh(parameters[:, : self.width])
        strength, gate, back, stay, ahead, sharpen = ops.split(parameters[:, self.width :], 6, axis=-1)
        lengths = ops.sum(memory**2, axis=-1) * ops.sum(key**2, axis=-1, keepdims=True)
        cosine = ops.einsum("bnm,bm->bn", memory, key) / ops.sqrt(lengths + 1e-3)
        content = ops.softmax(ops.softplus(strength) * cosine)
        gate = ops.sigmoid(gate)
        place = gate * content + (1 - gate) * previous
        shift = ops.softmax(ops.concatenate([back, stay, ahead], axis=-1))
        moved = (
            shift[:, 0:1] * ops.roll(place, -1, axis=1)
            + shift[:, 1:2] * place
            + shift[:, 2:3] * ops.roll(place, 1, axis=1)
        )
        sharp = (moved + 1e-6) ** (1 + ops.softplus(sharpen))
        return sharp / ops.sum(sharp, axis=-1, keepdims=True)

    def call(self, inputs, states):
        hidden, carry, read, read_place, write_place, memory = states
        memory = ops.reshape(memory, (-1, self.slots, self.width))
        x = ops.concatenate([inputs, read], axis=-1)
        hidden, (_, carry) = self.controller(x, [hidden, carry])

        head = self.write_head(hidden)
        where, erase, add = ops.split(head, [self.width + 6, 2 * self.width + 6], axis=-1)
        write_place = self.address(where, memory, write_place)
        at = ops.expand_dims(write_place, -1)
        memory = memory * (1 - at * ops.expand_dims(ops.sigmoid(erase), 1))
        memory = memory + at * ops.expand_dims(ops.tanh(add), 1)

        read_place = self.address(self.read_head(hidden), memory, read_place)
        read = ops.einsum("bn,bnm->bm", read_place, memory)
        output = self.answer(ops.concatenate([hidden, read], axis=-1))
        memory = ops.reshape(memory, (-1, self.slots * self.width))
        return output, [hidden, carry, read, read_place, write_place, memory]

    def get_config(self):
        own = {"units": self.units, "slots": self.slots, "width": self.width, "outputs": self.outputs}
        return {**super().get_config(), **own}


def copy_task(count, longest, rng):
    """Inputs (count, time, bits + 1), targets (count, time, bits), and weights (count, time) that are 1 where
    the sequence is to be repeated."""
    time = 2 * longest + 1
    x = np.zeros((count, time, BITS + 1), dtype="float32")
    y = np.zeros((count, time, BITS), dtype="float32")
    weights = np.zeros((count, time), dtype="float32")
    for row, length in enumerate(rng.integers(1, longest + 1, count)):
        bits = rng.integers(0, 2, (length, BITS))
        x[row, :length, :BITS] = bits
        x[row, length, BITS] = 1
        y[row, length + 1 : 2 * length + 1] = bits
        weights[row, length + 1 : 2 * length + 1] = 1
    return x, y, weights


def build():
    x = keras.Input(shape=(None, BITS + 1))
    cell = NTMCell(units=32, slots=16, width=10, outputs=BITS)
    return keras.Model(x, layers.RNN(cell, return_sequences=True)(x))


def wrong_bits(model, longest, rng):
    """Share of the bits that the model repeats wrongly."""
    x, y, weights = copy_task(200, longest, rng)
    wrong = (model.predict(x, verbose=0) > 0) != y
    return float(wrong[weights > 0].mean())


def main(epochs=4, samples=16000):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = build()
    # A rate that falls to zero: at a constant one, learned sequences are lost and found again.
    rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=epochs * (samples // 32))
    model.compile(
        optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    x, y, weights = copy_task(samples, LONGEST, rng)
    history = model.fit(x, y, sample_weight=weights, batch_size=32, epochs=epochs, verbose=2)
    error, longer = wrong_bits(model, LONGEST, rng), wrong_bits(model, 2 * LONGEST, rng)
    print(
        f"Bits repeated wrongly: {error:.2%} of sequences as in training, {longer:.2%} of up to twice as long"
    )
    return {"error": error, "longer_error": longer, "losses": history.history["loss"], "model": model}


if __name__ == "__main__":
    run(main)
