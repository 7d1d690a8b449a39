"""How varied the sample texts are: the share of distinct character 4-grams and the near-duplicate rate.

    python samples/variety.py

Near-duplicates: pairs whose sets of character 3-grams have a Jaccard similarity of 0.5 or more, over all pairs.
"""

import csv
from collections import Counter
from itertools import combinations
from pathlib import Path

NEWS = Path(__file__).with_name("news.csv")
SIMILAR = 0.5


def main() -> None:
    with NEWS.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [row["text"] for row in rows]
    fours = [text[i : i + 4] for text in texts for i in range(len(text) - 3)]
    threes = [{text[i : i + 3] for i in range(len(text) - 2)} for text in texts]
    near = [(a, b) for a, b in combinations(range(len(texts)), 2) if jaccard(threes[a], threes[b]) >= SIMILAR]
    labels = [row["labels"].split("|") if row["labels"] else [] for row in rows]
    lengths = sorted(map(len, texts))

    print(f"texts                          {len(texts)}")
    print(f"characters                     {lengths[0]} to {lengths[-1]}, median {lengths[len(lengths) // 2]}")
    print(f"labels a text                  {dict(sorted(Counter(map(len, labels)).items()))}")
    print(f"texts a label                  {dict(Counter(label for row in labels for label in row).most_common())}")
    print(f"distinct character 4-grams     {len(set(fours)) / len(fours):.1%} of {len(fours):,}")
    print(f"texts with a near-duplicate    {len({row for pair in near for row in pair}) / len(texts):.2%}")
    for a, b in near:
        print(f"  {texts[a]}\n  {texts[b]}")


def jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b)


if __name__ == "__main__":
    main()
