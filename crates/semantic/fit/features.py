"""Pair features of the light verifier and the vetoes. Everything is symmetric in the two texts.

Words: maximal runs of Unicode letters and digits, apostrophes allowed inside, lower-cased; a run of digits is
cut from letters that touch it. The service reads texts in the same way: ../src/compare.
"""
import re
from lexicon import LEX
FUNCTION, NEGATIVE, CLASSES, MARKERS, ASKS = set(LEX["function"]), set(LEX["negative"]), LEX["classes"], set(LEX["markers"]), set(LEX["asks"])
WORD = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)*")
DATE = re.compile(r"\d+(?:[-/.:]\d+)+")
LANGUAGE = {l: set(ws) for l, ws in LEX["language"].items()}
SYMBOLS, EXCHANGE = LEX["symbols"], set(LEX["exchange"])
CODE = re.compile(r"[^\s\"“”]+")
SUBSTITUTE = 0.96
STRIP = "?!.,;:\"'“”‘’()[]{}<>¿¡«»`"

def stem(w):
    if w.endswith("'s"): w = w[:-2]
    if len(w) > 6 and w.endswith("ing"): return w[:-3]
    if len(w) > 5 and w.endswith("ed"): return w[:-2]
    if len(w) > 4 and w.endswith("ies"): return w[:-3] + "y"
    if len(w) > 3 and w.endswith("s") and not w.endswith("ss"): return w[:-1]
    if len(w) > 4 and w.endswith("e"): return w[:-1]
    return w
def is_code(t):
    """A word that carries signs only code has: an inner underscore, ::, a dot between letters, a call, a flag, camel case, or digits and capitals mixed."""
    if t.endswith("()") : return True
    core = t.strip(STRIP)
    if not core: return False
    if "_" in core or "::" in core or "`" in t: return True
    if t.startswith("-") and len(core) > 1 and core.lstrip("-")[:1].isalpha(): return True
    if re.search(r"[A-Za-z]\.[A-Za-z]", core): return True
    if re.search(r"[a-z][A-Z]", core): return True
    return False

def is_symbol(ch):
    """An operator, or a letter or digit of another script than Latin."""
    return ch in "+*/=<>^~|\\" or "\u2190" <= ch <= "\u22ff" or (ch.isalnum() and ch > "\u024f" and not "\u1e00" <= ch <= "\u1eff")

class Text:
    def __init__(self, text):
        spaced = "".join(f" {SYMBOLS[ch]} " if ch in SYMBOLS else ch for ch in text)
        raw = [m.group() for m in WORD.finditer(spaced)]
        w = [x.lower().replace("’", "'") for x in raw]
        w = [x[:-2] if x.endswith("'s") and x not in FUNCTION and x not in NEGATIVE else x for x in w]; self.w = w; self.set = set(w)
        n = {l: sum(x in ws for x in w) for l, ws in LANGUAGE.items()}
        best = max(n.values()); self.lang = next(l for l in ("en", "de", "fr", "es") if n[l] == best) if best else "en"; self.sure = best > 0
        self.nlang = n
        self.c = [stem(x) for x in w if x not in FUNCTION]; self.cset = set(self.c)
        s = " " + " ".join(w) + " "; self.tri = {s[i:i + 3] for i in range(len(s) - 2)}
        self.bi = set(zip(["^"] + w, w + ["$"]))
        dates = DATE.findall(text)
        nums = [x for x in re.findall(r"\d+", DATE.sub(" ", text))] + dates
        cl = []
        for i, x in enumerate(w):
            k = CLASSES.get(x)
            if x in ("may", "march", "mars", "second") and not (raw[i][0].isupper() and i > 0): k = None
            if k and k.startswith("n") and not k.startswith("nau"): 
                if k == "n1": k = None
                else: nums.append(k[1:]); k = None
            if k: cl.append(k)
            if i > 0 and w[i - 1].isdigit() and x in ("c", "f", "g", "m", "l", "k", "h"): cl.append("unit:" + x)
        self.num = sorted(nums); self.cls = set(cl)
        neg = NEGATIVE - ({"no"} if self.lang == "es" else set())
        self.neg = sum(x in neg or (self.lang == "es" and x in ("no", "ni")) or x.endswith("n't") for x in w)
        self.caps = {x for i, x in enumerate(w) if i > 0 and raw[i][0].isupper() and x not in FUNCTION}
        self.code = {t.strip(STRIP) for t in CODE.findall(text) if is_code(t)}
        fr, to = set(LEX["from"][self.lang]), set(LEX["to"][self.lang]); self.role = {}
        for i, x in enumerate(w):
            if x in fr or x in to:
                for y in w[i + 1:i + 4]:
                    if y in FUNCTION: continue
                    self.role.setdefault(stem(y), "f" if x in fr else "t"); break
        self.mark = {}
        for i, x in enumerate(w):
            if x in FUNCTION: continue
            m = ""
            for y in reversed(w[max(0, i - 2):i]):
                if y in MARKERS: m = y; break
                if y not in FUNCTION: break
            self.mark.setdefault(stem(x), "to" if m == "into" else m)
        self.sym = [ch for ch in text if ch not in SYMBOLS and is_symbol(ch)]
        self.ask = next((x for x in w if x in ASKS), "")

