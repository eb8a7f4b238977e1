# distutils: language = c++
"""Compiled profiles known by quadrature: tables, and one call without the GIL."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport size_t

from batch cimport (
    ProfileBatch,
    Status,
    StatusCode,
    check,
    fill_batch,
    fill_sources,
)

from clmassmod._core.profile import QUANTITIES, ConvergenceError, RadiusError

cdef extern from "clmassmod/numeric_kinds.hpp" namespace "clmassmod" nogil:
    cdef enum class NumericKind "clmassmod::NumericKind":
        gnfw
        einasto
        burkert
        sersic
        dk14
        diemer23
        sampled_density
        sampled_surface
    cdef struct TableLayout:
        int first_exponent
        int octaves
        int split
        double low()
        double high()
    cdef struct RadialTable:
        TableLayout layout
        double* coefficient
    cdef struct TableError:
        double largest()
    cdef struct NumericBatch:
        ProfileBatch profile
        const double* parameters
        size_t parameter_stride
        const RadialTable* tables
        const size_t* table_of_row
    size_t numeric_parameters(int kind)
    size_t table_size(const TableLayout& layout)
    Status evaluate_numeric(int kind, int quantity, const NumericBatch& batch, int n_threads)
    TableLayout numeric_table_layout(int kind, const double* parameters, int split)
    bint build_numeric_table(
        int kind, const double* parameters, int nodes, double tolerance, RadialTable& table,
        TableError& error
    )

KINDS = {
    "gnfw": <int>NumericKind.gnfw,
    "einasto": <int>NumericKind.einasto,
    "burkert": <int>NumericKind.burkert,
    "sersic": <int>NumericKind.sersic,
    "dk14": <int>NumericKind.dk14,
    "diemer23": <int>NumericKind.diemer23,
    "sampled_density": <int>NumericKind.sampled_density,
    "sampled_surface": <int>NumericKind.sampled_surface,
}


cdef class Table:
    """A profile tabulated in x = r / r_s; immutable."""

    cdef RadialTable table
    cdef readonly double error
    """Largest relative error found at points between the nodes; nan if an integral diverges."""

    def __cinit__(self, int kind, const double[::1] parameters, int split, int nodes, double tolerance):
        cdef TableError error
        cdef bint converged
        cdef const double* values = &parameters[0] if parameters.shape[0] else NULL
        check(<size_t>parameters.shape[0] >= numeric_parameters(kind), "parameters")
        self.table.layout = numeric_table_layout(kind, values, split)
        self.table.coefficient = <double*>PyMem_Malloc(
            (table_size(self.table.layout) + 1) * sizeof(double)
        )
        if self.table.coefficient == NULL:
            raise MemoryError()
        with nogil:
            converged = build_numeric_table(kind, values, nodes, tolerance, self.table, error)
        self.error = error.largest() if converged else float("nan")

    def __dealloc__(self):
        PyMem_Free(self.table.coefficient)

    @property
    def limits(self):
        """First and last x of the table."""
        return self.table.layout.low(), self.table.layout.high()


cdef class TableSet:
    """The tables of a batch, and which of them each row reads."""

    cdef readonly tuple tables
    cdef RadialTable* views
    cdef const size_t[::1] table_of_row

    def __cinit__(self, tables, const size_t[::1] table_of_row):
        cdef size_t i
        self.tables = tuple(tables)
        self.table_of_row = table_of_row
        check(len(self.tables) > 0, "tables")
        if table_of_row is not None:
            for i in range(<size_t>table_of_row.shape[0]):
                check(table_of_row[i] < <size_t>len(self.tables), "table_of_row")
        self.views = <RadialTable*>PyMem_Malloc(len(self.tables) * sizeof(RadialTable))
        if self.views == NULL:
            raise MemoryError()
        for i in range(<size_t>len(self.tables)):
            self.views[i] = (<Table?>self.tables[i]).table

    def __dealloc__(self):
        PyMem_Free(self.views)


def evaluate(
    int kind,
    int quantity,
    const double[:, ::1] radius,
    const double[::1] density_scale,
    const double[::1] radius_scale,
    const double[:, ::1] parameters,
    TableSet tables,
    const double[:, ::1] shear,
    const double[:, ::1] convergence,
    const double[:, ::1] plane_inverse,
    const double[:, ::1] plane_weight,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (n_rows, n_columns); arrays of length one along an axis are shared along it.

    `parameters` is (1 or n_rows, number of the kind); without `tables` every point is
    integrated.
    """
    cdef NumericBatch batch
    cdef Status status
    cdef size_t n_rows = out.shape[0]
    if n_rows == 0 or out.shape[1] == 0:
        return
    fill_batch(&batch.profile, radius, density_scale, radius_scale, out)
    if shear is not None:
        fill_sources(
            &batch.profile.sources, n_rows, out.shape[1], shear, convergence,
            plane_inverse, plane_weight,
        )
    else:
        check(quantity < QUANTITIES["convergence"], "lensing quantities need sources")
    check(parameters.shape[0] in (1, n_rows), "parameters: (1|n, p)")
    check(<size_t>parameters.shape[1] >= numeric_parameters(kind), "parameters: (1|n, p)")
    batch.parameters = &parameters[0, 0] if parameters.shape[1] else NULL
    batch.parameter_stride = parameters.shape[1] if parameters.shape[0] > 1 else 0
    batch.tables = NULL
    batch.table_of_row = NULL
    if tables is not None:
        batch.tables = tables.views
        if tables.table_of_row is not None:
            check(<size_t>tables.table_of_row.shape[0] == n_rows, "table_of_row: (n_rows,)")
            batch.table_of_row = &tables.table_of_row[0]
    with nogil:
        status = evaluate_numeric(kind, quantity, batch, n_threads)
    if status.code == StatusCode.bad_radius:
        index = status.index % (radius.shape[0] * radius.shape[1])
        raise RadiusError(index, (&radius[0, 0])[index])
    if status.code == StatusCode.no_convergence:
        raise ConvergenceError(status.index)
    if status.code != StatusCode.ok:
        raise RuntimeError(f"core status {<int>status.code} at {status.index}")
