"""Last-layer token states of every text from the int8 model, kept flat."""
import sys, pickle
from common import *
def token_states(texts, sess, tok, batch=32):
    tok.enable_truncation(64); enc = tok.encode_batch(texts); n = np.array([len(e.ids) for e in enc]); off = np.concatenate([[0], np.cumsum(n)])
    flat = np.zeros((off[-1], 384), np.float16); order = np.argsort(n, kind="stable"); i = 0
    while i < len(order):
        j = i
        while j < len(order) and j - i < batch and n[order[j]] == n[order[i]]: j += 1
        ids = np.array([enc[k].ids for k in order[i:j]], np.int64)
        h = sess.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})[0]
        for r, k in enumerate(order[i:j]): flat[off[k]:off[k + 1]] = h[r]
        i = j
    return [e.ids for e in enc], flat, off
