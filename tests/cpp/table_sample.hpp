// A small table with uniform cubic B-splines or linear functions, for the tests of the core.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "clmassmod/interp_batch.hpp"

namespace clmassmod {

template <int N>
struct TableSample {
    int width;
    std::size_t intervals, nodes;
    std::vector<double> basis, coefficients, x;
    std::vector<std::uint32_t> first_of;
    std::vector<TableInterval> interval[N];
    TableAxis axes[N];

    TableSample(int w, std::size_t m, std::size_t outputs)
        : width(w), intervals(m), nodes(m + static_cast<std::size_t>(w) - 1) {
        const double cubic[16] = {1. / 6, 4. / 6, 1. / 6, 0, -.5,     0,  .5,  0,
                                  .5,     -1.,    .5,     0, -1. / 6, .5, -.5, 1. / 6};
        const double linear[4] = {1, 0, -1, 1};
        for (std::size_t i = 0; i < m; ++i) {
            const double* one = w == 4 ? cubic : linear;
            basis.insert(basis.end(), one, one + w * w);
            first_of.push_back(static_cast<std::uint32_t>(i));
        }
        const double rate = static_cast<double>(m);
        std::size_t stride = outputs;
        for (int a = N - 1; a >= 0; --a) {
            for (std::size_t i = 0; i < m; ++i)
                interval[a].push_back({static_cast<double>(i) / rate, rate,
                                       i + 1 < m ? static_cast<double>(i + 1) / rate : kInfinity,
                                       i * stride});
            axes[a] = {m,     interval[a].data(), basis.data(), first_of.data(), m, rate, 0.0, 1.0,
                       stride};
            stride *= nodes;
        }
        for (std::size_t i = 0; i < stride + kLanes; ++i)
            coefficients.push_back(std::fmod(0.618033988749895 * static_cast<double>(i), 1.0));
    }

    void add_points(std::size_t n) {
        for (std::size_t i = 0; i < n * N; ++i)
            x.push_back(std::fmod(0.754877666246693 * static_cast<double>(i + 1), 1.0));
    }

    InterpBatch<double> batch(std::size_t outputs) const {
        InterpBatch<double> b;
        b.n_axes = N;
        b.width = width;
        b.axes = axes;
        b.coefficients = coefficients.data();
        b.n_outputs = outputs;
        b.outputs_in_lanes = outputs > 1;
        b.n = x.size() / N;
        b.x = x.data();
        return b;
    }
};

}  // namespace clmassmod
