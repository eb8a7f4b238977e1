// Errors of the core: a code and the first index at fault, merged across blocks.
#pragma once

#include <cstddef>

namespace clmassmod {

enum class StatusCode : int {
    ok = 0,
    bad_radius = 1,
    no_convergence = 2,
    unknown_kind = 3,
    outside = 4,
    no_memory = 5,
};

struct Status {
    StatusCode code = StatusCode::ok;
    std::size_t index = 0;

    // keeps the failure with the smaller index, so that the report does not depend on threads
    void merge(const Status& other) noexcept {
        if (other.code == StatusCode::ok) return;
        if (code == StatusCode::ok || other.index < index) *this = other;
    }
};

}  // namespace clmassmod
