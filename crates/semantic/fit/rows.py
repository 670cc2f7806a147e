"""Light verifier: boosted trees over pair features. Out-of-fold on train, then dev, then the hard test part."""
import json, pickle, sys, time
from common import *; from features import *; from split import components
from tokens import token_states
sess, tok = session(1), tokenizer()
def prep(texts):
    ids, flat, off = token_states(texts, sess, tok)
    return {t: Text(t, ids[i], flat[off[i]:off[i + 1]]) for i, t in enumerate(texts)}
K = 5
HARD = {"hard-fit": f"{HERE}/hard-fit.jsonl", "hard": f"{ROOT}/tests/eval-cache/data/hard.jsonl"}
def rows(part):
    pairs = read_pairs(part); texts, E, cached, idx, cos, right = pickle.load(open(f"{LAB}/data/{part}.pkl", "rb"))
    T = prep(texts); vec = dict(zip(texts, E))
    X = np.array([[pair(T[cached[i]], T[p["b"]], c) for i, c in zip(ii[:K], cc[:K])] for p, ii, cc in zip(pairs, idx, cos)], np.float32)
    Vt = np.array([[bool(vetoes(T[cached[i]], T[p['b']], c)) if c >= .7 else True for i, c in zip(ii[:K], cc[:K])] for p, ii, cc in zip(pairs, idx, cos)])
    VN = [vetoes(T[cached[ii[0]]], T[p['b']], cc[0]) for p, ii, cc in zip(pairs, idx, cos)]
    G = np.array([pair(T[p["a"]], T[p["b"]], float(vec[p["a"]] @ vec[p["b"]])) for p in pairs], np.float32)
    return pairs, X, right[:, :K], cos[:, :K], G, np.array([p["same"] for p in pairs]), Vt, VN
if __name__ == "__main__":
    t = time.time(); out = {}
    for part in ("train", "dev"): out[part] = rows(part); print(part, time.time() - t, flush=True)
    for n in ("hard-fit", "hard"):
        H = [json.loads(l) for l in open(HARD[n])]; T = prep(sorted({h[k] for h in H for k in "ab"})); V = {}
        tx = list(T); E = embed(tx, sess, tok); V = dict(zip(tx, E))
        out[n] = (H, np.array([pair(T[h["a"]], T[h["b"]], float(V[h["a"]] @ V[h["b"]])) for h in H], np.float32), np.array([h["same"] for h in H]), [vetoes(T[h['a']], T[h['b']], float(V[h['a']] @ V[h['b']])) for h in H])
    pickle.dump(out, open(f"{LAB}/data/light-v2.pkl", "wb")); print("done", time.time() - t)
