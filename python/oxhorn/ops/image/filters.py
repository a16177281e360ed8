"""Blurring and the similarity of images."""

from oxhorn import _core
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import join_dtypes, to_dtype, to_float, unary
from oxhorn.ops.image._layout import check_rank, to_batch
from oxhorn.ops.nn.convolution import depthwise_conv


def _bell(size, sigma, dtype):
    """A normal density at `size` places around 0, scaled to sum to 1."""
    x = _core.iota((size,), 0, dtype) - (size - 1) / 2
    values = unary("exp", unary("square", x / sigma) * -0.5)
    return values / _core.reduce("sum", values, (0,))


def _blur(x, rows, columns, padding):
    kernel = _core.reshape(rows, (-1, 1)) * _core.reshape(columns, (1, -1))
    kernel = _core.broadcast_to(_core.reshape(kernel, (*kernel.shape, 1, 1)), (*kernel.shape, x.shape[-1], 1))
    return depthwise_conv(x, kernel, 1, padding, "channels_last")


def _same_spec(images, *args, **kwargs):
    check_rank(images)
    return KerasTensor(images.shape, dtype=images.dtype)


@op(tensors=("images",), spec=_same_spec)
def gaussian_blur(images, kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None):
    """Images blurred with a normal density.

    Args:
        kernel_size: width and height of the window.
        sigma: its standard deviations in x and y.
    """
    x, restore = to_batch(images, data_format)
    sigma = to_dtype(sigma, x.dtype)
    columns, rows = (_bell(int(n), sigma[i], x.dtype) for i, n in enumerate(kernel_size))
    return restore(_blur(x, rows, columns, "same"))


@op(tensors=("image1", "image2"), class_name="SSIM")
def ssim(image1, image2, max_val=1.0, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03, data_format=None):
    """The structural similarity of images (Wang et al., 2004); one number per image, 1 for equal ones.

    Args:
        max_val: the largest possible value.
        filter_size, filter_sigma: of the window, a normal density, over which images are compared.
        k1, k2: constants that keep small denominators away from 0.
    """
    (x, _), (y, _) = to_batch(image1, data_format, "image1"), to_batch(image2, data_format, "image2")
    dtype, single = x.dtype, len(image1.shape) == 3
    compute = join_dtypes(dtype, float)
    x, y = to_dtype(to_float(x), compute), to_dtype(to_float(y), compute)
    bell = _bell(filter_size, float(filter_sigma), compute)

    def local_mean(v):
        return _blur(v, bell, bell, "valid")

    mean_x, mean_y = local_mean(x), local_mean(y)
    var_x, var_y = local_mean(x * x) - mean_x * mean_x, local_mean(y * y) - mean_y * mean_y
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    similarity = (2.0 * mean_x * mean_y + c1) * (2.0 * covariance + c2)
    similarity = similarity / ((mean_x * mean_x + mean_y * mean_y + c1) * (var_x + var_y + c2))
    result = _core.reduce("sum", similarity, (1, 2, 3)) / (similarity.size // max(similarity.shape[0], 1))
    return to_dtype(_core.reshape(result, ()) if single else result, dtype)
