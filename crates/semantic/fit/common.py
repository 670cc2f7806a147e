"""Shared helpers: reading pairs, embedding, and the cache protocol."""
import gzip, json, os, numpy as np
import onnxruntime as ort
from tokenizers import BertWordPieceTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(f"{HERE}/../../..")
LAB = os.environ.get("FIT_FOLDER", f"{ROOT}/target/fit")
PAIRS = os.environ.get("PAIRS", "question-pairs")
MODEL = os.environ.get("MODEL", f"{ROOT}/.tools/models/all-minilm-l6-v2.onnx")
VOCABULARY = f"{HERE}/../data/vocab.txt"
HARD = {"hard-fit": f"{HERE}/hard-fit.jsonl", "hard": f"{ROOT}/tests/eval-cache/data/hard.jsonl"}
MAX_TOKENS = 128


def read_pairs(part):
    with gzip.open(f"{PAIRS}/{part}.jsonl.gz", "rt") as f:
        return [json.loads(l) for l in f]


def read_hard(name):
    with open(HARD[name]) as f:
        return [json.loads(l) for l in f]


def tokenizer():
    t = BertWordPieceTokenizer(VOCABULARY, lowercase=True)
    t.no_padding()
    t.enable_truncation(MAX_TOKENS)
    return t


def session(threads=1):
    o = ort.SessionOptions()
    o.intra_op_num_threads = threads
    return ort.InferenceSession(MODEL, o, providers=["CPUExecutionProvider"])


def embed(texts, sess, tok, batch=32):
    """Mean-pooled, normalised sentence vectors. Texts of one length go together, so no padding is seen."""
    enc = tok.encode_batch(texts)
    order = sorted(range(len(texts)), key=lambda i: len(enc[i].ids))
    out = np.zeros((len(texts), 384), np.float32)
    i = 0
    while i < len(order):
        n = len(enc[order[i]].ids)
        j = i
        while j < len(order) and j - i < batch and len(enc[order[j]].ids) == n:
            j += 1
        ids = np.array([enc[k].ids for k in order[i:j]], np.int64)
        h = sess.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})[0]
        m = h.mean(1)
        out[order[i:j]] = m / np.linalg.norm(m, axis=1, keepdims=True)
        i = j
    return out


def retrieve(pairs, vec, k):
    """For every b the k nearest of all distinct cached a texts, equal texts left out."""
    cached, cgroup = [], []
    seen = {}
    for p in pairs:
        if p["a"] not in seen:
            seen[p["a"]] = len(cached)
            cached.append(p["a"]); cgroup.append(p["group_a"])
    A = np.stack([vec[t] for t in cached])
    idx = np.zeros((len(pairs), k), np.int32); cos = np.zeros((len(pairs), k), np.float32)
    for s in range(0, len(pairs), 1024):
        bs = pairs[s:s + 1024]
        S = np.stack([vec[p["b"]] for p in bs]) @ A.T
        for r, p in enumerate(bs):
            q = seen.get(p["b"])
            if q is not None:
                S[r, q] = -2
        top = np.argpartition(-S, k, axis=1)[:, :k]
        v = np.take_along_axis(S, top, 1)
        o = np.argsort(-v, axis=1, kind="stable")
        idx[s:s + len(bs)] = np.take_along_axis(top, o, 1)
        cos[s:s + len(bs)] = np.take_along_axis(v, o, 1)
    right = np.array([[cgroup[j] == p["group_b"] for j in row] for row, p in zip(idx, pairs)])
    return cached, idx, cos, right


def operate(score, right, limit):
    """Best hit rate over thresholds with wrong answers a lookup at most `limit`. Returns threshold, hit, wrong."""
    o = np.argsort(-score, kind="stable")
    w = np.cumsum(~right[o]) / len(score)
    s = score[o]
    last = np.append(s[1:] < s[:-1], True)
    ok = np.nonzero((w <= limit) & last)[0]
    if len(ok) == 0:
        return float("inf"), 0.0, 0.0
    k = ok[-1]
    return float(s[k]), (k + 1) / len(score), float(w[k])


def at(score, right, threshold):
    m = score >= threshold
    return float(m.mean()), float((m & ~right).mean())
