"""Galaxy-scale strong lenses: models, images, populations and mock catalogues."""
