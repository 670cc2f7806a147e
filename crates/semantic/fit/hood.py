"""Features of a candidate's neighbourhood: how the eight nearest cached texts stand to the lookup and to the candidate."""
import numpy as np
HOOD = "n95 n90 n80 gap second fifth behind_top rival crowd".split()
FLOOR = 0.5
def hood(cos, cand):
    """cos: [8] cosines to the lookup, falling (fewer neighbours: FLOOR); cand: [8, dim] their vectors. Rows for each candidate."""
    c = np.maximum(cos, FLOOR); n = len(c); S = np.maximum(cand @ cand.T, FLOOR); out = []
    for k in range(n):
        o = [j for j in range(n) if j != k]
        out.append([(c >= .95).sum(), (c >= .9).sum(), (c >= .8).sum(), c[k] - max(c[j] for j in o), c[1], c[4], c[0] - c[k],
                    max(S[k, j] for j in o), sum(S[k, j] for j in o if c[j] > .85)])
    return np.array(out, np.float32)
def lonely(cos):
    c = max(cos, FLOOR)
    return [float(c >= .95), float(c >= .9), float(c >= .8), c - FLOOR, FLOOR, FLOOR, 0.0, FLOOR, 0.0]
