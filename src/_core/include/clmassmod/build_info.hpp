// Facts of this build that only the compiled library knows.
#pragma once

#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

inline const char* compiler_version() noexcept {
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

// The level that the kernels of this machine run at.
inline const char* instruction_set() noexcept {
#if CLMASSMOD_HAS_TARGETS
    if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4 (AVX-512)";
    if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3 (AVX2)";
    return "x86-64 baseline";
#else
    return "as compiled";
#endif
}

inline bool has_targets() noexcept { return CLMASSMOD_HAS_TARGETS != 0; }

inline bool has_openmp() noexcept {
#ifdef _OPENMP
    return true;
#else
    return false;
#endif
}

inline bool flags_fast_math() noexcept {
#ifdef __FAST_MATH__
    return true;
#else
    return false;
#endif
}

}  // namespace clmassmod
