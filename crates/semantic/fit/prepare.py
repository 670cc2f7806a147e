"""Embeds every text of all parts, once: vectors.pkl in FIT_FOLDER."""
import os, pickle, time
from common import HARD, LAB, embed, read_hard, read_pairs, session, tokenizer

pairs = [p for part in ("train", "dev") for p in read_pairs(part)] + [p for name in HARD for p in read_hard(name)]
texts = sorted({p[k] for p in pairs for k in "ab"})
start = time.time()
vectors = embed(texts, session(2), tokenizer())
os.makedirs(LAB, exist_ok=True)
with open(f"{LAB}/vectors.pkl", "wb") as f:
    pickle.dump(dict(zip(texts, vectors)), f, protocol=5)
print(f"{len(texts)} texts in {time.time() - start:.0f} s")
