"""Rows for the trees: the five nearest cached texts of every lookup, and the hard pairs."""
import pickle
import numpy as np
from common import LAB, read_hard, retrieve
from features import NAMES, Text, pair, vetoes
from hood import HOOD, hood, lonely

JUDGED, NEAREST, LEAST = 5, 8, 0.7
ALL = NAMES + HOOD


class Rows:
    """features: [lookups, 5, features]; right, open: [lookups, 5], where open ones reach the trees."""
    def __init__(self, features, right, open):
        self.features, self.right, self.open = features, right, open

    def join(self, other):
        return Rows(*(np.concatenate(z) for z in zip(vars(self).values(), vars(other).values())))

    def take(self, which):
        return Rows(self.features[which], self.right[which], self.open[which])

    def answers(self, model):
        """Each lookup's best score, and whether that answer is right."""
        score = np.full(self.open.shape, -50.0)
        score[self.open] = model.predict(self.features[self.open], raw_score=True)
        best = score.argmax(1)[:, None]
        return np.take_along_axis(score, best, 1)[:, 0], np.take_along_axis(self.right, best, 1)[:, 0]


class Maker:
    """Makes rows, and keeps what it found of texts and pairs, as they come again in other caches."""
    def __init__(self):
        with open(f"{LAB}/vectors.pkl", "rb") as f:
            self.vectors = pickle.load(f)
        self.texts, self.pairs = {}, {}

    def text(self, text):
        if text not in self.texts:
            self.texts[text] = Text(text)
        return self.texts[text]

    def pair(self, a, b, cos):
        if (a, b) not in self.pairs:
            A, B = self.text(a), self.text(b)
            self.pairs[a, b] = pair(A, B, cos), not vetoes(A, B, cos)
        return self.pairs[a, b]

    def lookups(self, pairs):
        """All `b` looked up in a cache of all `a`."""
        cached, idx, cos, right = retrieve(pairs, self.vectors, NEAREST)
        A = np.stack([self.vectors[t] for t in cached])
        features = np.zeros((len(pairs), JUDGED, len(ALL)), np.float32)
        open = np.zeros((len(pairs), JUDGED), bool)
        for n, p in enumerate(pairs):
            around = hood(cos[n], A[idx[n]])
            for k in range(JUDGED):
                if cos[n, k] >= LEAST:
                    found, open[n, k] = self.pair(cached[idx[n, k]], p["b"], float(cos[n, k]))
                    features[n, k] = np.concatenate([found, around[k]])
        return Rows(features, right[:, :JUDGED], open)

    def hard(self, name):
        """Every pair as a cache of one question; with the pairs themselves."""
        pairs = read_hard(name)
        made = [self.pair(p["a"], p["b"], float(self.vectors[p["a"]] @ self.vectors[p["b"]])) for p in pairs]
        features = np.array([f + lonely(f[0]) for f, _ in made], np.float32)[:, None]
        return pairs, Rows(features, np.array([[p["same"]] for p in pairs]), np.array([[o and f[0] >= LEAST] for f, o in made]))

    def among(self, rows, hard, others):
        """The hard pairs once more, each cached question among the other pairs' `a`; closed where it is not of the five nearest."""
        A = np.stack([self.vectors[t] for t in sorted({p["a"] for p in others})])
        features, open = rows.features.copy(), rows.open.copy()
        for n, p in enumerate(hard):
            own, lookup = self.vectors[p["a"]], self.vectors[p["b"]]
            near = A[np.argsort(-(A @ lookup), kind="stable")[:NEAREST - 1]]
            near = np.vstack([own[None], near])
            order = np.argsort(-(near @ lookup), kind="stable")
            place = int(np.nonzero(order == 0)[0][0])
            features[n, 0, len(NAMES):] = hood((near @ lookup)[order], near[order])[place]
            open[n] &= place < JUDGED
        return Rows(features, rows.right, open)
