"""Population of strong lenses: likelihood with selection, and its tables."""
