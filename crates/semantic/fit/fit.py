"""Fits the verifier and writes verifier.json. usage: fit.py [--hard-weight W] [--target WRONG] [--compare]

Rows: the five nearest cached texts of every train lookup (label: groups equal), in caches of half of train so that
a cache is of the size of dev's; the same rows once more without their neighbourhood at a lower weight, so that a
small cache is known too; and the fit part of the hard pairs. Vetoed rows are left out, as they never reach the trees.
The threshold is the one at which out-of-fold answers on train are wrong in at most --target of the lookups.
"""
import argparse, json, pickle
import numpy as np, lightgbm as lgb
from common import HERE, LAB, operate, at
from features import NAMES, LEX
from hood import HOOD, FLOOR, hood, lonely
from split import components
ap = argparse.ArgumentParser(); ap.add_argument("--hard-weight", type=float, default=6); ap.add_argument("--target", type=float, default=.008); ap.add_argument("--compare", action="store_true"); ap.add_argument("--trees", type=int, default=250)
A = ap.parse_args()
K, MINC, LONELY = 5, 0.7, 0.3
PARAMS = dict(objective="binary", learning_rate=0.04, num_leaves=24, min_data_in_leaf=400, feature_fraction=.4, bagging_fraction=.8, bagging_freq=1, lambda_l2=5, verbose=-1, num_threads=2, deterministic=True, seed=3)
D = pickle.load(open(f"{LAB}/data/light-v2.pkl", "rb")); tr = pickle.load(open(f"{LAB}/data/train.pkl", "rb")); dv = pickle.load(open(f"{LAB}/data/dev.pkl", "rb"))
pairs, X, R, C, _, _, VT, VN = D["train"]; dp, DX, DR, DC, _, _, DVT, DVN = D["dev"]; hf, HX, HY, HV = D["hard-fit"]; ht, TX, TY, TV = D["hard"]
KEEP = [0] + list(range(23, len(NAMES)))
NAMES = [NAMES[i] for i in KEEP]
X, DX, HX, TX = X[..., KEEP], DX[..., KEEP], HX[:, KEEP], TX[:, KEEP]
HV, TVb = np.array([bool(v) for v in HV]), np.array([bool(v) for v in TV])
comp = components(pairs); names = sorted(set(comp)); home = {p["a"]: c for p, c in zip(pairs, comp)}

def hoods(raw, ok):
    texts, E, cached, idx, cos, right = raw; place = {t: i for i, t in enumerate(texts)}; ai = np.array([place[t] for t in cached]); out = np.zeros((len(idx), K, len(HOOD)), np.float32)
    for n in range(len(idx)):
        sel = np.nonzero(ok[n])[0]; c = np.full(8, FLOOR, np.float32); V = np.zeros((8, E.shape[1]), np.float32); c[:len(sel)] = cos[n, sel]; V[:len(sel)] = E[ai[idx[n, sel]]]
        for s, row in zip(sel, hood(c, V)):
            if s < K: out[n, s] = row
    return out
def halves(seed):
    rng = np.random.default_rng(seed); f = dict(zip(names, rng.integers(0, 4, len(names)))); fold = np.array([f[c] for c in comp])
    ok = np.array([f[home[t]] % 2 for t in tr[2]])[tr[3]] == (fold % 2)[:, None]
    return fold, ok[:, :K], hoods(tr, ok)
alone = lambda Z: np.concatenate([Z, [lonely(c) for c in Z[:, 0]]], 1).astype(np.float32)
def train(rows, run, hard_weight):
    fold, ok, H = run; F = np.concatenate([X, H], 2); m = (C >= MINC) & ok & ~VT & rows[:, None]; rs = np.random.default_rng(5)
    x, y = F[m], R[m].astype(float); xs, ys, ws = [x, alone(X[m])], [y, y], [np.ones(len(y)), np.full(len(y), LONELY)]
    if hard_weight:
        h = ~HV; Z = HX[h]; pick = []
        for c in Z[:, 0]:
            j = np.nonzero(np.abs(C[:, 0] - c) < .03)[0]; pick.append(H[rs.choice(j), 0] if len(j) else lonely(c))
        for z in (np.concatenate([Z, np.array(pick)], 1), alone(Z)): xs.append(z); ys.append(HY[h].astype(float)); ws.append(np.full(len(Z), hard_weight / 2))
    x, y, w = np.concatenate(xs), np.concatenate(ys), np.concatenate(ws)
    return lgb.train(PARAMS, lgb.Dataset(x, y, weight=w), A.trees)
def best(score, right, ok):
    s = np.where(ok, score, -50); b = s.argmax(1); r = np.arange(len(s)); return s[r, b], right[r, b]
