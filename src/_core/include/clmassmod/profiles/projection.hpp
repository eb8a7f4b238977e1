// What lensing needs of a profile at one radius.
#pragma once

namespace clmassmod {

struct Projection {
    double surface;  // Sigma / (rho_s r_s)
    double excess;   // (mean Sigma - Sigma) / (rho_s r_s), free of cancellation
};

}  // namespace clmassmod
