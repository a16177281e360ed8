"""Layers: the building blocks of models."""

from oxhorn.layers.activations.activation import Activation
from oxhorn.layers.activations.elu import ELU
from oxhorn.layers.activations.leaky_relu import LeakyReLU
from oxhorn.layers.activations.prelu import PReLU
from oxhorn.layers.activations.relu import ReLU
from oxhorn.layers.activations.softmax import Softmax
from oxhorn.layers.attention.additive_attention import AdditiveAttention
from oxhorn.layers.attention.attention import Attention
from oxhorn.layers.attention.grouped_query_attention import GroupedQueryAttention
from oxhorn.layers.attention.multi_head_attention import MultiHeadAttention
from oxhorn.layers.convolutional.conv import Conv1D, Conv2D, Conv3D
from oxhorn.layers.convolutional.conv_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from oxhorn.layers.convolutional.depthwise_conv import DepthwiseConv1D, DepthwiseConv2D
from oxhorn.layers.convolutional.separable_conv import SeparableConv1D, SeparableConv2D
from oxhorn.layers.core.dense import Dense
from oxhorn.layers.core.einsum_dense import EinsumDense
from oxhorn.layers.core.embedding import Embedding
from oxhorn.layers.core.identity import Identity
from oxhorn.layers.core.input_layer import Input, InputLayer
from oxhorn.layers.core.lambda_layer import Lambda
from oxhorn.layers.core.masking import Masking
from oxhorn.layers.core.reversible_embedding import ReversibleEmbedding
from oxhorn.layers.core.wrapper import Wrapper
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.layer import Layer
from oxhorn.layers.merging.add import Add, add
from oxhorn.layers.merging.average import Average, average
from oxhorn.layers.merging.concatenate import Concatenate, concatenate
from oxhorn.layers.merging.dot import Dot, dot
from oxhorn.layers.merging.maximum import Maximum, maximum
from oxhorn.layers.merging.minimum import Minimum, minimum
from oxhorn.layers.merging.multiply import Multiply, multiply
from oxhorn.layers.merging.subtract import Subtract, subtract
from oxhorn.layers.normalization.batch_normalization import BatchNormalization
from oxhorn.layers.normalization.group_normalization import GroupNormalization
from oxhorn.layers.normalization.layer_normalization import LayerNormalization
from oxhorn.layers.normalization.rms_normalization import RMSNormalization
from oxhorn.layers.normalization.spectral_normalization import SpectralNormalization
from oxhorn.layers.normalization.unit_normalization import UnitNormalization
from oxhorn.layers.pooling.adaptive_pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from oxhorn.layers.pooling.average_pooling import AveragePooling1D, AveragePooling2D, AveragePooling3D
from oxhorn.layers.pooling.global_average_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)
from oxhorn.layers.pooling.global_max_pooling import (
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
)
from oxhorn.layers.pooling.max_pooling import MaxPooling1D, MaxPooling2D, MaxPooling3D
from oxhorn.layers.preprocessing.category_encoding import CategoryEncoding
from oxhorn.layers.preprocessing.discretization import Discretization
from oxhorn.layers.preprocessing.hashed_crossing import HashedCrossing
from oxhorn.layers.preprocessing.hashing import Hashing
from oxhorn.layers.preprocessing.integer_lookup import IntegerLookup
from oxhorn.layers.preprocessing.normalization import Normalization
from oxhorn.layers.preprocessing.rescaling import Rescaling
from oxhorn.layers.preprocessing.string_lookup import StringLookup
from oxhorn.layers.preprocessing.text_vectorization import TextVectorization
from oxhorn.layers.regularization.activity_regularization import ActivityRegularization
from oxhorn.layers.regularization.alpha_dropout import AlphaDropout
from oxhorn.layers.regularization.dropout import Dropout
from oxhorn.layers.regularization.gaussian_dropout import GaussianDropout
from oxhorn.layers.regularization.gaussian_noise import GaussianNoise
from oxhorn.layers.regularization.spatial_dropout import (
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from oxhorn.layers.reshaping.cropping import Cropping1D, Cropping2D, Cropping3D
from oxhorn.layers.reshaping.flatten import Flatten
from oxhorn.layers.reshaping.permute import Permute
from oxhorn.layers.reshaping.repeat_vector import RepeatVector
from oxhorn.layers.reshaping.reshape import Reshape
from oxhorn.layers.reshaping.up_sampling import UpSampling1D, UpSampling2D, UpSampling3D
from oxhorn.layers.reshaping.zero_padding import ZeroPadding1D, ZeroPadding2D, ZeroPadding3D
from oxhorn.layers.rnn.bidirectional import Bidirectional
from oxhorn.layers.rnn.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from oxhorn.layers.rnn.gru import GRU, GRUCell
from oxhorn.layers.rnn.lstm import LSTM, LSTMCell
from oxhorn.layers.rnn.rnn import RNN
from oxhorn.layers.rnn.simple_rnn import SimpleRNN, SimpleRNNCell
from oxhorn.layers.rnn.stacked_rnn_cells import StackedRNNCells
from oxhorn.layers.rnn.time_distributed import TimeDistributed

# Other names of the same classes.
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
GroupQueryAttention = GroupedQueryAttention


def serialize(layer):
    """The layer's class and config as a dict of plain values."""
    from oxhorn.saving import serialize_keras_object

    return serialize_keras_object(layer)


def deserialize(config, custom_objects=None):
    """The layer that `serialize` described.

    Raises:
        ValueError: if the config describes something else.
    """
    from oxhorn.saving import deserialize_keras_object

    layer = deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(
            "`keras.layers.deserialize` was passed a `config` object that is not a `keras.layers.Layer`. "
            f"Received: {config}"
        )
    return layer
