"""Write figures/maps.png: what zeros around a map, and what isolation, do to its shear.

Usage: python docs/map_figure.py [FOLDER]     (FOLDER: this one by default)

An NFW halo, cut off at a circle so that its shear inside is known exactly, as a map of 128 x 128
pixels, and the error of its shear by three ways of doing the Fourier transform.
"""

import sys
from pathlib import Path

import numpy as np

from clmassmod import NFW
from clmassmod.figures.tools import BLUE, GREY, VERMILLION, new_figure, save_figure
from clmassmod.maps import ProfileField, shear_of_convergence

DPI = 110
N, PIXEL, CUT = 128, 0.05, 60.0
FIELD = ProfileField(NFW(1e15, 4.0, redshift=0.4))
ORDER = 6


def pixel_means(function):
    """Return means of function(x, y) over the pixels, and their distance from the centre."""
    axis = (np.arange(N) - 0.5 * (N - 1)) * PIXEL
    x, y = np.meshgrid(axis, axis)
    u, w = np.polynomial.legendre.leggauss(ORDER)
    total = 0.0
    for a, wa in zip(0.5 * PIXEL * u, 0.5 * w, strict=True):
        for b, wb in zip(0.5 * PIXEL * u, 0.5 * w, strict=True):
            total = total + wa * wb * function(x + a, y + b)
    return total, np.hypot(x, y) / PIXEL


def cut_convergence(x, y):
    """Return the convergence within the circle."""
    inside = np.hypot(x, y) < CUT * PIXEL
    return np.where(inside, FIELD.convergence_shear(x, y)[0], 0.0)


def zero_padded(kappa, factor):
    """Return the shear of the map in a periodic box of `factor` times its side."""
    size = factor * N
    k = np.fft.fftfreq(size)
    kx, ky = np.meshgrid(k, k)
    square = np.where((kx == 0) & (ky == 0), 1.0, kx**2 + ky**2)
    transform = np.fft.fft2(kappa, s=(size, size)) / square
    parts = (transform * (kx**2 - ky**2), transform * 2.0 * kx * ky)
    return [np.fft.ifft2(part).real[:N, :N] for part in parts]


def figure():
    """Return the figure and the errors by name, (n_bins,) each."""
    kappa, radius = pixel_means(cut_convergence)
    exact, _ = pixel_means(lambda x, y: np.array(FIELD.convergence_shear(x, y)[1:]))
    ways = {
        "periodic": (shear_of_convergence(kappa, periodic=True), GREY),
        "padded with zeros to twice the side": (zero_padded(kappa, 2), VERMILLION),
        "isolated": (shear_of_convergence(kappa), BLUE),
    }
    edges = np.arange(2.0, 59.0, 2.0)
    bins = [(radius >= low) & (radius < low + 2.0) for low in edges]
    canvas = new_figure(7.2, 3.2)
    left, right = canvas.subplots(1, 2, width_ratios=[1.0, 1.4])
    half = 0.5 * N * PIXEL
    image = left.imshow(
        np.log10(np.maximum(kappa, 1e-3)), origin="lower", extent=(-half, half, -half, half)
    )
    canvas.colorbar(image, ax=left, label=r"$\log_{10} \kappa$", shrink=0.75)
    left.set(xlabel="x [Mpc]", ylabel="y [Mpc]")
    errors = {}
    for name, (shear, colour) in ways.items():
        error = np.hypot(shear[0] - exact[0], shear[1] - exact[1]) / np.hypot(*exact)
        errors[name] = [float(error[where].max()) for where in bins]
        right.semilogy(edges + 1.0, errors[name], color=colour, label=name)
    right.set(xlabel="pixels from the centre", ylabel="largest relative error of the shear")
    right.set_ylim(1e-6, 50.0)
    right.legend(frameon=False, fontsize=8, loc="upper center")
    return canvas, dict(zip(ways, errors.values(), strict=True))


def main(folder):
    """Write the figure and print the numbers."""
    canvas, errors = figure()
    for name, values in errors.items():
        print(f"{name:38s}", " ".join(f"{value:.1e}" for value in values[::4]))
    save_figure(canvas, Path(folder) / "figures" / "maps.png", DPI)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
