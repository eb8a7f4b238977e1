// The least a test needs: a condition, a place, a count.
#pragma once

#include <cmath>
#include <cstdio>

namespace check {

inline int failures = 0;

inline void that(bool condition, const char* what, int line) {
    if (condition) return;
    ++failures;
    std::printf("line %d: %s\n", line, what);
}

inline void close(double found, double expected, double relative, const char* what, int line) {
    const bool good = std::fabs(found - expected) <= relative * std::fabs(expected);
    if (good) return;
    ++failures;
    std::printf("line %d: %s: %.17g, expected %.17g\n", line, what, found, expected);
}

}  // namespace check

#define CHECK(condition) check::that((condition), #condition, __LINE__)
#define CHECK_CLOSE(found, expected, relative) \
    check::close((found), (expected), (relative), #found, __LINE__)
