"""The cut-off frequency of landmarks."""

# Half the amplitude passes here: high enough for the sharpest lip closures (docs/stages/landmarks.md).
CUTOFF_HERTZ = 8.0
