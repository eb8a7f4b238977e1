"""Tables: compiled interpolation, adaptive building, storage."""