raw = lambda m, Z: m.predict(Z.reshape(-1, Z.shape[-1]), raw_score=True).reshape(Z.shape[:-1])
LIM = (.005, .007, .01)
def cross(runs, hw):
    th, hits = [], []
    for run in runs:
        F = np.concatenate([X, run[2]], 2); o = np.zeros(R.shape)
        for f in range(4): o[run[0] == f] = raw(train(run[0] != f, run, hw), F[run[0] == f])
        s, r = best(o, R, (C >= MINC) & run[1] & ~VT); th.append(operate(s, r, A.target)[0]); hits.append([operate(s, r, l)[1] for l in LIM])
    return np.array(th), np.array(hits)
DF = np.concatenate([DX, hoods(dv, np.ones(dv[4].shape, bool))], 2)
def final(runs, hw, th, name):
    m = train(np.ones(len(pairs), bool), runs[0], hw); s, r = best(raw(m, DF), DR, (DC >= MINC) & ~DVT); z = raw(m, alone(TX)); sv = (z >= th) & ~TVb
    print(f"{name}: threshold {th:.4f} dev .5/.7/1%% {[round(float(operate(s, r, l)[1]), 4) for l in LIM]}; dev at threshold hit %.4f wrong %.4f" % at(s, r, th), f"| hard paraphrases {sv[TY].mean():.3f} negatives {sv[~TY].mean():.4f}", flush=True)
    return m, sv
def export(m):
    out = []
    for t in m.dump_model()["tree_info"]:
        T = dict(feature=[], threshold=[], left=[], right=[], leaf=[])
        def walk(n):
            if "leaf_value" in n and "split_feature" not in n:
                T["leaf"].append(round(n["leaf_value"], 6)); return -len(T["leaf"])
            i = len(T["feature"]); T["feature"].append(n["split_feature"]); T["threshold"].append(float(np.format_float_positional(n["threshold"], precision=9, fractional=False))); T["left"].append(0); T["right"].append(0)
            assert n["decision_type"] == "<="
            T["left"][i] = walk(n["left_child"]); T["right"][i] = walk(n["right_child"]); return i
        walk(t["tree_structure"]); out.append(T)
    return out
if __name__ == "__main__":
    from collections import Counter
    runs = [halves(s) for s in range(3)]
    for nm, v in (("cosine", False), ("cosine and vetoes", True)):
        h = [[operate(*best(C, R, run[1] & ~(VT & v)), l)[1] for l in LIM] for run in runs]; s, r = best(DC, DR, ~(DVT & v)); th = np.mean([operate(*best(C, R, run[1] & ~(VT & v)), A.target)[0] for run in runs])
        print(nm, "train halves", np.round(np.mean(h, 0), 4), "dev", [tuple(round(float(q), 4) for q in operate(s, r, l)) for l in LIM], "dev at train's threshold", th, at(s, r, th), "hard para %.3f neg %.4f" % tuple(((TX[:, 0] >= th) & ~(TVb & v))[k].mean() for k in (TY, ~TY)), flush=True)
    # What each veto alone costs on dev, of answers that the best single threshold would have served.
    th = operate(DC[:, 0], DR[:, 0], .01)[0]; served = DC[:, 0] >= th; c = Counter(); w = Counter()
    for i in np.nonzero(served)[0]:
        for v in DVN[i]: (c if DR[i, 0] else w)[v] += 1
    print("vetoes at dev's best threshold: right answers lost", dict(c), "wrong answers kept back", dict(w), "of", int(served.sum()))
    for hw in ((2, 6, 15) if A.compare else (A.hard_weight,)):
        t, h = cross(runs, hw); print(f"hard weight {hw}: train halves out of fold .5/.7/1% {np.round(h.mean(0), 4)} thresholds {np.round(t, 3)}", flush=True)
        m, sv = final(runs, hw, t.mean(), f"hard weight {hw}")
        if not A.compare:
            k = np.array([h["kind"] for h in ht]); la = np.array([h["lang"] for h in ht])
            for q in sorted(set(k)): print("  ", q, "paraphrases %.2f negatives %.3f vetoed %.3f" % (sv[TY & (k == q)].mean(), sv[~TY & (k == q)].mean(), TVb[~TY & (k == q)].mean()))
            for q in sorted(set(la)): print("  ", q, "paraphrases %.2f negatives %.3f" % (sv[TY & (la == q)].mean(), sv[~TY & (la == q)].mean()))
            W = dict(lexicon=LEX, features=NAMES + HOOD, least_cosine=MINC, threshold=round(float(t.mean()), 4), trees=export(m))
            json.dump(W, open(f"{HERE}/../data/verifier.json", "w"), ensure_ascii=False, separators=(",", ":"))
            imp = dict(zip(NAMES + HOOD, m.feature_importance("gain"))); print("gain", [(n, int(v)) for n, v in sorted(imp.items(), key=lambda q: -q[1])[:20]])
