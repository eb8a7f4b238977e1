// Prints a hash of the bits of every profile, quantity and integral on a grid, and of lenses,
// tables and pairs of galaxies, for one instruction set: compiled once per level, all must print
// the same.
#include <cstdio>
#include <cstring>
#include <vector>

#include "clmassmod/numeric_kinds.hpp"
#include "clmassmod/profile_kinds.hpp"
#include "lens_sample.hpp"
#include "pair_sample.hpp"
#include "table_sample.hpp"

using namespace clmassmod;

namespace {

class Hash {  // FNV-1a
   public:
    void add(const std::vector<double>& values) {
        for (double value : values) {
            // not-a-number has many bit patterns, and which one comes out means nothing
            const double counted = value == value ? value : kNaN;
            unsigned char bytes[sizeof(double)];
            std::memcpy(bytes, &counted, sizeof(double));
            for (unsigned char byte : bytes) state_ = (state_ ^ byte) * 1099511628211ULL;
        }
    }
    unsigned long long value() const { return state_; }

   private:
    unsigned long long state_ = 14695981039346656037ULL;
};

struct Grid {
    std::vector<double> radius, density_scale, radius_scale, shape, shear, out;

    explicit Grid(double shape_value) : density_scale{1e15, 3e14}, radius_scale{0.2, 0.5} {
        for (int i = 0; i < 600; ++i) radius.push_back(1e-5 * std::exp(0.03 * i));
        shape = {shape_value, shape_value};
        shear = {2e-16, 3e-16};
        out.assign(2 * radius.size(), 0.0);
    }

    ProfileBatch batch() {
        ProfileBatch b;
        b.radius = {radius.data(), 0, 1};
        b.n_rows = 2;
        b.n_columns = radius.size();
        b.density_scale = density_scale.data();
        b.radius_scale = radius_scale.data();
        b.shape = shape.data();
        b.sources.shear = {shear.data(), 1, 0};
        b.sources.convergence = {shear.data(), 1, 0};
        b.out = out.data();
        return b;
    }
};

constexpr int kQuantities = static_cast<int>(Quantity::magnification) + 1;

void closed_forms(Hash& hash) {
    for (int kind = 0; kind <= static_cast<int>(ProfileKind::point_mass); ++kind) {
        Grid grid(2.2);  // within the range of every shape parameter
        for (int q = 0; q < kQuantities; ++q) {
            evaluate_profile(kind, q, grid.batch(), 1);
            hash.add(grid.out);
        }
    }
}

void integrals(Hash& hash) {
    const struct {
        NumericKind kind;
        double parameters[2];
    } cases[] = {{NumericKind::gnfw, {1.3, 0.0}},
                 {NumericKind::einasto, {0.2, 0.0}},
                 {NumericKind::burkert, {0.0, 0.0}},
                 {NumericKind::sersic, {4.0, 7.67}}};
    for (const auto& one : cases) {
        Grid grid(0.0);
        NumericBatch batch;
        batch.parameters = one.parameters;
        for (int q = 0; q < kQuantities; ++q) {
            batch.profile = grid.batch();
            batch.profile.shape = nullptr;
            evaluate_numeric(static_cast<int>(one.kind), q, batch, 1);
            hash.add(grid.out);
        }
    }
}

void lenses(Hash& hash) {
    const LensSample sample(100);
    hash.add(LensAnswers(sample, 1).numbers);
    hash.add(GridAnswers(sample, {6.6, 12.0, 4.0}, {-3.1, -0.4, -3.9}, 1).numbers);
}

void tables(Hash& hash) {
    for (int width : {2, 4})
        for (std::size_t outputs : {1, 4}) {
            TableSample<4> sample(width, 6, outputs);
            sample.add_points(300);
            InterpBatch<double> b = sample.batch(outputs);
            std::vector<double> out(300 * outputs), gradient(4 * out.size());
            b.out = out.data();
            b.gradient = gradient.data();
            run_interp_width<4>(b, 1);
            hash.add(out);
            hash.add(gradient);
        }
}

}  // namespace

int main() {
    Hash hash;
    closed_forms(hash);
    integrals(hash);
    lenses(hash);
    tables(hash);
    hash.add(PairSample(2000, 5, 4).sums(1));
    std::printf("%016llx\n", hash.value());
    return 0;
}
