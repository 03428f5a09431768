"""The picture of a clip that people look at before they train."""
