"""Images sampled at computed places: maps, affine and perspective transforms, elastic distortion."""

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn.ops._common import FLOATS, expand, like_rank, static_value, to_dtype, unary, where
from oxhorn.ops.image._layout import to_batch
from oxhorn.ops.image.filters import gaussian_blur
from oxhorn.ops.linalg import solve

_ORDERS = {"nearest": 0, "bilinear": 1}
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _check(name, value, allowed):
    if value not in allowed:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected of one {set(allowed)}. Received: {name}={value}"
        )


def _mirror(index, size):
    """... 2 1 0 1 2 ...: the edge elements are not repeated."""
    s = size - 1
    return unary("abs", _core.elementwise("mod", index + s, 2 * s) - s) if s else index * 0


def _inside(index, size, mode):
    """The index that stands for one beyond the edges."""
    if mode == "wrap":
        return _core.elementwise("mod", index, size)
    if mode == "mirror":
        return _mirror(index, size)
    if mode == "reflect":  # the edge elements are repeated
        return _core.elementwise("floor_divide", _mirror(index * 2 + 1, 2 * size + 1) - 1, 2)
    return _core.elementwise("minimum", _core.elementwise("maximum", index, 0), size - 1)


def _rounded(x):
    """To the nearest integer, halves away from 0."""
    return unary("sign", x) * unary("floor", unary("abs", x) + 0.5)


def _neighbours(coordinate, order):
    """The indices next to a coordinate and their weights: one for order 0, two for order 1."""
    if order == 0:
        return [(_core.cast(_rounded(coordinate), "int32"), None)]
    low = unary("floor", coordinate)
    upper = coordinate - low
    low = _core.cast(low, "int32")
    return [(low, 1.0 - upper), (low + 1, upper)]


def _both(a, b):
    if a is None or b is None:
        return b if a is None else a
    return _core.elementwise("logical_and", a, b)


def _sample(x, coordinates, order, mode, fill_value):
    """x, `(n, *sizes, c)`, at float coordinates, one tensor `(n, ...)` per size; of shape `(n, ..., c)`."""
    n, *sizes, channels = x.shape
    # Corners around each point: the row of x as a matrix of rows of channels, weight, whether inside.
    corners = [(like_rank(_core.iota((n,), 0, "int32"), coordinates[0].ndim, 0), None, None)]
    for coordinate, size in zip(coordinates, sizes):
        grown = []
        for index, weight in _neighbours(coordinate, order):
            valid = _both(index >= 0, index < size) if mode == "constant" else None
            index = _inside(index, size, mode)
            grown += [
                (row * size + index, weight if w is None else w * weight, _both(v, valid))
                for row, w, v in corners
            ]
        corners = grown
    rows = _core.reshape(x if x.dtype in FLOATS else _core.cast(x, "float32"), (-1, channels))
    total = None
    for row, weight, valid in corners:
        part = _core.gather(rows, row, 0)
        if valid is not None:
            part = where(expand(valid, -1), part, fill_value)
        if weight is not None:
            part = part * to_dtype(expand(weight, -1), part.dtype)
        total = part if total is None else total + part
    return total if x.dtype in FLOATS else _core.cast(_rounded(total), x.dtype)


@op(tensors=("coordinates",))
def map_coordinates(inputs, coordinates, order, fill_mode="constant", fill_value=0):
    """The elements of `inputs` at coordinates between them.

    Args:
        coordinates: `(rank of inputs, ...)`; the result has the shape of the rest.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: what lies beyond the edges: "constant" (`fill_value`), "nearest", "wrap", "mirror"
            (without repeating the edge) or "reflect" (repeating it).
    """
    inputs, coordinates = convert_to_tensor(inputs), convert_to_tensor(coordinates)
    if coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. Received inputs with "
            "shape: "
            f"{inputs.shape} and coordinate leading dim of {coordinates.shape[0]}"
        )
    if coordinates.ndim < 2:
        raise ValueError(
            "Invalid coordinates rank: expected at least rank 2. "
            f"Received input with shape: {coordinates.shape}"
        )
    _check("fill_mode", fill_mode, _FILL_MODES)
    if order not in (0, 1):
        raise ValueError(
            f"Invalid value for argument `order`. Expected one of {[0, 1]}. Received: order={order}"
        )
    places = coordinates if coordinates.dtype in FLOATS else _core.cast(coordinates, "float32")
    x = _core.reshape(inputs, (1, *inputs.shape, 1))
    result = _sample(x, [expand(places[i], 0) for i in range(inputs.ndim)], order, fill_mode, fill_value)
    return _core.reshape(result, coordinates.shape[1:])


def _grid(height, width):
    """The row and the column of each pixel, `(1, height, width)`."""
    shape = (1, height, width)
    return _core.iota(shape, 1, "float32"), _core.iota(shape, 2, "float32")


def _parameters(matrix):
    """The columns of `(n, k)`, each `(n, 1, 1)`."""
    return [_core.reshape(matrix[:, i], (-1, 1, 1)) for i in range(matrix.shape[1])]


