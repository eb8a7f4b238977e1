"""HTML reports, by what they tell of."""
