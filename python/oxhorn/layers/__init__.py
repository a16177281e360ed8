"""Layers: the building blocks of models."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "layers.activations.activation": "Activation",
        "layers.activations.elu": "ELU",
        "layers.activations.leaky_relu": "LeakyReLU",
        "layers.activations.prelu": "PReLU",
        "layers.activations.relu": "ReLU",
        "layers.activations.softmax": "Softmax",
        "layers.attention.additive_attention": "AdditiveAttention",
        "layers.attention.attention": "Attention",
        "layers.attention.grouped_query_attention": "GroupedQueryAttention",
        "layers.attention.multi_head_attention": "MultiHeadAttention",
        "layers.convolutional.conv": "Conv1D Conv2D Conv3D",
        "layers.convolutional.conv_transpose": "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
        "layers.convolutional.depthwise_conv": "DepthwiseConv1D DepthwiseConv2D",
        "layers.convolutional.separable_conv": "SeparableConv1D SeparableConv2D",
        "layers.core.dense": "Dense",
        "layers.core.einsum_dense": "EinsumDense",
        "layers.core.embedding": "Embedding",
        "layers.core.identity": "Identity",
        "layers.core.input_layer": "Input InputLayer",
        "layers.core.lambda_layer": "Lambda",
        "layers.core.masking": "Masking",
        "layers.core.reversible_embedding": "ReversibleEmbedding",
        "layers.core.wrapper": "Wrapper",
        "layers.input_spec": "InputSpec",
        "layers.layer": "Layer",
        "layers.merging.add": "Add add",
        "layers.merging.average": "Average average",
        "layers.merging.concatenate": "Concatenate concatenate",
        "layers.merging.dot": "Dot dot",
        "layers.merging.maximum": "Maximum maximum",
        "layers.merging.minimum": "Minimum minimum",
        "layers.merging.multiply": "Multiply multiply",
        "layers.merging.subtract": "Subtract subtract",
        "layers.normalization.batch_normalization": "BatchNormalization",
        "layers.normalization.group_normalization": "GroupNormalization",
        "layers.normalization.layer_normalization": "LayerNormalization",
        "layers.normalization.rms_normalization": "RMSNormalization",
        "layers.normalization.spectral_normalization": "SpectralNormalization",
        "layers.normalization.unit_normalization": "UnitNormalization",
        "layers.pooling.adaptive_pooling": (
            "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
            "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D"
        ),
        "layers.pooling.average_pooling": "AveragePooling1D AveragePooling2D AveragePooling3D",
        "layers.pooling.global_average_pooling": (
            "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D"
        ),
        "layers.pooling.global_max_pooling": "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D",
        "layers.pooling.max_pooling": "MaxPooling1D MaxPooling2D MaxPooling3D",
        "layers.preprocessing.category_encoding": "CategoryEncoding",
        "layers.preprocessing.discretization": "Discretization",
        "layers.preprocessing.hashed_crossing": "HashedCrossing",
        "layers.preprocessing.hashing": "Hashing",
        "layers.preprocessing.integer_lookup": "IntegerLookup",
        "layers.preprocessing.normalization": "Normalization",
        "layers.preprocessing.rescaling": "Rescaling",
        "layers.preprocessing.string_lookup": "StringLookup",
        "layers.preprocessing.text_vectorization": "TextVectorization",
        "layers.regularization.activity_regularization": "ActivityRegularization",
        "layers.regularization.alpha_dropout": "AlphaDropout",
        "layers.regularization.dropout": "Dropout",
        "layers.regularization.gaussian_dropout": "GaussianDropout",
        "layers.regularization.gaussian_noise": "GaussianNoise",
        "layers.regularization.spatial_dropout": "SpatialDropout1D SpatialDropout2D SpatialDropout3D",
        "layers.reshaping.cropping": "Cropping1D Cropping2D Cropping3D",
        "layers.reshaping.flatten": "Flatten",
        "layers.reshaping.permute": "Permute",
        "layers.reshaping.repeat_vector": "RepeatVector",
        "layers.reshaping.reshape": "Reshape",
        "layers.reshaping.up_sampling": "UpSampling1D UpSampling2D UpSampling3D",
        "layers.reshaping.zero_padding": "ZeroPadding1D ZeroPadding2D ZeroPadding3D",
        "layers.rnn.bidirectional": "Bidirectional",
        "layers.rnn.conv_lstm": "ConvLSTM1D ConvLSTM2D ConvLSTM3D",
        "layers.rnn.gru": "GRU GRUCell",
        "layers.rnn.lstm": "LSTM LSTMCell",
        "layers.rnn.rnn": "RNN",
        "layers.rnn.simple_rnn": "SimpleRNN SimpleRNNCell",
        "layers.rnn.stacked_rnn_cells": "StackedRNNCells",
        "layers.rnn.time_distributed": "TimeDistributed",
    },
    # Other names of the same classes.
    aliases={
        "AvgPool1D": "AveragePooling1D",
        "AvgPool2D": "AveragePooling2D",
        "AvgPool3D": "AveragePooling3D",
        "MaxPool1D": "MaxPooling1D",
        "MaxPool2D": "MaxPooling2D",
        "MaxPool3D": "MaxPooling3D",
        "GlobalAvgPool1D": "GlobalAveragePooling1D",
        "GlobalAvgPool2D": "GlobalAveragePooling2D",
        "GlobalAvgPool3D": "GlobalAveragePooling3D",
        "GlobalMaxPool1D": "GlobalMaxPooling1D",
        "GlobalMaxPool2D": "GlobalMaxPooling2D",
        "GlobalMaxPool3D": "GlobalMaxPooling3D",
        "Convolution1D": "Conv1D",
        "Convolution2D": "Conv2D",
        "Convolution3D": "Conv3D",
        "Convolution1DTranspose": "Conv1DTranspose",
        "Convolution2DTranspose": "Conv2DTranspose",
        "Convolution3DTranspose": "Conv3DTranspose",
        "SeparableConvolution1D": "SeparableConv1D",
        "SeparableConvolution2D": "SeparableConv2D",
        "GroupQueryAttention": "GroupedQueryAttention",
    },
)


def serialize(layer):
    """The layer's class and config as a dict of plain values."""
    from oxhorn.saving import serialize_keras_object

    return serialize_keras_object(layer)


def deserialize(config, custom_objects=None):
    """The layer that `serialize` described.

    Raises:
        ValueError: if the config describes something else.
    """
    from oxhorn.layers.layer import Layer
    from oxhorn.saving import deserialize_keras_object

    layer = deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(
            "`keras.layers.deserialize` was passed a `config` object that is not a `keras.layers.Layer`. "
            f"Received: {config}"
        )
    return layer