def dice(x, y): return 2 * len(x & y) / (len(x) + len(y)) if x or y else 1.0
def shared_order(A, B, seq_a, seq_b):
    pos = {}
    for i, x in enumerate(seq_b): pos.setdefault(x, i)
    seen = set(); out = []
    for x in seq_a:
        if x in pos and x not in seen: out.append((x, pos[x])); seen.add(x)
    return out
def inverted(A, B):
    """Pairs of shared content words in another order, less those whose preposition moved along with them."""
    s = shared_order(A, B, A.c, B.c); bad = []
    for i in range(len(s)):
        for j in range(i + 1, len(s)):
            if s[i][1] > s[j][1]:
                x, y = s[i][0], s[j][0]
                kept = A.mark[x] == B.mark[x] and A.mark[y] == B.mark[y] and (A.mark[x] or A.mark[y])
                if not kept: bad.append((x, y))
    return bad
def swapped(A, B):
    """The same words, the function words in the same order, the content words not: two things changed places."""
    return A.c != B.c and sorted(A.c) == sorted(B.c) and [x for x in A.w if x in FUNCTION] == [x for x in B.w if x in FUNCTION]
def exchanged(A, B):
    """After one preposition stands x here and y there, and each text has the other word elsewhere."""
    both = A.cset & B.cset
    for x in both:
        m = A.mark[x]
        if m not in EXCHANGE or B.mark[x] == m: continue
        if any(y != x and B.mark[y] == m and A.mark[y] != m for y in both): return True
    return False

def substituted(A, B):
    """The same frame of function words around other content."""
    f = lambda t: [x for x in t.w if x in FUNCTION]
    return bool(A.cset - B.cset) and bool(B.cset - A.cset) and f(A) == f(B)

def turned(A, B):
    """Three shared content words stand in exactly the reverse order: two changed places round a third."""
    s = [p for _, p in shared_order(A, B, A.c, B.c)]
    for j in range(1, len(s) - 1):
        if any(p > s[j] for p in s[:j]) and any(p < s[j] for p in s[j + 1:]):
            x = [(w, p) for w, p in shared_order(A, B, A.c, B.c)]
            for w, p in x[:j]:
                for v, q in x[j + 1:]:
                    if p > s[j] > q and not (A.mark[w] == B.mark[w] and A.mark[v] == B.mark[v] and (A.mark[w] or A.mark[v])): return True
    return False

def vetoes(A, B, cos=0.9):
    """The names of the vetoes that hold against serving one for the other."""
    v = []
    if A.num != B.num: v.append("number")
    if A.cls != B.cls: v.append("class")
    if A.neg % 2 != B.neg % 2: v.append("negation")
    off_a, off_b = A.caps - B.set, B.caps - A.set
    # German writes every noun with a capital: there a name must stand against a name.
    if (off_a and off_b) or ((off_a or off_b) and "de" not in (A.lang, B.lang)): v.append("name")
    if substituted(A, B) and cos < SUBSTITUTE: v.append("substitution")
    if A.code != B.code: v.append("code")
    if A.sym != B.sym: v.append("symbol")
    if A.sure and B.sure and A.lang != B.lang and A.nlang[B.lang] < B.nlang[B.lang] and B.nlang[A.lang] < A.nlang[A.lang]: v.append("language")
    if exchanged(A, B) or any(B.role.get(x, r) != r for x, r in A.role.items()): v.append("direction")
    caps = {stem(x) for x in A.caps | B.caps}
    if swapped(A, B) or turned(A, B) or any(x in caps and y in caps for x, y in inverted(A, B)): v.append("order")
    return v

def pair(A, B, cos):
    f = [cos]
    def put(x, y): f.extend((min(x, y), max(x, y)))
    f.append(dice(A.set, B.set)); f.append(dice(A.bi, B.bi)); f.append(dice(A.tri, B.tri))
    s = shared_order(A, B, A.w, B.w); n = len(s); inv = sum(s[i][1] > s[j][1] for i in range(n) for j in range(i + 1, n))
    f.append(inv / max(n * (n - 1) / 2, 1)); f.append(inv)
    # content words left over, and whether the content is the same in the same order
    put(len(A.cset - B.cset), len(B.cset - A.cset)); f.append(dice(A.cset, B.cset)); f.append(float(A.c == B.c)); f.append(len(A.cset & B.cset)); f.append(len(inverted(A, B)))
    f.append(float(A.num == B.num)); f.append(float(A.cls == B.cls)); f.append(abs(A.neg - B.neg)); f.append(len((A.caps - B.set) | (B.caps - A.set))); f.append(len(A.caps | B.caps)); f.append(float(A.code == B.code))
    f.append(float(A.ask == B.ask)); f.append(float(A.w[:1] == B.w[:1])); f.append(float(A.w[-1:] == B.w[-1:]))
    put(len(A.w), len(B.w)); f.append(abs(len(A.w) - len(B.w)))
    # How much there is that could differ and does not: pairs with other numbers, classes and so on are vetoed.
    f.append(min(len(A.num), len(B.num))); f.append(min(len(A.cls), len(B.cls))); f.append(min(A.neg, B.neg)); f.append(len(A.role.keys() & B.role.keys()))
    return f
NAMES = "cos dice_w dice_bi dice_tri inv_rate inv extra- extra+ dice_c same_c shared_c inv_bad num cls neg caps_off caps code ask first last len- len+ len_diff num_n cls_n neg_n role_n".split()
