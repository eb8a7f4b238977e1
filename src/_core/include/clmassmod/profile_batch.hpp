// One call for n_rows haloes times n_columns radii, of one kind of profile, threaded.
//
// Points are evaluated in blocks of fixed size: parameters of a row are spread over its points,
// so that the profile's formulae run over contiguous arrays whatever the shape of the batch.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/lensing.hpp"
#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/quantity.hpp"
#include "clmassmod/status.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

constexpr std::size_t kBlockPoints = 512;
constexpr std::size_t kVector = 8;  // doubles of the widest vector
// below this number of points the loop is serial: starting threads takes about 5 us (measured)
constexpr std::size_t kSerialPoints = 4096;

// An array over (row, column) that may be shared by rows or by columns (stride 0).
struct Strided {
    const double* data = nullptr;
    std::size_t row_stride = 0;
    std::size_t column_stride = 0;
    double at(std::size_t row, std::size_t column) const noexcept {
        return data[row * row_stride + column * column_stride];
    }
};

// 1/Sigma_crit of the sources. Either one value a point (one plane; or the mean over an n(z) for
// the shear and <beta^2>/<beta> for the convergence, Seitz & Schneider 1997), or n_planes planes
// with weights, over which reduced shear and magnification are averaged exactly.
struct Sources {
    Strided shear;                          // (row, column)
    Strided convergence;                    // (row, column)
    const double* plane_inverse = nullptr;  // (rows or 1, n_planes)
    const double* plane_weight = nullptr;   // (rows or 1, n_planes), sums to 1
    std::size_t plane_row_stride = 0;
    std::size_t weight_row_stride = 0;
    std::size_t n_planes = 0;
};

struct ProfileBatch {
    Strided radius;  // R or r
    std::size_t n_rows = 0;
    std::size_t n_columns = 0;
    const double* density_scale = nullptr;  // (n_rows,) rho_s
    const double* radius_scale = nullptr;   // (n_rows,) r_s
    const double* shape = nullptr;          // (n_rows,) shape parameter, or null
    Sources sources;
    double* out = nullptr;  // (n_rows, n_columns)
};

// Scratch of one block; `first` holds Sigma and `second` Delta Sigma where both are needed.
struct alignas(64) Block {
    double x[kBlockPoints];
    double shape[kBlockPoints];
    double scale[kBlockPoints + kVector];
    double first[kBlockPoints];
    double second[kBlockPoints];
    double inverse_shear[kBlockPoints];
    double inverse_convergence[kBlockPoints];
};

// Evaluates the dimensionless quantity over a block.
template <class Profile>
CLMASSMOD_TARGETS void evaluate_block(Quantity q, Block& b, std::size_t n) noexcept {
    switch (q) {
        case Quantity::density:
            for (std::size_t k = 0; k < n; ++k) b.first[k] = Profile::density(b.x[k], b.shape[k]);
            break;
        case Quantity::enclosed_mass:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = Profile::enclosed_mass(b.x[k], b.shape[k]);
            break;
        case Quantity::surface_density:
        case Quantity::convergence:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = Profile::surface_density(b.x[k], b.shape[k]);
            break;
        case Quantity::mean_surface_density:
        case Quantity::enclosed_mass_2d:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = Profile::mean_surface_density(b.x[k], b.shape[k]);
            break;
        case Quantity::excess_surface_density:
        case Quantity::tangential_shear:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = Profile::excess_surface_density(b.x[k], b.shape[k]);
            break;
        case Quantity::surface_density_slope:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = Profile::surface_density_slope(b.x[k], b.shape[k]);
            break;
        case Quantity::density_slope:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = Profile::density_slope(b.x[k], b.shape[k]);
            break;
        case Quantity::reduced_tangential_shear:
        case Quantity::magnification:
        case Quantity::tangential_ellipticity:
            for (std::size_t k = 0; k < n; ++k) {
                const Projection p = Profile::project(b.x[k], b.shape[k]);
                b.first[k] = p.surface;
                b.second[k] = p.excess;
            }
            break;
    }
}

// What the dimensionless value of a row is multiplied by.
inline double quantity_scale(Quantity q, double rho_s, double r_s) noexcept {
    switch (q) {
        case Quantity::density:
        case Quantity::density_slope:
            return rho_s;
        case Quantity::enclosed_mass:
            return 4.0 * kPi * rho_s * r_s * r_s * r_s;
        case Quantity::enclosed_mass_2d:
            return kPi * rho_s * r_s;  // times R^2
        default:
            return rho_s * r_s;
    }
}

