// Which instruction sets a kernel is compiled for.
//
// CLMASSMOD_TARGETS compiles a function once per level and picks one at load time. No level
// contracts a multiplication and an addition by itself (-ffp-contract=off): where one rounding
// is wanted, mul_add says so on every level. All levels give the same bits. Levels are named, not
// processors: "arch=haswell" would be picked on that model alone, and not on later ones with AVX2.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(CLMASSMOD_SINGLE_TARGET)
#define CLMASSMOD_TARGETS \
    __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), flatten))
#define CLMASSMOD_HAS_TARGETS 1
#else
#define CLMASSMOD_TARGETS
#define CLMASSMOD_HAS_TARGETS 0
#endif

#define CLMASSMOD_INLINE inline __attribute__((always_inline))
