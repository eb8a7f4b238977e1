// Sums over the pairs of centres and galaxies: what tangential shear profiles are made of.
//
// Every pair is taken once and exactly: no cells stand for their galaxies. With g a galaxy and l a
// centre, beta = D_ls / D_s = max(0, a_l - d_l t_g), where d_l is the transverse comoving distance
// of the centre, t_g = sqrt(1/d_g^2 + k), a_l = sqrt(1 + k d_l^2) and k = Omega_k H0^2/c^2 (Hogg
// 1999, eq. 19).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "clmassmod/simd_math.hpp"
#include "clmassmod/sky_grid.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

// What is summed in every bin; w the weight of a pair, theta its separation.
enum PairSum : std::size_t {
    kPairs,        // 1
    kWeight,       // w
    kSeparation,   // w theta
    kTangential,   // w e_t
    kCross,        // w e_x
    kBeta,         // w beta
    kBetaSquared,  // w beta^2
    kNoise,        // w^2 sigma^2
    kExcess,       // (w / beta) e_t
    kExcessCross,  // (w / beta) e_x
    kExcessNoise,  // (w / beta)^2 sigma^2
    kUnused,       // a row of a multiple of four numbers
    kPairSums
};

// Galaxies in the order of the grid, (n) each.
struct PairGalaxies {
    std::size_t n;
    // on the sphere: cos and sin of right ascension, cos and sin of declination; on the flat sky:
    // both; in a plane: x, y
    const double *p0, *p1, *p2, *p3;
    const double *e1, *e2;
    const double* weight;  // 1 / sigma^2, times what else a galaxy is weighted with
    const double* noise;   // weight^2 sigma^2
    const double* t;       // of the distance, see above
};

struct PairCentres {
    std::size_t n;
    const double *u, *v;    // right ascension and declination, or x and y
    const double *du, *dv;  // half-widths of a window that holds all pairs
    const double *a, *d;    // of the distance, see above
    const double* limit;    // galaxies with t >= limit are left out
    const double* edges;    // (n, n_bins + 1), rising: of sin^2 theta, or of the squared distance
    std::size_t n_bins;
};

// Offset of a galaxy from a centre, to the east and north, with the square of its length.
struct Sphere {
    double x, y, z;

    Sphere(double right_ascension, double declination) noexcept
        : x(std::cos(declination) * std::cos(right_ascension)),
          y(std::cos(declination) * std::sin(right_ascension)),
          z(std::sin(declination)) {}

    // The centre seen from the galaxy, in the axes of the galaxy: (east, north) sin(theta). Its
    // sign does not matter to a shear. A galaxy in the other hemisphere has the square 2.
    CLMASSMOD_INLINE void offset(const PairGalaxies& g, std::size_t i, double& east, double& north,
                                 double& square) const noexcept {
        const double along = x * g.p0[i] + y * g.p1[i];
        const double cosine = along * g.p2[i] + z * g.p3[i];
        east = y * g.p0[i] - x * g.p1[i];
        north = z * g.p2[i] - along * g.p3[i];
        square = cosine > 0.0 ? east * east + north * north : 2.0;
    }

    // arcsin of s, s^2 = square
    CLMASSMOD_INLINE static double separation(double s, double square) noexcept {
        if (square > 0.01) return std::asin(s);
        double p = 10395.0 / 599040.0;
        p = p * square + 945.0 / 42240.0;
        p = p * square + 105.0 / 3456.0;
        p = p * square + 15.0 / 336.0;
        p = p * square + 3.0 / 40.0;
        p = p * square + 1.0 / 6.0;
        return s + s * (square * p);
    }
};

struct Plane {
    double x, y;

    Plane(double x_centre, double y_centre) noexcept : x(x_centre), y(y_centre) {}

    CLMASSMOD_INLINE void offset(const PairGalaxies& g, std::size_t i, double& east, double& north,
                                 double& square) const noexcept {
        east = g.p0[i] - x;
        north = g.p1[i] - y;
        square = east * east + north * north;
    }

    CLMASSMOD_INLINE static double separation(double s, double) noexcept { return s; }
};

// The sky taken as flat around the centre: (difference of right ascension) cos(declination of the
// centre), difference of declination.
struct FlatSky {
    double right_ascension, declination, scale;

    FlatSky(double ra, double dec) noexcept
        : right_ascension(ra), declination(dec), scale(std::cos(dec)) {}

    CLMASSMOD_INLINE void offset(const PairGalaxies& g, std::size_t i, double& east, double& north,
                                 double& square) const noexcept {
        const double turn = g.p0[i] - right_ascension;
        const double back = turn > kPi ? 2.0 * kPi : (turn < -kPi ? -2.0 * kPi : 0.0);
        east = (turn - back) * scale;
        north = g.p1[i] - declination;
        square = east * east + north * north;
    }

    CLMASSMOD_INLINE static double separation(double s, double) noexcept { return s; }
};

