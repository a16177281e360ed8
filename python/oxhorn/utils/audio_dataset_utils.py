"""Sound files in a directory as a data set."""

import wave

import numpy as np

from oxhorn.utils.dataset import Dataset
from oxhorn.utils.directory_dataset import dataset_of_files

# Zero crossings of the sinc on each side, in the resampling filter.
_ZEROS = 16


def audio_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    batch_size=32,
    sampling_rate=None,
    output_sequence_length=None,
    ragged=False,
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    follow_links=False,
    verbose=True,
):
    """Batches of the `.wav` files (PCM) under a directory, as float32 in [-1, 1) of shape (samples,
    channels).

    Args:
        sampling_rate: samples per second to convert to; None: as in the file.
        output_sequence_length: samples to cut or pad to; None: batches are padded to their longest entry.
        ragged: must be false.

    For the other arguments, the result and the errors see `image_dataset_from_directory`.
    """
    if ragged:
        if output_sequence_length is not None:
            raise ValueError("Cannot set both `ragged` and `output_sequence_length`")
        raise ValueError("`ragged=True` can only be used with the TensorFlow backend.")
    if sampling_rate is not None:
        if not isinstance(sampling_rate, int):
            raise ValueError(
                f"`sampling_rate` should have an integer value. Received: sampling_rate={sampling_rate}"
            )
        if sampling_rate <= 0:
            raise ValueError(
                f"`sampling_rate` should be higher than 0. Received: sampling_rate={sampling_rate}"
            )

    def read(path):
        samples, rate = read_wave(path)
        if sampling_rate is not None and rate != sampling_rate:
            samples = _resample(samples, rate, sampling_rate)
        return samples if output_sequence_length is None else _fit(samples, output_sequence_length)

    return dataset_of_files(
        "audio",
        (".wav",),
        read,
        _padded_batch,
        directory,
        labels,
        label_mode,
        class_names,
        batch_size,
        shuffle,
        seed,
        validation_split,
        subset,
        follow_links,
        verbose,
    )


def read_wave(path):
    """The samples of a PCM file as float32 of shape (samples, channels), and their number per second.

    Raises:
        ValueError: another kind of file.
    """
    try:
        with wave.open(path, "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no PCM sound file: {error}") from None
    data = data[: len(data) // (width * channels) * width * channels]
    if width == 1:
        values = (np.frombuffer(data, "uint8").astype("float32") - 128) / 128
    elif width == 3:
        padded = np.zeros((len(data) // 3, 4), "uint8")
        padded[:, 1:] = np.frombuffer(data, "uint8").reshape(-1, 3)
        values = padded.reshape(-1).view("<i4").astype("float32") / 2**31
    elif width in (2, 4):
        values = np.frombuffer(data, f"<i{width}").astype("float32") / 2 ** (8 * width - 1)
    else:
        raise ValueError(f"{path} has samples of {width} bytes, which are not supported")
    return values.reshape(-1, channels), rate


def _fit(samples, length):
    result = np.zeros((length, samples.shape[1]), samples.dtype)
    result[: len(samples)] = samples[:length]
    return result


def _resample(samples, rate, new_rate):
    """Band-limited interpolation with a sinc under a Hann window."""
    cutoff = min(1.0, new_rate / rate)
    reach = int(np.ceil(_ZEROS / cutoff))
    positions = np.arange(-(-len(samples) * new_rate // rate)) * (rate / new_rate)
    first = np.floor(positions).astype("int64")
    padded = np.pad(samples, ((reach, reach + 1), (0, 0)))
    result = np.zeros((len(positions), samples.shape[1]))
    for k in range(-reach + 1, reach + 1):
        distance = positions - (first + k)
        window = np.where(np.abs(distance) < reach, 0.5 + 0.5 * np.cos(np.pi * distance / reach), 0.0)
        result += (cutoff * np.sinc(cutoff * distance) * window)[:, None] * padded[first + k + reach]
    return result.astype("float32")


def _padded_batch(dataset, size):
    """Batches of sounds, padded with zeros to the longest one."""

    def batches():
        group = []
        for element in dataset:
            group.append(element)
            if len(group) == size:
                yield _stack(group)
                group = []
        if group:
            yield _stack(group)

    return Dataset(batches, -(-dataset.cardinality() // size))


def _stack(group):
    labelled = isinstance(group[0], tuple)
    sounds = [entry[0] for entry in group] if labelled else group
    length = max(len(sound) for sound in sounds)
    sounds = np.stack([_fit(sound, length) for sound in sounds])
    return (sounds, np.stack([entry[1] for entry in group])) if labelled else sounds
