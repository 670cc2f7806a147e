"""Fits the verifier and writes verifier.json. usage: fit.py [--aim WRONG] [--hard-weight W] [--spread] [--look]

Rows: the five nearest cached texts of every train lookup (label: groups equal), in two caches of half of train each,
as a half is of the size of dev; the same rows once more without their neighbourhood at a lower weight, so that a small
cache is known too; and the fit part of the hard pairs. Vetoed rows are left out, as they never reach the trees.
The threshold is the one at which answers out of fold are wrong in --aim of the lookups: the mean over SEEDS splits.
--spread measures what comes of that on parts of train that were held out whole; --look, what comes of it on dev and
on the hard set: nothing is chosen by those.
"""
import argparse, json
import numpy as np, lightgbm as lgb
from common import HERE, at, operate, read_pairs
from features import LEX, NAMES
from hood import lonely
from rows import ALL, LEAST, Maker
from split import split

args = argparse.ArgumentParser()
args.add_argument("--aim", type=float, default=.009)
args.add_argument("--hard-weight", type=float, default=6)
args.add_argument("--spread", action="store_true")
args.add_argument("--look", action="store_true")
args = args.parse_args()

FOLDS, SEEDS, TREES = 4, 3, 150
PARAMS = dict(objective="binary", learning_rate=.04, num_leaves=24, min_data_in_leaf=400, feature_fraction=.4, bagging_fraction=.8,
              bagging_freq=1, lambda_l2=5, verbose=-1, num_threads=1, deterministic=True, seed=3)
# Of the rows without their neighbourhood, beside those with it.
ALONE = .3
# Of the hard weight, what goes to a cache of one question; the rest to that question among train's.
HARD_ALONE = .6

maker = Maker()
hard_pairs, hard = maker.hard("hard-fit")


def halves(pairs, seed):
    """Both halves' rows, each half its own cache, and their folds."""
    part = split(pairs, 2 * FOLDS, seed)
    which = [np.nonzero(part % 2 == h)[0] for h in (0, 1)]
    one, other = (maker.lookups([pairs[i] for i in w]) for w in which)
    return one.join(other), part[np.concatenate(which)] // 2


def train(rows):
    x, y = rows.features[rows.open], rows.right[rows.open]
    alone = np.array([lonely(c) for c in x[:, 0]], np.float32)
    xs, ys = [x, np.concatenate([x[:, :len(NAMES)], alone], 1)], [y, y]
    ws = [np.ones(len(y)), np.full(len(y), ALONE)]
    for hard_rows, share in ((hard, HARD_ALONE), (hard_among, 1 - HARD_ALONE)):
        xs.append(hard_rows.features[hard_rows.open]); ys.append(hard_rows.right[hard_rows.open])
        ws.append(np.full(len(ys[-1]), args.hard_weight * share))
    x, y, w = map(np.concatenate, (xs, ys, ws))
    return lgb.train(PARAMS, lgb.Dataset(x, y.astype(float), weight=w), TREES)


def calibrate(pairs, aims, seeds):
    """The mean threshold for each aim, from answers out of fold; the hits there; and the rows of one split."""
    thresholds, hits = [], []
    for seed in range(seeds):
        rows, fold = halves(pairs, seed)
        score, right = np.zeros(len(fold)), np.zeros(len(fold), bool)
        for f in range(FOLDS):
            score[fold == f], right[fold == f] = rows.take(fold == f).answers(train(rows.take(fold != f)))
        at_aims = [operate(score, right, aim) for aim in aims]
        thresholds.append([a[0] for a in at_aims]); hits.append([a[1] for a in at_aims])
    return np.mean(thresholds, 0), np.mean(hits, 0), rows


def spread(pairs):
    """Quarters of train, each held out as a cache and lookups of its own."""
    aims, found = (.007, .008, .009, .01), []
    for seed in range(4):
        part = split(pairs, 4, 100 + seed)
        for q in range(4):
            thresholds, _, rows = calibrate([p for p, k in zip(pairs, part) if k != q], aims, 2)
            new = maker.lookups([p for p, k in zip(pairs, part) if k == q])
            score, right = new.answers(train(rows))
            found.append([at(score, right, t) for t in thresholds])
            print(f"  quarter {q} of split {seed}:", np.round(np.array(found[-1]) * 100, 2).tolist(), flush=True)
    for aim, (hit, wrong) in zip(aims, np.moveaxis(np.array(found), 0, -1)):
        print(f"aim {aim:.3f}: answered {hit.mean():.4f}, wrong {wrong.mean():.4f}, deviation {wrong.std(ddof=1):.4f}, most {wrong.max():.4f}, over 1 % in {(wrong > .01).sum()} of {len(wrong)}")


def export(model):
    out = []
    for tree in model.dump_model()["tree_info"]:
        T = dict(feature=[], threshold=[], left=[], right=[], leaf=[])
        def walk(n):
            if "split_feature" not in n:
                T["leaf"].append(round(n["leaf_value"], 6)); return -len(T["leaf"])
            assert n["decision_type"] == "<="
            i = len(T["feature"]); T["feature"].append(n["split_feature"]); T["left"].append(0); T["right"].append(0)
            T["threshold"].append(float(np.format_float_positional(n["threshold"], precision=9, fractional=False)))
            T["left"][i] = walk(n["left_child"]); T["right"][i] = walk(n["right_child"]); return i
        walk(tree["tree_structure"]); out.append(T)
    return out


def look(model, threshold):
    score, right = maker.lookups(read_pairs("dev")).answers(model)
    print("dev: answered %.4f, wrong %.4f;" % at(score, right, threshold), "at 1 %% wrong %.4f" % operate(score, right, .01)[1])
    pairs, rows = maker.hard("hard")
    among = maker.among(rows, pairs, read_pairs("dev"))
    for name, r in (("alone", rows), ("among dev's questions", among)):
        served = r.answers(model)[0] >= threshold
        print(f"hard set, {name}: twins {served[r.right[:, 0]].mean():.3f}, different ones {served[~r.right[:, 0]].mean():.4f}")


pairs = read_pairs("train")
hard_among = maker.among(hard, hard_pairs, pairs[::2])
if args.spread:
    spread(pairs)
else:
    thresholds, hits, rows = calibrate(pairs, (args.aim,), SEEDS)
    model, threshold = train(rows), round(float(thresholds[0]), 4)
    print(f"out of fold: answered {hits[0]:.4f} at threshold {threshold}")
    file = dict(lexicon=LEX, features=ALL, least_cosine=LEAST, threshold=threshold, trees=export(model))
    with open(f"{HERE}/../data/verifier.json", "w") as f:
        json.dump(file, f, ensure_ascii=False, separators=(",", ":"))
    if args.look:
        look(model, threshold)
