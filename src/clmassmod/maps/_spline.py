"""Cubic splines through the pixels of a map."""

from __future__ import annotations

import numpy as np

from ..cosmology import Array
from ..errors import ParameterError, nearest

SAMPLINGS = ("pixel", "point")
"""What the value of a pixel is: the mean over its area, or the value at its centre."""
# half-sample symmetric: the map goes on as in a mirror along its outer pixel edges
_MODE = "reflect"


def checked_sampling(sampling: str) -> str:
    """Return `sampling`, one of `SAMPLINGS`."""
    if sampling not in SAMPLINGS:
        allowed = f"one of {', '.join(SAMPLINGS)}"
        raise ParameterError("sampling", sampling, allowed, nearest(str(sampling), SAMPLINGS))
    return sampling


def filter_order(sampling: str) -> int:
    """Order of the B-splines that link the coefficients of a cubic spline to the values.

    The mean of a cubic B-spline over a pixel is the B-spline of order 4 at its centre.
    """
    return 4 if checked_sampling(sampling) == "pixel" else 3


def spline_coefficients(values: Array, sampling: str) -> Array:
    """Return the coefficients of the bicubic spline with the given pixels.

    Parameters
    ----------
    values : (n, n) ndarray
    sampling : {"pixel", "point"}
        Whether the spline has these means over the pixels, or these values at their centres
        (Unser 1999, IEEE Signal Processing Magazine 16, 22).
    """
    from scipy.ndimage import spline_filter

    return np.asarray(spline_filter(values, order=filter_order(sampling), mode=_MODE))


def spline_values(coefficients: Array, column: Array, row: Array) -> Array:
    """Return the spline at fractional pixel coordinates, 0 at the centre of the first pixel."""
    from scipy.ndimage import map_coordinates

    where = [np.ravel(row), np.ravel(column)]
    values = map_coordinates(coefficients, where, order=3, mode=_MODE, prefilter=False)
    return np.asarray(values).reshape(np.shape(row))
