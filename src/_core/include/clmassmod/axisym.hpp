// An axisymmetric lens: kbar = alpha/x, the mean convergence inside x, and its derivatives.
//
// With ' = d/d ln x: kappa = kbar + kbar'/2, gamma = -kbar'/2, d alpha/dx = kbar + kbar' =:
// stretch, 1/mu = T R with T = 1 - kbar (tangential) and R = 1 - stretch (radial). A lens is a
// struct with
//   LensPoint at(double x) const        kbar, kbar', kbar'' and the stretch of its first part
//   static constexpr bool kSimpleParts  whether it is the sum of two parts whose stretches each
//   fall
//                                       from the centre to one minimum and rise beyond it
//   double innermost() const            where a search inwards ends
//   double typical() const              where a search for the Einstein radius begins
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/mean_table.hpp"
#include "clmassmod/profiles/gnfw.hpp"
#include "clmassmod/profiles/sersic.hpp"
#include "clmassmod/slope_table.hpp"

namespace clmassmod {

// A radius and what the lens is there.
struct LensPoint {
    double x;
    MeanValues v;
    double first_stretch;  // the stretch of the first of two parts
    CLMASSMOD_INLINE double convergence() const noexcept { return v.mean + 0.5 * v.slope; }
    CLMASSMOD_INLINE double stretch() const noexcept { return v.mean + v.slope; }
    CLMASSMOD_INLINE double stretch_slope() const noexcept { return v.slope + v.bend; }
    CLMASSMOD_INLINE double deflection() const noexcept { return x * v.mean; }
};

constexpr LensPoint kNowhere{kNaN, {kNaN, kNaN, kNaN}, kNaN};

// Stars: kbar = amplitude f(x / radius), a Sersic profile.
struct StarPart {
    double amplitude, inverse_radius;
    const double* table;  // of kMeanLayout
    const double* shape;  // (n, b_n)

    CLMASSMOD_INLINE MeanValues at(double x) const noexcept {
        const double y = x * inverse_radius;
        if (holds(kMeanLayout, y)) [[likely]]
            return amplitude * mean_values(table, PanelIndex(kMeanLayout), y);
        return amplitude * integrated_mean<FromSurface<Sersic>>(Sersic(shape), y);
    }
};

// Dark matter: kbar = amplitude f(x / radius; slope), a generalised NFW profile.
struct HaloPart {
    double amplitude, inverse_radius;
    SlopePlace place;
    const double* slope;

    CLMASSMOD_INLINE MeanValues at(double x) const noexcept {
        const double y = x * inverse_radius;
        if (holds(kSlopeLayout, y)) [[likely]]
            return amplitude * slope_values(place, PanelIndex(kSlopeLayout), y);
        return amplitude * integrated_mean<FromDensity<Gnfw>>(Gnfw(slope), y);
    }
};

struct StarHaloLens {
    static constexpr bool kSimpleParts = true;
    StarPart star;
    HaloPart halo;
    double radius;  // of half the light

    CLMASSMOD_INLINE LensPoint at(double x) const noexcept {
        const MeanValues stars = star.at(x);
        return {x, stars + halo.at(x), stars.mean + stars.slope};
    }
    CLMASSMOD_INLINE MeanValues stars_at(double x) const noexcept { return star.at(x); }
    double innermost() const noexcept { return 1e-12 * radius; }
    double typical() const noexcept { return radius; }
};

// Any profile, sampled in x itself: 1e-6 to 1e6 of its unit of length, NaN outside.
constexpr OctavePanels kSampledLayout{-20, 40, 4};

struct SampledLens {
    static constexpr bool kSimpleParts = false;
    const double* total;  // of kSampledLayout
    const double* stars;  // null: no stars

    static CLMASSMOD_INLINE MeanValues read(const double* table, double x) noexcept {
        if (!holds(kSampledLayout, x)) return {kNaN, kNaN, kNaN};
        return mean_values(table, PanelIndex(kSampledLayout), x);
    }
    CLMASSMOD_INLINE LensPoint at(double x) const noexcept { return {x, read(total, x), 0.0}; }
    CLMASSMOD_INLINE MeanValues stars_at(double x) const noexcept {
        return stars == nullptr ? MeanValues{0.0, 0.0, 0.0} : read(stars, x);
    }
    double innermost() const noexcept { return kSampledLayout.low(); }
    double typical() const noexcept { return 4.0; }
};

// n lenses of one kind.
struct LensBatch {
    std::size_t n = 0;
    // stars and halo
    const double* star_amplitude = nullptr;  // (n,) kbar of the stars is amplitude f
    const double* star_radius = nullptr;     // (n,)
    const double* halo_amplitude = nullptr;
    const double* halo_radius = nullptr;
    const double* inner_slope = nullptr;          // (n,) in [0, 3)
    const double* const* star_tables = nullptr;   // one for each distinct Sersic index
    const double* star_shapes = nullptr;          // (tables, 2)
    const std::size_t* star_table_of = nullptr;   // (n,) or null: the first for all
    const double* const* slope_panels = nullptr;  // (kSlopePanels,), those in use set
    // sampled profiles
    const double* const* total_tables = nullptr;  // (n,); null: stars and halo
    const double* const* stars_tables = nullptr;  // (n,) or null
};

inline StarHaloLens star_halo_lens(const LensBatch& b, std::size_t i) noexcept {
    const std::size_t table = b.star_table_of == nullptr ? 0 : b.star_table_of[i];
    StarHaloLens lens;
    lens.star = {b.star_amplitude[i], 1.0 / b.star_radius[i], b.star_tables[table],
                 b.star_shapes + 2 * table};
    lens.halo = {b.halo_amplitude[i], 1.0 / b.halo_radius[i],
                 slope_place(b.slope_panels, b.inner_slope[i]), b.inner_slope + i};
    lens.radius = b.star_radius[i];
    return lens;
}

inline SampledLens sampled_lens(const LensBatch& b, std::size_t i) noexcept {
    return {b.total_tables[i], b.stars_tables == nullptr ? nullptr : b.stars_tables[i]};
}

}  // namespace clmassmod
