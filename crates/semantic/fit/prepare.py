"""Embeds every text of both parts and stores the vectors with the retrieved neighbours."""
import time, pickle, numpy as np
from common import *
K = 8
sess, tok = session(2), tokenizer()
for part in ("train", "dev"):
    pairs = read_pairs(part)
    texts = sorted({p["a"] for p in pairs} | {p["b"] for p in pairs})
    t = time.time(); E = embed(texts, sess, tok); print(part, len(texts), time.time() - t)
    vec = dict(zip(texts, E))
    cached, idx, cos, right = retrieve(pairs, vec, K)
    pickle.dump((texts, E, cached, idx, cos, right), open(f"{LAB}/data/{part}.pkl", "wb"))
    for th in (.8, .85, .9, .95, .96, .98):
        h, w = at(cos[:, 0], right[:, 0], th); print(f"  {th} hit {h:.4f} wrong {w:.4f}")
    for lim in (.01, .007): print("  best", lim, operate(cos[:, 0], right[:, 0], lim))
    print("  right anywhere top1/3/5/8", [float(right[:, :k].any(1).mean()) for k in (1, 3, 5, 8)])
