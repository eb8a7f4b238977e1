// One parallel loop over blocks of fixed size: the blocks never depend on the thread count.
#pragma once

#include <cstddef>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "clmassmod/status.hpp"

namespace clmassmod {

inline int max_threads() noexcept {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

// Runs work(block) -> Status for block = 0 .. n_blocks - 1 on n_threads threads (0: all).
// `work` must not throw and must write to places of its own.
template <class Work>
Status for_each_block(std::size_t n_blocks, int n_threads, const Work& work) noexcept {
    Status status;
    [[maybe_unused]] const int threads = n_threads > 0 ? n_threads : max_threads();
    if (threads == 1 || n_blocks < 2) {
        for (std::size_t block = 0; block < n_blocks; ++block) status.merge(work(block));
        return status;
    }
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
    {
        Status mine;
#pragma omp for schedule(static)
        for (std::size_t block = 0; block < n_blocks; ++block) mine.merge(work(block));
#pragma omp critical(clmassmod_status)
        status.merge(mine);
    }
#else
    for (std::size_t block = 0; block < n_blocks; ++block) status.merge(work(block));
#endif
    return status;
}

}  // namespace clmassmod
