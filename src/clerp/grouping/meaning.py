"""How near the labels of features are in meaning."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, groupby

import numpy as np
from jaxtyping import Float32, Float64

from clerp.embedding import embed_unit
from clerp.grouping.label_form import LabelForm
from clerp.grouping.profiles import DECIMALS
from clerp.labelers.word_families import are_related
from clerp.plugins import Embedder


def compare_labels(
    forms: Sequence[LabelForm], embedder: Embedder
) -> Float64[np.ndarray, "label label"]:
    """Compare what labels are about, whatever side they speak of.

    Two labels are as near as the larger of two cosines: that of their sets of words, where forms of
    one word are one (`state`, `states`), and that of their embedded texts, which knows `small` from
    `tiny`. The first is there because an embedder blurs rare words, and has none of some languages.

    Returns:
        Similarity of each pair, 0 to 1; 0 for a label without words.
    """
    words = {form.body: form.words for form in forms if form.words}
    bodies = sorted(words)
    vectors = embed_unit(bodies, embedder)
    near = np.maximum(vectors @ vectors.T, compare_words([words[body] for body in bodies]))
    padded = np.pad(np.round(near.astype(np.float64).clip(0, 1), DECIMALS), (0, 1))
    place = {body: i for i, body in enumerate(bodies)}
    rows = [place.get(form.body, len(bodies)) for form in forms]
    return padded[np.ix_(rows, rows)]


def compare_words(
    sets: Sequence[Sequence[str]],
) -> Float32[np.ndarray, "label label"]:
    """Return the cosine of each pair of sets of words (Ochiai's coefficient), 1 for equal ones."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for place, words in enumerate(sets):
        for word in words:
            holders[word].append(place)
    # Words of one label that the other has, too, in any of their forms.
    shared = np.zeros((len(sets), len(sets)), dtype=np.float32)
    for word, forms in _list_forms(sorted(holders)).items():
        related = sorted({place for form in forms for place in holders[form]})
        shared[np.ix_(holders[word], related)] += 1
    sizes = np.array([max(len(words), 1) for words in sets], dtype=np.float32)
    return np.sqrt(shared * shared.T / np.outer(sizes, sizes))


def _list_forms(vocabulary: Sequence[str]) -> dict[str, list[str]]:
    """List the forms of each word that the vocabulary has, itself first."""
    forms = {word: [word] for word in vocabulary}
    # Forms of one word begin alike, and few words do.
    for _, alike in groupby(vocabulary, lambda word: word[:2]):
        for one, other in combinations(alike, 2):
            if are_related(one, other):
                forms[one].append(other)
                forms[other].append(one)
    return forms