CLMASSMOD_INLINE double observable(Quantity q, double sigma, double excess, double inverse_shear,
                                   double inverse_convergence) noexcept {
    const double kappa = sigma * inverse_convergence;
    const double gamma = excess * inverse_shear;
    if (q == Quantity::magnification) return magnification(kappa, gamma);
    if (q == Quantity::tangential_ellipticity) return expected_ellipticity(kappa, gamma);
    return reduced_shear(kappa, gamma);
}

// Turns the dimensionless values of a block into the quantity, for sources on one plane a point.
CLMASSMOD_TARGETS
inline void finish_block(Quantity q, Block& b, std::size_t n) noexcept {
    switch (q) {
        case Quantity::convergence:
            for (std::size_t k = 0; k < n; ++k) b.first[k] *= b.scale[k] * b.inverse_convergence[k];
            break;
        case Quantity::tangential_shear:
            for (std::size_t k = 0; k < n; ++k) b.first[k] *= b.scale[k] * b.inverse_shear[k];
            break;
        case Quantity::reduced_tangential_shear:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = reduced_shear(b.first[k] * b.scale[k] * b.inverse_convergence[k],
                                           b.second[k] * b.scale[k] * b.inverse_shear[k]);
            break;
        case Quantity::magnification:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] = magnification(b.first[k] * b.scale[k] * b.inverse_convergence[k],
                                           b.second[k] * b.scale[k] * b.inverse_shear[k]);
            break;
        case Quantity::tangential_ellipticity:
            for (std::size_t k = 0; k < n; ++k)
                b.first[k] =
                    expected_ellipticity(b.first[k] * b.scale[k] * b.inverse_convergence[k],
                                         b.second[k] * b.scale[k] * b.inverse_shear[k]);
            break;
        default:
            for (std::size_t k = 0; k < n; ++k) b.first[k] *= b.scale[k];
            break;
    }
}

// Whether the observable has a pole between a source at the lens and one on this plane: for the
// reduced shear where kappa reaches 1, for the magnification where kappa + |gamma| does. The
// expected ellipticity has none.
CLMASSMOD_INLINE bool beyond_pole(Quantity q, double sigma, double excess,
                                  double inverse) noexcept {
    if (q == Quantity::tangential_ellipticity) return false;
    const double kappa = sigma * inverse;
    const double gamma = q == Quantity::magnification ? std::fabs(excess * inverse) : 0.0;
    return kappa + gamma >= 1.0;
}

