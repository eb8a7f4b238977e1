# distutils: language = c++
"""Compiled profiles: checks shapes, makes one call without the GIL."""

from libc.stddef cimport size_t

from batch cimport ProfileBatch, Status, StatusCode, check, fill_batch, fill_sources

cdef extern from "clmassmod/quantity.hpp" namespace "clmassmod" nogil:
    cdef enum class Quantity "clmassmod::Quantity":
        density
        enclosed_mass
        surface_density
        mean_surface_density
        excess_surface_density
        enclosed_mass_2d
        surface_density_slope
        density_slope
        convergence
        tangential_shear
        reduced_tangential_shear
        magnification
        tangential_ellipticity

cdef extern from "clmassmod/profile_kinds.hpp" namespace "clmassmod" nogil:
    cdef enum class ProfileKind "clmassmod::ProfileKind":
        nfw
        hernquist
        bmo
        sis
        power_law
        dpie
        point_mass
    cdef struct ScaleBatch:
        size_t n
        const double* mass
        const double* concentration
        const double* reference_density
        const double* shape
        double* density_scale
        double* radius_scale
    Status evaluate_profile(int kind, int quantity, const ProfileBatch& batch, int n_threads)
    Status scales_of_profile(int kind, const ScaleBatch& batch, int n_threads)

cdef extern from "clmassmod/conversion.hpp" namespace "clmassmod" nogil:
    cdef struct ConversionBatch:
        size_t n
        const double* mass
        const double* concentration
        const double* density_from
        const double* density_to
        double* mass_out
        double* concentration_out
    Status convert_nfw(const ConversionBatch& batch, int n_threads)


QUANTITIES = {
    "density": <int>Quantity.density,
    "enclosed_mass": <int>Quantity.enclosed_mass,
    "surface_density": <int>Quantity.surface_density,
    "mean_surface_density": <int>Quantity.mean_surface_density,
    "excess_surface_density": <int>Quantity.excess_surface_density,
    "enclosed_mass_2d": <int>Quantity.enclosed_mass_2d,
    "surface_density_slope": <int>Quantity.surface_density_slope,
    "density_slope": <int>Quantity.density_slope,
    "convergence": <int>Quantity.convergence,
    "tangential_shear": <int>Quantity.tangential_shear,
    "reduced_tangential_shear": <int>Quantity.reduced_tangential_shear,
    "magnification": <int>Quantity.magnification,
    "tangential_ellipticity": <int>Quantity.tangential_ellipticity,
}

KINDS = {
    "nfw": <int>ProfileKind.nfw,
    "hernquist": <int>ProfileKind.hernquist,
    "bmo": <int>ProfileKind.bmo,
    "sis": <int>ProfileKind.sis,
    "power_law": <int>ProfileKind.power_law,
    "dpie": <int>ProfileKind.dpie,
    "point_mass": <int>ProfileKind.point_mass,
}


cdef _raise(Status status, const double[::1] radius):
    if status.code == StatusCode.bad_radius:
        index = status.index if radius.shape[0] > status.index else status.index % radius.shape[0]
        raise RadiusError(index, radius[index])
    raise RuntimeError(f"core status {<int>status.code} at {status.index}")


class RadiusError(ValueError):
    """A radius is not finite and > 0; `index` counts in the flattened array."""

    def __init__(self, index, value):
        self.index = index
        self.value = value
        super().__init__(f"radius {value} at {index}")


def evaluate(
    int kind,
    int quantity,
    const double[:, ::1] radius,
    const double[::1] density_scale,
    const double[::1] radius_scale,
    const double[::1] shape,
    const double[:, ::1] shear,
    const double[:, ::1] convergence,
    const double[:, ::1] plane_inverse,
    const double[:, ::1] plane_weight,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (n_rows, n_columns); arrays of length one along an axis are shared along it."""
    cdef size_t n_rows = out.shape[0]
    cdef size_t n_columns = out.shape[1]
    cdef ProfileBatch batch
    cdef Status status
    if n_rows == 0 or n_columns == 0:
        return
    fill_batch(&batch, radius, density_scale, radius_scale, out)
    if shape is not None:
        check(shape.shape[0] == n_rows, "shape: (n_rows,)")
        batch.shape = &shape[0]
    if shear is not None:
        fill_sources(
            &batch.sources, n_rows, n_columns, shear, convergence, plane_inverse, plane_weight
        )
    else:
        check(quantity < <int>Quantity.convergence, "lensing quantities need sources")
    with nogil:
        status = evaluate_profile(kind, quantity, batch, n_threads)
    if status.code != StatusCode.ok:
        _raise(status, <const double[:radius.shape[0] * radius.shape[1]]>&radius[0, 0])


def scales(
    int kind,
    const double[::1] mass,
    const double[::1] concentration,
    const double[::1] reference_density,
    const double[::1] shape,
    double[::1] density_scale,
    double[::1] radius_scale,
    int n_threads,
):
    """Fill `density_scale` and `radius_scale` (n,) from masses and concentrations."""
    cdef ScaleBatch batch
    cdef size_t n = mass.shape[0]
    check(
        concentration.shape[0] == n and reference_density.shape[0] == n
        and density_scale.shape[0] == n and radius_scale.shape[0] == n,
        "all arrays: (n,)",
    )
    if n == 0:
        return
    batch.n = n
    batch.mass = &mass[0]
    batch.concentration = &concentration[0]
    batch.reference_density = &reference_density[0]
    batch.shape = NULL
    if shape is not None:
        check(shape.shape[0] == n, "shape: (n,)")
        batch.shape = &shape[0]
    batch.density_scale = &density_scale[0]
    batch.radius_scale = &radius_scale[0]
    with nogil:
        scales_of_profile(kind, batch, n_threads)


class ConvergenceError(ArithmeticError):
    """An element did not converge; `index` is the first of them."""

    def __init__(self, index):
        self.index = index
        super().__init__(f"no convergence at {index}")


def convert(
    const double[::1] mass,
    const double[::1] concentration,
    const double[::1] density_from,
    const double[::1] density_to,
    double[::1] mass_out,
    double[::1] concentration_out,
    int n_threads,
):
    """Fill `mass_out` and `concentration_out` (n,): NFW haloes in another mass definition."""
    cdef ConversionBatch batch
    cdef Status status
    cdef size_t n = mass.shape[0]
    check(
        concentration.shape[0] == n and density_from.shape[0] == n and density_to.shape[0] == n
        and mass_out.shape[0] == n and concentration_out.shape[0] == n,
        "all arrays: (n,)",
    )
    if n == 0:
        return
    batch.n = n
    batch.mass = &mass[0]
    batch.concentration = &concentration[0]
    batch.density_from = &density_from[0]
    batch.density_to = &density_to[0]
    batch.mass_out = &mass_out[0]
    batch.concentration_out = &concentration_out[0]
    with nogil:
        status = convert_nfw(batch, n_threads)
    if status.code != StatusCode.ok:
        raise ConvergenceError(status.index)
