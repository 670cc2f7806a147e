"""Writes made.json: features and vetoes of some pairs, which a test of ../src/compare compares with its own."""
import json
from common import HERE, read_hard
from features import Text, pair, vetoes

# Signs and spellings that the hard pairs have few of.
ODD = [("Is 16GB enough for `os.path`?", "Is 16 GB enough for os.path?"), ("What's x + y?", "What's x - y?"), ("Was kostet 5 € in $?", "Was kosten 5 Euro in Dollar?"),
       ("", "Why?"), ("日本語 to English", "中文 to English"), ("It isn’t May, is it?", "It isn't may, is it"), ("¿No hay ni uno?", "¿Hay uno?"),
       ("Stories of 2024-03-05 and 12.", "Story of 05.03.2024 or twelve"), ("Who's James's boss into Paris?", "Who is James' boss to Paris?"), ("30 C in F", "30 F in C"),
       ("How can I disable getUser() with -v?", "How do I enable get_user() with v?"), ("un café à Paris, sans sucre", "un cafe a Paris avec du sucre")]
made = []
for a, b in [(p["a"], p["b"]) for p in read_hard("hard-fit")[::16]] + ODD:
    A, B = Text(a), Text(b)
    made.append(dict(a=a, b=b, cosine=.9, features=[round(float(x), 6) for x in pair(A, B, .9)], vetoes=sorted(vetoes(A, B, .9))))
with open(f"{HERE}/made.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(m, ensure_ascii=False) for m in made) + "\n]\n")
