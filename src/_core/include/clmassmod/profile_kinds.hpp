// The kinds of compiled profiles, and the one switch from a number to a template.
#pragma once

#include "clmassmod/profile_batch.hpp"
#include "clmassmod/profiles/bmo.hpp"
#include "clmassmod/profiles/dpie.hpp"
#include "clmassmod/profiles/hernquist.hpp"
#include "clmassmod/profiles/nfw.hpp"
#include "clmassmod/profiles/point_mass.hpp"
#include "clmassmod/profiles/power_law.hpp"
#include "clmassmod/profiles/sis.hpp"
#include "clmassmod/scales.hpp"

namespace clmassmod {

enum class ProfileKind : int {
    nfw = 0,
    hernquist = 1,
    bmo = 2,
    sis = 3,
    power_law = 4,
    dpie = 5,
    point_mass = 6,
};

// Calls visitor.template operator()<Profile>() for the profile of that kind.
template <class Visitor>
Status visit_profile(int kind, Visitor&& visitor) noexcept {
    switch (static_cast<ProfileKind>(kind)) {
        case ProfileKind::nfw:
            return visitor.template operator()<Nfw>();
        case ProfileKind::hernquist:
            return visitor.template operator()<Hernquist>();
        case ProfileKind::bmo:
            return visitor.template operator()<Bmo>();
        case ProfileKind::sis:
            return visitor.template operator()<Sis>();
        case ProfileKind::power_law:
            return visitor.template operator()<PowerLaw>();
        case ProfileKind::dpie:
            return visitor.template operator()<Dpie>();
        case ProfileKind::point_mass:
            return visitor.template operator()<PointMass>();
    }
    return {StatusCode::unknown_kind, 0};
}

inline Status evaluate_profile(int kind, int quantity, const ProfileBatch& batch,
                               int n_threads) noexcept {
    return visit_profile(kind, [&]<class Profile>() {
        return run_batch<Profile>(static_cast<Quantity>(quantity), batch, n_threads);
    });
}

inline Status scales_of_profile(int kind, const ScaleBatch& batch, int n_threads) noexcept {
    return visit_profile(kind,
                         [&]<class Profile>() { return run_scales<Profile>(batch, n_threads); });
}

}  // namespace clmassmod