def _spread(coordinates, n):
    return [_core.broadcast_to(c, (n, *c.shape[1:])) for c in coordinates]


@op(tensors=("images", "transform"))
def affine_transform(
    images,
    transform,
    interpolation="bilinear",
    fill_mode="constant",
    fill_value=0,
    data_format=None,
):
    """Images moved, turned, scaled and sheared.

    Args:
        transform: `(8,)` or `(n, 8)`: a0, a1, a2, b0, b1, b2, 0, 0; the output's pixel (x, y) is the input's
            (a0 x + a1 y + a2, b0 x + b1 y + b2).
        interpolation: "nearest" or "bilinear".
        fill_mode, fill_value: as for `map_coordinates`.
    """
    _check("interpolation", interpolation, _ORDERS)
    _check("fill_mode", fill_mode, _FILL_MODES)
    x, restore = to_batch(images, data_format)
    transform = convert_to_tensor(transform)
    if transform.ndim not in (1, 2):
        raise ValueError(
            "Invalid transform rank: expected rank 1 (single transform) or rank 2 (batch of transforms). "
            f"Received input with shape: transform.shape={transform.shape}"
        )
    a0, a1, a2, b0, b1, b2 = _parameters(to_dtype(_core.reshape(transform, (-1, 8)), "float32"))[:6]
    row, column = _grid(*x.shape[1:3])
    places = b0 * column + b1 * row + b2, a0 * column + a1 * row + a2
    return restore(_sample(x, _spread(places, x.shape[0]), _ORDERS[interpolation], fill_mode, fill_value))


def _homography(start, end):
    """The 8 parameters, `(n, 8)`, of the map that takes the four end points to the start points."""
    (sx, sy), (ex, ey) = ((p[..., 0], p[..., 1]) for p in (start, end))
    zero, one = ex * 0, ex * 0 + 1
    rows_x = [ex, ey, one, zero, zero, zero, -sx * ex, -sx * ey]
    rows_y = [zero, zero, zero, ex, ey, one, -sy * ex, -sy * ey]
    system = _core.concat([_core.concat([expand(v, -1) for v in rows], 2) for rows in (rows_x, rows_y)], 1)
    return solve(system, _core.concat([sx, sy], 1))


@op(tensors=("images", "start_points", "end_points"))
def perspective_transform(
    images, start_points, end_points, interpolation="bilinear", fill_value=0, data_format=None
):
    """Images as seen from elsewhere: four points moved to four others.

    Args:
        start_points, end_points: (x, y) of four points, `(4, 2)` or `(n, 4, 2)`.
        interpolation: "nearest" or "bilinear".
        fill_value: of pixels from outside.
    """
    _check("interpolation", interpolation, _ORDERS)
    x, restore = to_batch(images, data_format)
    start, end = to_dtype(start_points, "float32"), to_dtype(end_points, "float32")
    for name, points in (("start_points", start), ("end_points", end)):
        if points.ndim not in (2, 3) or points.shape[-2:] != (4, 2):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
                f"Received shape: {points.shape}"
            )
    if start.shape != end.shape:
        raise ValueError(
            "start_points and end_points must have the same shape. "
            f"Received start_points.shape={start.shape}, end_points.shape={end.shape}"
        )
    matrix = _homography(*(_core.reshape(p, (-1, 4, 2)) for p in (start, end)))
    a0, a1, a2, b0, b1, b2, c0, c1 = _parameters(matrix)
    row, column = _grid(*x.shape[1:3])
    depth = c0 * column + c1 * row + 1.0
    places = (b0 * column + b1 * row + b2) / depth, (a0 * column + a1 * row + a2) / depth
    return restore(_sample(x, _spread(places, x.shape[0]), _ORDERS[interpolation], "constant", fill_value))


@op(tensors=("images",))
def elastic_transform(
    images,
    alpha=20.0,
    sigma=5.0,
    interpolation="bilinear",
    fill_mode="reflect",
    fill_value=0.0,
    seed=None,
    data_format=None,
):
    """Images distorted by a smooth random field (Simard et al., 2003).

    Args:
        alpha: strength of the distortion.
        sigma: its smoothness; a concrete number.
        interpolation, fill_mode, fill_value: as for `affine_transform`.
        seed: int, `SeedGenerator` or None.
    """
    from oxhorn.random.bits import split
    from oxhorn.random.distributions import normal
    from oxhorn.random.seed_generator import draw_seed

    _check("interpolation", interpolation, _ORDERS)
    _check("fill_mode", fill_mode, _FILL_MODES)
    x, restore = to_batch(images, data_format)
    sigma = float(static_value(sigma, "sigma"))
    window = int(6 * sigma) | 1

    def field(key):
        noise = normal((*x.shape[:3], 1), stddev=sigma, dtype="float32", seed=key)
        return (
            gaussian_blur(noise, (window, window), (sigma, sigma), data_format="channels_last")[..., 0]
            * alpha
        )

    places = [g + field(key) for g, key in zip(_grid(*x.shape[1:3]), split(draw_seed(seed), 2))]
    return restore(_sample(x, places, _ORDERS[interpolation], fill_mode, fill_value))