namespace pairs {

inline constexpr std::size_t kBuffer = 256;
inline constexpr std::size_t kChunk = 8192;  // candidates of one piece of work
inline constexpr std::size_t kWave = 1024;   // pieces of work whose sums are held at a time

inline constexpr double kNoDirection = 1e-30;  // of the square: what rounding leaves

struct Lens {
    double a, d, limit;
    const double* edges;
    std::size_t n_bins;
};

// Adds the pair to the row of its bin. critical: w = weight beta^2, that is, Sigma_crit^-2.
template <bool critical, class Frame>
CLMASSMOD_INLINE void add_pair(const PairGalaxies& g, std::size_t i, const Lens& lens, double east,
                               double north, double square, double* sums) noexcept {
    std::size_t bin = 0;
    for (std::size_t k = 1; k < lens.n_bins; ++k) bin += square >= lens.edges[k] ? 1 : 0;
    const double difference = lens.a - lens.d * g.t[i];
    const double beta = difference > 0.0 ? difference : 0.0;
    // a galaxy at the very centre has no direction: no shear of it is counted
    const double inverse = square > kNoDirection ? 1.0 / square : 0.0;
    const double cosine = (east * east - north * north) * inverse;
    const double sine = 2.0 * east * north * inverse;
    const double tangential = -(g.e1[i] * cosine + g.e2[i] * sine);
    const double cross = g.e1[i] * sine - g.e2[i] * cosine;
    const double square_beta = beta * beta;
    const double w = critical ? g.weight[i] * square_beta : g.weight[i];
    const double noise = critical ? g.noise[i] * square_beta : 0.0;
    const double excess = critical ? g.weight[i] * beta : 0.0;
    double* row = sums + bin * kPairSums;
    row[kPairs] += 1.0;
    row[kWeight] += w;
    row[kSeparation] += w * Frame::separation(std::sqrt(square), square);
    row[kTangential] += w * tangential;
    row[kCross] += w * cross;
    row[kBeta] += w * beta;
    row[kBetaSquared] += w * square_beta;
    row[kNoise] += critical ? noise * square_beta : g.noise[i];
    row[kExcess] += excess * tangential;
    row[kExcessCross] += excess * cross;
    row[kExcessNoise] += noise;
}

template <bool critical, class Frame>
CLMASSMOD_TARGETS void add_run(const PairGalaxies& g, const Frame& frame, const Lens& lens,
                               std::size_t first, std::size_t last, double* sums) noexcept {
    double east[kBuffer], north[kBuffer], square[kBuffer];
    std::uint32_t kept[kBuffer];
    const double low = lens.edges[0], high = lens.edges[lens.n_bins];
    for (std::size_t begin = first; begin < last; begin += kBuffer) {
        const std::size_t n = last - begin < kBuffer ? last - begin : kBuffer;
        for (std::size_t i = 0; i < n; ++i)
            frame.offset(g, begin + i, east[i], north[i], square[i]);
        std::size_t m = 0;
        for (std::size_t i = 0; i < n; ++i) {
            kept[m] = static_cast<std::uint32_t>(i);
            const bool inside = (square[i] >= low) & (square[i] < high);
            m += inside & (g.t[begin + i] < lens.limit) ? 1 : 0;
        }
        for (std::size_t j = 0; j < m; ++j) {
            const std::size_t i = kept[j];
            add_pair<critical, Frame>(g, begin + i, lens, east[i], north[i], square[i], sums);
        }
    }
}

// A stretch of the candidates of one centre: its runs, laid end to end.
struct Piece {
    std::size_t centre, first_run, last_run, skip, count;
};

template <bool critical, class Frame>
void add_piece(const PairGalaxies& g, const PairCentres& c, const Piece& piece, const Run* runs,
               double* sums) noexcept {
    const std::size_t l = piece.centre;
    const Frame frame(c.u[l], c.v[l]);
    const Lens lens{c.a[l], c.d[l], c.limit[l], c.edges + l * (c.n_bins + 1), c.n_bins};
    std::size_t skip = piece.skip, left = piece.count;
    for (std::size_t r = piece.first_run; r < piece.last_run && left > 0; ++r) {
        const std::size_t size = runs[r].last - runs[r].first;
        if (skip >= size) {
            skip -= size;
            continue;
        }
        const std::size_t first = runs[r].first + skip;
        const std::size_t n = size - skip < left ? size - skip : left;
        add_run<critical>(g, frame, lens, first, first + n, sums);
        skip = 0;
        left -= n;
    }
}

}  // namespace pairs

// Fills `out` (n_centres, n_bins, kPairSums). The pieces do not depend on the number of threads,
// nor those of a centre on other centres; their sums are added in order. May throw bad_alloc.
template <bool critical, class Frame>
void sum_pairs(const PairGalaxies& galaxies, const SkyGrid& grid, const std::int64_t* start,
               const PairCentres& centres, int n_threads, double* out) {
    using namespace pairs;
    const std::size_t size = centres.n_bins * kPairSums;
    std::fill(out, out + centres.n * size, 0.0);
    std::vector<Run> runs;
    std::vector<Piece> pieces;
    std::vector<double> partial;
    for (std::size_t l = 0; l < centres.n;) {
        runs.clear();
        pieces.clear();
        for (; l < centres.n && pieces.size() < kWave; ++l) {
            const std::size_t first = runs.size();
            append_window(grid, start, centres.u[l], centres.v[l], centres.du[l], centres.dv[l],
                          runs);
            std::size_t count = 0;
            for (std::size_t r = first; r < runs.size(); ++r) count += runs[r].last - runs[r].first;
            for (std::size_t skip = 0; skip < count; skip += kChunk)
                pieces.push_back({l, first, runs.size(), skip, std::min(kChunk, count - skip)});
        }
        partial.assign(pieces.size() * size, 0.0);
        for_each_block(pieces.size(), n_threads, [&](std::size_t k) noexcept {
            add_piece<critical, Frame>(galaxies, centres, pieces[k], runs.data(),
                                       partial.data() + k * size);
            return Status{};
        });
        for (std::size_t k = 0; k < pieces.size(); ++k) {
            double* total = out + pieces[k].centre * size;
            for (std::size_t i = 0; i < size; ++i) total[i] += partial[k * size + i];
        }
    }
}

}  // namespace clmassmod
