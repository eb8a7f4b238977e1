// The kinds of profiles known by quadrature, and the one switch from a number to a template.
#pragma once

#include "clmassmod/numeric_batch.hpp"
#include "clmassmod/profiles/burkert.hpp"
#include "clmassmod/profiles/diemer23.hpp"
#include "clmassmod/profiles/dk14.hpp"
#include "clmassmod/profiles/einasto.hpp"
#include "clmassmod/profiles/gnfw.hpp"
#include "clmassmod/profiles/sampled.hpp"
#include "clmassmod/profiles/sersic.hpp"
#include "clmassmod/radial_table.hpp"

namespace clmassmod {

enum class NumericKind : int {
    gnfw = 0,
    einasto = 1,
    burkert = 2,
    sersic = 3,
    dk14 = 4,
    diemer23 = 5,
    sampled_density = 6,
    sampled_surface = 7,
};

// Calls visitor.template operator()<Profile>() for the profile of that kind, or returns `unknown`.
template <class Result, class Visitor>
Result visit_numeric(int kind, Result unknown, Visitor&& visitor) noexcept {
    switch (static_cast<NumericKind>(kind)) {
        case NumericKind::gnfw:
            return visitor.template operator()<FromDensity<Gnfw>>();
        case NumericKind::einasto:
            return visitor.template operator()<FromDensity<Einasto>>();
        case NumericKind::burkert:
            return visitor.template operator()<FromDensity<Burkert>>();
        case NumericKind::sersic:
            return visitor.template operator()<FromSurface<Sersic>>();
        case NumericKind::dk14:
            return visitor.template operator()<FromDensity<Dk14>>();
        case NumericKind::diemer23:
            return visitor.template operator()<FromDensity<Diemer23>>();
        case NumericKind::sampled_density:
            return visitor.template operator()<FromDensity<Sampled>>();
        case NumericKind::sampled_surface:
            return visitor.template operator()<FromSurface<Sampled>>();
    }
    return unknown;
}

inline std::size_t numeric_parameters(int kind) noexcept {
    return visit_numeric(kind, std::size_t{0},
                         []<class Profile>() { return Profile::Shape::kParameters; });
}

inline Status evaluate_numeric(int kind, int quantity, const NumericBatch& batch,
                               int n_threads) noexcept {
    return visit_numeric(kind, Status{StatusCode::unknown_kind, 0}, [&]<class Profile>() {
        return run_numeric<Profile>(static_cast<Quantity>(quantity), batch, n_threads);
    });
}

inline TableLayout numeric_table_layout(int kind, const double* parameters, int split) noexcept {
    return visit_numeric(kind, TableLayout{}, [&]<class Profile>() {
        return table_layout<Profile>(typename Profile::Shape(parameters), split);
    });
}

inline bool build_numeric_table(int kind, const double* parameters, int nodes, double tolerance,
                                RadialTable& table, TableError& error) noexcept {
    return visit_numeric(kind, false, [&]<class Profile>() {
        return build_table<Profile>(typename Profile::Shape(parameters), nodes, tolerance, table,
                                    error);
    });
}

}  // namespace clmassmod
