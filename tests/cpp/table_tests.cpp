// Tests of interpolation without Python, to be run under sanitizers.
#include <cstring>
#include <vector>

#include "check.hpp"
#include "table_sample.hpp"

using namespace clmassmod;

namespace {

constexpr std::size_t kPoints = 9000;

template <int N>
void constants_are_constant(int width) {
    TableSample<N> sample(width, 5, 1);
    sample.coefficients.assign(sample.coefficients.size(), 3.0);
    sample.add_points(500);
    std::vector<double> out(500), gradient(500 * N);
    InterpBatch<double> b = sample.batch(1);
    b.out = out.data();
    b.gradient = gradient.data();
    CHECK(run_interp_width<N>(b, 1).code == StatusCode::ok);
    for (double value : out) CHECK_CLOSE(value, 3.0, 1e-14);
    for (double slope : gradient) CHECK(std::fabs(slope) < 1e-12);
}

// Basis functions of a linear table make it the product of straight lines.
void linear_tables_are_linear() {
    TableSample<2> sample(2, 4, 1);
    for (std::size_t i = 0; i < sample.nodes; ++i)
        for (std::size_t j = 0; j < sample.nodes; ++j)
            sample.coefficients[i * sample.nodes + j] =
                0.25 * static_cast<double>(i) + 0.5 * static_cast<double>(j);
    sample.add_points(300);
    std::vector<double> out(300), gradient(600);
    InterpBatch<double> b = sample.batch(1);
    b.out = out.data();
    b.gradient = gradient.data();
    run_interp_width<2>(b, 1);
    for (std::size_t i = 0; i < 300; ++i) {
        CHECK(std::fabs(out[i] - (sample.x[2 * i] + 2.0 * sample.x[2 * i + 1])) < 1e-14);
        CHECK_CLOSE(gradient[2 * i], 1.0, 1e-13);
        CHECK_CLOSE(gradient[2 * i + 1], 2.0, 1e-13);
    }
}

void threads_give_the_same_bits(std::size_t outputs) {
    TableSample<4> sample(4, 6, outputs == 1 ? 1 : (outputs + 3) / 4 * 4);
    sample.add_points(kPoints);
    std::vector<double> first(kPoints * outputs), other(first.size()), alone(outputs);
    InterpBatch<double> b = sample.batch(outputs);
    b.out = first.data();
    CHECK(run_interp_width<4>(b, 1).code == StatusCode::ok);
    for (int threads : {2, 3, 7}) {
        b.out = other.data();
        CHECK(run_interp_width<4>(b, threads).code == StatusCode::ok);
        CHECK(other == first);
    }
    b.x += 4 * (kPoints - 1);
    b.n = 1;
    b.out = alone.data();
    run_interp_width<4>(b, 1);
    for (std::size_t k = 0; k < outputs; ++k) CHECK(alone[k] == first[(kPoints - 1) * outputs + k]);
}

void what_lies_outside() {
    TableSample<3> sample(4, 5, 1);
    sample.add_points(50);
    sample.x[3 * 20] = 1.5;
    sample.x[3 * 30 + 1] = kNaN;
    sample.x[3 * 40 + 2] = -kInfinity;
    std::vector<double> out(50), gradient(150);
    InterpBatch<double> b = sample.batch(1);
    b.out = out.data();
    b.gradient = gradient.data();
    const Status status = run_interp_width<3>(b, 3);
    CHECK(status.code == StatusCode::outside && status.index == 20);
    b.outside = Outside::nan;
    CHECK(run_interp_width<3>(b, 3).code == StatusCode::ok);
    CHECK(std::isnan(out[20]) && std::isnan(out[30]) && std::isnan(out[40]));
    b.outside = Outside::clip;
    run_interp_width<3>(b, 3);
    CHECK(std::isfinite(out[20]) && std::isnan(out[30]) && std::isfinite(out[40]));
    CHECK(gradient[3 * 20] == 0.0 && gradient[3 * 20 + 1] != 0.0);
    b.outside = Outside::linear;
    b.gradient = nullptr;
    run_interp_width<3>(b, 3);
    CHECK(std::isfinite(out[20]) && std::isnan(out[30]));
}

// Points located beforehand give the bits of those that are not, those outside included.
template <int N>
void known_points_give_the_same_bits(int width) {
    TableSample<N> sample(width, 6, 1);
    sample.add_points(kPoints);
    sample.x[N * (kPoints - 2)] = 1.5;
    sample.x[N * (kPoints - 1)] = kNaN;
    std::vector<double> direct(kPoints), planned(kPoints), slopes(N * kPoints),
        planned_slopes(N * kPoints);
    InterpBatch<double> b = sample.batch(1);
    b.outside = Outside::linear;
    b.out = direct.data();
    b.gradient = slopes.data();
    CHECK(run_interp_width<N>(b, 2).code == StatusCode::ok);

    std::vector<std::uint32_t> interval(N * kPoints, 0);
    std::vector<unsigned char> kind(kPoints);
    LocateBatch l;
    l.n_axes = N;
    l.axes = sample.axes;
    l.n = kPoints;
    l.x = sample.x.data();
    l.interval = interval.data();
    l.kind = kind.data();
    CHECK(locate(l, 2).code == StatusCode::ok);
    CHECK(kind[0] == static_cast<unsigned char>(PointKind::inside));
    CHECK(kind[kPoints - 2] == static_cast<unsigned char>(PointKind::outside));
    CHECK(kind[kPoints - 1] == static_cast<unsigned char>(PointKind::no_number));
    b.known = interval.data();
    b.n_known = kPoints - 2;
    b.out = planned.data();
    b.gradient = planned_slopes.data();
    CHECK(run_interp_width<N>(b, 2).code == StatusCode::ok);
    CHECK(std::memcmp(planned.data(), direct.data(), sizeof(double) * (kPoints - 1)) == 0);
    CHECK(std::isnan(planned[kPoints - 1]) && std::isnan(direct[kPoints - 1]));
    planned_slopes.resize(N * (kPoints - 1));
    slopes.resize(N * (kPoints - 1));
    CHECK(planned_slopes == slopes);
}

}  // namespace

int main() {
    for (int width : {2, 4}) {
        constants_are_constant<1>(width);
        constants_are_constant<2>(width);
        constants_are_constant<3>(width);
        constants_are_constant<5>(width);
    }
    linear_tables_are_linear();
    threads_give_the_same_bits(1);
    threads_give_the_same_bits(3);
    what_lies_outside();
    for (int width : {2, 4}) {
        known_points_give_the_same_bits<1>(width);
        known_points_give_the_same_bits<4>(width);
    }
    std::printf("%d failures\n", check::failures);
    return check::failures == 0 ? 0 : 1;
}
