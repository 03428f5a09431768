"""Fitting a morphable model to landmarks: pose, expression, identity and focal length."""
