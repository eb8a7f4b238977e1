// Tests of displaced circles and of bin matrices without Python, to be run under sanitizers:
// against averages that have closed forms, against plain loops, and at the edges.
#include <iterator>

#include "check.hpp"
#include "clmassmod/miscentring.hpp"
#include "clmassmod/mixing.hpp"

using namespace clmassmod;

namespace {

// of the averages, as miscentring.hpp promises; smooth fields on one circle do much better
constexpr double kAccuracy = 1e-7;

template <class Field>
double average(const RingNodes& nodes, int m, const Field& field) {
    double sum = 0.0;
    for (std::size_t i = 0; i < nodes.radius.size(); ++i)
        sum += nodes.weight[m][i] * field(nodes.radius[i]);
    return sum;
}

double one(double) { return 1.0; }
double square(double r) { return r * r; }
double inverse_square(double r) { return 1.0 / (r * r); }
double logarithm(double r) { return std::log(r); }

RingNodes ring(double R, double d) {
    RingNodes nodes;
    one_ring(R, d, 1.0, nodes);
    return nodes;
}

void one_circle_against_closed_forms() {
    for (double R : {1e-3, 0.7, 30.0})
        for (double ratio : {1e-9, 0.1, 0.25, 0.2500001, 0.6, 0.999, 1.0 - 1e-9, 1.0 + 1e-9, 1.001,
                             1.7, 4.0, 4.1, 1e9}) {
            const double d = ratio * R;
            const RingNodes nodes = ring(R, d);
            const double inside = ratio < 1.0 ? 1.0 : 0.0;
            CHECK_CLOSE(average(nodes, 0, one), 1.0, kAccuracy);
            CHECK_CLOSE(average(nodes, 0, square), R * R + d * d, kAccuracy);
            // a harmonic function has the value at the farther of the two points
            CHECK(std::fabs(average(nodes, 0, logarithm) - std::log(std::max(R, d))) < kAccuracy);
            // 1/r: the complete elliptic integral
            const double modulus = 2.0 * std::sqrt(R * d) / (R + d);
            if (modulus < 1.0)
                CHECK_CLOSE(average(nodes, 0, [](double r) { return 1.0 / r; }),
                            2.0 / kPi * std::comp_ellint_1(modulus) / (R + d), kAccuracy);
            // a point mass: all of it or none is within the circle; near it 1/r^2 cancels
            const double peak = average(nodes, 0, inverse_square) * R * R;
            CHECK(std::fabs(average(nodes, 1, inverse_square) * R * R - inside) <
                  kAccuracy * (1.0 + peak));
            // Sigma = r^2 and Sigma = ln r
            CHECK_CLOSE(average(nodes, 2, [](double r) { return 2.0 * r * r; }), 2.0 * R * R,
                        kAccuracy * (1.0 + ratio));
            CHECK(std::fabs(average(nodes, 2, one) - inside) < kAccuracy);
        }
}

void one_circle_at_the_edges() {
    // no offset: the circle itself
    const RingNodes centred = ring(2.0, 0.0);
    CHECK(centred.radius == std::vector<double>{2.0});
    for (const std::vector<double>& weight : centred.weight)
        CHECK(weight == std::vector<double>{1.0});
    // through the centre: half of ln r's slope, and integrable singularities stay finite
    const RingNodes touching = ring(2.0, 2.0);
    CHECK_CLOSE(average(touching, 0, one), 1.0, kAccuracy);
    CHECK_CLOSE(average(touching, 0, square), 8.0, kAccuracy);
    CHECK(std::fabs(average(touching, 0, logarithm) - std::log(2.0)) < kAccuracy);
    CHECK_CLOSE(average(touching, 2, one), 0.5, kAccuracy);
    for (double r : touching.radius) CHECK(r > 0.0 && r <= 4.0);
    // a circle without extent sees the point at the distance d, and no direction
    const RingNodes point = ring(0.0, 3.0);
    CHECK_CLOSE(average(point, 0, square), 9.0, 1e-14);
    CHECK(std::fabs(average(point, 1, one)) < 1e-14 && std::fabs(average(point, 2, one)) < 1e-14);
    CHECK(ring(0.0, 0.0).radius == std::vector<double>{0.0});
    // shares add up
    RingNodes two;
    one_ring(1.0, 0.5, 0.25, two);
    one_ring(1.0, 0.0, 0.75, two);
    CHECK_CLOSE(average(two, 0, square), 0.25 * 1.25 + 0.75, kAccuracy);
}

struct Offsets {
    OffsetKind kind;
    double shape, mean_square;  // in units of the scale
    double within(double x) const {
        if (kind == OffsetKind::rayleigh) return -std::expm1(-0.5 * x * x);
        return shape == 1.0 ? -std::expm1(-x) : -std::expm1(-x) - x * std::exp(-x);
    }
    double density(double x) const {
        if (kind == OffsetKind::rayleigh) return x * std::exp(-0.5 * x * x);
        return std::pow(x, shape - 1.0) * std::exp(-x);
    }
};

void distributions_against_closed_forms() {
    const Offsets all[] = {{OffsetKind::rayleigh, 2.0, 2.0},
                           {OffsetKind::gamma, 1.0, 2.0},
                           {OffsetKind::gamma, 2.0, 6.0}};
    for (const Offsets& offsets : all)
        for (double R : {1e-3, 0.7, 30.0})
            for (double ratio : {1e-15, 1e-12, 1e-8, 1e-3, 0.03, 0.3, 1.0, 5.0, 1e3}) {
                const double s = ratio * R;
                RingNodes nodes;
                ring_nodes(static_cast<int>(offsets.kind), R, s, offsets.shape, nodes);
                const double inside = offsets.within(1.0 / ratio);
                // far inside of the offsets a share near zero: absolute
                CHECK_CLOSE(average(nodes, 0, one), 1.0, kAccuracy);
                CHECK_CLOSE(average(nodes, 0, square), R * R + offsets.mean_square * s * s,
                            kAccuracy);
                // a point mass: the mean within the circle less what of it lies on the circle
                const double on = 0.5 / ratio * offsets.density(1.0 / ratio);
                CHECK(std::fabs(average(nodes, 1, inverse_square) * R * R - (inside - on)) <
                      kAccuracy);
                CHECK(std::fabs(average(nodes, 2, one) - inside) < kAccuracy);
                for (double r : nodes.radius) CHECK(r > 0.0);
            }
}

void sums_against_a_loop() {
    std::vector<double> value, weight;
    for (int i = 0; i < 23; ++i) {
        value.push_back(0.1 * i - 1.0);
        weight.push_back(1.0 / (1.0 + i));
    }
    // circles with no node, one, and every remainder of four
    const std::size_t start[] = {0, 0, 1, 3, 6, 10, 15, 23, 23};
    const std::size_t n = std::size(start) - 1;
    double out[n];
    ring_sums(value.data(), weight.data(), start, n, out);
    for (std::size_t k = 0; k < n; ++k) {
        double sum = 0.0, size = 0.0;
        for (std::size_t j = start[k]; j < start[k + 1]; ++j) {
            sum += weight[j] * value[j];
            size += std::fabs(weight[j] * value[j]);
        }
        CHECK(std::fabs(out[k] - sum) <= 1e-15 * size);
    }
    CHECK(out[0] == 0.0 && out[7] == 0.0);
    ring_sums(nullptr, nullptr, start, 0, nullptr);
}

struct Mixing {
    std::size_t rows, terms, bins, nodes;
    std::vector<double> coefficient, place, value;

