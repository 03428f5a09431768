"""The training set: names, keys, the LMDB, its checks and its other layouts."""