// Mean of the observable over source planes: exact for any n(z) given as planes and weights. The
// mean over sources on both sides of a pole would depend on where the planes lie: not a number.
CLMASSMOD_TARGETS
inline double average_over_planes(Quantity q, double sigma, double excess, const double* inverse,
                                  const double* weight, std::size_t n) noexcept {
    // eight fixed partial sums: the order of addition is the same on every instruction set
    double partial[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    bool pole = false;
    const std::size_t whole = n / 8 * 8;
    for (std::size_t k = 0; k < whole; k += 8)
        for (std::size_t j = 0; j < 8; ++j) {
            partial[j] +=
                weight[k + j] * observable(q, sigma, excess, inverse[k + j], inverse[k + j]);
            pole |= weight[k + j] > 0.0 && beyond_pole(q, sigma, excess, inverse[k + j]);
        }
    for (std::size_t k = whole; k < n; ++k) {
        partial[0] += weight[k] * observable(q, sigma, excess, inverse[k], inverse[k]);
        pole |= weight[k] > 0.0 && beyond_pole(q, sigma, excess, inverse[k]);
    }
    if (pole) return kNaN;
    return ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
           ((partial[4] + partial[5]) + (partial[6] + partial[7]));
}

inline bool needs_sources(Quantity q) noexcept { return q >= Quantity::convergence; }
inline bool is_nonlinear(Quantity q) noexcept { return q >= Quantity::reduced_tangential_shear; }

inline bool good_radius(double r) noexcept { return r > 0.0 && r < kInfinity; }

inline void spread(const Strided& from, std::size_t row, std::size_t column, double* to,
                   std::size_t n) noexcept {
    const double* data = from.data + row * from.row_stride + column * from.column_stride;
    if (from.column_stride == 1) {
        std::copy_n(data, n, to);
    } else {
        std::fill_n(to, n, *data);
    }
}

// Spreads the parameters of a row over its points k .. k + n of the block, at columns from column.
inline Status fill_row(Quantity q, const ProfileBatch& batch, std::size_t row, std::size_t column,
                       Block& b, std::size_t k, std::size_t n) noexcept {
    const double r_s = batch.radius_scale[row];
    const double inverse_r_s = 1.0 / r_s;
    const double scale = quantity_scale(q, batch.density_scale[row], r_s);
    const std::size_t stride = batch.radius.column_stride;
    const double* radius = batch.radius.data + row * batch.radius.row_stride + column * stride;
    bool all_good = true;
    double* x = b.x + k;
    for (std::size_t j = 0; j < n; ++j) {
        const double r = radius[j * stride];
        all_good &= good_radius(r);
        x[j] = r * inverse_r_s;
    }
    // whole vectors: what is written beyond the row is overwritten by the next one
    double* scales = b.scale + k;
    for (std::size_t j = 0; j < n; j += kVector)
        for (std::size_t i = 0; i < kVector; ++i) scales[j + i] = scale;
    if (q == Quantity::enclosed_mass_2d)
        for (std::size_t j = 0; j < n; ++j)
            b.scale[k + j] *= (b.x[k + j] * r_s) * (b.x[k + j] * r_s);
    if (batch.shape != nullptr) std::fill_n(b.shape + k, n, batch.shape[row]);
    if (needs_sources(q)) {
        spread(batch.sources.shear, row, column, b.inverse_shear + k, n);
        spread(batch.sources.convergence, row, column, b.inverse_convergence + k, n);
    }
    if (all_good) return {};
    std::size_t bad = column;
    while (good_radius(batch.radius.at(row, bad))) ++bad;
    return {StatusCode::bad_radius, row * batch.n_columns + bad};
}

// Replaces Sigma and Delta Sigma of the block by the observable averaged over source planes.
inline void average_block(Quantity q, const ProfileBatch& batch, Block& b, std::size_t begin,
                          std::size_t n) noexcept {
    const Sources& sources = batch.sources;
    for (std::size_t k = 0; k < n; ++k) {
        const std::size_t row = (begin + k) / batch.n_columns;
        b.first[k] = average_over_planes(q, b.first[k] * b.scale[k], b.second[k] * b.scale[k],
                                         sources.plane_inverse + row * sources.plane_row_stride,
                                         sources.plane_weight + row * sources.weight_row_stride,
                                         sources.n_planes);
    }
}

// One block: points begin .. begin + n of the flattened (row, column) batch. `evaluate` fills the
// dimensionless values: evaluate(block, begin, n, padded) -> Status.
template <class Evaluate>
Status run_block(Quantity q, const ProfileBatch& batch, std::size_t begin, std::size_t n,
                 const Evaluate& evaluate) noexcept {
    Block b;
    Status status;
    std::size_t row = begin / batch.n_columns;
    std::size_t column = begin % batch.n_columns;
    for (std::size_t k = 0; k < n; ++row, column = 0) {
        const std::size_t run = std::min(n - k, batch.n_columns - column);
        status.merge(fill_row(q, batch, row, column, b, k, run));
        k += run;
    }
    // whole vectors: the tail of the block is evaluated at x = 1 and thrown away
    const std::size_t padded = (n + kVector - 1) / kVector * kVector;
    for (std::size_t k = n; k < padded; ++k) {
        b.x[k] = 1.0;
        b.shape[k] = batch.shape == nullptr ? 0.0 : b.shape[n - 1];
        b.scale[k] = b.inverse_shear[k] = b.inverse_convergence[k] = 0.0;
    }
    status.merge(evaluate(b, begin, n, padded));
    if (batch.sources.n_planes > 0 && is_nonlinear(q)) {
        average_block(q, batch, b, begin, n);
    } else {
        finish_block(q, b, padded);
    }
    std::copy_n(b.first, n, batch.out + begin);
    return status;
}

template <class Profile>
Status run_batch(Quantity q, const ProfileBatch& batch, int n_threads) noexcept {
    const std::size_t points = batch.n_rows * batch.n_columns;
    const std::size_t blocks = (points + kBlockPoints - 1) / kBlockPoints;
    const auto evaluate = [q](Block& b, std::size_t, std::size_t, std::size_t padded) {
        evaluate_block<Profile>(q, b, padded);
        return Status{};
    };
    return for_each_block(blocks, points < kSerialPoints ? 1 : n_threads, [&](std::size_t block) {
        const std::size_t begin = block * kBlockPoints;
        return run_block(q, batch, begin, std::min(kBlockPoints, points - begin), evaluate);
    });
}

}  // namespace clmassmod