    Mixing(std::size_t b, std::size_t k, std::size_t i, std::size_t n)
        : rows(b), terms(k), bins(i), nodes(n) {
        for (std::size_t j = 0; j < k * i * n; ++j)
            coefficient.push_back(std::sin(1.0 + 0.7 * static_cast<double>(j)));
        for (std::size_t j = 0; j < b; ++j)
            place.push_back(-1.0 + 0.13 * static_cast<double>(j % 16));
        for (std::size_t j = 0; j < b * n; ++j)
            value.push_back(std::cos(0.3 * static_cast<double>(j)));
    }
    std::vector<double> mixed(int threads) const {
        std::vector<double> out(rows * bins, -1.0);
        const MixingBatch batch{rows,         terms,        bins,      nodes, coefficient.data(),
                                place.data(), value.data(), out.data()};
        CHECK(mix(batch, threads).code == StatusCode::ok);
        return out;
    }
};

void mixing_against_a_loop() {
    const std::size_t shapes[][4] = {{0, 1, 3, 5}, {1, 1, 1, 1}, {1, 3, 2, 0}, {4, 2, 0, 5},
                                     {3, 1, 4, 7}, {8, 2, 3, 8}, {9, 4, 5, 9}, {70, 3, 6, 33}};
    for (const auto& [rows, terms, bins, nodes] : shapes) {
        const Mixing sample(rows, terms, bins, nodes);
        const std::vector<double> out = sample.mixed(1);
        for (std::size_t b = 0; b < rows; ++b)
            for (std::size_t i = 0; i < bins; ++i) {
                double sum = 0.0, size = 0.0;
                for (std::size_t n = 0; n < nodes; ++n)
                    for (std::size_t k = 0; k < terms; ++k) {
                        const double term = std::pow(sample.place[b], static_cast<double>(k)) *
                                            sample.coefficient[(k * bins + i) * nodes + n] *
                                            sample.value[b * nodes + n];
                        sum += term;
                        size += std::fabs(term);
                    }
                // rounding of at most 132 terms in another order
                CHECK(std::fabs(out[b * bins + i] - sum) <= 1e-14 * size);
            }
        for (int threads : {2, 3, 7}) CHECK(sample.mixed(threads) == out);
    }
}

}  // namespace

int main() {
    one_circle_against_closed_forms();
    one_circle_at_the_edges();
    distributions_against_closed_forms();
    sums_against_a_loop();
    mixing_against_a_loop();
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
