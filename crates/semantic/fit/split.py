"""Splits the train pairs in a fit part and a held-out part so that no text and no group is in both."""
import random
from common import read_pairs

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

def fit_held(share=0.25, seed=7):
    pairs = read_pairs("train")
    comp = components(pairs)
    names = sorted(set(comp)); random.Random(seed).shuffle(names)
    size = {}
    for c in comp: size[c] = size.get(c, 0) + 1
    held, n = set(), 0
    for c in names:
        if n >= share * len(pairs): break
        if size[c] > 0.1 * len(pairs): continue
        held.add(c); n += size[c]
    return [p for p, c in zip(pairs, comp) if c not in held], [p for p, c in zip(pairs, comp) if c in held]

if __name__ == "__main__":
    from collections import Counter
    c = Counter(components(read_pairs("train")))
    print(len(c), c.most_common(5)); f, h = fit_held(); print(len(f), len(h), sum(p["same"] for p in h) / len(h))
