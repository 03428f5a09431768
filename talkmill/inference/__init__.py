"""Running a network: which session, on which execution provider."""
