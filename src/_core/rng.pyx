# distutils: language = c++
"""Counter-based random numbers."""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

cdef extern from "clmassmod/rng.hpp" namespace "clmassmod" nogil:
    cdef cppclass KeyedUniforms:
        uint64_t key[2]
        const uint64_t* object "object"
        const uint64_t* part
        size_t n_objects
        size_t n_draws
    void fill "clmassmod::keyed_uniforms"(
        const KeyedUniforms& wanted, int n_threads, double* out
    )


def keyed_uniforms(
    uint64_t seed,
    uint64_t purpose,
    const uint64_t[::1] objects,
    const uint64_t[::1] parts,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (n, n_draws); `parts` is (n,) or None."""
    cdef KeyedUniforms wanted
    if out.shape[0] != objects.shape[0] or (parts is not None and parts.shape[0] != out.shape[0]):
        raise ValueError("objects, parts: (n,), out: (n, n_draws)")
    if out.shape[0] == 0 or out.shape[1] == 0:
        return
    wanted.key[0] = seed
    wanted.key[1] = purpose
    wanted.object = &objects[0]
    wanted.part = NULL
    if parts is not None:
        wanted.part = &parts[0]
    wanted.n_objects = out.shape[0]
    wanted.n_draws = out.shape[1]
    with nogil:
        fill(wanted, n_threads, &out[0, 0])
