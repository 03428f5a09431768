"""Made-up clips with known truth: a morphable head that talks in front of a known camera."""
