// Galaxies and centres for tests of pair sums, sorted into a grid of their own.
#pragma once

#include <cmath>
#include <vector>

#include "clmassmod/pair_sums.hpp"
#include "clmassmod/rng.hpp"

namespace clmassmod {

struct PairSample {
    std::vector<double> u, v, e1, e2, weight, noise, t;
    std::vector<double> columns[4];
    std::vector<std::int64_t> first_cell, order, start;
    std::vector<double> lens_u, lens_v, du, dv, a, d, limit, edges;
    SkyGrid grid{};

    PairSample(std::size_t n, std::size_t n_lenses, std::size_t n_bands) {
        for (std::size_t i = 0; i < n; ++i) {
            u.push_back(0.1 * uniform(i, 0));
            v.push_back(0.1 * uniform(i, 1));
        }
        for (std::size_t b = 0; b <= n_bands; ++b)
            first_cell.push_back(static_cast<std::int64_t>(b * (n_bands + 1)));
        const double height = 0.1 / static_cast<double>(n_bands);
        grid = {0.0, 0.1, 0.0, height, 2.0 * kPi, n_bands, first_cell.data()};
        order.resize(n);
        start.resize(grid.n_cells() + 1);
        sort_into_cells(grid, u.data(), v.data(), n, order.data(), start.data());
        for (std::int64_t i : order) add_galaxy(static_cast<std::size_t>(i));
        for (std::size_t l = 0; l < n_lenses; ++l) add_lens(n + l);
    }

    PairGalaxies galaxies() const {
        return {u.size(),          columns[0].data(), columns[1].data(), columns[2].data(),
                columns[3].data(), e1.data(),         e2.data(),         weight.data(),
                noise.data(),      t.data()};
    }

    PairCentres centres() const {
        return {lens_u.size(), lens_u.data(), lens_v.data(), du.data(),    dv.data(),
                a.data(),      d.data(),      limit.data(),  edges.data(), kBins};
    }

    std::vector<double> sums(int n_threads) const {
        std::vector<double> out(lens_u.size() * kBins * kPairSums);
        sum_pairs<true, Sphere>(galaxies(), grid, start.data(), centres(), n_threads, out.data());
        return out;
    }

    static constexpr std::size_t kBins = 3;
    static constexpr double kOuter = 0.03;

   private:
    static double uniform(std::size_t i, std::size_t k) {
        return open_uniform(philox4x64({i, k, 0, 0}, {1, 2})[0]);
    }

    void add_galaxy(std::size_t i) {
        columns[0].push_back(std::cos(u[i]));
        columns[1].push_back(std::sin(u[i]));
        columns[2].push_back(std::cos(v[i]));
        columns[3].push_back(std::sin(v[i]));
        e1.push_back(uniform(i, 2) - 0.5);
        e2.push_back(uniform(i, 3) - 0.5);
        weight.push_back(1.0 + uniform(i, 4));
        noise.push_back(weight.back());
        t.push_back(1.0 / (500.0 + 3000.0 * uniform(i, 5)));
    }

    void add_lens(std::size_t i) {
        lens_u.push_back(0.1 * uniform(i, 0));
        lens_v.push_back(0.1 * uniform(i, 1));
        dv.push_back(kOuter * 1.001);
        du.push_back(std::asin(std::sin(kOuter) / std::cos(lens_v.back())) * 1.001);
        a.push_back(1.0);
        d.push_back(1000.0);
        limit.push_back(1e-3);
        for (double theta : {0.002, 0.01, 0.02, kOuter})
            edges.push_back(std::pow(std::sin(theta), 2));
    }
};

}  // namespace clmassmod
