"""Video and audio files: probing, decoding, resampling in time, encoding. Frames are RGB."""
