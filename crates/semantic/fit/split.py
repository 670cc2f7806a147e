"""Splits pairs in parts so that no text and no group is in two of them."""
import numpy as np

def components(pairs):
    parent = {}
    def find(x):
        parent.setdefault(x, x)
        while parent[x] != x:
            parent[x] = parent[parent[x]]; x = parent[x]
        return x
    for p in pairs:
        keys = [("g", p["group_a"]), ("g", p["group_b"]), ("t", p["a"]), ("t", p["b"])]
        r = find(keys[0])
        for k in keys[1:]:
            parent[find(k)] = r
    return [find(("g", p["group_a"])) for p in pairs]

def split(pairs, parts, seed):
    """The part of each pair."""
    comp = components(pairs)
    names = sorted(set(comp))
    part = dict(zip(names, np.random.default_rng(seed).integers(0, parts, len(names))))
    return np.array([part[c] for c in comp])
