"""Four simulated clusters, fitted with an NFW profile. fit_simulated.toml is the same.

Usage: python fit_simulated.py [FOLDER]     (FOLDER: where one file per halo goes)
"""

import sys
from pathlib import Path

import clmassmod as clm

model_info = {
    "name": "four simulated clusters",
    "mass_def": "200c",
    "profile": "NFW",
    "concentration": "duffy08",
    "parameters": ["mass"],
    "cosmology": {"H0": 70.0, "Om0": 0.3},
    "priors": {"mass": {"distribution": "uniform", "low": -1e15, "high": 5e15}},
    "fit": {"r_min": 0.3},
}


def main(save_loc):
    """Return the fitted profiles."""
    massmod = clm.CLMassMod(model_info)
    massmod.obs_gamma_theta = clm.utils.load_gamma_theta(
        str(Path(__file__).parent / "simulated" / "*.ecsv")
    )
    out_data_profiles, _ = massmod.fit_mass_profiles("scanpdf", {"n_grid": 500}, save_loc)
    return out_data_profiles


if __name__ == "__main__":
    for profile in main(sys.argv[1] if len(sys.argv) > 1 else None):
        down, up = profile.errors["mass"]
        print(f"{profile.halo_id}  {profile.mass:.4g} -{down:.2g} +{up:.2g} Msun")
